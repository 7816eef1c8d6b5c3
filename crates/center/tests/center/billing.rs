//! What is billed: every unit once, whatever is repeated, lost, restarted or turned back.

use center::CenterError;
use center::invoice::InvoiceError;
use proptest::prelude::*;
use store::testing::{TestDatabase, on_both, tamper};

use crate::plant::{DAY, Device, Plant, START, person};

#[tokio::test]
async fn an_invoice_explains_each_unit_by_its_call() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.device("3012-000001").await;
        plant.call(&device, &device.total(1, 1, 100)).await.unwrap();
        plant.clock.advance(DAY);
        plant.call(&device, &device.total(1, 2, 130)).await.unwrap();
        plant.call(&device, &device.total(1, 3, 135)).await.unwrap();

        let first = plant.desk().invoice(START, START + DAY, None).await.unwrap();
        assert_eq!((first.lines.len(), first.lines[0].units), (1, 100));
        assert!(first.is_final, "a later call closes the period");
        let second = plant.desk().invoice(START + DAY, START + 2 * DAY, None).await.unwrap();
        assert!(!second.is_final);
        let line = &second.lines[0];
        assert_eq!((line.counter.as_str(), line.units), ("total", 35));
        let parts: Vec<_> =
            line.calls.iter().map(|part| (part.call, part.boot, part.sequence, part.from, part.to)).collect();
        assert_eq!(parts, [(2, 1, 2, 100, 130), (3, 1, 3, 130, 135)]);
        assert_eq!(line.calls[1].hash, second.hash, "the last call is the end of the journal");
    })
    .await;
}

#[tokio::test]
async fn a_decrease_waits_until_a_person_has_decided() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.device("3012-000001").await;
        for (sequence, value) in [(1, 5_000), (2, 10), (3, 60)] {
            plant.call(&device, &device.total(1, sequence, value)).await.unwrap();
        }
        assert_eq!(plant.billed(&device).await, 5_000);
        assert_eq!(plant.desk().status().await.unwrap().held, [(device.number.clone(), "total".into(), 2)]);

        let total = || "total".parse().unwrap();
        let none = plant.desk().release(device.number.clone(), total(), Some(11), &person()).await;
        assert!(matches!(none, Err(CenterError::NothingHeld(_))), "nothing counts from 11: {none:?}");
        plant.clock.advance(DAY);
        let released = plant.desk().release(device.number.clone(), total(), None, &person()).await.unwrap();
        assert_eq!((released.base, released.readings, released.units), (10, 2, 50));
        assert_eq!(plant.billed(&device).await, 5_050);
        let yesterday = plant.desk().invoice(START, START + DAY, None).await.unwrap();
        assert_eq!(yesterday.lines[0].units, 5_000, "what is released is billed when it is released");
        plant.call(&device, &device.total(1, 4, 61)).await.unwrap();
        assert_eq!(plant.billed(&device).await, 5_051);
    })
    .await;
}

#[tokio::test]
async fn a_journal_or_books_that_were_changed_make_no_invoice() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let device = plant.device("3012-000001").await;
        for (sequence, value) in [(1, 100), (2, 200), (3, 300)] {
            plant.call(&device, &device.total(1, sequence, value)).await.unwrap();
        }
        let invoice = async || plant.desk().invoice(0, START + DAY, None).await;
        assert_eq!(invoice().await.unwrap().lines[0].units, 300);

        tamper(&plant.store, "UPDATE reading SET base = 150 WHERE call = 2").await;
        let books = invoice().await;
        assert!(matches!(books, Err(InvoiceError::Books { call: 2, .. })), "{books:?}");
        tamper(&plant.store, "UPDATE reading SET base = 100, settled = NULL WHERE call = 2").await;
        let less = invoice().await;
        assert!(matches!(less, Err(InvoiceError::Books { call: 2, .. })), "{less:?}");
        tamper(&plant.store, "UPDATE journal SET time = time + 1 WHERE id = 2").await;
        let journal = invoice().await;
        assert!(matches!(journal, Err(InvoiceError::Tampered(2))), "{journal:?}");
    })
    .await;
}

/// What happens to one of the fleet, or to the center.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// The device counts and calls; perhaps its answer is lost, and it says the same again later.
    Counts { device: usize, units: u64, is_answer_lost: bool },
    /// The device is switched off and on; what had no answer is said again, byte for byte.
    Boots { device: usize },
    /// The counter is turned back, and the device calls.
    TurnsBack { device: usize, units: u64 },
    /// Someone repeats a call that was made before.
    Repeats { device: usize, which: usize },
    /// A person lets count what is held.
    Releases { device: usize },
    /// The center ends and starts again.
    Restarts,
}

const FLEET: usize = 3;

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::{Boots, Counts, Releases, Repeats, Restarts, TurnsBack};
    let device = 0..FLEET;
    prop_oneof![
        8 => (device.clone(), 0u64..500, any::<bool>())
            .prop_map(|(device, units, is_answer_lost)| Counts { device, units, is_answer_lost }),
        2 => device.clone().prop_map(|device| Boots { device }),
        1 => (device.clone(), 1u64..1_000).prop_map(|(device, units)| TurnsBack { device, units }),
        3 => (device.clone(), any::<usize>()).prop_map(|(device, which)| Repeats { device, which }),
        1 => device.prop_map(|device| Releases { device }),
        1 => Just(Restarts),
    ]
}

/// A device and what should be billed for it, counted here in another way.
struct Counting {
    device: Device,
    boot: u32,
    sequence: u32,
    total: u64,
    made: Vec<String>,
    is_unanswered: bool,
    base: u64,
    held: Vec<u64>,
    billed: u64,
}

impl Counting {
    /// Makes the call of what the counter stands at, once what had no answer is said.
    async fn call(&mut self, plant: &Plant, is_answer_lost: bool) {
        self.repeat_unanswered(plant).await;
        self.sequence += 1;
        let call = self.device.total(self.boot, self.sequence, self.total);
        self.made.push(serde_json::to_string(&call).unwrap());
        // The answer may be lost; the call itself has arrived.
        plant.post(&self.device, &self.made[self.made.len() - 1]).await.unwrap();
        self.is_unanswered = is_answer_lost;
        if self.held.is_empty() && self.total >= self.base {
            self.billed += self.total - self.base;
            self.base = self.total;
        } else {
            self.held.push(self.total);
        }
    }

    async fn repeat_unanswered(&mut self, plant: &Plant) {
        if std::mem::take(&mut self.is_unanswered) {
            plant.post(&self.device, &self.made[self.made.len() - 1]).await.unwrap();
        }
    }

    async fn release(&mut self, plant: &Plant) {
        let counter = "total".parse().unwrap();
        let released = plant.desk().release(self.device.number.clone(), counter, None, &person()).await;
        let Some(first) = self.held.first().copied() else { return assert!(released.is_err()) };
        self.base = first;
        while self.held.first().is_some_and(|next| *next >= self.base) {
            let next = self.held.remove(0);
            self.billed += next - self.base;
            self.base = next;
        }
        assert_eq!(released.unwrap().still_held, self.held.len());
    }
}

async fn happen(plant: &mut Plant, fleet: &mut [Counting], happening: Happening) {
    match happening {
        Happening::Counts { device, units, is_answer_lost } => {
            fleet[device].total += units;
            fleet[device].call(plant, is_answer_lost).await;
        }
        Happening::Boots { device } => {
            let device = &mut fleet[device];
            (device.boot, device.sequence) = (device.boot + 1, 0);
            device.repeat_unanswered(plant).await;
        }
        Happening::TurnsBack { device, units } => {
            fleet[device].total = fleet[device].total.saturating_sub(units);
            fleet[device].call(plant, false).await;
        }
        Happening::Repeats { device, which } => {
            let Counting { device, made, .. } = &fleet[device];
            if !made.is_empty() {
                plant.post(device, &made[which % made.len()]).await.unwrap();
            }
        }
        Happening::Releases { device } => fleet[device].release(plant).await,
        Happening::Restarts => plant.restart().await,
    }
}

/// Lets all of it happen, and compares what is billed.
async fn bill(database: TestDatabase, happenings: &[Happening]) {
    let mut plant = Plant::new(database).await;
    let mut fleet = Vec::new();
    for serial in 0..FLEET {
        let device = plant.device(&format!("3012-{serial:06}")).await;
        fleet.push(Counting {
            device,
            boot: 1,
            sequence: 0,
            total: 0,
            made: Vec::new(),
            is_unanswered: false,
            base: 0,
            held: Vec::new(),
            billed: 0,
        });
    }
    for happening in happenings {
        happen(&mut plant, &mut fleet, *happening).await;
    }
    for counting in &fleet {
        assert_eq!(
            plant.billed(&counting.device).await,
            counting.billed.cast_signed(),
            "{}",
            counting.device.number
        );
        let calls = plant.desk().calls(Some(&counting.device.number), 1_000).await.unwrap();
        assert_eq!(calls.len(), counting.made.len(), "each call is in the journal once");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_billed_is_the_sum_of_what_was_accepted(happenings in prop::collection::vec(happening(), 1..40)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(bill(TestDatabase::sqlite(), &happenings));
    }
}

#[tokio::test]
async fn what_is_billed_is_the_same_on_both_databases() {
    use Happening::{Boots, Counts, Releases, Repeats, Restarts, TurnsBack};
    let counts = |units, is_answer_lost| Counts { device: 0, units, is_answer_lost };
    let happenings = [
        counts(100, true),
        Boots { device: 0 },
        counts(20, false),
        Repeats { device: 0, which: 0 },
        TurnsBack { device: 0, units: 70 },
        Restarts,
        counts(30, true),
        Releases { device: 0 },
        counts(1, false),
    ];
    on_both(async |database| bill(database, &happenings).await).await;
}
