//! Certificates that follow a device's first: each key once, the old one good until the new one was
//! shown, and nothing left half done.

use cert::{DeviceIdentity, DeviceVerifier};
use identity::CredentialState::{Leased, Verified, Voided};
use identity::profile::KeyAlgorithm;
use identity::{CredentialState, DeviceNumber, RevocationReason};
use message::bytes::Bytes;
use message::pack::PackKey;
use message::problem::ProblemCode;
use message::renewal::RenewalRequest;
use message::report::Event;
use store::audit;
use store::authority::selection::Selection;
use store::authority::successor::{self, SuccessionCause};
use store::testing::{TestDatabase, on_both};

use crate::born::BornKey;
use crate::plant::{Plant, code, numbers, outcomes, person, record, verified};

const DAY: i64 = 86_400;

/// Who a device with this certificate is.
pub fn identity_of(plant: &Plant, certificate: &Bytes) -> DeviceIdentity {
    let verifier = DeviceVerifier::new(plant.authority.trust().clone());
    verifier.verify(&certificate.0, identity::Clock::epoch_seconds(plant.clock.as_ref())).unwrap()
}

/// A device of this serial that was made.
pub async fn made(plant: &Plant, serial: u32) -> DeviceIdentity {
    let number = numbers("3012", serial..serial + 1);
    let pack = plant.issue(&number).await.unwrap().packs.remove(0);
    let first = u64::from(serial) * 2 - 1;
    let chip = format!("{serial:016}");
    let records = vec![
        record(first, &number[0], Event::Stocked),
        record(first + 1, &number[0], verified(&pack, &chip)),
    ];
    assert_eq!(outcomes(&plant.report(records).await).last(), Some(&Ok(Verified)));
    identity_of(plant, &pack.pack.client_certificate)
}

/// The next certificate that a device gets for this key of its own.
pub async fn renewed(plant: &Plant, device: &DeviceIdentity, key: &BornKey) -> Result<Bytes, ProblemCode> {
    let request = RenewalRequest { signing_request: key.request.clone() };
    let pack = plant.authority.renew(device, request).await.map_err(|error| code(&error))?;
    assert!(pack.key == PackKey::DeviceOwn);
    Ok(pack.client_certificate)
}

pub async fn standing(plant: &Plant, device: &DeviceIdentity) -> Result<CredentialState, ProblemCode> {
    let standing = plant.authority.desk().standing(device).await;
    standing.map(|standing| standing.state).map_err(|error| code(&error))
}

pub async fn confirmed(plant: &Plant, device: &DeviceIdentity) -> Result<CredentialState, ProblemCode> {
    let standing = plant.authority.desk().confirm(device).await;
    standing.map(|standing| standing.state).map_err(|error| code(&error))
}

/// The states of a number's successors, in order.
async fn states(plant: &Plant, number: &DeviceNumber) -> Vec<CredentialState> {
    let found = successor::of_number(&mut plant.store.read().await.unwrap(), number).await.unwrap();
    found.into_iter().map(|successor| successor.state).collect()
}

#[tokio::test]
async fn a_device_renews_and_the_old_certificate_is_good_until_the_new_one_was_shown() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let old = made(&plant, 123_000).await;
        let key = BornKey::new(KeyAlgorithm::P256);
        let next = renewed(&plant, &old, &key).await.unwrap();
        assert!(key.is_certified_by(&next));
        let new = identity_of(&plant, &next);
        assert_eq!(new.number, old.number);
        assert_eq!(renewed(&plant, &old, &key).await.as_ref(), Ok(&next), "the same key, the same answer");
        assert_eq!(standing(&plant, &old).await, Ok(Verified));
        assert_eq!(standing(&plant, &new).await, Ok(Leased));
        assert_eq!(confirmed(&plant, &old).await, Ok(Verified), "which says nothing of the new one");

        plant.restart().await;
        for _ in 0..2 {
            assert_eq!(confirmed(&plant, &new).await, Ok(Verified));
            assert_eq!(standing(&plant, &new).await, Ok(Verified));
            assert_eq!(standing(&plant, &old).await, Err(ProblemCode::NotAllowed));
            assert_eq!(confirmed(&plant, &old).await, Err(ProblemCode::NotAllowed));
        }
        assert_eq!(renewed(&plant, &old, &key).await, Err(ProblemCode::NotAllowed));
        assert_eq!(states(&plant, &old.number).await, [Verified]);
        assert_eq!(plant.conserved().await, [("voided".to_owned(), 1)], "the first one");

        // The next renewal asks with what the last one brought, and need not confirm it first.
        let third = BornKey::new(KeyAlgorithm::P256);
        let next = renewed(&plant, &new, &third).await.unwrap();
        let fourth = BornKey::new(KeyAlgorithm::P256);
        renewed(&plant, &identity_of(&plant, &next), &fourth).await.unwrap();
        assert_eq!(states(&plant, &old.number).await, [Voided, Verified, Leased]);
        assert_eq!(standing(&plant, &new).await, Err(ProblemCode::NotAllowed));
    })
    .await;
}

#[tokio::test]
async fn of_two_new_keys_the_last_one_counts_and_the_first_takes_nothing_from_it() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let device = made(&plant, 123_000).await;
        let (lost, kept) = (BornKey::new(KeyAlgorithm::P256), BornKey::new(KeyAlgorithm::P256));
        let first = renewed(&plant, &device, &lost).await.unwrap();
        let second = renewed(&plant, &device, &kept).await.unwrap();
        assert_eq!(states(&plant, &device.number).await, [Voided, Leased]);
        assert_eq!(renewed(&plant, &device, &lost).await, Err(ProblemCode::Conflict), "it comes late");
        assert_eq!(states(&plant, &device.number).await, [Voided, Leased]);
        let first = identity_of(&plant, &first);
        assert_eq!(confirmed(&plant, &first).await, Err(ProblemCode::NotAllowed));
        assert_eq!(standing(&plant, &device).await, Ok(Verified));
        let second = identity_of(&plant, &second);
        assert_eq!(confirmed(&plant, &second).await, Ok(Verified));
        audit::verify(&mut plant.store.read().await.unwrap()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn no_key_has_two_certificates() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let one = made(&plant, 123_000).await;
        let other = made(&plant, 123_001).await;
        let key = BornKey::new(KeyAlgorithm::P256);
        let next = renewed(&plant, &one, &key).await.unwrap();
        assert_eq!(renewed(&plant, &other, &key).await, Err(ProblemCode::Conflict), "it is another device's");
        let next = identity_of(&plant, &next);
        assert_eq!(confirmed(&plant, &next).await, Ok(Verified));
        assert_eq!(renewed(&plant, &other, &key).await, Err(ProblemCode::Conflict));
        let again = renewed(&plant, &next, &key).await.unwrap();
        assert_eq!(identity_of(&plant, &again), next, "the one that it has");
        assert_eq!(states(&plant, &other.number).await, []);

        let p384 = BornKey::new(KeyAlgorithm::P384);
        assert_eq!(renewed(&plant, &other, &p384).await, Err(ProblemCode::MalformedRequest));
        let mut changed = BornKey::new(KeyAlgorithm::P256);
        *changed.request.0.last_mut().unwrap() ^= 1;
        assert_eq!(renewed(&plant, &other, &changed).await, Err(ProblemCode::MalformedRequest));
    })
    .await;
}

#[tokio::test]
async fn what_is_withdrawn_has_no_successor_and_its_successors_go_with_it() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let device = made(&plant, 123_000).await;
        let key = BornKey::new(KeyAlgorithm::P256);
        let next = renewed(&plant, &device, &key).await.unwrap();
        let next = identity_of(&plant, &next);
        let desk = plant.authority.desk();
        desk.void(&device.number.clone().into(), "stolen", &person()).await.unwrap();
        for gone in [&device, &next] {
            assert_eq!(standing(&plant, gone).await, Err(ProblemCode::NotAllowed));
            assert_eq!(confirmed(&plant, gone).await, Err(ProblemCode::NotAllowed));
            let another = BornKey::new(KeyAlgorithm::P256);
            assert_eq!(renewed(&plant, gone, &another).await, Err(ProblemCode::NotAllowed));
        }
        assert_eq!(states(&plant, &device.number).await, [Voided]);
        let again = desk.void(&device.number.clone().into(), "stolen", &person()).await;
        assert_eq!(code(&again.unwrap_err()), ProblemCode::IllegalState);

        // The same where the first one was succeeded before.
        let device = made(&plant, 123_001).await;
        let next = renewed(&plant, &device, &BornKey::new(KeyAlgorithm::P256)).await.unwrap();
        let next = identity_of(&plant, &next);
        confirmed(&plant, &next).await.unwrap();
        desk.void(&device.number.clone().into(), "stolen", &person()).await.unwrap();
        assert_eq!(standing(&plant, &next).await, Err(ProblemCode::NotAllowed));
    })
    .await;
}

#[tokio::test]
async fn a_number_is_not_made_certificates_without_end() {
    let plant = Plant::new(TestDatabase::sqlite()).await;
    let device = made(&plant, 123_000).await;
    for _ in 0..20 {
        renewed(&plant, &device, &BornKey::new(KeyAlgorithm::P256)).await.unwrap();
    }
    let one_more = BornKey::new(KeyAlgorithm::P256);
    assert_eq!(renewed(&plant, &device, &one_more).await, Err(ProblemCode::OverQuota));
    plant.clock.advance(DAY + 1);
    renewed(&plant, &device, &one_more).await.unwrap();
}

#[tokio::test]
async fn an_interrupted_signature_is_given_up_and_its_key_may_ask_again() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = made(&plant, 123_000).await;
        let key = BornKey::new(KeyAlgorithm::P256);
        // What a process leaves that ends between intent and signature.
        let request = pki::SigningRequest::verify(&key.request.0).unwrap();
        let intent = successor::Intent {
            number: device.number.clone(),
            cause: SuccessionCause::Renewal,
            certificate_serial: vec![1; 20],
            public_key_sha256: request.public_key_sha256().as_bytes().to_vec(),
            hardware_uid: None,
        };
        let left: Result<_, store::StoreError> = plant
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let cause = audit::Cause { time: 1, actor: "tester", action: "successor.intend" };
                    successor::intend(transaction, cause, &intent).await
                })
            })
            .await;
        assert_eq!(left.unwrap().generation, 2);
        plant.restart().await;
        assert_eq!(states(&plant, &device.number).await, []);
        let next = renewed(&plant, &device, &key).await.unwrap();
        let next = identity_of(&plant, &next);
        assert_eq!(confirmed(&plant, &next).await, Ok(Verified));
    })
    .await;
}

#[tokio::test]
async fn a_chip_whose_device_was_renewed_is_not_made_another_device() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let device = made(&plant, 123_000).await;
        let next = renewed(&plant, &device, &BornKey::new(KeyAlgorithm::P256)).await.unwrap();
        confirmed(&plant, &identity_of(&plant, &next)).await.unwrap();
        let other = numbers("3012", 123_001..123_002);
        let pack = plant.issue(&other).await.unwrap().packs.remove(0);
        let records = vec![
            record(300_000, &other[0], Event::Stocked),
            record(300_001, &other[0], verified(&pack, &format!("{:016}", 123_000))),
        ];
        let answers = outcomes(&plant.report(records).await);
        assert_eq!(answers[1], Err(ProblemCode::DeviceHoldsAnother));
    })
    .await;
}

/// Whichever of its certificates a device has come to: revoking it takes them all.
#[tokio::test]
async fn revoking_a_device_takes_what_followed_its_first_certificate() {
    on_both(async |database| {
        let plant = Plant::new(database).await;
        let old = made(&plant, 123_000).await;
        let next = renewed(&plant, &old, &BornKey::new(KeyAlgorithm::P256)).await.unwrap();
        let shown = identity_of(&plant, &next);
        assert_eq!(confirmed(&plant, &shown).await, Ok(Verified));
        renewed(&plant, &shown, &BornKey::new(KeyAlgorithm::P256)).await.unwrap();
        let (desk, number) = (plant.authority.desk(), &old.number);
        let one =
            Selection { first: Some(number.clone()), last: Some(number.clone()), ..Selection::default() };
        let by_ca = Selection { issuing_ca: Some("issuing".to_owned()), ..Selection::default() };
        for selection in [&one, &by_ca] {
            let found = desk.selected(selection).await.unwrap();
            assert_eq!(found.certificates, [(number.clone(), Leased)], "what it was given last");
        }
        let reason = RevocationReason::KeyCompromise;
        let done = desk.revoke_selected(&one, reason, &person(), |_| {}).await.unwrap();
        assert_eq!((done.certificates, done.apparatuses), (1, 0));
        assert_eq!(states(&plant, number).await, [Voided, Voided]);
        assert_eq!(standing(&plant, &shown).await, Err(ProblemCode::NotAllowed));
        assert!(desk.selected(&by_ca).await.unwrap().is_empty());
        assert_eq!(
            desk.void(&number.clone().into(), "again", &person()).await.map_err(|error| code(&error)),
            Err(ProblemCode::IllegalState)
        );
    })
    .await;
}
