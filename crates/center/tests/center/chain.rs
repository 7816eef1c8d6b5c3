//! Whether calls follow one another: copies and old memories are found, and nobody else.

use center::Sign;
use futures_util::StreamExt;
use futures_util::stream::iter;
use message::call::{Call, Event, Nonce};
use message::problem::ProblemCode;
use store::testing::{TestDatabase, on_both};

use crate::memory::Memory;
use crate::plant::{Device, Plant};

/// What one of two copies does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Call,
    CallAndLoseTheAnswer,
    BootAndCall,
}

const STEPS: [Step; 3] = [Step::Call, Step::CallAndLoseTheAnswer, Step::BootAndCall];

/// What the memory was like when it was copied.
#[derive(Clone, Copy, Debug)]
enum Copied {
    Blank,
    BetweenCalls,
    BeforeTheCall,
    BeforeTheAnswer,
}

const COPIED: [Copied; 4] =
    [Copied::Blank, Copied::BetweenCalls, Copied::BeforeTheCall, Copied::BeforeTheAnswer];

async fn memory_when(plant: &Plant, device: &Device, copied: Copied) -> Memory {
    let mut memory = Memory::default();
    memory.boot();
    if matches!(copied, Copied::Blank) {
        return memory;
    }
    memory.make(device, 10);
    assert!(memory.send(plant, device, false).await);
    match copied {
        Copied::Blank | Copied::BetweenCalls => {}
        Copied::BeforeTheCall => memory.make(device, 10),
        Copied::BeforeTheAnswer => {
            memory.make(device, 10);
            assert!(memory.send(plant, device, true).await);
        }
    }
    memory
}

/// Lets two copies of one memory call in this order. How many calls the two had said that one memory does not
/// say, when it was found; none where it was not found.
async fn found_at(plant: &Plant, device: &Device, copied: Copied, order: &[(usize, Step)]) -> (usize, bool) {
    let memory = memory_when(plant, device, copied).await;
    let mut copies = [memory.clone(), memory];
    let mut has_spoken = [false; 2];
    let mut divergent = 0;
    for (turn, (who, step)) in order.iter().enumerate() {
        let copy = &mut copies[*who];
        if *step == Step::BootAndCall {
            copy.boot();
        }
        // What both remember is the same from both, and tells nothing.
        if !copy.send(plant, device, false).await {
            return (divergent, true);
        }
        copy.make(device, 1 + turn as u64 * 2 + *who as u64);
        has_spoken[*who] = true;
        if has_spoken == [true; 2] {
            divergent += 1;
        }
        if !copy.send(plant, device, *step == Step::CallAndLoseTheAnswer).await {
            return (divergent, true);
        }
    }
    (divergent, false)
}

fn orders(length: usize) -> Vec<Vec<(usize, Step)>> {
    (0..length).fold(vec![Vec::new()], |orders, _| {
        let longer = |order: &Vec<(usize, Step)>| {
            let order = order.clone();
            (0..2).flat_map(|who| STEPS.map(|step| (who, step))).map(move |next| {
                let mut order = order.clone();
                order.push(next);
                order
            })
        };
        orders.iter().flat_map(longer).collect()
    })
}

/// In whatever order two copies call, the first call that one memory would not say is found.
async fn every_order_of_two_copies(database: TestDatabase, length: usize) -> usize {
    let mut plant = Plant::new(database).await;
    let orders = orders(length);
    let tries: Vec<_> =
        COPIED.iter().flat_map(|copied| orders.iter().map(|order| (*copied, order.clone()))).collect();
    let devices = plant.fleet(tries.len()).await;
    let plant = &plant;
    let runs = tries.into_iter().zip(&devices).map(|((copied, order), device)| async move {
        let (divergent, is_found) = found_at(plant, device, copied, &order).await;
        let expected = if is_found { divergent == 1 } else { divergent == 0 };
        assert!(expected, "{copied:?} {order:?}: {divergent} divergent calls, found: {is_found}");
    });
    iter(runs).buffer_unordered(256).count().await
}

fn sweep_length() -> usize {
    if std::env::var("TOUCHMARK_SWEEP").is_ok_and(|sweep| sweep == "long") { 5 } else { 3 }
}

#[tokio::test]
async fn two_copies_of_one_memory_are_found_in_every_order_of_their_calls() {
    let runs = every_order_of_two_copies(TestDatabase::sqlite(), sweep_length()).await;
    assert_eq!(runs, COPIED.len() * 6_usize.pow(sweep_length() as u32));
}

#[tokio::test]
async fn two_copies_are_found_on_both_databases() {
    on_both(async |database| {
        every_order_of_two_copies(database, 2).await;
    })
    .await;
}

fn poll(device: &Device, sequence: u32, previous: Option<Nonce>) -> Call {
    Call { previous, ..device.call(1, sequence, Event::Poll) }
}

#[tokio::test]
async fn a_device_that_has_named_a_nonce_may_not_leave_it_out_and_older_firmware_may() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.device("3012-000001").await;
        let poll = |sequence, previous| poll(&device, sequence, previous);
        // Older firmware, which then learns of nonces.
        plant.call(&device, &poll(1, None)).await.unwrap();
        plant.call(&device, &poll(2, None)).await.unwrap();
        let answer = plant.call(&device, &poll(3, Some(Nonce::NONE))).await.unwrap();
        let answer = plant.call(&device, &poll(4, answer.nonce)).await.unwrap();
        plant.restart().await;
        plant.call(&device, &poll(5, answer.nonce)).await.unwrap();
    })
    .await;
    for (without, sign) in [
        (None, Sign::NoAnswer),
        (Some(Nonce::NONE), Sign::NoAnswer),
        (Some(Nonce::new([9; 16])), Sign::UnknownAnswer),
    ] {
        let mut plant = Plant::new(TestDatabase::sqlite()).await;
        let device = plant.device("3012-000001").await;
        plant.call(&device, &poll(&device, 1, Some(Nonce::NONE))).await.unwrap();
        let refused = plant.call(&device, &poll(&device, 2, without)).await;
        assert_eq!(refused.unwrap_err().code, ProblemCode::Quarantined, "{without:?}");
        assert_eq!(plant.desk().evidence(&device.number).await.unwrap().sign, sign);
    }
}

/// The last call may be repeated for as long as its answer is lost, and the next one follows it.
#[tokio::test]
async fn a_lost_answer_accuses_nobody() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.device("3012-000001").await;
        let mut memory = Memory::default();
        for turn in 0..6 {
            memory.boot();
            memory.make(&device, 7);
            for _ in 0..turn {
                assert!(memory.send(&plant, &device, true).await);
                memory.boot();
            }
            plant.restart().await;
            assert!(memory.send(&plant, &device, false).await);
        }
        assert_eq!(plant.billed(&device).await, 42);
        assert_eq!(plant.incidents(&device).await, []);
    })
    .await;
}
