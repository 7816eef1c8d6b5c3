//! Common certificates: made for a batch, exported once, stopped.

use authority::{AuthorityError, Desk};
use cert::{Certificate, PeerIdentity};
use identity::CommonBatch;
use message::problem::ProblemCode;
use pki::SigningKey;
use store::audit;
use store::authority::common_certificate::CommonCertificate;
use store::testing::{TestDatabase, on_both, tamper};

use crate::plant::{Plant, START, code, passphrase, person};

fn batch(text: &str) -> CommonBatch {
    text.parse().unwrap()
}

async fn make(desk: &Desk, product: &str) -> Result<CommonCertificate, AuthorityError> {
    desk.make_common_certificate(&product.parse().unwrap(), 100, passphrase(), &person()).await
}

async fn export(desk: &Desk, of: &str) -> Result<Vec<u8>, AuthorityError> {
    let exported = desk.export_common_certificate(&batch(of), passphrase(), &person()).await?;
    assert_eq!(exported.batch, batch(of));
    Ok(exported.key.expose().to_vec())
}

async fn stop(desk: &Desk, of: &str) -> Result<(), AuthorityError> {
    desk.stop_common_certificate(&batch(of), "it has leaked", &person()).await
}

fn refusal<T>(result: Result<T, AuthorityError>) -> ProblemCode {
    code(&result.err().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_batch_has_its_own_and_each_is_exported_once_and_stopped_once() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let desk = plant.authority.desk();
        for expected in ["3012-1", "3012-2", "A123-1"] {
            let made = make(desk, &expected[..4]).await.unwrap();
            assert_eq!(made.batch, batch(expected));
            let peer = plant.authority.trust().verify_peer(&made.certificate, START);
            assert!(matches!(peer, Ok(PeerIdentity::Common(peer)) if peer.batch == made.batch));
            assert_eq!(Certificate::parse(&made.certificate).unwrap().device_number(), None);
        }
        assert_eq!(refusal(make(desk, "3099").await), ProblemCode::UnknownProduct);
        assert_eq!(refusal(make(desk, "3013").await), ProblemCode::ProductWithoutCredential);

        let (first, second) = (export(desk, "3012-1").await.unwrap(), export(desk, "A123-1").await.unwrap());
        assert_ne!(first, second);
        assert_eq!(refusal(export(desk, "3012-1").await), ProblemCode::Conflict);
        stop(desk, "3012-2").await.unwrap();
        assert_eq!(refusal(export(desk, "3012-2").await), ProblemCode::Conflict);
        assert_eq!(refusal(stop(desk, "3012-2").await), ProblemCode::Conflict);
        assert_eq!(refusal(stop(desk, "3012-3").await), ProblemCode::NotFound);
        stop(desk, "3012-1").await.unwrap();
        let found = desk.common_certificates().await.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|common| (common.batch.to_string(), common.exported.is_some(), common.stopped.is_some()))
            .collect();
        let expected = [("3012-1", true, true), ("3012-2", false, true), ("A123-1", true, false)]
            .map(|(of, was, is)| (of.to_owned(), was, is));
        assert_eq!(found, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_is_audited_and_neither_log_nor_database_has_the_key() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let desk = plant.authority.desk();
    make(desk, "3012").await.unwrap();
    let key = export(desk, "3012-1").await.unwrap();
    stop(desk, "3012-1").await.unwrap();

    let mut log = Vec::new();
    audit::export(&mut plant.store.read().await.unwrap(), &mut log).await.unwrap();
    let log = String::from_utf8(log).unwrap();
    for step in ["make", "export", "stop"] {
        assert!(log.contains(&format!("common-certificate.{step}")), "{step}");
    }
    for entry in std::fs::read_dir(plant.database.directory.path()).unwrap() {
        let content = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!content.windows(key.len()).any(|window| window == key));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_before_gets_its_ca_by_the_roots_key() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        tamper(&plant.store, "DELETE FROM ca WHERE name = 'common'").await;
        plant.restart().await;
        assert!(plant.authority.trust().common().is_none());
        let desk = plant.authority.desk();
        assert_eq!(refusal(make(desk, "3012").await), ProblemCode::NotFound);

        let wrong = SigningKey::generate(identity::profile::KeyAlgorithm::P384).unwrap();
        let enabled = desk.enable_common_certificates(wrong, passphrase(), &person()).await;
        assert!(matches!(enabled, Err(AuthorityError::Issue(_))));
        desk.enable_common_certificates(plant.root_key(), passphrase(), &person()).await.unwrap();
        let made = make(desk, "3012").await.unwrap();
        let again = desk.enable_common_certificates(plant.root_key(), passphrase(), &person()).await;
        assert_eq!(refusal(again), ProblemCode::Conflict);
        plant.restart().await;
        let peer = plant.authority.trust().verify_peer(&made.certificate, START);
        assert!(matches!(peer, Ok(PeerIdentity::Common(_))));
    })
    .await;
}
