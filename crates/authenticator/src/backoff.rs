//! How long a wrong proof waits for its answer.
//!
//! Only refusals wait. A right proof is answered at once, however many wrong ones came before it, for
//! the same ID or from the same address: guessing gets slower and slower, and nobody can lock a
//! device out by guessing in its name. Since a refusal leaves a fixed time after its request came in,
//! that time does not tell an unknown ID from a wrong proof either.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use identity::ApparatusId;
use store::authenticator::failure;
use store::{Store, StoreError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long refusals wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// The wait for the first; it doubles with each failure of the same ID or address.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// How long without failure until it starts again with the first.
    pub forgotten_after_seconds: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(5),
            forgotten_after_seconds: 600,
        }
    }
}

impl Backoff {
    /// How long the refusal waits that comes with this many failures, itself among them.
    pub(crate) fn wait(&self, failures: u64) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        2u32.checked_pow(doublings)
            .and_then(|factor| self.first.checked_mul(factor))
            .map_or(self.longest, |wait| wait.min(self.longest))
    }

    /// Counts a failure, and says how many the ID or the address has lately, whichever has more.
    pub(crate) async fn note(
        &self,
        store: &Store,
        id: ApparatusId,
        address: IpAddr,
        now: i64,
    ) -> Result<u64, StoreError> {
        let forgotten = now - i64::from(self.forgotten_after_seconds);
        let buckets = [bucket(Subject::Apparatus(id)), bucket(Subject::Address(address))];
        store
            .write(move |transaction| {
                Box::pin(async move {
                    let mut most = 0;
                    for bucket in buckets {
                        most = most.max(failure::note(transaction, bucket, now, forgotten).await?);
                    }
                    Ok(most)
                })
            })
            .await
    }
}

/// The room where refusals wait. It has a fixed number of places, so that those who guess cannot hold
/// everything up; whoever finds it full is told so at once.
pub(crate) struct WaitingRoom(Semaphore);

impl WaitingRoom {
    const PLACES: usize = 256;

    pub(crate) fn new() -> Self {
        Self(Semaphore::new(Self::PLACES))
    }

    pub(crate) fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.0.try_acquire().ok()
    }
}

enum Subject {
    Apparatus(ApparatusId),
    Address(IpAddr),
}

/// Failures are counted in this many buckets for IDs and as many for addresses. Two that share one
/// only wait longer for their refusals.
const BUCKETS: u32 = 1 << 16;

fn bucket(subject: Subject) -> u32 {
    let (kind, hash) = match subject {
        Subject::Apparatus(id) => (0, digest(&SHA256, id.as_bytes())),
        Subject::Address(IpAddr::V4(address)) => (1, digest(&SHA256, &address.octets())),
        // Whoever has one IPv6 address has the 2^64 of its network.
        Subject::Address(IpAddr::V6(address)) => (1, digest(&SHA256, &address.octets()[..8])),
    };
    let hash = hash.as_ref();
    kind * BUCKETS + u32::from(u16::from_be_bytes([hash[0], hash[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff::default();
        let waits = [1, 2, 3, 5, 6, 33, u64::MAX].map(|failures| backoff.wait(failures).as_millis());
        assert_eq!(waits, [200, 400, 800, 3_200, 5_000, 5_000, 5_000]);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let bucket_of = |text: &str| bucket(Subject::Address(text.parse().unwrap()));
        assert_eq!(bucket_of("2001:db8::1"), bucket_of("2001:db8::ffff"));
        assert_ne!(bucket_of("2001:db8::1"), bucket_of("2001:db8:0:1::1"));
        assert_ne!(bucket_of("192.0.2.1"), bucket_of("192.0.2.2"));
    }
}
