//! Stations that lie: each claim is refused here or, where only the authority can tell, disputed by it
//! and shown.

use identity::CredentialState;
use identity::profile::{CredentialProfile, KeyOrigin, Sealing};
use message::bytes::Bytes;
use message::lease::Lease;
use message::problem::ProblemCode;
use message::result::{Confirmation, Proof, WriteOutcome};
use store::testing::{TestDatabase, on_both};

use crate::authority::profile;
use crate::device::TestDevice;
use crate::plant::{Factory, code, number, result, station_name};

fn both() -> CredentialProfile {
    profile(Some(KeyOrigin::Authority), true, Sealing::PreWriteKey)
}

fn symmetric_only() -> CredentialProfile {
    profile(None, true, Sealing::PreWriteKey)
}

/// What a station can claim without any device: it knows the pack that it was given, and so its digest
/// and the value that the device should answer.
fn made_up(lease: &Lease, device: &TestDevice) -> Proof {
    let apparatus = lease.pack.apparatus.as_ref().unwrap();
    let pack = lease.pack.on_the_line(&lease.device_number).unwrap();
    Proof {
        hardware_uid: device.hardware_uid.clone(),
        challenge: Bytes(vec![7; 32]),
        pack_digest: Bytes(identity::line::pack_digest(&pack).to_vec()),
        signature: None,
        confirmation: Some(Confirmation {
            apparatus_id: apparatus.apparatus_id,
            station: apparatus.confirmation.clone(),
            authority: Bytes(vec![1; 32]),
        }),
    }
}

#[tokio::test]
async fn values_that_the_gateway_can_check_are_refused_and_leave_both_credentials_in_doubt() {
    on_both(async |database| {
        let (factory, key) = Factory::with_profile(database, both(), 8).await;
        let gateway = factory.gateway();
        // The true values of a device that was made before.
        let mut honest = TestDevice::with_firmware("A123", 100, &key);
        let first = number("A123-654321");
        let lease = gateway.lease(&station_name(1), &honest.request(100, &first)).await.unwrap();
        let replayed = honest.write(&first, lease.pack).confirmation.unwrap();

        for lie in 1..8_u8 {
            let number = number(&format!("A123-{}", 654_321 + u32::from(lie)));
            let mut device = TestDevice::with_firmware("A123", lie.into(), &key);
            let lease = gateway.lease(&station_name(1), &device.request(lie, &number)).await.unwrap();
            let mut proof = device.write(&number, lease.pack.clone());
            let confirmation = proof.confirmation.as_mut().unwrap();
            match lie {
                1 => confirmation.station.0[0] ^= 1,
                2 => confirmation.station = Bytes(Vec::new()),
                3 => confirmation.authority.0.truncate(31),
                4 => confirmation.apparatus_id = replayed.apparatus_id,
                5 => *confirmation = replayed.clone(),
                6 => proof.confirmation = None,
                _ => proof = made_up(&lease, &device),
            }
            for _ in 0..2 {
                let refused = factory.told(lie, &number, proof.clone()).await;
                assert_eq!(code(refused), ProblemCode::ProofFailed, "{lie}");
            }
        }
        assert_eq!(factory.counts("A123").await, [0, 1, 0, 7, 0]);
        assert_eq!(factory.apparatus_counts("A123").await, [0, 1, 0, 7, 0]);
    })
    .await;
}

#[tokio::test]
async fn two_devices_whose_results_are_swapped_are_both_refused() {
    let (factory, key) = Factory::with_profile(TestDatabase::sqlite(), symmetric_only(), 2).await;
    let mut proofs = Vec::new();
    for chip in [1, 2] {
        let number = number(&format!("A123-{}", 654_320 + u32::from(chip)));
        let mut device = TestDevice::with_firmware("A123", chip.into(), &key);
        let request = device.request(chip, &number);
        let lease = factory.gateway().lease(&station_name(1), &request).await.unwrap();
        proofs.push(device.write(&number, lease.pack));
    }
    for (attempt, swapped) in (1..).zip(proofs.into_iter().rev()) {
        let number = number(&format!("A123-{}", 654_320 + u32::from(attempt)));
        assert_eq!(code(factory.told(attempt, &number, swapped).await), ProblemCode::ProofFailed);
    }
    assert_eq!(factory.apparatus_counts("A123").await, [0, 0, 0, 2, 0]);
}

#[tokio::test]
async fn a_confirmation_of_a_pass_phrase_that_was_never_sent_is_refused() {
    let factory = Factory::with_stock(TestDatabase::sqlite(), 1).await;
    let number = number("3012-123456");
    let mut device = TestDevice::new(1);
    let lease = factory.gateway().lease(&station_name(1), &device.request(1, &number)).await.unwrap();
    let mut proof = device.write(&number, lease.pack);
    let value = Bytes(vec![1; 32]);
    proof.confirmation = Some(Confirmation {
        apparatus_id: identity::ApparatusId::new([1; 16]),
        station: value.clone(),
        authority: value,
    });
    assert_eq!(code(factory.told(1, &number, proof).await), ProblemCode::ProofFailed);
}

#[tokio::test]
async fn a_write_that_never_happened_is_found_by_the_authority_and_stays_in_doubt() {
    on_both(async |database| {
        let (mut factory, key) = Factory::with_profile(database, symmetric_only(), 2).await;
        let number = number("A123-654321");
        let mut device = TestDevice::with_firmware("A123", 1, &key);
        let lease = factory.gateway().lease(&station_name(1), &device.request(1, &number)).await.unwrap();
        let id = lease.pack.apparatus.as_ref().unwrap().apparatus_id;
        let lie = made_up(&lease, &device);
        // Nobody at the factory can tell.
        assert_eq!(factory.told(1, &number, lie).await.unwrap(), CredentialState::Verified);
        let drained = factory.gateway().drain().await.unwrap();
        assert_eq!((drained.taken, drained.parked), (2, 1));
        assert_eq!(factory.apparatus_counts("A123").await, [1, 0, 0, 1, 0]);
        let status = factory.gateway().desk().status().await.unwrap();
        assert_eq!(status.parked[0].credential, id.into());
        assert!(status.parked[0].reason.contains("proof-failed"), "{}", status.parked[0].reason);
        let made: u64 = status.days.iter().map(|day| day.verified).sum();
        assert_eq!(made, 0, "it does not count as made");

        // Nothing settles it any more: not the true device, not another lease, not a restart.
        factory.gateway().tick().await.unwrap();
        factory.reopen().await;
        let late = device.write(&number, lease.pack);
        let told = result(2, &number, WriteOutcome::Ok { proof: late });
        let refused = factory.gateway().result(&station_name(1), &told).await;
        assert_eq!(code(refused), ProblemCode::NoLease);
        let refused = factory.gateway().lease(&station_name(1), &device.request(2, &number)).await;
        assert_eq!(code(refused), ProblemCode::IllegalState);
        assert_eq!(factory.apparatus_counts("A123").await, [1, 0, 0, 1, 0]);
        let keys = std::fs::read(factory.key_ring()).unwrap();
        assert_eq!(keys.as_chunks::<64>().0.iter().filter(|slot| **slot == [0; 64]).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_the_authority_refuses_brings_the_whole_device_into_doubt_and_is_reported() {
    on_both(async |database| {
        let (factory, key) = Factory::with_profile(database, both(), 2).await;
        factory.gateway().drain().await.unwrap();
        let (first, second) = (number("A123-654321"), number("A123-654322"));
        let mut device = TestDevice::with_firmware("A123", 1, &key);
        let lease = factory.gateway().lease(&station_name(1), &device.request(1, &first)).await.unwrap();
        let id = lease.pack.apparatus.as_ref().unwrap().apparatus_id;
        let mut proof = device.write(&first, lease.pack);
        proof.confirmation.as_mut().unwrap().authority.0[0] ^= 1;
        factory.told(1, &first, proof).await.unwrap();

        let mut device = TestDevice::with_firmware("A123", 2, &key);
        let lease = factory.gateway().lease(&station_name(1), &device.request(2, &second)).await.unwrap();
        let disputed = lease.pack.apparatus.as_ref().unwrap().apparatus_id;
        let proof = device.write(&second, lease.pack);
        factory.told(2, &second, proof).await.unwrap();
        factory.authority.refuse_records(&disputed.into(), Some(ProblemCode::SecondDevice));

        factory.gateway().drain().await.unwrap();
        assert_eq!(factory.counts("A123").await, [0, 0, 0, 2, 0]);
        assert_eq!(factory.apparatus_counts("A123").await, [0, 0, 0, 2, 0]);
        let status = factory.gateway().desk().status().await.unwrap();
        let parked: Vec<_> = status.parked.iter().map(|record| record.credential.clone()).collect();
        assert_eq!(parked, [id.into(), disputed.into()]);
        for number in [first, second] {
            assert_eq!(factory.authority.events(number), ["stocked", "verified", "suspect"]);
        }
    })
    .await;
}
