//! What is made for the very device, with the authority and without it.

use std::sync::Arc;

use identity::profile::{CredentialKind, KeyOrigin, Sealing};
use identity::{CredentialState, DeviceNumber};
use message::lease::{Lease, LeaseRequest};
use message::pack::PackKey;
use message::problem::ProblemCode;
use message::result::WriteOutcome;
use seal::PreWriteKey;
use store::testing::{TestDatabase, on_both};

use crate::authority::profile;
use crate::device::TestDevice;
use crate::plant::{Factory, code, number, person, result, station_name};

/// A factory of devices to which both credentials are sealed one by one.
async fn sealed_to_each_device(database: TestDatabase) -> (Factory, Arc<PreWriteKey>) {
    let sealing = profile(Some(KeyOrigin::Authority), true, Sealing::DeviceKey);
    Factory::with_profile(database, sealing, 5).await
}

/// A factory of devices that make their own key and take a pass phrase from stock.
async fn of_own_keys(database: TestDatabase) -> (Factory, Arc<PreWriteKey>) {
    let own = profile(Some(KeyOrigin::Device), true, Sealing::PreWriteKey);
    Factory::with_profile(database, own, 5).await
}

async fn lease(factory: &Factory, request: &LeaseRequest) -> Lease {
    factory.gateway().lease(&station_name(1), request).await.unwrap()
}

async fn refused(factory: &Factory, request: &LeaseRequest) -> ProblemCode {
    code(factory.gateway().lease(&station_name(1), request).await)
}

fn first() -> DeviceNumber {
    number("A123-654321")
}

#[tokio::test]
async fn packs_sealed_to_one_device_are_made_while_its_station_waits() {
    on_both(async |database| {
        let (factory, key) = sealed_to_each_device(database).await;
        assert_eq!(factory.counts("A123").await, [0; 5], "nothing is stocked ahead");
        let mut device = TestDevice::with_derived_key("A123", 1, &key);
        let granted = lease(&factory, &device.request(1, &first())).await;
        assert!(lease(&factory, &device.request(1, &first())).await == granted);
        assert!(lease(&factory, &device.request(2, &first())).await.pack == granted.pack);
        assert_eq!(factory.authority.apparatuses(), 1);
        let other = TestDevice::with_derived_key("A123", 2, &key);
        assert_eq!(refused(&factory, &other.request(3, &first())).await, ProblemCode::SecondDevice);

        let id = granted.pack.apparatus.as_ref().unwrap().apparatus_id;
        let proof = device.write(&first(), granted.pack);
        let told = result(2, &first(), WriteOutcome::Ok { proof });
        let answer = factory.gateway().result(&station_name(1), &told).await.unwrap();
        assert_eq!(answer.state, CredentialState::Verified);
        factory.gateway().tick().await.unwrap();
        factory.gateway().drain().await.unwrap();
        assert_eq!(factory.authority.events(first()), ["verified"]);
        assert_eq!(factory.authority.events(id), ["bound"]);
        assert!(factory.data_keys().iter().all(|key| *key == [0; 64]), "no data key is left");
    })
    .await;
}

#[tokio::test]
async fn packs_sealed_to_a_chips_own_key_are_made_the_same_way() {
    let sealing = profile(None, true, Sealing::ChipKey);
    let (factory, _) = Factory::with_profile(TestDatabase::sqlite(), sealing, 5).await;
    let mut device = TestDevice::with_chip_key("A123", 1);
    assert_eq!(factory.make(1, &mut device, &first()).await.unwrap(), CredentialState::Verified);
    let keyless = TestDevice::new(2);
    let refusal = refused(&factory, &keyless.request(2, &number("A123-654322"))).await;
    assert_eq!(refusal, ProblemCode::MalformedRequest, "the authority's own refusal is passed on");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_nothing_is_made_twice() {
    on_both(async |database| {
        let (mut factory, key) = sealed_to_each_device(database).await;
        let mut device = TestDevice::with_derived_key("A123", 1, &key);
        factory.authority.lose_packs(true);
        for attempt in [1, 1, 2] {
            let refusal = refused(&factory, &device.request(attempt, &first())).await;
            assert_eq!(refusal, ProblemCode::Unavailable);
        }
        factory.reopen().await;
        factory.authority.lose_packs(false);
        assert_eq!(factory.make(1, &mut device, &first()).await.unwrap(), CredentialState::Verified);
        assert_eq!(factory.authority.apparatuses(), 1);
        factory.gateway().drain().await.unwrap();
        assert_eq!(factory.authority.events(first()), ["verified"]);
    })
    .await;
}

#[tokio::test]
async fn stations_that_ask_at_once_for_one_device_get_the_same_packs() {
    on_both(async |database| {
        let (factory, key) = sealed_to_each_device(database).await;
        let device = TestDevice::with_derived_key("A123", 1, &key);
        let requests: Vec<_> = (1..=8).map(|attempt| device.request(attempt, &first())).collect();
        let gateway = factory.gateway();
        let mut asking = tokio::task::JoinSet::new();
        for request in requests {
            let gateway = Arc::clone(gateway);
            asking.spawn(async move { gateway.lease(&station_name(1), &request).await.unwrap().pack });
        }
        let packs = asking.join_all().await;
        assert!(packs.iter().all(|pack| *pack == packs[0]));
        assert_eq!(factory.apparatus_counts("A123").await, [0, 1, 0, 0, 0]);
        let in_use = factory.data_keys().iter().filter(|key| **key != [0; 64]).count();
        assert_eq!(in_use, 2, "data keys of answers that came too late are erased");
    })
    .await;
}

#[tokio::test]
async fn without_the_authority_such_devices_wait_and_are_told_why() {
    let (factory, key) = sealed_to_each_device(TestDatabase::sqlite()).await;
    let device = TestDevice::with_derived_key("A123", 1, &key);
    factory.authority.set_down(true);
    let answer = factory.gateway().lease(&station_name(1), &device.request(1, &first())).await;
    let problem = answer.err().unwrap().problem();
    assert_eq!(problem.code, ProblemCode::Unavailable);
    assert!(problem.detail.contains("the authority"), "{}", problem.detail);
    assert_eq!(factory.apparatus_counts("A123").await, [0; 5]);
    let outside = device.request(1, &number("A123-670000"));
    assert_eq!(refused(&factory, &outside).await, ProblemCode::OutOfRange, "and this is known without it");
    factory.authority.set_down(false);
    lease(&factory, &device.request(1, &first())).await;
}

#[tokio::test]
async fn a_device_that_makes_its_key_gets_a_certificate_for_it() {
    on_both(async |database| {
        let (factory, key) = of_own_keys(database).await;
        assert_eq!(factory.counts("A123").await, [0; 5], "only pass phrases are stocked ahead");
        assert_eq!(factory.apparatus_counts("A123").await, [5, 0, 0, 0, 0]);
        let mut device = TestDevice::with_firmware("A123", 1, &key);
        let granted = lease(&factory, &device.request_with_own_key(1, &first())).await;
        assert!(!granted.certificate_owed);
        assert!(granted.pack.certificate.as_ref().unwrap().key == PackKey::DeviceOwn);
        let proof = device.write(&first(), granted.pack);
        assert_eq!(factory.told(1, &first(), proof).await.unwrap(), CredentialState::Verified);
        assert_eq!(factory.counts("A123").await, [0, 0, 1, 0, 0]);
        assert_eq!(factory.apparatus_counts("A123").await, [4, 0, 1, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn without_the_authority_a_certificate_is_owed_until_the_key_is_certified() {
    on_both(async |database| {
        let (mut factory, key) = of_own_keys(database).await;
        factory.gateway().drain().await.unwrap();
        let mut device = TestDevice::with_firmware("A123", 1, &key);
        factory.authority.set_down(true);
        let request = device.request_with_own_key(1, &first());
        let granted = lease(&factory, &request).await;
        assert!(granted.certificate_owed && granted.pack.certificate.is_none());
        assert!(lease(&factory, &request).await == granted, "the same attempt gets the same answer");
        let mut other = TestDevice::with_firmware("A123", 2, &key);
        let second = other.request_with_own_key(2, &first());
        assert_eq!(refused(&factory, &second).await, ProblemCode::SecondDevice);

        let proof = device.write(&first(), granted.pack);
        let state = factory.told(1, &first(), proof.clone()).await.unwrap();
        assert_eq!(state, CredentialState::Verified, "its key is proved, and the station may release it");
        let row = factory.status_of("A123", CredentialKind::Certificate).await;
        assert_eq!((row.owed, row.reserved, row.verified), (1, 0, 0));
        assert_eq!(factory.apparatus_counts("A123").await, [4, 0, 1, 0, 0]);
        let again = device.request_with_own_key(3, &first());
        assert_eq!(refused(&factory, &again).await, ProblemCode::AlreadyMade);
        assert_eq!(refused(&factory, &second).await, ProblemCode::SecondDevice);
        let plate = device.request_with_own_key(4, &number("A123-654322"));
        assert_eq!(refused(&factory, &plate).await, ProblemCode::DeviceHoldsAnother);

        factory.reopen().await;
        factory.authority.set_down(false);
        factory.gateway().drain().await.unwrap();
        assert_eq!(factory.authority.events(first()), ["keyBorn"]);
        assert_eq!(factory.authority.count("bound"), 1);
        let row = factory.status_of("A123", CredentialKind::Certificate).await;
        assert_eq!((row.owed, row.verified), (0, 1));
        assert_eq!(factory.told(1, &first(), proof).await.unwrap(), CredentialState::Verified, "told again");
        let status = factory.gateway().desk().status().await.unwrap();
        let made: u64 = status.days.iter().map(|day| day.verified).sum();
        assert_eq!(made, 1, "it counts on the day it was made");
        factory.gateway().desk().void(&first().into(), "scrapped", &person()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_lie_about_a_key_that_a_device_made_is_refused() {
    let (factory, key) = of_own_keys(TestDatabase::sqlite()).await;
    factory.authority.set_down(true);
    let mut device = TestDevice::with_firmware("A123", 1, &key);
    let granted = lease(&factory, &device.request_with_own_key(1, &first())).await;
    let mut proof = device.write(&first(), granted.pack);
    proof.signature.as_mut().unwrap().0[3] ^= 1;
    assert_eq!(code(factory.told(1, &first(), proof).await), ProblemCode::ProofFailed);
    let row = factory.status_of("A123", CredentialKind::Certificate).await;
    assert_eq!((row.owed, row.reserved), (0, 1), "nothing is owed to a device that proved nothing");
    assert_eq!(factory.apparatus_counts("A123").await, [4, 0, 0, 1, 0]);

    let mut garbled = device.request_with_own_key(2, &number("A123-654322"));
    garbled.signing_request.as_mut().unwrap().0.truncate(40);
    assert_eq!(refused(&factory, &garbled).await, ProblemCode::MalformedRequest);
}

#[tokio::test]
async fn once_the_link_is_back_a_new_attempt_gets_the_certificate_and_an_old_result_still_counts() {
    on_both(async |database| {
        let (factory, key) = of_own_keys(database).await;
        let mut device = TestDevice::with_firmware("A123", 1, &key);
        factory.authority.set_down(true);
        let owed = lease(&factory, &device.request_with_own_key(1, &first())).await;
        let early = device.write(&first(), owed.pack.clone());
        factory.authority.set_down(false);
        let stays = lease(&factory, &device.request_with_own_key(1, &first())).await;
        assert!(stays == owed, "what was owed in an attempt stays owed in it");
        let granted = lease(&factory, &device.request_with_own_key(2, &first())).await;
        assert!(!granted.certificate_owed && granted.pack.certificate.is_some());
        assert_eq!(factory.counts("A123").await, [0, 1, 0, 0, 0]);

        assert_eq!(factory.told(1, &first(), early).await.unwrap(), CredentialState::Verified);
        let late = device.write(&first(), granted.pack);
        assert_eq!(factory.told(2, &first(), late).await.unwrap(), CredentialState::Verified);
        assert_eq!(factory.counts("A123").await, [0, 0, 1, 0, 0]);
        factory.gateway().drain().await.unwrap();
        assert_eq!(factory.authority.events(first()), ["keyBorn"]);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_the_authority_does_not_certify_is_shown_and_stays_owed() {
    let (factory, key) = of_own_keys(TestDatabase::sqlite()).await;
    factory.authority.set_down(true);
    let mut device = TestDevice::with_firmware("A123", 1, &key);
    let granted = lease(&factory, &device.request_with_own_key(1, &first())).await;
    let proof = device.write(&first(), granted.pack);
    factory.told(1, &first(), proof).await.unwrap();
    factory.authority.set_down(false);
    factory.authority.refuse_records(&first().into(), Some(ProblemCode::SecondDevice));
    factory.gateway().drain().await.unwrap();
    let status = factory.gateway().desk().status().await.unwrap();
    assert_eq!(status.parked[0].credential, first().into());
    let row = factory.status_of("A123", CredentialKind::Certificate).await;
    assert_eq!((row.owed, row.verified), (1, 0));
    assert_eq!(factory.apparatus_counts("A123").await, [4, 0, 0, 1, 0], "its pass phrase is in doubt too");
}
