//! Work of one kind that many callers want at the same time, done as one unit.
//!
//! A statement is an exchange with the database, and an exchange costs more than the rows that it carries. Whoever
//! comes while the writer is at other work waits in a list, and the unit of work that gets its turn takes the whole
//! list. So the batches follow the load by themselves, as the writer's groups do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::{Store, StoreError, Transaction};

/// Work on many items of one kind at a time. Clones share what waits.
pub struct Batcher<I, O> {
    store: Store,
    work: Arc<Work<I, O>>,
    waiting: Arc<Mutex<Vec<Item<I, O>>>>,
}

/// Does the work on these items; the outcome of each, in their order.
type Work<I, O> =
    dyn for<'t> Fn(&'t mut Transaction, Vec<I>) -> BoxFuture<'t, Result<Vec<O>, StoreError>> + Send + Sync;
type Item<I, O> = (I, Reply<O>);
type Reply<O> = oneshot::Sender<Result<O, StoreError>>;

impl<I: Send + 'static, O: Send + 'static> Batcher<I, O> {
    /// Does this work on the store, which gives an outcome for each item, in their order.
    pub fn new<W>(store: Store, work: W) -> Self
    where
        W: for<'t> Fn(&'t mut Transaction, Vec<I>) -> BoxFuture<'t, Result<Vec<O>, StoreError>>
            + Send
            + Sync
            + 'static,
    {
        Self { store, work: Arc::new(work), waiting: Arc::default() }
    }

    /// Does the work on an item together with those that wait; its outcome, once that is durable. Once begun it
    /// runs to its end, even if the caller goes away.
    ///
    /// # Errors
    /// The work fails for all items of its unit, or the commit does.
    pub async fn write(&self, item: I) -> Result<O, StoreError> {
        let (reply, answer) = oneshot::channel();
        let is_first = {
            let mut waiting = lock(&self.waiting);
            waiting.push((item, reply));
            waiting.len() == 1
        };
        if is_first {
            tokio::spawn(self.clone().work_on_all());
        }
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// One unit of work on all that waits when its turn has come.
    async fn work_on_all(self) {
        let replies = Arc::new(Mutex::new(Vec::new()));
        let (waiting, work, taken) = (Arc::clone(&self.waiting), self.work, Arc::clone(&replies));
        let done = self
            .store
            .write(move |transaction| {
                let (items, replies): (Vec<I>, Vec<Reply<O>>) = lock(&waiting).drain(..).unzip();
                *lock(&taken) = replies;
                work(transaction, items)
            })
            .await;
        let mut replies = std::mem::take(&mut *lock(&replies));
        match done {
            // A caller may have gone away; its work is stored all the same.
            Ok(outcomes) => replies.into_iter().zip(outcomes).for_each(|(reply, outcome)| {
                let _ = reply.send(Ok(outcome));
            }),
            Err(error) => {
                // Where the turn never came, they still wait.
                if replies.is_empty() {
                    replies = lock(&self.waiting).drain(..).map(|(_, reply)| reply).collect();
                }
                replies.into_iter().for_each(|reply| {
                    let _ = reply.send(Err(error.clone()));
                });
            }
        }
    }
}

impl<I, O> Clone for Batcher<I, O> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), work: Arc::clone(&self.work), waiting: Arc::clone(&self.waiting) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::Batcher;
    use crate::testing::on_both;
    use crate::{Schema, Store, StoreError, audit};

    /// Writes each number, and says beside how many others; fails for all where one of them is unlucky.
    fn batcher(store: &Store) -> Batcher<i64, (i64, usize)> {
        Batcher::new(store.clone(), |transaction, numbers| {
            Box::pin(async move {
                for number in &numbers {
                    audit::append(transaction, *number, "tester", "batch", number).await?;
                }
                match numbers.iter().find(|number| **number >= 1_000) {
                    Some(1_000) => Err(StoreError::Corrupt { what: "this batch, on purpose" }),
                    Some(number) => panic!("{number} panics on purpose"),
                    None => Ok(numbers.iter().map(|number| (*number, numbers.len())).collect()),
                }
            })
        })
    }

    async fn written(store: &Store) -> Vec<i64> {
        let mut snapshot = store.read().await.unwrap();
        let rows: Vec<(i64,)> = fetch_all!(snapshot, "SELECT time FROM audit ORDER BY time").unwrap();
        rows.into_iter().map(|(number,)| number).collect()
    }

    #[tokio::test]
    async fn each_gets_its_own_outcome_of_work_that_was_done_together() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            let batcher = batcher(&store);
            let outcomes = join_all((0..200).map(|number| batcher.write(number))).await;
            let outcomes: Vec<(i64, usize)> = outcomes.into_iter().map(Result::unwrap).collect();
            assert!(outcomes.iter().zip(0..).all(|((number, _), asked)| *number == asked), "{outcomes:?}");
            assert!(outcomes.iter().any(|(_, together)| *together > 50), "{outcomes:?}");
            assert_eq!(written(&store).await, (0..200).collect::<Vec<_>>());
        })
        .await;
    }

    #[tokio::test]
    async fn what_fails_fails_for_all_of_its_unit_and_for_none_after_it() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            let batcher = batcher(&store);
            for unlucky in [1_000, 1_001] {
                let outcomes = join_all([1, unlucky, 2].map(|number| batcher.write(number))).await;
                assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
                assert_eq!(written(&store).await, [0_i64; 0]);
            }
            assert_eq!(batcher.write(3).await.unwrap(), (3, 1));
            store.close().await;
            assert!(matches!(batcher.write(4).await, Err(StoreError::Closed)));
            assert!(matches!(batcher.write(5).await, Err(StoreError::Closed)));
        })
        .await;
    }

    #[tokio::test]
    async fn an_item_is_worked_on_when_its_caller_goes_away() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            let batcher = batcher(&store);
            assert!(batcher.write(1).now_or_never().is_none(), "the caller left before the commit");
            batcher.write(2).await.unwrap();
            assert_eq!(written(&store).await, [1, 2]);
        })
        .await;
    }
}
