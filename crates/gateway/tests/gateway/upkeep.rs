//! What happens without anyone asking: leases run out, keys go, the daily time comes.

use gateway::Settings;
use identity::CredentialState;
use message::result::WriteOutcome;
use store::testing::{TestDatabase, on_both};

use crate::device::TestDevice;
use crate::plant::{Factory, number, person, result, station_name};

const DAY: i64 = 86_400;

#[tokio::test]
async fn a_lease_without_result_becomes_suspect_and_a_late_proof_settles_it() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 2).await;
        let (gateway, number) = (factory.gateway(), number("3012-123456"));
        let mut device = TestDevice::new(1);
        let lease = gateway.lease(&station_name(1), &device.request(1, &number)).await.unwrap();
        factory.clock.advance(600);
        gateway.tick().await.unwrap();
        assert_eq!(factory.counts("3012").await, [1, 1, 0, 0, 0], "a lease lasts to its last second");
        factory.clock.advance(1);
        gateway.tick().await.unwrap();
        assert_eq!(factory.counts("3012").await, [1, 0, 0, 1, 0]);

        let proof = device.write(&number, lease.pack);
        let told = result(1, &number, WriteOutcome::Ok { proof });
        let answer = gateway.result(&station_name(1), &told).await.unwrap();
        assert_eq!(answer.state, CredentialState::Verified);
        gateway.drain().await.unwrap();
        assert_eq!(factory.authority.events(number.clone()), ["stocked", "suspect", "verified"]);
    })
    .await;
}

#[tokio::test]
async fn erasing_is_completed_after_a_crash() {
    on_both(async |database| {
        let mut factory = Factory::with_stock(database, 2).await;
        let number = number("3012-123456");
        let mut device = TestDevice::new(1);
        let lease = factory.gateway().lease(&station_name(1), &device.request(1, &number)).await.unwrap();
        let proof = device.write(&number, lease.pack);
        let told = result(1, &number, WriteOutcome::Ok { proof });
        factory.gateway().result(&station_name(1), &told).await.unwrap();

        factory.reopen().await;
        factory.gateway().tick().await.unwrap();
        let keys = factory.data_keys();
        assert_eq!(keys[0], [0; 64]);
        assert_eq!(keys.iter().filter(|key| **key == [0; 64]).count(), 1);
        let answer = factory.gateway().result(&station_name(1), &told).await.unwrap();
        assert_eq!(answer.state, CredentialState::Verified, "the same result, the same answer");
    })
    .await;
}

#[tokio::test]
async fn stock_is_filled_up_once_a_day_at_its_time_and_when_asked() {
    let mut factory = Factory::new(TestDatabase::sqlite()).await;
    factory.import("DEVICE CODE,3/17,3/18,3/19,3/20,3/24,3/25\n3012,10,20,30,40,60,80\n").await;
    assert!(factory.gateway().is_replenishing_due().await.unwrap(), "never done, and past five o'clock");
    factory.gateway().replenish().await.unwrap();
    assert!(!factory.gateway().is_replenishing_due().await.unwrap());

    factory.clock.advance(DAY - 2 * 3_600);
    assert!(!factory.gateway().is_replenishing_due().await.unwrap(), "four in the morning");
    factory.clock.advance(2 * 3_600);
    assert!(factory.gateway().is_replenishing_due().await.unwrap(), "six in the morning");
    let done = factory.gateway().replenish().await.unwrap();
    assert_eq!((done.products[0].need.planned, done.stocked), (20, 10));

    factory.clock.advance(1);
    factory.gateway().desk().ask_to_replenish(&person()).await.unwrap();
    assert!(factory.gateway().is_replenishing_due().await.unwrap(), "a person asked");
    factory.clock.advance(1);
    factory.gateway().replenish().await.unwrap();
    assert!(!factory.gateway().is_replenishing_due().await.unwrap());

    let settings = Settings { days_ahead: 2, yield_margin_percent: 3, ..factory.settings() };
    factory.open_with(settings).await;
    factory.clock.advance(2 * DAY);
    let needs = factory.gateway().desk().needs().await.unwrap();
    // 3/21 to 3/23 are not worked, so the next two planned days are 3/20 and 3/24.
    assert_eq!((needs[0].planned, needs[0].wanted, needs[0].missing), (100, 103, 83));
}

#[tokio::test]
async fn what_was_made_today_is_not_needed_again() {
    let factory = Factory::with_stock(TestDatabase::sqlite(), 2).await;
    let number = number("3012-123456");
    let mut device = TestDevice::new(1);
    let lease = factory.gateway().lease(&station_name(1), &device.request(1, &number)).await.unwrap();
    let proof = device.write(&number, lease.pack);
    let told = result(1, &number, WriteOutcome::Ok { proof });
    factory.gateway().result(&station_name(1), &told).await.unwrap();
    let need = &factory.gateway().desk().needs().await.unwrap()[0];
    assert_eq!((need.planned, need.in_hand, need.missing), (1, 1, 0));
}
