//! How long an examination takes: as long for an ID that nobody has as for a wrong proof; and how
//! many guesses find nothing.
//!
//! The comparison is made in the manner of dudect (Reparaz, Balasch, Verbauwhede, 2017): probes of
//! two classes in random order, Welch's t-test of their durations, the slowest cropped at several
//! levels, since those are the machine's and not ours. It would see a single branch, so it leaves out
//! of account what nobody can measure from outside ([`BLUR`]). A difference that is there shows every
//! time, one that a busy machine makes does not come back: a difference is what shows in each of
//! several rounds.

use std::hint::black_box;
use std::time::Instant;

use auth::{Nonce, Proof, Prover, Versions};
use identity::{HardwareUid, Member};
use store::testing::TestDatabase;
use store::{Schema, Secret, Store};

use super::*;

struct TestRandom;

impl Random for TestRandom {
    fn fill(&self, bytes: &mut [u8]) {
        use rand::TryRng;
        rand::rngs::SysRng.try_fill_bytes(bytes).unwrap();
    }
}

/// An examiner, and a credential in each form.
struct Place {
    examiner: Examiner,
    credential: SymmetricCredential,
    pass_phrase: Held,
    second_form: Held,
}

impl Place {
    fn new(vault: &Arc<Vault>) -> Self {
        let verifier = Verifier::new(server(), Versions::SUPPORTED);
        let credential = SymmetricCredential::random(&TestRandom);
        let sealed = seal_pass_phrase(vault, credential.apparatus_id, &credential.pass_phrase);
        Self {
            pass_phrase: Held::PassPhrase(sealed.unwrap()),
            second_form: Held::SecondForm(second_form(vault, &credential)),
            examiner: Examiner::new(verifier, Arc::clone(vault), &TestRandom).unwrap(),
            credential,
        }
    }

    /// Whether the device is let in.
    fn examine(&self, answer: &Answer, held: Option<&Held>) -> bool {
        let spent = SpentNonce::removed(answer.server_nonce);
        self.examiner.examine(answer, spent, held, &channel()).unwrap().is_some()
    }
}

fn server() -> Member {
    "urn:touchmark:authenticator:europe".parse().unwrap()
}

fn channel() -> ChannelBinding {
    ChannelBinding::new([5; ChannelBinding::BYTES])
}

async fn vault() -> (Arc<Vault>, TestDatabase) {
    let database = TestDatabase::sqlite();
    let store = Store::open(&database.url, Schema::Authenticator).await.unwrap();
    let passphrase = Secret::new(b"correct horse battery staple".to_vec());
    (Arc::new(Vault::create(&store, passphrase).await.unwrap()), database)
}

fn second_form(vault: &Vault, credential: &SymmetricCredential) -> SecondForm {
    let product: ProductCode = "A123".parse().unwrap();
    let key_identifier: KeyIdentifier = "A123-1".parse().unwrap();
    let chip: HardwareUid = "0011223344556677".parse().unwrap();
    let key = PreWriteKey::new(key_identifier.clone(), &[7; PreWriteKey::BYTES]);
    let binding =
        Binding { product: &product, credential: &CredentialId::Apparatus(credential.apparatus_id) };
    let mut sealed = [0; SymmetricCredential::BYTES + SEALED_OVERHEAD_MAX];
    let sealed = key.for_chip(&chip).seal(&binding, &*credential.to_bytes(), &TestRandom, &mut sealed);
    SecondForm {
        product,
        sealed_pre_write_key: seal_pre_write_key(vault, &key_identifier, key.expose()).unwrap(),
        ciphertext: Ciphertext { sealed: sealed.unwrap().to_vec(), key_identifier, hardware_uid: Some(chip) },
    }
}

/// An answer under this ID, with any proof.
fn guess(id: ApparatusId) -> Answer {
    let mut proof = [0; Proof::BYTES];
    TestRandom.fill(&mut proof);
    Answer {
        offered: Versions::SUPPORTED,
        version: Versions::SUPPORTED.newest(),
        apparatus_id: id,
        device_nonce: Nonce::random(&TestRandom),
        server_nonce: Nonce::random(&TestRandom),
        proof: Proof::new(proof),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    WrongProof,
    UnknownId,
}

/// What is left of a difference for who measures it from outside: even on a local network no less
/// than 100 ns was ever told apart (Crosby, Wallach, Riedi: Opportunities and limits of remote timing
/// attacks, 2009). In nanoseconds.
const BLUR: f64 = 100.0;

/// Welch's t for a difference beyond the blur, the largest over several croppings.
///
/// `held` is what is stored of the known device, `examine` does what is measured.
fn largest_t(
    place: &Place,
    probes: usize,
    held: &Held,
    examine: impl Fn(&Answer, Option<&Held>) -> bool,
) -> f64 {
    let mut order = vec![0; probes];
    TestRandom.fill(&mut order);
    let measured: Vec<(Class, f64)> = order
        .iter()
        .map(|random| {
            // Both classes prepare alike before their clock starts.
            let known = guess(place.credential.apparatus_id);
            let stranger = guess(ApparatusId::random(&TestRandom));
            let (class, answer, held) = match random % 2 {
                0 => (Class::WrongProof, &known, Some(held)),
                _ => (Class::UnknownId, &stranger, None),
            };
            let started = Instant::now();
            black_box(examine(black_box(answer), black_box(held)));
            (class, started.elapsed().as_nanos() as f64)
        })
        .collect();
    let mut sorted: Vec<f64> = measured.iter().map(|(_, duration)| *duration).collect();
    sorted.sort_by(f64::total_cmp);
    let cropped = |class, limit| -> Vec<f64> {
        let kept = measured.iter().filter(|(of, duration)| *of == class && *duration <= limit);
        kept.map(|(_, duration)| *duration).collect()
    };
    let ts = [50, 75, 90, 99].map(|percent| {
        let limit = sorted[sorted.len() * percent / 100];
        welch_t(&cropped(Class::WrongProof, limit), &cropped(Class::UnknownId, limit))
    });
    // Where a cropping leaves nothing of one class there is no t; others tell.
    ts.into_iter().filter(|t| t.is_finite()).fold(0.0, f64::max)
}

fn welch_t(one: &[f64], other: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let squared_error_of_mean = |values: &[f64]| {
        let mean = mean(values);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        squares / ((values.len() as f64 - 1.0) * values.len() as f64)
    };
    let difference = (mean(one) - mean(other)).abs();
    (difference - BLUR) / (squared_error_of_mean(one) + squared_error_of_mean(other)).sqrt()
}

/// Above this the classes are told apart with near certainty (dudect's threshold).
const T_MAX: f64 = 4.5;
const ROUNDS_MAX: usize = 3;

#[tokio::test]
async fn an_id_that_nobody_has_takes_as_long_as_a_wrong_proof() {
    let (vault, _database) = vault().await;
    let place = Place::new(&vault);
    for held in [&place.pass_phrase, &place.second_form] {
        let examine = |answer: &Answer, held: Option<&Held>| place.examine(answer, held);
        let rounds = (0..ROUNDS_MAX).map(|_| largest_t(&place, 100_000, held, examine));
        let mut seen = Vec::new();
        let is_alike = rounds.inspect(|t| seen.push(*t)).any(|t| t < T_MAX);
        assert!(is_alike, "an unknown ID is told from a wrong proof: t = {seen:?}");
    }
}

/// The comparison is worth something: it sees whatever step is left out.
#[tokio::test]
async fn leaving_a_step_out_would_be_seen() {
    let (vault, _database) = vault().await;
    let place = Place::new(&vault);
    let decoy = &place.examiner.decoy;
    let open_first = || open_pass_phrase(&vault, decoy.id, &decoy.sealed_pass_phrase).unwrap();
    let open_second = || decoy.second_form.open(&vault, decoy.id).unwrap();
    let prove = |answer: &Answer, pass_phrase: &PassPhrase| {
        let spent = SpentNonce::removed(answer.server_nonce);
        place.examiner.verifier.verify(answer, spent, pass_phrase, &channel()).is_ok()
    };
    type Shortened<'a> = &'a dyn Fn(&Answer) -> bool;
    let shortened: [(&str, Shortened); 4] = [
        ("anything", &|_| false),
        ("opening a pass phrase", &|answer| prove(answer, &open_second())),
        ("opening a ciphertext", &|answer| prove(answer, &open_first())),
        ("checking a proof", &|_| open_first().expose() == open_second().expose()),
    ];
    for (step, shortened) in shortened {
        let t = largest_t(&place, 4_000, &place.pass_phrase, |answer, held| match held {
            Some(held) => place.examine(answer, Some(held)),
            None => shortened(answer),
        });
        assert!(t > T_MAX, "nobody sees that an unknown ID is answered without {step}: t = {t}");
    }
}

#[tokio::test]
async fn a_million_guesses_find_nothing() {
    const GUESSES: u64 = 1_000_000;
    let (vault, _database) = vault().await;
    let place = Place::new(&vault);
    let first = guess(place.credential.apparatus_id);
    let threads = std::thread::available_parallelism().unwrap().get() as u64;
    let hits: u64 = std::thread::scope(|scope| {
        let guessers = (0..threads).map(|thread| {
            let (place, mut answer) = (&place, first.clone());
            scope.spawn(move || {
                let mut proof = *answer.proof.as_bytes();
                let guesses = (thread..GUESSES).step_by(threads as usize);
                guesses
                    .filter(|guess| {
                        proof[..8].copy_from_slice(&guess.to_be_bytes());
                        answer.proof = Proof::new(proof);
                        place.examine(&answer, Some(&place.pass_phrase))
                    })
                    .count() as u64
            })
        });
        guessers.collect::<Vec<_>>().into_iter().map(|guesser| guesser.join().unwrap()).sum()
    });
    assert_eq!(hits, 0);

    // The device itself is not shut out by them.
    let credential = &place.credential;
    let server = server();
    let prover = Prover::new(credential.apparatus_id, &credential.pass_phrase, &server, Versions::SUPPORTED);
    let challenge = place.examiner.verifier.challenge(prover.versions(), first.server_nonce).unwrap();
    let (answer, _) = prover.answer(&challenge, &channel(), first.device_nonce).unwrap();
    assert!(place.examine(&answer, Some(&place.pass_phrase)));
    assert!(place.examine(&answer, Some(&place.second_form)));
    assert!(!place.examine(&answer, None));
}
