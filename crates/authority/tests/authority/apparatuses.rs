//! Orders for symmetric credentials.

use std::collections::HashSet;

use auth::station_confirmation;
use identity::profile::{Sealing, SymmetricForm};
use message::issue::{APPARATUS_PACKS_MAX, ApparatusPackRequest, ApparatusPacks, OrderId};
use message::problem::ProblemCode;
use message::report::Event;
use store::testing::{TestDatabase, on_both};

use crate::plant::{Plant, code, opened, osaka, passphrase, person, record, symmetric};

fn order(salt: u8, product: &str, count: u32) -> ApparatusPackRequest {
    ApparatusPackRequest { order: OrderId::new([salt; 16]), product: product.parse().unwrap(), count }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_credentials_of_its_own_that_only_devices_can_read() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let key = plant.sealed_product("B500", symmetric(SymmetricForm::Opened, Sealing::PreWriteKey)).await;
        let ApparatusPacks { packs } = plant.order(order(1, "B500", 30)).await.unwrap();
        let other = plant.order(order(2, "B500", 20)).await.unwrap().packs;
        let mut names = HashSet::new();
        let mut secrets = HashSet::new();
        for pack in packs.iter().chain(&other) {
            let credential = opened(pack, "B500", &key);
            assert_eq!(credential.apparatus_id, pack.apparatus_id);
            assert_eq!(pack.sealed.key_identifier.as_ref(), Some(key.identifier()));
            let confirmation = station_confirmation(&credential.pass_phrase, pack.apparatus_id);
            assert_eq!(pack.confirmation.0, confirmation.as_bytes());
            names.insert(pack.apparatus_id);
            secrets.insert(*credential.pass_phrase.expose());
        }
        assert_eq!((names.len(), secrets.len()), (50, 50));
        let challenges: HashSet<_> = packs.iter().map(|pack| &pack.challenge.0).collect();
        assert_eq!(challenges.len(), 1, "a batch has one challenge");
        assert!(!challenges.contains(&other[0].challenge.0), "and each batch its own");
        assert_eq!(plant.conserved().await, [("issued".to_owned(), 50)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_order_gives_the_same_packs_until_one_is_stocked() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        plant.sealed_product("B500", symmetric(SymmetricForm::Sealed, Sealing::PreWriteKey)).await;
        let first = plant.order(order(1, "B500", 5)).await.unwrap();
        plant.restart().await;
        assert!(plant.order(order(1, "B500", 5)).await.unwrap() == first);
        let rotated = plant.authority.desk();
        let (product, passphrase) = ("B500".parse().unwrap(), passphrase());
        rotated.rotate_pre_write_key(&product, passphrase, &person()).await.unwrap();
        assert!(plant.order(order(1, "B500", 5)).await.unwrap() == first, "sealed as they were");
        let next = plant.order(order(2, "B500", 1)).await.unwrap();
        assert_eq!(next.packs[0].sealed.key_identifier.as_ref().unwrap().as_str(), "B500-2");

        for other in [order(1, "B500", 4), order(1, "B500", 6), order(1, "3012", 5)] {
            let refusal = plant.order(other).await.err().map(|error| code(&error));
            assert_eq!(refusal, Some(ProblemCode::Conflict));
        }
        plant.report(vec![record(1, &first.packs[2].apparatus_id, Event::Stocked)]).await;
        let late = plant.order(order(1, "B500", 5)).await;
        assert_eq!(late.err().map(|error| code(&error)), Some(ProblemCode::AlreadyMade));
        let expected = [("issued".to_owned(), 5), ("stocked".to_owned(), 1)];
        assert_eq!(plant.conserved().await, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_at_the_same_time_make_one_batch_and_never_exceed_the_quota() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    plant.sealed_product("B500", symmetric(SymmetricForm::Opened, Sealing::PreWriteKey)).await;
    let (one, other) = tokio::join!(plant.order(order(1, "B500", 30)), plant.order(order(1, "B500", 30)));
    assert!(one.unwrap() == other.unwrap());

    let mut running = tokio::task::JoinSet::new();
    for salt in 2..8 {
        let authority = std::sync::Arc::clone(&plant.authority);
        running.spawn(async move { authority.issue_apparatuses(&osaka(), order(salt, "B500", 30)).await });
    }
    let results = running.join_all().await;
    let refusals: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).map(code).collect();
    assert_eq!(refusals, [ProblemCode::OverQuota; 4], "of a hundred, thirty were made");
    assert_eq!(plant.conserved().await, [("issued".to_owned(), 90)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_may_not_be_is_refused_whole() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        plant.sealed_product("B500", symmetric(SymmetricForm::Opened, Sealing::PreWriteKey)).await;
        plant.sealed_product("B600", symmetric(SymmetricForm::Opened, Sealing::DeviceKey)).await;
        plant.set_product("B700", symmetric(SymmetricForm::Opened, Sealing::PreWriteKey)).await;
        plant.allot("B700", Some(10), None).await.unwrap();
        plant.sealed_product("B800", symmetric(SymmetricForm::Opened, Sealing::PreWriteKey)).await;
        plant.allot("B800", Some(0), None).await.unwrap();
        for (product, count, expected) in [
            ("B500", 0, ProblemCode::MalformedRequest),
            ("B500", APPARATUS_PACKS_MAX + 1, ProblemCode::MalformedRequest),
            ("B500", 101, ProblemCode::OverQuota),
            ("B600", 1, ProblemCode::NotAllowed),
            ("B700", 1, ProblemCode::NoPreWriteKey),
            ("B800", 1, ProblemCode::OverQuota),
            ("3012", 1, ProblemCode::ProductWithoutCredential),
            ("3013", 1, ProblemCode::ProductWithoutCredential),
            ("9999", 1, ProblemCode::UnknownProduct),
        ] {
            let refusal = plant.order(order(9, product, count)).await.err().map(|error| code(&error));
            assert_eq!(refusal, Some(expected), "{count} of {product}");
        }
        let without_key = plant.order(order(9, "B700", 1)).await.unwrap_err().to_string();
        assert!(without_key.contains("touchmark authority pre-write-key make B700"), "{without_key}");
        let kyoto = "kyoto".parse().unwrap();
        let elsewhere = plant.authority.issue_apparatuses(&kyoto, order(9, "B500", 1)).await;
        assert_eq!(elsewhere.err().map(|error| code(&error)), Some(ProblemCode::OutOfRange));
        assert_eq!(plant.conserved().await, [], "nothing was issued");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_store_nor_log_has_a_pass_phrase_in_clear() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let key = plant.sealed_product("B500", symmetric(SymmetricForm::Opened, Sealing::PreWriteKey)).await;
    let packs = plant.order(order(1, "B500", 20)).await.unwrap().packs;
    for entry in std::fs::read_dir(plant.database.directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        for pack in &packs {
            let secret = *opened(pack, "B500", &key).pass_phrase.expose();
            assert!(!content.windows(32).any(|window| window == secret), "{}", path.display());
        }
    }
}
