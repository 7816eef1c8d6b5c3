//! `touchmark bench call`: durable calls on connections that stay open.
//!
//! The limit is what the store itself commits in groups: as many units of work at a time, each a hash-chained
//! row of the size of a call, and nothing else.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::iter;
use store::{Store, StoreError, audit};

use super::fleet::Fleet;
use super::place::Place;
use super::{Edge, Figure};
use crate::failure::Failure;

/// Arguments of `touchmark bench call`.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many calls
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    n: usize,
    /// An empty store to measure on: sqlite:PATH or postgres://...; without it a SQLite file that is deleted
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// Devices at a time.
const CLIENTS: usize = 64;

/// Measures.
pub async fn run(arguments: &Arguments, edge: &Edge) -> anyhow::Result<Vec<Figure>> {
    let n = arguments.n;
    if n == 0 {
        return Err(Failure::usage("there is nothing to measure").advise("give --n 1 or more").into());
    }
    let place = Place::make(arguments.store.as_deref(), edge)?;
    let fleet = Arc::new(Fleet::start(&place.url, CLIENTS, edge).await?);
    // Machines slow down and speed up while they are measured, so the limit is taken on both sides.
    let before = group_commit_rate(&fleet.store, n).await?;
    let calls = n as f64 / fleet.call(fleet.center, n, CLIENTS, true).await?.as_secs_f64();
    let limit = (before + group_commit_rate(&fleet.store, n).await?) / 2.0;
    Ok(vec![Figure::new("call", "calls/s", calls, limit, n, place.store)])
}

/// How many units of work of one row the store commits a second.
async fn group_commit_rate(store: &Store, n: usize) -> anyhow::Result<f64> {
    /// About what a call with its answer takes.
    const ROW: &str = "a row of the size of a call; a row of the size of a call; a row of the size of a call; \
                       a row of the size of a call; a row of the size of a call; a row of the size of a call";
    let started = Instant::now();
    let units = (0..n).map(|turn| {
        let store = store.clone();
        async move {
            let time = i64::try_from(turn).unwrap_or(i64::MAX);
            let done: Result<(), StoreError> = store
                .write(move |transaction| Box::pin(audit::append(transaction, time, "bench", "unit", &ROW)))
                .await;
            done
        }
    });
    let mut units = iter(units).buffer_unordered(CLIENTS);
    while let Some(done) = units.next().await {
        done?;
    }
    Ok(n as f64 / started.elapsed().as_secs_f64())
}
