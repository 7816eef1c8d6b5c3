//! Which numbers are being issued now, so that a repeated order waits for the first and then finds it
//! fulfilled.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::DeviceNumber;
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct InFlight {
    numbers: Mutex<HashSet<DeviceNumber>>,
    freed: Notify,
}

/// Holds numbers until dropped.
pub(crate) struct Held<'a> {
    all: &'a InFlight,
    numbers: &'a [DeviceNumber],
}

impl InFlight {
    /// Holds the numbers, once nobody else holds any of them.
    pub(crate) async fn hold<'a>(&'a self, numbers: &'a [DeviceNumber]) -> Held<'a> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on a notification is not missed, although nothing is awaited yet.
            freed.as_mut().enable();
            if self.try_hold(numbers) {
                return Held { all: self, numbers };
            }
            freed.await;
        }
    }

    fn try_hold(&self, numbers: &[DeviceNumber]) -> bool {
        let mut held = self.lock();
        if numbers.iter().any(|number| held.contains(number)) {
            return false;
        }
        held.extend(numbers.iter().cloned());
        true
    }

    /// The set is changed in one step each time, so a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, HashSet<DeviceNumber>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut held = self.all.lock();
        self.numbers.iter().for_each(|number| {
            held.remove(number);
        });
        drop(held);
        self.all.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_number_is_held_by_one_at_a_time() {
        let all = InFlight::default();
        let number = |serial: u32| format!("3012-{serial:06}").parse::<DeviceNumber>().unwrap();
        let (one, other, overlap) = ([number(1)], [number(2)], [number(2), number(1)]);
        let held = all.hold(&one).await;
        drop(all.hold(&other).await);
        let waiting = all.hold(&overlap);
        tokio::pin!(waiting);
        let early = tokio::time::timeout(Duration::from_millis(20), &mut waiting).await;
        assert!(early.is_err(), "it waits for the number that is held");
        drop(held);
        drop(waiting.await);
        drop(all.hold(&one).await);
    }
}
