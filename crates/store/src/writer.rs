//! The one writer of a store: it gathers the units of work that wait and commits them together.
//!
//! A commit costs an fsync, and an fsync costs more than many units of work. While one group is
//! being committed the next one gathers, so the group size follows the load by itself. A unit that
//! fails is undone to the savepoint before it; all are answered after the group's commit.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::StoreError;
use crate::database::{Pool, Transaction};

/// Units of work in one commit, so that none waits long for the others of its group.
const GROUP_MAX: usize = 256;
/// How long a group takes in units of work: long beside a commit, and so short that whoever is answered goes on
/// while the next group is being stored.
const GROUP_TIME_MAX: Duration = Duration::from_millis(20);
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
    let started = Instant::now();
    let mut group = Vec::new();
    let mut next = Some(first);
    let mut outcome = transaction.set_savepoint().await;
    while let Some(mut unit) = next.take() {
        let is_good = outcome.is_ok() && unit.run(&mut transaction).await;
        group.push(unit);
        if outcome.is_ok() && group.len() < GROUP_MAX && started.elapsed() < GROUP_TIME_MAX {
            next = units.try_recv().ok();
        }
        outcome = match outcome {
            Ok(()) if !is_good => transaction.undo_to_savepoint().await,
            Ok(()) if next.is_some() => transaction.renew_savepoint().await,
            settled => settled,
        };
    }
    if outcome.is_ok() {
        outcome = transaction.commit().await;
    }
    for unit in group {
        unit.answer(outcome.clone());
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use crate::testing::on_both;
    use crate::{Schema, Store, StoreError, audit};

    /// The unit of work number `n`: it writes, and then fails, panics or succeeds by its number.
    async fn unit(store: &Store, n: usize) -> Result<usize, StoreError> {
        store
            .write(move |transaction| {
                Box::pin(async move {
                    audit::append(transaction, n as i64, "tester", "unit", &n).await?;
                    match n % 5 {
                        1 => Err(StoreError::Corrupt { what: "this unit, on purpose" }),
                        2 => panic!("unit {n} panics on purpose"),
                        3 => {
                            execute!(transaction, "INSERT INTO audit (sequence) VALUES (1)")?;
                            Ok(n)
                        }
                        _ => Ok(n),
                    }
                })
            })
            .await
    }

    #[tokio::test]
    async fn a_failing_unit_does_not_disturb_the_others_of_its_group() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            let results = join_all((0..200).map(|n| unit(&store, n))).await;
            for (n, result) in results.iter().enumerate() {
                match n % 5 {
                    1 => assert!(matches!(result, Err(StoreError::Corrupt { .. })), "{n}: {result:?}"),
                    2 => assert!(matches!(result, Err(StoreError::Panicked(_))), "{n}: {result:?}"),
                    3 => assert!(result.is_err(), "{n}: {result:?}"),
                    _ => assert_eq!(*result.as_ref().unwrap(), n),
                }
            }
            let mut snapshot = store.read().await.unwrap();
            assert_eq!(audit::verify(&mut snapshot).await.unwrap().sequence, 80);
            let times: Vec<(i64,)> = fetch_all!(snapshot, "SELECT time FROM audit ORDER BY time").unwrap();
            let good: Vec<(i64,)> = (0..200).filter(|n| matches!(n % 5, 0 | 4)).map(|n| (n,)).collect();
            assert_eq!(times, good);
        })
        .await;
    }

    #[tokio::test]
    async fn work_once_begun_is_finished_when_its_caller_goes_away() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            assert!(unit(&store, 0).now_or_never().is_none(), "the caller left before the commit");
            unit(&store, 5).await.unwrap();
            assert_eq!(audit::head(&mut store.read().await.unwrap()).await.unwrap().sequence, 2);
        })
        .await;
    }

    const CHILD_URL: &str = "TOUCHMARK_TEST_WRITER_URL";

    /// The child of the next test: writes from many tasks and prints each number once acknowledged.
    #[tokio::test]
    async fn acknowledging_child() {
        let Ok(url) = std::env::var(CHILD_URL) else { return };
        let store = Store::open(&url, Schema::Gateway).await.unwrap();
        let tasks = (0..20).map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0.. {
                    let n: i64 = task * 1_000_000 + round;
                    let done: Result<(), StoreError> = store
                        .write(move |transaction| {
                            Box::pin(async move { audit::append(transaction, n, "child", "write", &n).await })
                        })
                        .await;
                    done.unwrap();
                    use std::io::Write;
                    writeln!(std::io::stdout(), "acknowledged {n}").unwrap();
                }
            })
        });
        join_all(tasks).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_acknowledged_survives_a_kill() {
        on_both(async |database| {
            for kill_after in [1, 100, 1_000] {
                let mut child = Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "writer::tests::acknowledging_child", "--nocapture"])
                    .env(CHILD_URL, &database.url)
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut acknowledged = Vec::new();
                for line in BufReader::new(child.stdout.take().unwrap()).lines() {
                    let line = line.unwrap();
                    if let Some(n) = line.strip_prefix("acknowledged ") {
                        acknowledged.extend(n.parse::<i64>());
                    }
                    if acknowledged.len() == kill_after {
                        child.kill().unwrap();
                    }
                }
                child.wait().unwrap();
                assert!(acknowledged.len() >= kill_after);

                let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
                let mut snapshot = store.read().await.unwrap();
                audit::verify(&mut snapshot).await.unwrap();
                let rows: Vec<(i64,)> = fetch_all!(snapshot, "SELECT time FROM audit").unwrap();
                let stored: std::collections::BTreeSet<i64> = rows.into_iter().map(|(n,)| n).collect();
                for n in acknowledged {
                    assert!(stored.contains(&n), "{n} was acknowledged and is gone");
                }
                drop(snapshot);
                store.close().await;
            }
        })
        .await;
    }
}
