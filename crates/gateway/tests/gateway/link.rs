//! The link to the authority: absent, lossy, refusing.

use message::problem::ProblemCode;
use message::result::WriteOutcome;
use store::testing::{TestDatabase, on_both};

use crate::device::TestDevice;
use crate::plant::{Factory, number, person, result, station_name};

#[tokio::test]
async fn production_goes_on_without_the_authority_and_nothing_is_lost() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 5).await;
        factory.gateway().drain().await.unwrap();
        factory.authority.set_down(true);
        for chip in 0..5_u32 {
            let number = number(&format!("3012-{}", 123_456 + chip));
            let mut device = TestDevice::new(chip);
            let attempt = chip as u8;
            let gateway = factory.gateway();
            let lease = gateway.lease(&station_name(1), &device.request(attempt, &number)).await.unwrap();
            let proof = device.write(&number, lease.pack);
            let told = result(attempt, &number, WriteOutcome::Ok { proof });
            gateway.result(&station_name(1), &told).await.unwrap();
        }
        assert!(factory.gateway().drain().await.is_err());
        assert!(factory.gateway().replenish().await.is_err());
        assert_eq!(factory.gateway().desk().status().await.unwrap().outbox, 5);

        factory.authority.set_down(false);
        assert_eq!(factory.gateway().drain().await.unwrap().taken, 5);
        assert_eq!(factory.authority.count("verified"), 5);
    })
    .await;
}

#[tokio::test]
async fn lost_answers_lead_to_the_same_packs_and_no_doubled_report() {
    on_both(async |database| {
        let mut factory = Factory::new(database).await;
        factory.import("DEVICE CODE,3/17\n3012,50\n").await;
        // The first run stops at the allotment, the second when the packs' answer is lost.
        factory.authority.lose_answers(true);
        assert!(factory.gateway().replenish().await.is_err());
        factory.authority.lose_answers(false);
        factory.gateway().replenish().await.unwrap();
        factory.import("DEVICE CODE,3/17\n3012,80\n").await;
        factory.authority.set_quota(1_000);
        let asked = factory.gateway().replenish();
        asked.await.unwrap();
        assert_eq!(factory.authority.issued().len(), 80);

        factory.authority.lose_answers(true);
        assert!(factory.gateway().drain().await.is_err());
        factory.reopen().await;
        factory.authority.lose_answers(false);
        assert_eq!(factory.gateway().drain().await.unwrap().taken, 80);
        assert_eq!(factory.authority.count("stocked"), 80);
        let mut sequences = factory.authority.sequences_seen();
        assert_eq!(sequences.len(), 160, "each was sent twice");
        sequences.sort_unstable();
        sequences.dedup();
        assert_eq!(sequences, (1..=80).collect::<Vec<u64>>(), "and none was numbered anew");
    })
    .await;
}

#[tokio::test]
async fn a_broken_off_fetch_goes_on_with_the_same_numbers() {
    let mut factory = Factory::new(TestDatabase::sqlite()).await;
    factory.import("DEVICE CODE,3/17\n3012,40\n").await;
    factory.gateway().replenish().await.unwrap();
    factory.import("DEVICE CODE,3/17\n3012,60\n").await;
    factory.authority.never_issue("3012-123500", ProblemCode::Busy);
    assert!(factory.gateway().replenish().await.is_err(), "busy is no answer about a number");
    assert_eq!(factory.gateway().desk().status().await.unwrap().products[0].reserved, 20);
    factory.reopen().await;
    factory.authority.never_issue("3012-123500", ProblemCode::AlreadyMade);
    let fetched = factory.gateway().resume().await.unwrap();
    assert_eq!(fetched, 19, "all but the number that was made elsewhere");
    assert_eq!(factory.gateway().replenish().await.unwrap().stocked, 1, "another number takes its place");
    assert_eq!(factory.counts("3012").await, [60, 0, 0, 0, 0]);
}

#[tokio::test]
async fn quota_and_ranges_end_a_reservation_with_a_reason() {
    let factory = Factory::new(TestDatabase::sqlite()).await;
    factory.authority.set_quota(15);
    factory.import("DEVICE CODE,3/17\n3012,20\nA123,3\n").await;
    let done = factory.gateway().replenish().await.unwrap();
    assert_eq!(done.stocked, 18);
    assert_eq!(done.products[0].shortage.as_deref(), Some("the quota of 15 is used up"));
    assert_eq!(done.products[1].shortage, None);

    factory.authority.set_quota(1_000_000);
    factory.import("DEVICE CODE,3/17\n3012,7000\n").await;
    let done = factory.gateway().replenish().await.unwrap();
    assert_eq!(done.products[0].shortage.as_deref(), Some("the serial ranges are used up"));
    assert_eq!(factory.counts("3012").await[0], 129_999 - 123_456 + 1);
}

#[tokio::test]
async fn a_refused_record_is_parked_and_shown_and_the_others_go_on() {
    on_both(async |database| {
        let factory = Factory::with_stock(database, 3).await;
        let bad = number("3012-123457");
        factory.authority.refuse_records(&bad.clone().into(), Some(ProblemCode::IllegalState));
        let drained = factory.gateway().drain().await.unwrap();
        assert_eq!((drained.taken, drained.parked), (5, 1));
        let status = factory.gateway().desk().status().await.unwrap();
        assert_eq!((status.outbox, status.parked.len()), (0, 1));
        assert_eq!(status.parked[0].credential, bad.clone().into());
        assert!(status.parked[0].reason.contains("illegal-state"), "{}", status.parked[0].reason);

        factory.authority.refuse_records(&bad.clone().into(), None);
        assert_eq!(factory.gateway().desk().unpark(&person()).await.unwrap(), 1);
        assert_eq!(factory.gateway().drain().await.unwrap().taken, 1);
        assert!(factory.gateway().desk().status().await.unwrap().parked.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_record_that_keeps_failing_is_parked_in_the_end() {
    let factory = Factory::with_stock(TestDatabase::sqlite(), 1).await;
    let bad = number("3012-123456");
    factory.authority.refuse_records(&bad.clone().into(), Some(ProblemCode::Internal));
    let mut tries = 0;
    while factory.gateway().desk().status().await.unwrap().parked.is_empty() {
        factory.gateway().drain().await.unwrap();
        tries += 1;
        assert!(tries < 20, "it is never parked");
    }
    assert!(tries > 5, "a passing failure is tried more than {tries} times");
}
