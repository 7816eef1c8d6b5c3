//! Symmetric credentials: ordered, kept, and bound to devices only when they are written.

use std::collections::BTreeSet;
use std::sync::Arc;

use identity::profile::{CredentialKind, CredentialProfile, KeyOrigin, Sealing};
use identity::{ApparatusId, CredentialState};
use message::lease::Lease;
use message::pack::PackKey;
use message::problem::ProblemCode;
use message::result::WriteOutcome;
use store::testing::{TestDatabase, on_both};
use tokio::task::JoinSet;

use crate::authority::profile;
use crate::device::TestDevice;
use crate::plant::{Factory, code, number, person, result, station_name};

/// A sealed certificate pack and a symmetric credential, both stocked ahead.
fn both() -> CredentialProfile {
    profile(Some(KeyOrigin::Authority), true, Sealing::PreWriteKey)
}

fn symmetric_only() -> CredentialProfile {
    profile(None, true, Sealing::PreWriteKey)
}

fn apparatus_id(lease: &Lease) -> ApparatusId {
    lease.pack.apparatus.as_ref().unwrap().apparatus_id
}

#[tokio::test]
async fn both_kinds_are_stocked_for_the_planned_units_and_reported() {
    on_both(async |database| {
        let (factory, _) = Factory::with_profile(database, both(), 7).await;
        assert_eq!(factory.counts("A123").await, [7, 0, 0, 0, 0]);
        assert_eq!(factory.apparatus_counts("A123").await, [7, 0, 0, 0, 0]);
        let row = factory.status_of("A123", CredentialKind::Symmetric).await;
        assert_eq!((row.key_identifier, row.reserved), (Some("A123-1".parse().unwrap()), 0));
        assert_eq!(factory.gateway().replenish().await.unwrap().stocked, 0, "nothing is missing any more");
        factory.gateway().drain().await.unwrap();
        assert_eq!(factory.authority.count("stocked"), 14);
    })
    .await;
}

#[tokio::test]
async fn a_device_takes_both_in_one_write_and_the_factory_forgets_them() {
    on_both(async |database| {
        let (factory, key) = Factory::with_profile(database, both(), 3).await;
        let number = number("A123-654322");
        let mut device = TestDevice::with_firmware("A123", 1, &key);
        let request = device.request(1, &number);
        let lease = factory.gateway().lease(&station_name(1), &request).await.unwrap();
        assert!(matches!(lease.pack.certificate.as_ref().unwrap().key, PackKey::Sealed(_)));
        let id = apparatus_id(&lease);

        let proof = device.write(&number, lease.pack);
        let state = factory.told(1, &number, proof.clone()).await.unwrap();
        assert_eq!(state, CredentialState::Verified);
        assert_eq!(factory.told(1, &number, proof).await.unwrap(), CredentialState::Verified, "told again");
        assert_eq!(factory.counts("A123").await, [2, 0, 1, 0, 0]);
        assert_eq!(factory.apparatus_counts("A123").await, [2, 0, 1, 0, 0]);
        let status = factory.gateway().desk().status().await.unwrap();
        let today = status.days.iter().find(|day| day.product.as_str() == "A123").unwrap();
        assert_eq!(today.verified, 1, "a device counts once, whatever it takes");

        let erased = |keys: Vec<u8>| keys.as_chunks::<64>().0.iter().filter(|slot| **slot == [0; 64]).count();
        let before = erased(std::fs::read(factory.key_ring()).unwrap());
        factory.gateway().tick().await.unwrap();
        assert_eq!(erased(std::fs::read(factory.key_ring()).unwrap()), before + 2);

        factory.gateway().drain().await.unwrap();
        assert_eq!(factory.authority.events(number.clone()), ["stocked", "verified"]);
        assert_eq!(factory.authority.events(id), ["stocked", "bound"]);
        assert_eq!(factory.authority.bound_to(id), Some((number, device.hardware_uid)));
    })
    .await;
}

#[tokio::test]
async fn stations_that_ask_at_once_never_draw_the_same_credential() {
    on_both(async |database| {
        let (factory, key) = Factory::with_profile(database, symmetric_only(), 20).await;
        let mut asking = JoinSet::new();
        for chip in 0..20_u8 {
            let number = number(&format!("A123-{}", 654_321 + u32::from(chip)));
            let request = TestDevice::with_firmware("A123", chip.into(), &key).request(chip, &number);
            let gateway = Arc::clone(factory.gateway());
            asking.spawn(async move {
                let station = station_name(chip.into());
                apparatus_id(&gateway.lease(&station, &request).await.unwrap())
            });
        }
        let drawn: BTreeSet<ApparatusId> = asking.join_all().await.into_iter().collect();
        assert_eq!(drawn.len(), 20);
        assert_eq!(factory.apparatus_counts("A123").await, [0, 20, 0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn once_drawn_a_credential_belongs_to_its_number_and_chip() {
    on_both(async |database| {
        let (factory, key) = Factory::with_profile(database, symmetric_only(), 3).await;
        let (gateway, first) = (factory.gateway(), number("A123-654321"));
        let mut device = TestDevice::with_firmware("A123", 1, &key);
        let other = TestDevice::with_firmware("A123", 2, &key);
        let lease = gateway.lease(&station_name(1), &device.request(1, &first)).await.unwrap();
        let again = gateway.lease(&station_name(1), &device.request(1, &first)).await.unwrap();
        assert!(again == lease, "the same attempt gets the same answer");
        let at_another = gateway.lease(&station_name(2), &device.request(2, &first)).await.unwrap();
        assert!(at_another.pack == lease.pack, "the same device gets the same pack, at any station");
        let refused = gateway.lease(&station_name(2), &other.request(3, &first)).await;
        assert_eq!(code(refused), ProblemCode::SecondDevice);

        // It runs out, and stays this device's.
        factory.clock.advance(601);
        gateway.tick().await.unwrap();
        assert_eq!(factory.apparatus_counts("A123").await, [2, 0, 0, 1, 0]);
        let refused = gateway.lease(&station_name(2), &other.request(4, &first)).await;
        assert_eq!(code(refused), ProblemCode::SecondDevice);
        let later = gateway.lease(&station_name(2), &device.request(5, &first)).await.unwrap();
        assert!(later.pack == lease.pack);
        let proof = device.write(&first, later.pack);
        let told = result(5, &first, WriteOutcome::Ok { proof });
        assert_eq!(gateway.result(&station_name(2), &told).await.unwrap().state, CredentialState::Verified);

        let refused = gateway.lease(&station_name(1), &device.request(6, &first)).await;
        assert_eq!(code(refused), ProblemCode::AlreadyMade);
        let refused = gateway.lease(&station_name(1), &device.request(7, &number("A123-654322"))).await;
        assert_eq!(code(refused), ProblemCode::DeviceHoldsAnother);
        assert_eq!(factory.apparatus_counts("A123").await, [2, 0, 1, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_runs_out_leaves_both_in_doubt_and_a_late_proof_settles_both() {
    let (factory, key) = Factory::with_profile(TestDatabase::sqlite(), both(), 1).await;
    let (gateway, number) = (factory.gateway(), number("A123-654321"));
    let mut device = TestDevice::with_firmware("A123", 1, &key);
    let lease = gateway.lease(&station_name(1), &device.request(1, &number)).await.unwrap();
    let id = apparatus_id(&lease);
    factory.clock.advance(601);
    gateway.tick().await.unwrap();
    assert_eq!(factory.counts("A123").await, [0, 0, 0, 1, 0]);
    assert_eq!(factory.apparatus_counts("A123").await, [0, 0, 0, 1, 0]);
    let proof = device.write(&number, lease.pack);
    assert_eq!(factory.told(1, &number, proof).await.unwrap(), CredentialState::Verified);
    assert_eq!(factory.apparatus_counts("A123").await, [0, 0, 1, 0, 0]);
    gateway.drain().await.unwrap();
    assert_eq!(factory.authority.events(number), ["stocked", "suspect", "verified"]);
    assert_eq!(factory.authority.events(id), ["stocked", "suspect", "bound"]);
}

#[tokio::test]
async fn a_number_without_certificate_is_one_of_this_factory_and_of_a_planned_product() {
    on_both(async |database| {
        let (factory, key) = Factory::with_profile(database, symmetric_only(), 2).await;
        let device = TestDevice::with_firmware("A123", 1, &key);
        let lease = async |attempt, scan: &str| {
            code(factory.gateway().lease(&station_name(1), &device.request(attempt, &number(scan))).await)
        };
        for scan in ["A123-654320", "A123-670000", "A123-0654321"] {
            assert_eq!(lease(1, scan).await, ProblemCode::OutOfRange, "{scan}");
        }
        factory.import("DEVICE CODE,3/17,3/18,3/19,3/20,3/24,3/25,3/26,3/27\nA123,0,0,0,0,0,0,0,0\n").await;
        assert_eq!(lease(2, "A123-654321").await, ProblemCode::Unplanned);
        assert_eq!(factory.apparatus_counts("A123").await, [2, 0, 0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn after_a_rotation_each_firmware_gets_the_packs_that_it_can_open() {
    on_both(async |database| {
        let (factory, old_key) = Factory::with_profile(database, symmetric_only(), 4).await;
        let new_key = factory.authority.rotate_key("A123", "A123-2");
        let stranger = factory.authority.rotate_key("3012", "A123-3");
        let gateway = factory.gateway();
        // The stock of before counts for older firmware only.
        assert_eq!(gateway.replenish().await.unwrap().stocked, 4);
        let row = factory.status_of("A123", CredentialKind::Symmetric).await;
        assert_eq!((row.stocked, row.stocked_under_other_key), (8, 4));

        for (chip, key) in [(1, &new_key), (2, &old_key), (3, &new_key)] {
            let mut device = TestDevice::with_firmware("A123", chip, key);
            let number = number(&format!("A123-{}", 654_320 + chip));
            let made = factory.make(chip as u8, &mut device, &number).await.unwrap();
            assert_eq!(made, CredentialState::Verified, "{chip}");
        }
        let device = TestDevice::with_firmware("A123", 4, &stranger);
        let refused = gateway.lease(&station_name(1), &device.request(4, &number("A123-654324"))).await;
        let problem = refused.err().unwrap().problem();
        assert_eq!(problem.code, ProblemCode::WrongKey);
        for named in ["A123-1, A123-2", "A123-3"] {
            assert!(problem.detail.contains(named), "{}", problem.detail);
        }
        let row = factory.status_of("A123", CredentialKind::Symmetric).await;
        assert_eq!((row.stocked, row.stocked_under_other_key), (5, 3));
    })
    .await;
}

#[tokio::test]
async fn a_certificate_pack_of_another_key_is_refused_before_anything_is_leased() {
    let (factory, old_key) = Factory::with_profile(TestDatabase::sqlite(), both(), 1).await;
    let new_key = factory.authority.rotate_key("A123", "A123-2");
    factory.gateway().replenish().await.unwrap();
    let number = number("A123-654321");
    let device = TestDevice::with_firmware("A123", 1, &new_key);
    let refused = factory.gateway().lease(&station_name(1), &device.request(1, &number)).await;
    let problem = refused.err().unwrap().problem();
    assert_eq!(problem.code, ProblemCode::WrongKey);
    assert!(problem.detail.contains("A123-654321 is sealed under A123-1"), "{}", problem.detail);
    assert_eq!(factory.apparatus_counts("A123").await, [2, 0, 0, 0, 0]);
    let mut older = TestDevice::with_firmware("A123", 2, &old_key);
    assert_eq!(factory.make(2, &mut older, &number).await.unwrap(), CredentialState::Verified);
}

#[tokio::test]
async fn an_empty_stock_says_so_and_nothing_of_the_device_is_leased() {
    let (factory, key) = Factory::with_profile(TestDatabase::sqlite(), both(), 1).await;
    factory.authority.set_quota(1);
    factory.import("DEVICE CODE,3/17\nA123,2\n").await;
    let done = factory.gateway().replenish().await.unwrap();
    let shortages: Vec<_> = done.products.iter().filter_map(|made| made.shortage.as_deref()).collect();
    assert_eq!(shortages, ["the quota of 1 is used up"; 2], "the quota holds for either kind");
    let mut device = TestDevice::with_firmware("A123", 1, &key);
    factory.make(1, &mut device, &number("A123-654321")).await.unwrap();

    factory.authority.set_profile("A123", symmetric_only());
    factory.gateway().replenish().await.unwrap();
    let device = TestDevice::with_firmware("A123", 2, &key);
    let refused = factory.gateway().lease(&station_name(1), &device.request(2, &number("A123-654322"))).await;
    assert_eq!(code(refused), ProblemCode::Unavailable);
}

#[tokio::test]
async fn a_lost_answer_to_an_order_costs_nothing() {
    on_both(async |database| {
        let (mut factory, _) = Factory::with_profile(database, symmetric_only(), 0).await;
        factory.import("DEVICE CODE,3/17\nA123,1500\n").await;
        factory.authority.lose_packs(true);
        assert!(factory.gateway().replenish().await.is_err());
        assert_eq!(factory.authority.apparatuses(), 1_000, "the first of two orders was fulfilled");
        let row = factory.status_of("A123", CredentialKind::Symmetric).await;
        assert_eq!((row.reserved, row.stocked), (1_500, 0));

        factory.reopen().await;
        assert!(factory.gateway().replenish().await.is_err(), "nothing more is ordered for the same need");
        factory.authority.lose_packs(false);
        assert_eq!(factory.gateway().resume().await.unwrap(), 1_500);
        assert_eq!(factory.authority.apparatuses(), 1_500, "nothing was made twice");
        assert_eq!(factory.apparatus_counts("A123").await, [1_500, 0, 0, 0, 0]);
        assert_eq!(factory.gateway().replenish().await.unwrap().stocked, 0);
    })
    .await;
}

#[tokio::test]
async fn an_order_that_is_refused_is_given_up_and_ordered_anew_later() {
    let (factory, _) = Factory::with_profile(TestDatabase::sqlite(), both(), 0).await;
    factory.import("DEVICE CODE,3/17\nA123,5\n").await;
    factory.authority.refuse_orders(Some(ProblemCode::Busy));
    assert!(factory.gateway().replenish().await.is_err(), "busy is no refusal");
    assert_eq!(factory.status_of("A123", CredentialKind::Symmetric).await.reserved, 5);
    factory.authority.refuse_orders(Some(ProblemCode::OverQuota));
    let done = factory.gateway().replenish().await.unwrap();
    assert_eq!((done.stocked, done.refused_products.len()), (0, 1));
    assert!(done.refused_products[0].1.contains("over-quota"), "{}", done.refused_products[0].1);
    assert_eq!(factory.status_of("A123", CredentialKind::Symmetric).await.reserved, 0);
    factory.authority.refuse_orders(None);
    assert_eq!(factory.gateway().replenish().await.unwrap().stocked, 5);
}

#[tokio::test]
async fn a_product_whose_packs_cannot_be_made_stops_no_other() {
    let (factory, _) = Factory::with_profile(TestDatabase::sqlite(), both(), 0).await;
    factory.import("DEVICE CODE,3/17\n3012,3\nA123,2\n").await;
    factory.authority.never_issue("3012-123457", ProblemCode::NoPreWriteKey);
    let done = factory.gateway().replenish().await.unwrap();
    assert_eq!(done.stocked, 4, "of A123, both kinds");
    let refused: Vec<_> = done.refused_products.iter().map(|(product, _)| product.as_str()).collect();
    assert_eq!(refused, ["3012"]);
    let row = factory.status_of("3012", CredentialKind::Certificate).await;
    assert_eq!((row.reserved, row.stocked), (3, 0), "its numbers are kept for later");
}

#[tokio::test]
async fn voiding_a_number_withdraws_all_that_its_device_has() {
    on_both(async |database| {
        let (factory, key) = Factory::with_profile(database, both(), 2).await;
        let (gateway, first) = (factory.gateway(), number("A123-654321"));
        let mut device = TestDevice::with_firmware("A123", 1, &key);
        let lease = gateway.lease(&station_name(1), &device.request(1, &first)).await.unwrap();
        let id = apparatus_id(&lease);
        gateway.desk().void(&first.clone().into(), "scrapped", &person()).await.unwrap();
        assert_eq!(factory.counts("A123").await, [1, 0, 0, 0, 1]);
        assert_eq!(factory.apparatus_counts("A123").await, [1, 0, 0, 0, 1]);
        let again = gateway.desk().void(&id.into(), "scrapped", &person()).await;
        assert_eq!(code(again), ProblemCode::IllegalState);

        let proof = device.write(&first, lease.pack);
        assert_eq!(code(factory.told(1, &first, proof).await), ProblemCode::IllegalState);
        gateway.tick().await.unwrap();
        gateway.drain().await.unwrap();
        assert_eq!(factory.authority.events(first), ["stocked", "voided"]);
        assert_eq!(factory.authority.events(id), ["stocked", "voided"]);

        let second = number("A123-654322");
        let mut device = TestDevice::with_firmware("A123", 2, &key);
        let lease = gateway.lease(&station_name(1), &device.request(2, &second)).await.unwrap();
        let id = apparatus_id(&lease);
        gateway.desk().void(&id.into(), "leaked", &person()).await.unwrap();
        let proof = device.write(&second, lease.pack);
        assert_eq!(code(factory.told(2, &second, proof).await), ProblemCode::IllegalState);
        assert_eq!(factory.counts("A123").await, [0, 1, 0, 0, 1], "the certificate stays leased");
    })
    .await;
}
