//! The true clock and the operating system's randomness, for the edge of the program.

use std::time::{SystemTime, UNIX_EPOCH};

use identity::{Clock, Random};
use rand::TryRng;
use rand::rngs::SysRng;

/// The machine's clock.
pub struct SystemClock;

/// The operating system's generator, asked every time: a copied virtual machine repeats nothing.
pub struct SystemRandom;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the edge that all others get the time from")]
    fn epoch_seconds(&self) -> i64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX)
    }
}

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        SysRng.try_fill_bytes(bytes).expect("the operating system gives random bytes");
    }
}
