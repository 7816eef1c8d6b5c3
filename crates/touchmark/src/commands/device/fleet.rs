//! `touchmark device fleet`: many devices that call home at once, also after their center was gone for a while.
//!
//! The command founds a center of its own, with real certificates, real TLS and a durable store, makes devices and
//! registers them. Then as many of them as may be connected call, the center is stopped in the middle and started
//! again, and all of them come back. With `--center` it is devices that a factory has made which call a center that
//! runs already, through whatever happens to that. At the end the center's journal is read from its first entry: each
//! call that a device made must be in it once, byte for byte.

mod books;
mod device;
mod flashes;
mod site;
mod storm;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cert::tls::HostTrust;
use identity::{Member, MemberName};
use serde::Serialize;

use super::Edge;
use crate::failure::Failure;
use books::Books;
use site::Site;
use storm::{Host, Storm, Weathered};

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
    /// An empty store for the center: sqlite:PATH or postgres://...; without it a SQLite file that is deleted. With
    /// --center the store of that center; without it nothing is compared
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The address of a center that runs already and knows the devices in --flash
    #[arg(long, value_name = "URL", requires = "flash", conflicts_with_all = ["count", "outage"])]
    center: Option<String>,
    /// That center's name, which its certificate must state
    #[arg(long, value_name = "NAME", default_value = "center")]
    center_name: MemberName,
    /// The directory with the devices' memories, NUMBER.flash
    #[arg(long, value_name = "DIR", requires = "center")]
    flash: Option<PathBuf>,
    /// How many calls each of these devices makes
    #[arg(long, value_name = "N", default_value_t = 3, requires = "center")]
    calls: usize,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<usize>,
    /// Entries of the journal that no device made, or that it made once and that are there twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    doubled: Option<usize>,
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
    match (&arguments.center, &arguments.flash) {
        (Some(center), Some(flash)) => {
            let weathered = call_center(center, flash, &arguments, edge).await?;
            let books = match &arguments.store {
                Some(url) => Some(books::compare(url, &weathered.devices).await?),
                None => None,
            };
            report(&weathered, books, edge)
        }
        _ => {
            let directory = tempfile::tempdir().context("cannot make a directory")?;
            let file = format!("sqlite:{}", directory.path().join("center.sqlite").display());
            let url = arguments.store.as_ref().unwrap_or(&file);
            let weathered = call_own_center(url, &arguments, edge).await?;
            report(&weathered, Some(books::compare(url, &weathered.devices).await?), edge)
        }
    }
}

/// Lets devices that are made for this call a center that is founded for this, through an outage.
async fn call_own_center(url: &str, arguments: &FleetArguments, edge: &Edge) -> anyhow::Result<Weathered> {
    let FleetArguments { count, connected, outage, .. } = *arguments;
    if count == 0 || connected == 0 {
        return Err(Failure::usage("a fleet without devices does nothing").advise("give 1 or more").into());
    }
    let connected = connected.min(count);
    require_open_files(2 * connected + 256)?;
    endure(url, count, connected, Duration::from_secs(outage), edge).await
}

/// Lets devices that a factory has made call a center that runs already.
async fn call_center(
    center: &str,
    flash: &Path,
    arguments: &FleetArguments,
    edge: &Edge,
) -> anyhow::Result<Weathered> {
    let devices = flashes::open_all(flash, edge)?;
    let connected = arguments.connected.min(devices.fleet.len()).max(1);
    require_open_files(connected + 256)?;
    let address = flashes::address_of(center).await?;
    let host = Host {
        member: Member::center(arguments.center_name.clone()),
        trust: HostTrust::Root(devices.root),
        clock: Arc::clone(&edge.clock),
    };
    edge.output.note(format!("{connected} of {} devices call {center} at a time", devices.fleet.len()));
    Storm::begin(address, host, devices.fleet, connected, arguments.calls, edge).weather().await
}

/// Prints what came of it.
fn report(weathered: &Weathered, books: Option<Books>, edge: &Edge) -> anyhow::Result<()> {
    let seconds = weathered.lasted.as_secs_f64();
    let report = Report {
        devices: weathered.devices.len(),
        connected: weathered.connected,
        calls: weathered.devices.iter().map(|device| device.calls.len()).sum(),
        repeated: weathered.repeated,
        lost: books.map(|books| books.lost),
        doubled: books.map(|books| books.doubled),
        storm_seconds: seconds,
        calls_per_second: weathered.latencies.len() as f64 / seconds,
        p50: weathered.latency(50),
        p99: weathered.latency(99),
        longest: weathered.latency(100),
    };
    edge.output.object(&report, report.for_people());
    if books.is_some_and(|books| books.lost + books.doubled > 0) {
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
    let storm = Storm::begin(address, site.host(), devices, connected, 1, edge);
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
        let compared = match (lost, doubled) {
            (Some(lost), Some(doubled)) => format!("{lost} lost, {doubled} doubled"),
            _ => "not compared with the center's journal: give --store for that".to_owned(),
        };
        format!(
            "{devices} devices, {connected} connected at once\n\
             {calls} calls, {repeated} sent again, {compared}\n\
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

    use super::device::Made;
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
            let digest = Fingerprint::of(b"a call that nobody kept");
            weathered.devices[1].calls.push(Made { boot: 1, sequence: 1_000_000, digest });
            let books = books::compare(&database.url, &weathered.devices).await.unwrap();
            assert_eq!((books.lost, books.doubled), (1, 1));

            weathered.devices[0].calls.push(last);
            weathered.devices[1].calls.pop();
            weathered.devices[2].calls[0].digest = Fingerprint::of(b"a call that was changed on its way");
            let books = books::compare(&database.url, &weathered.devices).await.unwrap();
            assert_eq!((books.lost, books.doubled), (1, 1));
        })
        .await;
    }
}
