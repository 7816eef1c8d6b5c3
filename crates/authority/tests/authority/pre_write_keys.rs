//! Pre-write keys: made, rotated with overlap, exported once, retired.

use authority::{AuthorityError, Desk, PRE_WRITE_KEY_BYTES};
use identity::{KeyIdentifier, ProductCode};
use message::problem::ProblemCode;
use store::audit;
use store::authority::pre_write_key::{PreWriteKey, Stage};
use store::testing::{TestDatabase, on_both};

use crate::plant::{Plant, code, passphrase, person};

fn product() -> ProductCode {
    "A123".parse().unwrap()
}

fn identifier(number: u32) -> KeyIdentifier {
    format!("A123-{number}").parse().unwrap()
}

async fn make(desk: &Desk) -> Result<PreWriteKey, AuthorityError> {
    desk.make_pre_write_key(&product(), passphrase(), &person()).await
}

async fn rotate(desk: &Desk) -> Result<PreWriteKey, AuthorityError> {
    desk.rotate_pre_write_key(&product(), passphrase(), &person()).await
}

async fn export(desk: &Desk, number: u32) -> Result<Vec<u8>, AuthorityError> {
    let exported = desk.export_pre_write_key(&identifier(number), passphrase(), &person()).await?;
    assert_eq!((exported.identifier, exported.product), (identifier(number), product()));
    Ok(exported.key.expose().to_vec())
}

async fn retire(desk: &Desk, number: u32) -> Result<(), AuthorityError> {
    desk.retire_pre_write_key(&identifier(number), &person()).await
}

async fn stages(desk: &Desk) -> Vec<(String, Stage)> {
    let keys = desk.pre_write_keys().await.unwrap();
    keys.into_iter().map(|key| (key.identifier.to_string(), key.stage())).collect()
}

fn refusal<T>(result: Result<T, AuthorityError>) -> ProblemCode {
    code(&result.err().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_product_follow_one_another_and_overlap_until_they_are_retired() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let desk = plant.authority.desk();
        assert_eq!(refusal(rotate(desk).await), ProblemCode::NotFound, "there is none yet");
        assert_eq!(make(desk).await.unwrap().identifier, identifier(1));
        assert_eq!(refusal(make(desk).await), ProblemCode::Conflict);
        assert_eq!(refusal(retire(desk, 1).await), ProblemCode::Conflict, "the current one stays");
        for number in 2..=10 {
            plant.clock.advance(60);
            assert_eq!(rotate(desk).await.unwrap().identifier, identifier(number));
        }
        retire(desk, 1).await.unwrap();
        assert_eq!(refusal(retire(desk, 1).await), ProblemCode::Conflict);
        let mut expected = vec![("A123-1".to_owned(), Stage::Retired)];
        expected.extend((2..10).map(|number| (format!("A123-{number}"), Stage::Previous)));
        expected.push(("A123-10".to_owned(), Stage::Current));
        assert_eq!(stages(desk).await, expected);

        let unknown = desk.make_pre_write_key(&"3099".parse().unwrap(), passphrase(), &person()).await;
        assert_eq!(refusal(unknown), ProblemCode::UnknownProduct);
        assert_eq!(refusal(retire(desk, 11).await), ProblemCode::NotFound);
        plant.conserved().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_exported_once_and_no_key_is_that_of_another() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let desk = plant.authority.desk();
        make(desk).await.unwrap();
        rotate(desk).await.unwrap();
        rotate(desk).await.unwrap();
        let (first, second) = (export(desk, 1).await.unwrap(), export(desk, 2).await.unwrap());
        assert_eq!(first.len(), PRE_WRITE_KEY_BYTES);
        assert_ne!(first, second);
        retire(desk, 2).await.unwrap();
        for number in [1, 2] {
            assert_eq!(refusal(export(desk, number).await), ProblemCode::Conflict, "{number}");
        }
        let at_once = tokio::join!(export(desk, 3), export(desk, 3));
        assert_eq!([&at_once.0, &at_once.1].into_iter().filter(|key| key.is_ok()).count(), 1);
        let exported: Vec<_> =
            desk.pre_write_keys().await.unwrap().into_iter().map(|key| key.exported.is_some()).collect();
        assert_eq!(exported, [true; 3]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_passphrase_spends_no_key() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let desk = plant.authority.desk();
    make(desk).await.unwrap();
    let wrong = store::Secret::new(b"the passphrase of another store".to_vec());
    let refused = desk.export_pre_write_key(&identifier(1), wrong, &person()).await;
    assert!(matches!(refused, Err(AuthorityError::Vault(_))));
    export(desk, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_is_audited_and_neither_log_nor_database_has_a_key() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let desk = plant.authority.desk();
    make(desk).await.unwrap();
    rotate(desk).await.unwrap();
    let keys = [export(desk, 1).await.unwrap(), export(desk, 2).await.unwrap()];
    retire(desk, 1).await.unwrap();

    let mut log = Vec::new();
    audit::export(&mut plant.store.read().await.unwrap(), &mut log).await.unwrap();
    let log = String::from_utf8(log).unwrap();
    let steps = ["make", "rotate", "export", "export", "retire"].map(|step| format!("pre-write-key.{step}"));
    let audited = log.lines().filter_map(|line| steps.iter().find(|step| line.contains(step.as_str())));
    assert_eq!(audited.collect::<Vec<_>>(), steps.iter().collect::<Vec<_>>());

    for entry in std::fs::read_dir(plant.database.directory.path()).unwrap() {
        let content = std::fs::read(entry.unwrap().path()).unwrap();
        for key in &keys {
            assert!(!content.windows(key.len()).any(|window| window == key));
        }
    }
}
