//! Any order of leases, writes, results, lies, expiries, outages and crashes keeps the invariants: one
//! credential in one device (I1), one of a kind for a number (I2), every credential in exactly one place
//! (I3), the same question the same answer (I7). For each way in which credentials come to a device.

use std::collections::{BTreeMap, BTreeSet};

use identity::profile::{KeyOrigin, Sealing};
use identity::{ApparatusId, CredentialId, CredentialState, DeviceNumber, HardwareUid};
use message::lease::Lease;
use message::result::{Proof, WriteOutcome};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use store::testing::TestDatabase;

use crate::authority::profile;
use crate::device::TestDevice;
use crate::plant::{Factory, person, result, station_name};

const NUMBERS: u64 = 3;
const DEVICES: u32 = 4;

/// How credentials come to the devices of a product.
#[derive(Clone, Copy, Debug)]
enum Way {
    PlainCertificate,
    BothFromStock,
    SymmetricFromStock,
    BothOnTheSpot,
    OwnKeyAndStock,
}

const WAYS: [Way; 5] = [
    Way::PlainCertificate,
    Way::BothFromStock,
    Way::SymmetricFromStock,
    Way::BothOnTheSpot,
    Way::OwnKeyAndStock,
];

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
    /// The station reports the values of another attempt's device.
    Swap {
        attempt: u8,
        with: u8,
        station: u32,
    },
    Expire,
    Upkeep,
    Crash,
    Drain,
    Void {
        number: u64,
    },
    Link {
        is_down: bool,
    },
    LosePacks {
        loses: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..DEVICES as usize, 0..NUMBERS, 0..8_u8, 0..2_u32)
            .prop_map(|(device, number, attempt, station)| Step::Lease { device, number, attempt, station }),
        6 => (0..8_u8).prop_map(|attempt| Step::Write { attempt }),
        8 => (0..8_u8, 0..2_u32, 0..4_u8)
            .prop_map(|(attempt, station, kind)| Step::Result { attempt, station, kind }),
        2 => (0..8_u8, 0..8_u8, 0..2_u32)
            .prop_map(|(attempt, with, station)| Step::Swap { attempt, with, station }),
        1 => Just(Step::Expire),
        2 => Just(Step::Upkeep),
        1 => Just(Step::Crash),
        1 => Just(Step::Drain),
        1 => (0..NUMBERS).prop_map(|number| Step::Void { number }),
        2 => any::<bool>().prop_map(|is_down| Step::Link { is_down }),
        1 => any::<bool>().prop_map(|loses| Step::LosePacks { loses }),
    ]
}

/// What a bystander sees.
struct World {
    way: Way,
    factory: Factory,
    devices: Vec<TestDevice>,
    /// By attempt: which device, for which number, and the lease it got.
    leases: BTreeMap<u8, (usize, DeviceNumber, Lease)>,
    proofs: BTreeMap<u8, Proof>,
    /// All chips that ever stored a credential.
    stored_in: BTreeMap<CredentialId, BTreeSet<HardwareUid>>,
    /// All symmetric credentials that were ever leased for a number, and all numbers of each.
    given: BTreeMap<DeviceNumber, BTreeSet<ApparatusId>>,
    given_to: BTreeMap<ApparatusId, BTreeSet<DeviceNumber>>,
    answers: BTreeMap<(u8, u32, u8), CredentialState>,
}

impl World {
    async fn new(database: TestDatabase, way: Way) -> Self {
        let own = match way {
            Way::OwnKeyAndStock => KeyOrigin::Device,
            _ => KeyOrigin::Authority,
        };
        let profile = match way {
            Way::PlainCertificate => profile(Some(own), false, Sealing::Plain),
            Way::BothFromStock | Way::OwnKeyAndStock => profile(Some(own), true, Sealing::PreWriteKey),
            Way::SymmetricFromStock => profile(None, true, Sealing::PreWriteKey),
            Way::BothOnTheSpot => profile(Some(own), true, Sealing::DeviceKey),
        };
        let (factory, key) = Factory::with_profile(database, profile, NUMBERS).await;
        let device = |chip| match way {
            Way::BothOnTheSpot => TestDevice::with_derived_key("A123", chip, &key),
            _ => TestDevice::with_firmware("A123", chip, &key),
        };
        Self {
            way,
            factory,
            devices: (0..DEVICES).map(device).collect(),
            leases: BTreeMap::new(),
            proofs: BTreeMap::new(),
            stored_in: BTreeMap::new(),
            given: BTreeMap::new(),
            given_to: BTreeMap::new(),
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
            Step::Swap { attempt, with, station } => self.swap(*attempt, *with, *station).await,
            Step::Expire => {
                self.factory.clock.advance(601);
                self.factory.gateway().tick().await.unwrap();
            }
            Step::Upkeep => self.factory.gateway().tick().await.unwrap(),
            Step::Crash => self.factory.reopen().await,
            Step::Drain => drop(self.factory.gateway().drain().await),
            Step::Void { number } => {
                let id = numbered(*number).into();
                let _ = self.factory.gateway().desk().void(&id, "scrap", &person()).await;
            }
            Step::Link { is_down } => self.factory.authority.set_down(*is_down),
            Step::LosePacks { loses } => self.factory.authority.lose_packs(*loses),
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
        let request = match self.way {
            Way::OwnKeyAndStock => self.devices[device].request_with_own_key(attempt, number),
            _ => self.devices[device].request(attempt, number),
        };
        let gateway = self.factory.gateway();
        let first = gateway.lease(&station_name(station), &request).await;
        let second = gateway.lease(&station_name(station), &request).await;
        match (first, second) {
            (Ok(first), Ok(second)) => {
                prop_assert!(first == second, "I7: the same lease asked twice");
                if let Some(apparatus) = &first.pack.apparatus {
                    let id = apparatus.apparatus_id;
                    self.given.entry(number.clone()).or_default().insert(id);
                    self.given_to.entry(id).or_default().insert(number.clone());
                }
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
        if device.holds.as_ref().is_some_and(|held| held != number) {
            return;
        }
        // A device that has made another key meanwhile refuses the certificate.
        let Ok(proof) = device.try_write(number, &lease.pack) else { return };
        self.proofs.insert(attempt, proof);
        let apparatus = lease.pack.apparatus.as_ref().map(|pack| pack.apparatus_id.into());
        for id in [CredentialId::from(number.clone())].into_iter().chain(apparatus) {
            self.stored_in.entry(id).or_default().insert(device.hardware_uid.clone());
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

    /// Whatever comes of the lie, the books must stay true; see [`World::end`].
    async fn swap(&mut self, attempt: u8, with: u8, station: u32) {
        let Some((_, number, _)) = self.leases.get(&attempt) else { return };
        let (Some(own), Some(other)) = (self.proofs.get(&attempt), self.proofs.get(&with)) else { return };
        let proof = Proof { confirmation: other.confirmation.clone(), ..own.clone() };
        let told = result(attempt, number, WriteOutcome::Ok { proof });
        let _ = self.factory.gateway().result(&station_name(station), &told).await;
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        for (credential, chips) in &self.stored_in {
            prop_assert!(chips.len() == 1, "I1: {credential} is in {chips:?}");
        }
        for (number, ids) in &self.given {
            prop_assert!(ids.len() == 1, "I2: {number} was given {ids:?}");
        }
        for (id, numbers) in &self.given_to {
            prop_assert!(numbers.len() == 1, "I2: {id} was given to {numbers:?}");
        }
        let made = self.factory.authority.apparatuses() as u64;
        let apparatuses = self.sum_of_apparatuses().await;
        match self.way {
            Way::PlainCertificate | Way::BothFromStock => {
                let counts = self.factory.counts("A123").await;
                prop_assert_eq!(counts.iter().sum::<u64>(), NUMBERS, "I3: {:?}", counts);
            }
            Way::SymmetricFromStock | Way::BothOnTheSpot | Way::OwnKeyAndStock => {}
        }
        match self.way {
            // What was made on the spot may not have arrived yet.
            Way::BothOnTheSpot => prop_assert!(apparatuses <= made, "I3: {apparatuses} of {made}"),
            _ => prop_assert_eq!(apparatuses, made, "I3"),
        }
        Ok(())
    }

    async fn sum_of_apparatuses(&self) -> u64 {
        match self.way {
            Way::PlainCertificate => 0,
            _ => self.factory.apparatus_counts("A123").await.iter().sum(),
        }
    }

    /// In the end, with the link mended, the authority knows what the factory knows, and disputes nothing.
    async fn end(&self) -> Result<(), TestCaseError> {
        self.factory.authority.set_down(false);
        self.factory.authority.lose_packs(false);
        self.factory.gateway().drain().await.unwrap();
        let status = self.factory.gateway().desk().status().await.unwrap();
        prop_assert_eq!((status.outbox, status.parked), (0, Vec::new()), "I6");
        let verified: u64 = match self.way {
            Way::PlainCertificate => return Ok(()),
            _ => self.factory.apparatus_counts("A123").await[2],
        };
        let bound = self.given_to.keys().filter_map(|id| Some((id, self.factory.authority.bound_to(*id)?)));
        let mut live = 0;
        for (id, (number, uid)) in bound {
            let stored_in = self.stored_in.get(&(*id).into());
            prop_assert!(stored_in.is_some_and(|chips| chips.contains(&uid)), "I1: {id} is not in {uid}");
            prop_assert!(self.given_to[id].contains(&number), "{id} is bound to {number}");
            live += u64::from(!self.factory.authority.events(*id).contains(&"voided"));
        }
        prop_assert_eq!(live, verified, "I6: what is bound is what was verified");
        Ok(())
    }
}

fn numbered(number: u64) -> DeviceNumber {
    format!("A123-{}", 654_321 + number).parse().unwrap()
}

fn run(cases: u32, database: fn() -> TestDatabase) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let story = (prop::sample::select(&WAYS[..]), prop::collection::vec(step(), 1..60));
    let outcome = runner.run(&story, |(way, steps)| {
        runtime.block_on(async {
            let mut world = World::new(database(), way).await;
            for step in &steps {
                world.take(step).await?;
            }
            world.end().await
        })
    });
    outcome.unwrap();
}

fn is_long() -> bool {
    std::env::var("TOUCHMARK_SWEEP").as_deref() == Ok("long")
}

#[test]
fn any_interleaving_keeps_the_invariants() {
    run(if is_long() { 1_000 } else { 40 }, TestDatabase::sqlite);
}

#[test]
fn any_interleaving_keeps_the_invariants_on_postgresql() {
    run(if is_long() { 200 } else { 8 }, TestDatabase::postgres);
}
