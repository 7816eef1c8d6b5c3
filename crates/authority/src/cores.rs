//! Work that keeps processors busy, shared out over all cores.
//!
//! However many orders there are, no more is worked on at a time than there are cores: the store's
//! writer needs a processor too, and all orders wait for it.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::error::AuthorityError;

/// The cores of this machine.
pub(crate) struct Cores {
    count: usize,
    free: Arc<Semaphore>,
}

impl Default for Cores {
    fn default() -> Self {
        let count = available_parallelism().map_or(1, NonZero::get);
        Self { count, free: Arc::new(Semaphore::new(count)) }
    }
}

impl Cores {
    /// Does the work for each item; the results in order.
    pub(crate) async fn share<T, R>(
        &self,
        items: Vec<T>,
        work: impl Fn(T) -> Result<R, AuthorityError> + Clone + Send + 'static,
    ) -> Result<Vec<R>, AuthorityError>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let share = items.len().div_ceil(self.count).max(1);
        let mut results = Vec::with_capacity(items.len());
        let mut items = items.into_iter();
        let mut running = Vec::new();
        loop {
            let part: Vec<T> = items.by_ref().take(share).collect();
            if part.is_empty() {
                break;
            }
            let core = Arc::clone(&self.free).acquire_owned().await.expect("nobody closes it");
            let work = work.clone();
            running.push(spawn_blocking(move || {
                let results = part.into_iter().map(work).collect::<Result<Vec<R>, _>>();
                drop(core);
                results
            }));
        }
        for part in running {
            results.extend(part.await??);
        }
        Ok(results)
    }
}
