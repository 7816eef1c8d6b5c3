//! What becomes of a device number under which two memories have called.

use center::invoice::{Fault, InvoiceError, recount};
use center::{CenterError, Doubt, Sign, Suspicion};
use message::call::{Event, Nonce};
use message::problem::ProblemCode;
use store::testing::{TestDatabase, on_both, tamper};

use crate::memory::Memory;
use crate::plant::{DAY, Device, Plant, START, person};

/// A device that has counted and called so often, 10 units each time, and its memory.
async fn device_with(plant: &mut Plant, calls: u32) -> (Device, Memory) {
    let device = plant.device("3012-000001").await;
    let mut memory = Memory::default();
    for _ in 0..calls {
        assert!(memory.count(plant, &device, 10).await);
    }
    (device, memory)
}

#[tokio::test]
async fn a_fork_refuses_every_call_keeps_the_evidence_and_holds_what_is_in_doubt() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let (device, mut memory) = device_with(&mut plant, 3).await;
        let mut copy = memory.clone();
        assert!(memory.count(&plant, &device, 100).await);
        assert!(memory.count(&plant, &device, 1_000).await);
        assert_eq!(plant.billed(&device).await, 1_130);

        assert!(!copy.count(&plant, &device, 5).await);
        assert_eq!(plant.billed(&device).await, 30, "what was counted since they were one is held");
        let evidence = plant.desk().evidence(&device.number).await.unwrap();
        assert_eq!((evidence.sign, evidence.suspicion), (Sign::EarlierAnswer, Suspicion::SetBackOrCopied));
        assert_eq!((evidence.quarantine.since, evidence.taken.id), (3, 5));
        assert_eq!(evidence.refused, copy.unanswered.clone().unwrap().as_bytes());
        let held: Vec<_> = evidence.taken_back.iter().map(|held| (held.call, held.units)).collect();
        assert_eq!(held, [(4, -100), (5, -1_000)]);

        // Both are refused, also after a restart, and now it is certain that there are two.
        plant.restart().await;
        assert!(!copy.send(&plant, &device, false).await);
        assert!(!memory.count(&plant, &device, 7).await);
        let evidence = plant.desk().evidence(&device.number).await.unwrap();
        assert_eq!(evidence.suspicion, Suspicion::Copied);
        assert_eq!((evidence.quarantine.following.count, evidence.quarantine.straying.count), (1, 2));
        assert_eq!(plant.incidents(&device).await, [("fork".to_owned(), 1), ("quarantined".to_owned(), 2)]);
        assert_eq!(plant.desk().status().await.unwrap().quarantined, 1);
        assert_eq!(plant.billed(&device).await, 30);
    })
    .await;
}

#[tokio::test]
async fn a_release_bills_what_was_held_and_the_next_call_begins_a_new_chain() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let (device, mut memory) = device_with(&mut plant, 2).await;
        let mut copy = memory.clone();
        assert!(memory.count(&plant, &device, 100).await);
        assert!(!copy.count(&plant, &device, 5).await);
        assert!(!memory.count(&plant, &device, 1).await);

        plant.clock.advance(DAY);
        let readmitted = plant.desk().readmit(device.number.clone(), Doubt::Count, &person()).await.unwrap();
        assert_eq!(readmitted.units, 100);
        let again = plant.desk().readmit(device.number.clone(), Doubt::Count, &person()).await;
        assert!(matches!(again, Err(CenterError::NoQuarantine(_))), "{again:?}");
        assert_eq!(plant.billed(&device).await, 120);
        let day = async |day| {
            let from = START + day * DAY;
            let invoice = plant.desk().invoice(from, from + DAY, None).await.unwrap();
            invoice.lines.iter().map(|line| line.units).sum::<i64>()
        };
        assert_eq!((day(0).await, day(1).await), (20, 100), "a period that is over stays as it is");

        // The call that was refused is made again as it was.
        assert!(memory.send(&plant, &device, false).await);
        assert!(memory.count(&plant, &device, 1).await);
        assert_eq!(plant.billed(&device).await, 122);
        assert!(!copy.send(&plant, &device, false).await, "the copy is found again at once");
        assert_eq!(plant.desk().quarantines(10).await.unwrap()[0].chain, 1);
        assert_eq!(plant.billed(&device).await, 120, "and the new chain is held from its beginning on");
    })
    .await;
}

#[tokio::test]
async fn a_device_with_an_old_memory_goes_on_with_it_and_counts_from_where_it_stood() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let (device, mut memory) = device_with(&mut plant, 2).await;
        let mut old = memory.clone();
        for units in [100, 50] {
            assert!(memory.count(&plant, &device, units).await);
        }
        // Service puts the old memory back.
        assert!(!old.count(&plant, &device, 1).await);
        assert!(!old.count(&plant, &device, 1).await);
        let evidence = plant.desk().evidence(&device.number).await.unwrap();
        assert_eq!(evidence.suspicion, Suspicion::SetBackOrCopied, "the other memory is silent");
        plant.desk().readmit(device.number.clone(), Doubt::Drop, &person()).await.unwrap();
        assert_eq!(plant.billed(&device).await, 20);
        assert!(old.send(&plant, &device, false).await);
        assert!(old.count(&plant, &device, 3).await);
        assert_eq!(plant.billed(&device).await, 25, "1, 1 and 3 since the old memory");
        // Its numbers were used before, in the chain before.
        let calls = plant.desk().calls(Some(&device.number), 10).await.unwrap();
        assert_eq!(calls.len(), 6);
    })
    .await;
}

/// A device's answer was lost when its copy was found.
#[tokio::test]
async fn a_call_that_was_taken_before_the_release_is_not_taken_again() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let (device, mut memory) = device_with(&mut plant, 2).await;
    let mut copy = memory.clone();
    memory.boot();
    memory.make(&device, 10);
    assert!(memory.send(&plant, &device, true).await);
    assert!(!copy.count(&plant, &device, 5).await);
    assert!(!memory.send(&plant, &device, false).await);
    plant.desk().readmit(device.number.clone(), Doubt::Count, &person()).await.unwrap();
    assert!(memory.send(&plant, &device, false).await);
    assert!(memory.count(&plant, &device, 1).await);
    assert_eq!(plant.desk().calls(None, 10).await.unwrap().len(), 4, "three, and one after the release");
    assert_eq!(plant.billed(&device).await, 31);
}

#[tokio::test]
async fn what_is_in_doubt_is_not_released_by_its_counter() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let (device, mut memory) = device_with(&mut plant, 2).await;
    let mut copy = memory.clone();
    memory.total = 1;
    assert!(memory.count(&plant, &device, 1).await);
    assert!(!copy.count(&plant, &device, 5).await);
    let release = async || {
        let counter = "total".parse().unwrap();
        plant.desk().release(device.number.clone(), counter, None, &person()).await
    };
    let refused = release().await;
    assert!(matches!(refused, Err(CenterError::InDoubt { .. })), "{refused:?}");
    plant.desk().readmit(device.number.clone(), Doubt::Count, &person()).await.unwrap();
    assert_eq!(release().await.unwrap().base, 2);
    assert_eq!(plant.billed(&device).await, 20);
}

/// Each of these is found by the recount, and for what it is.
#[tokio::test]
async fn cooked_journals_and_books_are_found() {
    type Found = fn(&InvoiceError) -> bool;
    let faults: [(&'static str, Found); 6] = [
        ("UPDATE correction SET units = -99", |error| matches!(error, InvoiceError::Books { .. })),
        ("DELETE FROM correction", |error| matches!(error, InvoiceError::Books { .. })),
        ("DELETE FROM quarantine", |error| matches!(error, InvoiceError::Quarantine(_))),
        ("UPDATE quarantine SET released_by = 5", |error| matches!(error, InvoiceError::Quarantine(_))),
        ("UPDATE journal SET nonce = zeroblob(16) WHERE id = 1", |error| {
            matches!(error, InvoiceError::Impossible { id: 2, fault: Fault::Unchained })
        }),
        ("UPDATE journal SET through = '3012-000009' WHERE id = 2", |error| {
            matches!(error, InvoiceError::Tampered(2))
        }),
    ];
    for (sql, is_found) in faults {
        let mut plant = Plant::new(TestDatabase::sqlite()).await;
        let (device, mut memory) = device_with(&mut plant, 2).await;
        let mut copy = memory.clone();
        assert!(memory.count(&plant, &device, 100).await);
        assert!(!copy.count(&plant, &device, 5).await);
        assert_eq!(recount(&plant.store).await.unwrap(), 4);
        tamper(&plant.store, sql).await;
        let error = recount(&plant.store).await.unwrap_err();
        assert!(is_found(&error), "{sql}: {error}");
    }
}

/// Older firmware that reuses a number is refused, and not put into quarantine: it cannot tell better.
#[tokio::test]
async fn firmware_without_nonces_is_never_quarantined() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let device = plant.device("3012-000001").await;
    plant.call(&device, &device.total(1, 1, 100)).await.unwrap();
    let refused = plant.call(&device, &device.total(1, 1, 200)).await.unwrap_err();
    assert_eq!(refused.code, ProblemCode::Conflict);
    assert_eq!(plant.desk().quarantines(10).await.unwrap(), []);
    plant.call(&device, &device.call(1, 2, Event::Poll)).await.unwrap();
    assert_ne!(plant.call(&device, &device.total(2, 1, 100)).await.unwrap().nonce, Some(Nonce::NONE));
}
