//! Calls that come in bundles: taken as over TLS, once and in order, and no honest device is accused.

use bundle::{Signer, open, split};
use cert::Fingerprint;
use message::bundle::{Answers, BUNDLE_VERSION, Bundle, CallOutcome, Calls, Contents, Party};
use message::call::{Call, CallAnswer, Nonce};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use store::bundle::Arrival;
use store::testing::{TestDatabase, on_both};

use crate::plant::{Device, Plant, START, member, person};

/// A device without a network, as much of it as bundles are about.
struct Handset {
    device: Device,
    signer: Signer,
    made: u32,
    previous: Nonce,
    /// Calls that are in no bundle yet.
    calls: Vec<String>,
    /// Bundles that were written: the document, and its calls.
    bundles: Vec<(Vec<u8>, Vec<String>)>,
    acknowledged: u64,
    taken: u64,
    /// All calls that were ever made.
    all: Vec<String>,
}

impl Handset {
    fn new(device: Device) -> Self {
        let signer = Signer::new(device.credential.clone());
        Self {
            device,
            signer,
            made: 0,
            previous: Nonce::NONE,
            calls: Vec::new(),
            bundles: Vec::new(),
            acknowledged: 0,
            taken: 0,
            all: Vec::new(),
        }
    }

    /// Makes a call; without an answer in between, it names the call before.
    fn call(&mut self) {
        self.made += 1;
        let total = self.device.total(1, self.made, u64::from(self.made) * 10);
        let call = Call { previous: Some(self.previous), ..total };
        let raw = serde_json::to_string(&call).unwrap();
        self.previous = name_of(&raw);
        self.calls.push(raw.clone());
        self.all.push(raw);
    }

    /// Puts the calls that are in none into a bundle.
    fn write(&mut self) {
        let calls = std::mem::take(&mut self.calls);
        let bundle = Bundle {
            version: BUNDLE_VERSION,
            from: Party::Device(self.device.number.clone()),
            to: Party::Member(member()),
            sequence: self.bundles.len() as u64 + 1,
            taken: self.taken,
            contents: Contents::Calls(Calls { calls: calls.clone() }),
        };
        self.bundles.push((self.signer.sign(&bundle).unwrap(), calls));
    }

    /// Takes the center's answers; those that come again change nothing.
    fn take(&mut self, bundle: &Bundle) {
        let Contents::Answers(Answers { outcomes }) = &bundle.contents else { panic!("no answers") };
        if bundle.sequence != self.taken + 1 {
            return;
        }
        let answered = &self.bundles[bundle.taken as usize - 1].1;
        assert_eq!(answered.len(), outcomes.len());
        for (raw, outcome) in answered.iter().zip(outcomes) {
            let CallOutcome::Answered(answer) = outcome else { panic!("{outcome:?}") };
            if self.previous == name_of(raw) {
                self.previous = answer.nonce.unwrap();
            }
        }
        self.taken += 1;
        self.acknowledged = self.acknowledged.max(bundle.taken);
    }
}

fn name_of(raw: &str) -> Nonce {
    Nonce::of_call(Fingerprint::of(raw.as_bytes()).as_bytes())
}

impl Plant {
    async fn import(&self, document: &[u8]) -> Result<center::Imported, String> {
        let received = open(document, &self.trust, START).map_err(|error| error.to_string())?;
        let done = self.center.import(received, &self.signer(), &person()).await;
        done.map_err(|error| error.to_string())
    }

    fn signer(&self) -> Signer {
        Signer::new(self.credential.clone())
    }

    async fn answers_for(&self, device: &Device) -> Vec<Bundle> {
        let Ok(waiting) = self.desk().bundles_for(&device.number).await else { return Vec::new() };
        let file: Vec<u8> = waiting.into_iter().flat_map(|waiting| waiting.document).collect();
        let opened = split(&file).unwrap().into_iter().map(|one| open(one, &self.trust, START).unwrap());
        opened.map(|received| received.bundle).collect()
    }

    async fn journal(&self, device: &Device) -> Vec<String> {
        let mut calls = self.desk().calls(Some(&device.number), 1_000).await.unwrap();
        calls.reverse();
        calls.into_iter().map(|entry| String::from_utf8(entry.raw).unwrap()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_bundle_are_taken_once_and_in_order_as_they_are() {
    on_both(async |database| {
        let mut plant = Plant::new(database).await;
        let mut handset = Handset::new(plant.device("3012-123456").await);
        (0..3).for_each(|_| handset.call());
        handset.write();
        (0..2).for_each(|_| handset.call());
        handset.write();
        let [first, second] = [&handset.bundles[0].0, &handset.bundles[1].0];
        let gap = plant.import(second).await.unwrap_err();
        assert!(gap.contains("bundle 1 comes before it"), "{gap}");
        let taken = plant.import(first).await.unwrap();
        assert_eq!((taken.arrival, taken.outcomes.len()), (Arrival::Next, 3));
        let double = plant.import(first).await.unwrap();
        assert!(matches!(double.arrival, Arrival::Double { .. }) && double.outcomes.is_empty());
        plant.import(second).await.unwrap();
        assert_eq!(plant.journal(&handset.device).await, handset.all);
        assert_eq!(plant.billed(&handset.device).await, 50);
        for answer in plant.answers_for(&handset.device).await {
            handset.take(&answer);
        }
        assert_eq!((handset.taken, handset.acknowledged), (2, 2));
        assert_eq!(plant.incidents(&handset.device).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_by_a_device_that_may_not_call_waits_until_it_may() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let mut handset = Handset::new(plant.unnamed("3012-123456"));
    handset.call();
    handset.write();
    let document = handset.bundles[0].0.clone();
    assert!(plant.import(&document).await.unwrap_err().contains("not registered"));
    plant.name(&handset.device, identity::CredentialState::Verified).await;
    assert_eq!(plant.import(&document).await.unwrap().outcomes.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bundle_of_a_copy_is_seen() {
    let mut plant = Plant::new(TestDatabase::sqlite()).await;
    let mut handset = Handset::new(plant.device("3012-123456").await);
    handset.call();
    // A copy of the memory goes on from here, and says something else.
    let (previous, signer) = (handset.previous, handset.signer.clone());
    let theirs = Call { previous: Some(previous), ..handset.device.total(1, 2, 999) };
    let bundle = Bundle {
        version: BUNDLE_VERSION,
        from: Party::Device(handset.device.number.clone()),
        to: Party::Member(member()),
        sequence: 1,
        taken: 0,
        contents: Contents::Calls(Calls {
            calls: vec![handset.calls[0].clone(), serde_json::to_string(&theirs).unwrap()],
        }),
    };
    let copy = signer.sign(&bundle).unwrap();
    handset.call();
    handset.write();
    plant.import(&copy).await.unwrap();
    let seen = plant.import(&handset.bundles[0].0).await.unwrap_err();
    assert!(seen.contains("said something else"), "{seen}");
    // Over TLS the same is seen by the chain.
    let call = handset.all[1].clone();
    assert!(plant.post(&handset.device, &call).await.is_err());
    let kinds: Vec<String> =
        plant.incidents(&handset.device).await.into_iter().map(|(kind, _)| kind).collect();
    assert!(kinds.contains(&"reused-number".to_owned()) && kinds.contains(&"fork".to_owned()), "{kinds:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Call,
    Write,
    /// Any bundle that was ever written is taken in.
    Import(prop::sample::Index),
    /// The device takes the answers that wait.
    Answers,
    /// A network is there for a moment: all calls that have no answer are made in order.
    Network,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Call),
        3 => Just(Step::Write),
        4 => any::<prop::sample::Index>().prop_map(Step::Import),
        2 => Just(Step::Answers),
        1 => Just(Step::Network),
        1 => Just(Step::Restart),
    ]
}

async fn tell(steps: Vec<Step>, database: TestDatabase) -> Result<(), TestCaseError> {
    let mut plant = Plant::new(database).await;
    let mut handset = Handset::new(plant.device("3012-123456").await);
    let mut imported = 0_u64;
    for step in steps {
        match step {
            Step::Call => handset.call(),
            Step::Write => handset.write(),
            Step::Import(which) if !handset.bundles.is_empty() => {
                let at = which.index(handset.bundles.len()) as u64;
                let found = plant.import(&handset.bundles[at as usize].0.clone()).await;
                match found {
                    Ok(done) if done.arrival == Arrival::Next => {
                        prop_assert_eq!(at, imported);
                        imported += 1;
                    }
                    Ok(_) => prop_assert!(at < imported),
                    Err(text) => prop_assert!(at > imported, "{}", text),
                }
            }
            Step::Import(_) => {}
            Step::Answers => {
                for answer in plant.answers_for(&handset.device).await {
                    handset.take(&answer);
                }
            }
            Step::Network => {
                for raw in handset.all.clone() {
                    let answer: CallAnswer = plant.post(&handset.device, &raw).await.unwrap();
                    if handset.previous == name_of(&raw) {
                        handset.previous = answer.nonce.unwrap();
                    }
                }
            }
            Step::Restart => plant.restart().await,
        }
    }
    handset.write();
    for at in imported..handset.bundles.len() as u64 {
        plant.import(&handset.bundles[at as usize].0.clone()).await.map_err(TestCaseError::fail)?;
    }
    prop_assert_eq!(plant.journal(&handset.device).await, handset.all.clone(), "each once, in order");
    prop_assert_eq!(plant.billed(&handset.device).await, i64::from(handset.made) * 10);
    prop_assert_eq!(plant.incidents(&handset.device).await, [], "nobody honest is accused");
    Ok(())
}

fn run(cases: u32, database: fn() -> TestDatabase) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let outcome =
        runner.run(&prop::collection::vec(step(), 1..40), |steps| runtime.block_on(tell(steps, database())));
    outcome.unwrap();
}

fn is_long() -> bool {
    std::env::var("TOUCHMARK_SWEEP").as_deref() == Ok("long")
}

#[test]
fn any_order_of_bundles_counts_every_call_once() {
    run(if is_long() { 500 } else { 24 }, TestDatabase::sqlite);
}

#[test]
fn any_order_of_bundles_counts_every_call_once_on_postgresql() {
    run(if is_long() { 100 } else { 4 }, TestDatabase::postgres);
}
