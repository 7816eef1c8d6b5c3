//! Files are written, taken in, lost, doubled and cut apart in any order: every bundle counts once, every
//! gap is shown, every credential is in one place, and when all have arrived both sides agree.

use std::cell::Cell;

use bundle::split;
use identity::CredentialState::{Stocked, Verified};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use store::bundle::Arrival;
use store::testing::TestDatabase;

use crate::works::{BOTH, PLAIN, QUOTA, Works, sequence_of};

#[derive(Clone, Debug)]
enum Step {
    /// The gateway writes a file; what is in it may be taken in now, later, often or never.
    WriteUp,
    WriteDown,
    /// One of the bundles that were ever written is taken in.
    TakeUp(prop::sample::Index),
    TakeDown(prop::sample::Index),
    /// The last file is taken in whole.
    TakeLastUp,
    TakeLastDown,
    Make(bool),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::WriteUp),
        3 => Just(Step::WriteDown),
        3 => any::<prop::sample::Index>().prop_map(Step::TakeUp),
        3 => any::<prop::sample::Index>().prop_map(Step::TakeDown),
        2 => Just(Step::TakeLastUp),
        2 => Just(Step::TakeLastDown),
        4 => any::<bool>().prop_map(Step::Make),
        1 => Just(Step::Restart),
    ]
}

/// One direction: every bundle that was ever written, and how many were taken in.
#[derive(Default)]
struct Way {
    written: Vec<Vec<u8>>,
    last: Vec<Vec<u8>>,
    taken: Cell<u64>,
}

impl Way {
    fn wrote(&mut self, file: &[u8]) {
        self.last = split(file).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        for document in &self.last {
            if !self.written.contains(document) {
                self.written.push(document.clone());
            }
        }
    }

    /// What must come of a bundle of this number.
    fn expected(&self, sequence: u64) -> Result<bool, u64> {
        let next = self.taken.get() + 1;
        match sequence {
            _ if sequence > next => Err(next),
            _ if sequence == next => {
                self.taken.set(next);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn check(&self, sequence: u64, found: Result<Arrival, String>) -> Result<(), TestCaseError> {
        match (self.expected(sequence), found) {
            (Ok(true), Ok(Arrival::Next)) | (Ok(false), Ok(Arrival::Double { .. })) => Ok(()),
            (Err(missing), Err(text)) if text.contains(&format!("bundle {missing} comes before it")) => {
                Ok(())
            }
            (expected, found) => {
                Err(TestCaseError::fail(format!("bundle {sequence}: expected {expected:?}, found {found:?}")))
            }
        }
    }
}

struct World {
    works: Works,
    up: Way,
    down: Way,
}

impl World {
    async fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::WriteUp => {
                let file = self.works.file_up().await;
                prop_assert_eq!(&self.works.file_up().await, &file, "the same file when nothing is new");
                self.up.wrote(&file);
            }
            Step::WriteDown => {
                let file = self.works.file_down().await;
                prop_assert_eq!(&self.works.file_down().await, &file, "the same file when nothing is new");
                self.down.wrote(&file);
            }
            Step::TakeUp(which) if !self.up.written.is_empty() => {
                self.take_up(&[which.get(&self.up.written).clone()]).await?;
            }
            Step::TakeDown(which) if !self.down.written.is_empty() => {
                self.take_down(&[which.get(&self.down.written).clone()]).await?;
            }
            Step::TakeLastUp => self.take_up(&self.up.last).await?,
            Step::TakeLastDown => self.take_down(&self.down.last).await?,
            Step::TakeUp(_) | Step::TakeDown(_) => {}
            Step::Make(is_plain) => {
                self.works.make(if *is_plain { PLAIN } else { BOTH }).await;
            }
            Step::Restart => self.works.reopen().await,
        }
        self.works.is_conserved().await.map_err(TestCaseError::fail)
    }

    async fn take_up(&self, documents: &[Vec<u8>]) -> Result<(), TestCaseError> {
        for document in documents {
            self.up.check(sequence_of(&self.works, document), self.works.take_up(document).await)?;
        }
        Ok(())
    }

    async fn take_down(&self, documents: &[Vec<u8>]) -> Result<(), TestCaseError> {
        for document in documents {
            self.down.check(sequence_of(&self.works, document), self.works.take_down(document).await)?;
        }
        Ok(())
    }

    /// Once files go to and fro undisturbed, stock is there again and both sides say the same.
    async fn end(mut self) -> Result<(), TestCaseError> {
        for _ in 0..4 {
            self.works.exchange().await;
        }
        for product in [PLAIN, BOTH] {
            while self.works.make(product).await {}
        }
        for _ in 0..2 {
            self.works.exchange().await;
        }
        prop_assert_eq!(self.works.outbox().await, 0);
        self.works.is_conserved().await.map_err(TestCaseError::fail)?;
        for (product, kinds) in [(PLAIN, 1), (BOTH, 2)] {
            let made = self.works.made_of(product);
            prop_assert!(made > 0, "stock lasts as with a link");
            let verified = self.works.at_authority(product, Verified).await;
            prop_assert_eq!(&verified[..kinds], &vec![made; kinds][..], "{}", product);
            let stocked = self.works.at_authority(product, Stocked).await;
            prop_assert!(made + stocked[0] <= QUOTA);
        }
        Ok(())
    }
}

fn run(cases: u32, database: fn() -> TestDatabase) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&prop::collection::vec(step(), 1..40), |steps| {
        runtime.block_on(async {
            let works = Works::new([database(), database()]).await;
            let mut world = World { works, up: Way::default(), down: Way::default() };
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
fn any_order_of_files_conserves_every_credential() {
    run(if is_long() { 500 } else { 12 }, TestDatabase::sqlite);
}

#[test]
fn any_order_of_files_conserves_every_credential_on_postgresql() {
    run(if is_long() { 100 } else { 3 }, TestDatabase::postgres);
}
