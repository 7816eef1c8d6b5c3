//! `touchmark device fleet`: many devices that call home at once, also after their center was gone for a while.
//!
//! The command founds a center of its own, with real certificates, real TLS and a durable store, makes devices and
//! registers them. Then as many of them as may be connected call, the center is stopped in the middle and started
//! again, and all of them come back. At the end the center's journal is read from its first entry: each call that a
//! device made must be in it once, byte for byte.

mod books;
mod site;
mod storm;

use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use super::Edge;
use crate::failure::Failure;
use site::Site;
use storm::{Storm, Weathered};

/// Arguments of `touchmark device fleet`.
#[derive(clap::Args)]
pub struct FleetArguments {
    /// How many devices there are
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    count: usize,
    /// How many of them are connected at once
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    connected: usize,
    /// For how many seconds the center is gone
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    outage: u64,
    /// An empty store for the center: sqlite:PATH or postgres://...; without it a SQLite file that is deleted
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// What the command prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Registered devices.
    devices: usize,
    /// How many were connected at once, at most.
    connected: usize,
    /// Calls that were answered.
    calls: usize,
    /// How often a call was sent again, because it had no answer.
    repeated: usize,
    /// Calls that had an answer and are not in the journal, or not as they were sent.
    lost: usize,
    /// Entries of the journal that no device made, or that it made once and that are there twice.
    doubled: usize,
    /// From the start of the center to the last answer of the last device.
    storm_seconds: f64,
    /// How many calls a second were answered in that time.
    calls_per_second: f64,
    /// From connecting to the answer, in milliseconds: half take no longer.
    p50: f64,
    /// Of a hundred, 99 take no longer.
    p99: f64,
    /// The longest.
    longest: f64,
}

/// Runs the command.
pub async fn run(arguments: FleetArguments, edge: &Edge) -> anyhow::Result<()> {
    let FleetArguments { count, connected, outage, .. } = arguments;
    if count == 0 || connected == 0 {
        return Err(Failure::usage("a fleet without devices does nothing").advise("give 1 or more").into());
    }
    let connected = connected.min(count);
    require_open_files(2 * connected + 256)?;
    let directory = tempfile::tempdir().context("cannot make a directory")?;
    let url = arguments
        .store
        .unwrap_or_else(|| format!("sqlite:{}", directory.path().join("center.sqlite").display()));

    let weathered = endure(&url, count, connected, Duration::from_secs(outage), edge).await?;
    let books = books::compare(&url, &weathered.devices).await?;
    let seconds = weathered.lasted.as_secs_f64();
    let in_the_storm = weathered.latencies.len();
    let report = Report {
        devices: count,
        connected: weathered.connected,
        calls: books.calls,
        repeated: weathered.repeated,
        lost: books.lost,
        doubled: books.doubled,
        storm_seconds: seconds,
        calls_per_second: in_the_storm as f64 / seconds,
        p50: weathered.latency(50),
        p99: weathered.latency(99),
        longest: weathered.latency(100),
    };
    edge.output.object(&report, report.for_people());
    if books.lost + books.doubled > 0 {
        return Err(Failure::new("the journal is not what the devices have sent").into());
    }
    Ok(())
}

/// Founds a center on the empty store at `url`, and lets its devices through an outage.
async fn endure(
    url: &str,
    count: usize,
    connected: usize,
    outage: Duration,
    edge: &Edge,
) -> anyhow::Result<Weathered> {
    let mut site = Site::found(url, connected, edge)?;
    edge.output.note(format!("making {count} devices"));
    let devices = site.make_devices(count).await?;
    let address = site.start().await?;
    edge.output.note(format!("{connected} of {count} devices connect to the center at {address}"));
    let storm = Storm::begin(address, site.host(), devices, connected, edge);
    storm.everybody_is_connected().await?;
    site.stop();
    edge.output.note(format!("the center is gone for {} s", outage.as_secs()));
    tokio::time::sleep(outage).await;
    site.start().await?;
    storm.weather().await
}

impl Report {
    fn for_people(&self) -> String {
        let Self { devices, connected, calls, repeated, lost, doubled, .. } = self;
        let Self { storm_seconds, calls_per_second, p50, p99, longest, .. } = self;
        format!(
            "{devices} devices, {connected} connected at once\n\
             {calls} calls in the journal, {repeated} sent again, {lost} lost, {doubled} doubled\n\
             all were back after {storm_seconds:.1} s, {calls_per_second:.0} calls/s\n\
             from connecting to the answer: p50 {p50:.0} ms, p99 {p99:.0} ms, longest {longest:.0} ms"
        )
    }
}

/// Both ends of every connection are files of this process.
fn require_open_files(count: usize) -> anyhow::Result<()> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let limit = limit.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    match limit {
        Some(limit) if limit < count => {
            Err(Failure::usage(format!("this process may open {limit} files, and that needs {count}"))
                .advise(format!("run `ulimit -n {count}` first, or give a lower --connected"))
                .into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail where it is wrong")]

    use std::sync::Arc;

    use cert::Fingerprint;
    use store::testing::on_both;

    use super::*;
    use crate::output::Output;
    use crate::surroundings::{SystemClock, SystemRandom};

    #[tokio::test(flavor = "multi_thread")]
    async fn no_call_is_lost_or_doubled_in_a_storm_and_one_that_is_would_be_found() {
        on_both(async |database| {
            let edge = Edge {
                clock: Arc::new(SystemClock),
                random: Arc::new(SystemRandom),
                output: Output::new(true),
            };
            let mut weathered =
                endure(&database.url, 60, 12, Duration::from_millis(500), &edge).await.unwrap();
            assert_eq!(weathered.connected, 12);
            assert!(weathered.repeated > 0, "the outage was felt");
            let books = books::compare(&database.url, &weathered.devices).await.unwrap();
            assert_eq!((books.lost, books.doubled), (0, 0));
            assert!(books.calls >= 60 + 12, "{books:?}");

            let last = weathered.devices[0].calls.pop().unwrap();
            weathered.devices[1].calls.push(Fingerprint::of(b"a call that nobody kept"));
            let books = books::compare(&database.url, &weathered.devices).await.unwrap();
            assert_eq!((books.lost, books.doubled), (1, 1));

            weathered.devices[0].calls.push(last);
            weathered.devices[1].calls.pop();
            weathered.devices[2].calls[0] = Fingerprint::of(b"a call that was changed on its way");
            let books = books::compare(&database.url, &weathered.devices).await.unwrap();
            assert_eq!((books.lost, books.doubled), (1, 1));
        })
        .await;
    }
}
