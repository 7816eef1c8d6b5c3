//! Orders for packs.

use std::collections::HashSet;

use authority::{AuthorityError, Ceremony, Names, SetupError};
use cert::lint::{Issuer, Kind, findings_of_certificate};
use cert::{Certificate, DeviceVerifier};
use identity::DeviceNumber;
use message::problem::ProblemCode;
use message::report::Event;
use store::audit::Cause;
use store::authority::credential::{self, Intent};
use store::testing::{TestDatabase, on_both};

use crate::plant::{Plant, SystemRandom, code, numbers, osaka, passphrase, person, record, secret_key};

#[tokio::test(flavor = "multi_thread")]
async fn every_number_gets_a_pack_of_its_own_that_every_rule_allows() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let mut asked = numbers("3012", 123_000..123_060);
        asked.extend(numbers("A123", 123_500..123_520));
        let issued = plant.issue(&asked).await.unwrap();
        let trust = plant.authority.trust();
        let issuer = Issuer::of(trust.issuing()[0].der()).unwrap();
        let mut keys = HashSet::new();
        for (numbered, asked) in issued.packs.iter().zip(&asked) {
            let der = &numbered.pack.client_certificate.0;
            assert_eq!(&numbered.device_number, asked);
            assert_eq!(findings_of_certificate(der, Kind::Device, Some(&issuer)), []);
            let device = DeviceVerifier::new(trust.clone()).verify(der, crate::plant::START).unwrap();
            assert_eq!(&device.number, asked);
            keys.insert(device.spki_sha256);
            let certificate = Certificate::parse(der).unwrap();
            let is_of_3012 = asked.product().as_str() == "3012";
            assert_eq!(certificate.not_after() == pki::NO_EXPIRY, is_of_3012, "{asked}");
            assert_eq!(certificate.subject().contains("Example Works"), !is_of_3012, "{asked}");
        }
        assert_eq!(keys.len(), asked.len());
        assert_eq!(plant.conserved().await, [("issued".to_owned(), 80)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_numbers_give_the_same_packs_until_they_are_stocked() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let asked = numbers("3012", 123_000..123_005);
        let first = plant.issue(&asked).await.unwrap();
        assert!(plant.issue(&asked).await.unwrap() == first);
        plant.restart().await;
        assert!(plant.issue(&asked).await.unwrap() == first);

        // An order that overlaps an earlier one: the old packs and new ones, in the order asked.
        let more: Vec<DeviceNumber> = numbers("3012", 123_003..123_008).into_iter().rev().collect();
        let overlapping = plant.issue(&more).await.unwrap();
        assert!(overlapping.packs[4] == first.packs[3] && overlapping.packs[3] == first.packs[4]);
        assert_eq!(plant.conserved().await, [("issued".to_owned(), 8)]);

        plant.report(vec![record(1, &asked[0], Event::Stocked)]).await;
        let after = plant.issue(&asked).await;
        assert_eq!(after.err().map(|error| code(&error)), Some(ProblemCode::AlreadyMade));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_at_the_same_time_for_the_same_numbers_get_the_same_packs() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let asked = numbers("3012", 123_000..123_050);
    let (one, other) = tokio::join!(plant.issue(&asked), plant.issue(&asked));
    assert!(one.unwrap() == other.unwrap());
    assert_eq!(plant.conserved().await, [("issued".to_owned(), 50)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_may_not_be_is_refused_whole() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        plant.issue(&numbers("A123", 123_000..123_010)).await.unwrap();
        let good = numbers("3012", 123_000..123_002);
        let with = |number: &str| [good.clone(), vec![number.parse().unwrap()]].concat();
        let cases: Vec<(Vec<DeviceNumber>, ProblemCode)> = vec![
            (vec![], ProblemCode::MalformedRequest),
            (numbers("3012", 0..1_001), ProblemCode::MalformedRequest),
            (with("3012-123000"), ProblemCode::MalformedRequest),
            (with("9999-123000"), ProblemCode::UnknownProduct),
            (with("3013-123000"), ProblemCode::ProductWithoutCredential),
            (with("3012-122999"), ProblemCode::OutOfRange),
            (with("3012-124000"), ProblemCode::OutOfRange),
            (with("3012-0123000"), ProblemCode::OutOfRange),
            (numbers("3012", 123_000..123_101), ProblemCode::OverQuota),
            (numbers("A123", 123_010..123_051), ProblemCode::OverQuota),
        ];
        for (order, expected) in cases {
            let refusal = plant.issue(&order).await.err().map(|error| code(&error));
            assert_eq!(refusal, Some(expected), "{order:?}");
        }
        assert_eq!(plant.conserved().await, [("issued".to_owned(), 10)], "nothing was issued");
        plant.issue(&numbers("A123", 123_010..123_050)).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_factory_gets_none_of_these_numbers() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let asked = numbers("3012", 123_000..123_002);
    plant.issue(&asked).await.unwrap();
    let kyoto = "kyoto".parse().unwrap();
    let desk = plant.authority.desk();
    desk.add_factory(&kyoto, &person()).await.unwrap();
    desk.allot(&kyoto, &"3012".parse().unwrap(), Some(10), None, &person()).await.unwrap();
    let order = async |numbers: &[DeviceNumber]| {
        let request = message::issue::CertificateTransmissionRequest { device_numbers: numbers.to_vec() };
        plant.authority.issue(&kyoto, request).await.err().map(|error| code(&error))
    };
    assert_eq!(order(&asked).await, Some(ProblemCode::AlreadyMade));
    assert_eq!(order(&numbers("3012", 123_002..123_003)).await, Some(ProblemCode::OutOfRange));
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_never_exceeded_by_orders_at_the_same_time() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let orders: Vec<_> = (0..8).map(|n| numbers("3012", 123_000 + n * 30..123_030 + n * 30)).collect();
    let mut running = tokio::task::JoinSet::new();
    for order in orders {
        let authority = std::sync::Arc::clone(&plant.authority);
        running.spawn(async move {
            let request = message::issue::CertificateTransmissionRequest { device_numbers: order };
            authority.issue(&osaka(), request).await.map(|issued| issued.packs.len())
        });
    }
    let results: Vec<_> = running.join_all().await;
    let refusals: Vec<_> =
        results.iter().filter_map(|result| result.as_ref().err()).map(AuthorityError::problem).collect();
    assert_eq!(refusals.len(), 5, "{refusals:?}");
    assert!(refusals.iter().all(|problem| problem.code == ProblemCode::OverQuota), "{refusals:?}");
    assert_eq!(plant.conserved().await, [("issued".to_owned(), 90)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_signature_is_given_up_and_the_number_issued_afresh() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let asked = numbers("3012", 123_000..123_004);
        // What a crash between intent and signature leaves behind.
        let leave_intents = async |salt: u8, numbers: Vec<DeviceNumber>| {
            let intents: Vec<Intent> = numbers
                .iter()
                .map(|number| Intent {
                    number: number.clone(),
                    certificate_serial: [&[salt][..], number.text().as_bytes()].concat(),
                    public_key_sha256: [&[salt][..], number.text().as_bytes()].concat(),
                })
                .collect();
            let stored: Result<(), store::StoreError> = plant
                .store
                .write(move |transaction| {
                    Box::pin(async move {
                        let cause = Cause { time: 1, actor: "tester", action: "credential.intend" };
                        let count = intents.len() as i64;
                        let product = "3012".parse().unwrap();
                        store::authority::allotment::count_issued(transaction, &osaka(), &product, count)
                            .await?;
                        credential::intend(transaction, cause, &osaka(), &intents).await
                    })
                })
                .await;
            stored.unwrap();
        };
        leave_intents(1, asked.clone()).await;
        assert_eq!(plant.conserved().await, [("intended".to_owned(), 4)]);
        plant.issue(&asked[..2]).await.unwrap();
        let expected = [("intended".to_owned(), 2), ("issued".to_owned(), 2)];
        assert_eq!(plant.conserved().await, expected);

        plant.restart().await;
        assert_eq!(plant.conserved().await, [("issued".to_owned(), 2)]);
        plant.issue(&asked).await.unwrap();
        assert_eq!(plant.conserved().await, [("issued".to_owned(), 4)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn serials_of_two_factories_never_overlap_and_quotas_may_change() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    for (first, last) in [("123999", "124000"), ("122000", "123000"), ("123500", "123500")] {
        let taken = plant.allot("3012", None, Some((first, last))).await.unwrap_err();
        assert_eq!(code(&taken), ProblemCode::Conflict, "{first} to {last}");
    }
    for (first, last) in [("124001", "124000"), ("124000", "0125000")] {
        let none = plant.allot("3012", None, Some((first, last))).await.unwrap_err();
        assert_eq!(code(&none), ProblemCode::MalformedRequest, "{first} to {last}");
    }
    plant.allot("3012", Some(1), Some(("124000", "124009"))).await.unwrap();
    let two = numbers("3012", 124_000..124_002);
    assert_eq!(code(&plant.issue(&two).await.err().unwrap()), ProblemCode::OverQuota);
    plant.allot("3012", Some(2), None).await.unwrap();
    plant.issue(&two).await.unwrap();
    let said = plant.authority.desk().allotment(&osaka()).await.unwrap();
    let products: Vec<_> = said.products.iter().map(|product| product.product.as_str()).collect();
    assert_eq!(products, ["3012", "A123"], "3013 takes no certificate");
    assert_eq!((said.products[0].quota, said.products[0].issued), (2, 2));
    assert_eq!(said.products[0].serial_ranges.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_holds_one_authority() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let names = Names { authority: "other".parse().unwrap(), organization: None };
    let ceremony = Ceremony::prepare(&names, plant.clock.as_ref(), &SystemRandom).unwrap();
    let again = ceremony.store(&plant.store, passphrase(), &person()).await;
    assert!(matches!(again, Err(SetupError::Exists)), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_holds_no_device_key_in_clear() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let issued = plant.issue(&numbers("3012", 123_000..123_020)).await.unwrap();
    for entry in std::fs::read_dir(plant.database.directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        for numbered in &issued.packs {
            // The private scalar inside PKCS#8 (RFC 5915).
            let secret = &secret_key(numbered)[36..68];
            assert!(!content.windows(32).any(|window| window == secret), "{}", path.display());
        }
    }
}
