//! The one writer of a store: it gathers the units of work that wait and commits them together.
//!
//! A commit costs an fsync, and an fsync costs more than many units of work. While one group is
//! being committed the next one gathers, so the group size follows the load by itself. Each unit
//! runs in a savepoint of its own, and is answered after the group's commit.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::StoreError;
use crate::database::{Pool, Transaction};

/// Units of work in one commit, so that none waits long for the others of its group.
const GROUP_MAX: usize = 256;
/// Units of work that may wait; further callers wait for a place.
const WAITING_MAX: usize = 4_096;

/// A handle to the writer task; the task ends when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct Writer {
    waiting: mpsc::Sender<Box<dyn Unit>>,
}

impl Writer {
    /// Starts the writer on the current runtime.
    pub(crate) fn start(pool: Pool) -> Self {
        let (waiting, units) = mpsc::channel(WAITING_MAX);
        tokio::spawn(commit_groups(pool, units));
        Self { waiting }
    }

    pub(crate) async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        W: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let unit = Request { work: Some(work), result: None, reply };
        self.waiting.send(Box::new(unit)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// A unit of work whatever its types.
trait Unit: Send {
    /// Does the work; whether its changes are to be kept.
    fn run<'t>(&'t mut self, transaction: &'t mut Transaction) -> BoxFuture<'t, bool>;

    /// Tells the caller the work's result, or why the group could not be committed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Request<T, E, W> {
    work: Option<W>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, W> Unit for Request<T, E, W>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    W: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
{
    fn run<'t>(&'t mut self, transaction: &'t mut Transaction) -> BoxFuture<'t, bool> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return false };
            let run = AssertUnwindSafe(async move { work(transaction).await });
            let result = run
                .catch_unwind()
                .await
                .unwrap_or_else(|panic| Err(StoreError::Panicked(panic_message(panic.as_ref())).into()));
            let is_good = result.is_ok();
            self.result = Some(result);
            is_good
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (committed, self.result) {
            (Ok(()), Some(result)) | (Err(_), Some(result @ Err(_))) => result,
            (Err(error), _) => Err(error.into()),
            (Ok(()), None) => Err(StoreError::Closed.into()),
        };
        // The caller may have gone away; its work is stored all the same.
        let _ = self.reply.send(result);
    }
}

async fn commit_groups(pool: Pool, mut units: mpsc::Receiver<Box<dyn Unit>>) {
    while let Some(first) = units.recv().await {
        commit_group(&pool, first, &mut units).await;
    }
}

async fn commit_group(pool: &Pool, first: Box<dyn Unit>, units: &mut mpsc::Receiver<Box<dyn Unit>>) {
    let mut transaction = match Transaction::begin(pool).await {
        Ok(transaction) => transaction,
        Err(error) => return first.answer(Err(error)),
    };
    let mut group = Vec::new();
    let mut next = Some(first);
    let mut outcome = Ok(());
    while let Some(mut unit) = next.take() {
        outcome = run_in_savepoint(&mut transaction, unit.as_mut()).await;
        group.push(unit);
        if outcome.is_ok() && group.len() < GROUP_MAX {
            next = units.try_recv().ok();
        }
    }
    if outcome.is_ok() {
        outcome = transaction.commit().await;
    }
    for unit in group {
        unit.answer(outcome.clone());
    }
}

/// An error here means that the whole group is lost, not only this unit.
async fn run_in_savepoint(transaction: &mut Transaction, unit: &mut dyn Unit) -> Result<(), StoreError> {
    let audit_head = transaction.audit_head.clone();
    execute!(transaction, "SAVEPOINT unit_of_work")?;
    if !unit.run(transaction).await {
        execute!(transaction, "ROLLBACK TO SAVEPOINT unit_of_work")?;
        transaction.audit_head = audit_head;
    }
    execute!(transaction, "RELEASE SAVEPOINT unit_of_work")?;
    Ok(())
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
