//! Any order of leases, writes, results, expiries and crashes keeps the invariants: one number in one
//! device (I1), every credential in exactly one place (I3), the same question the same answer (I7).

use std::collections::BTreeMap;

use identity::{CredentialState, DeviceNumber, HardwareUid};
use message::lease::Lease;
use message::result::{Proof, WriteOutcome};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use store::testing::TestDatabase;

use crate::plant::{Factory, TestDevice, person, result, station_name};

const NUMBERS: u64 = 3;
const DEVICES: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Lease {
        device: usize,
        number: u64,
        attempt: u8,
        station: u32,
    },
    /// The device stores what it was last leased under this attempt.
    Write {
        attempt: u8,
    },
    Result {
        attempt: u8,
        station: u32,
        kind: u8,
    },
    Expire,
    Upkeep,
    Crash,
    Drain,
    Void {
        number: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..DEVICES, 0..NUMBERS, 0..8_u8, 0..2_u32)
            .prop_map(|(device, number, attempt, station)| Step::Lease { device, number, attempt, station }),
        6 => (0..8_u8).prop_map(|attempt| Step::Write { attempt }),
        8 => (0..8_u8, 0..2_u32, 0..4_u8)
            .prop_map(|(attempt, station, kind)| Step::Result { attempt, station, kind }),
        1 => Just(Step::Expire),
        2 => Just(Step::Upkeep),
        1 => Just(Step::Crash),
        1 => Just(Step::Drain),
        1 => (0..NUMBERS).prop_map(|number| Step::Void { number }),
    ]
}

/// What a bystander sees.
struct World {
    factory: Factory,
    devices: Vec<TestDevice>,
    /// By attempt: which device, for which number, and the lease it got.
    leases: BTreeMap<u8, (usize, DeviceNumber, Lease)>,
    proofs: BTreeMap<u8, Proof>,
    /// All chips that ever stored a number's pack.
    stored_in: BTreeMap<DeviceNumber, Vec<HardwareUid>>,
    answers: BTreeMap<(u8, u32, u8), CredentialState>,
}

impl World {
    async fn new() -> Self {
        let factory = Factory::with_stock(TestDatabase::sqlite(), NUMBERS).await;
        Self {
            factory,
            devices: (0..DEVICES as u32).map(TestDevice::new).collect(),
            leases: BTreeMap::new(),
            proofs: BTreeMap::new(),
            stored_in: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    async fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Lease { device, number, attempt, station } => {
                self.lease(*device, &numbered(*number), *attempt, *station).await?;
            }
            Step::Write { attempt } => self.write(*attempt),
            Step::Result { attempt, station, kind } => self.tell(*attempt, *station, *kind).await?,
            Step::Expire => {
                self.factory.clock.advance(601);
                self.factory.gateway().tick().await.unwrap();
            }
            Step::Upkeep => self.factory.gateway().tick().await.unwrap(),
            Step::Crash => self.factory.reopen().await,
            Step::Drain => {
                self.factory.gateway().drain().await.unwrap();
            }
            Step::Void { number } => {
                let _ =
                    self.factory.gateway().desk().void(&numbered(*number).into(), "scrap", &person()).await;
            }
        }
        self.check().await
    }

    async fn lease(
        &mut self,
        device: usize,
        number: &DeviceNumber,
        attempt: u8,
        station: u32,
    ) -> Result<(), TestCaseError> {
        let request = self.devices[device].request(attempt, number);
        let gateway = self.factory.gateway();
        let first = gateway.lease(&station_name(station), &request).await;
        let second = gateway.lease(&station_name(station), &request).await;
        match (first, second) {
            (Ok(first), Ok(second)) => {
                prop_assert!(first == second, "I7: the same lease asked twice");
                self.leases.insert(attempt, (device, number.clone(), first));
            }
            (Err(first), Err(second)) => prop_assert_eq!(first.problem(), second.problem(), "I7"),
            _ => prop_assert!(false, "I7: granted once and refused once"),
        }
        Ok(())
    }

    fn write(&mut self, attempt: u8) {
        let Some((device, number, lease)) = self.leases.get(&attempt) else { return };
        let device = &mut self.devices[*device];
        // A confirmed device takes no other pack; this is the device's own rule, not the gateway's.
        if device.pack.as_ref().is_some_and(|(held, _)| held != number) {
            return;
        }
        let proof = device.write(number, lease.pack.clone());
        self.proofs.insert(attempt, proof);
        let chips = self.stored_in.entry(number.clone()).or_default();
        if !chips.contains(&device.hardware_uid) {
            chips.push(device.hardware_uid.clone());
        }
    }

    async fn tell(&mut self, attempt: u8, station: u32, kind: u8) -> Result<(), TestCaseError> {
        let Some((_, number, _)) = self.leases.get(&attempt) else { return Ok(()) };
        let outcome = match (kind, self.proofs.get(&attempt)) {
            (0 | 1, Some(proof)) => WriteOutcome::Ok { proof: proof.clone() },
            (0 | 1, None) => return Ok(()),
            (2, _) => WriteOutcome::NoGood { reason: "refused".into(), untouched: true },
            _ => WriteOutcome::NoGood { reason: "silent".into(), untouched: false },
        };
        let told = result(attempt, number, outcome);
        let gateway = self.factory.gateway();
        let first = gateway.result(&station_name(station), &told).await;
        let second = gateway.result(&station_name(station), &told).await;
        match (first, second) {
            (Ok(first), Ok(second)) => {
                prop_assert_eq!(&first, &second, "I7: the same result told twice");
                let key = (attempt, station, kind.max(1));
                let before = self.answers.insert(key, first.state);
                prop_assert!(before.is_none_or(|before| before == first.state), "I7: told again later");
            }
            (Err(first), Err(second)) => prop_assert_eq!(first.problem(), second.problem(), "I7"),
            _ => prop_assert!(false, "I7: taken once and refused once"),
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        for (number, chips) in &self.stored_in {
            prop_assert!(chips.len() == 1, "I1: {number} is in {chips:?}");
        }
        let counts = self.factory.counts("3012").await;
        prop_assert_eq!(counts.iter().sum::<u64>(), NUMBERS, "I3: {:?}", counts);
        Ok(())
    }
}

fn numbered(number: u64) -> DeviceNumber {
    format!("3012-{}", 123_456 + number).parse().unwrap()
}

#[test]
fn any_interleaving_keeps_the_invariants() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cases = if std::env::var("TOUCHMARK_SWEEP").as_deref() == Ok("long") { 500 } else { 24 };
    let mut runner =
        TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&prop::collection::vec(step(), 1..60), |steps| {
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in &steps {
                world.take(step).await?;
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
