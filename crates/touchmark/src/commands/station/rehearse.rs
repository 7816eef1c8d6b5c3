//! `touchmark station rehearse`: qualifies a board, or a station, with credentials made for nothing else.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use identity::profile::Sealing;
use serde::Serialize;
use station::DeviceAddress;
use tokio::io::{AsyncBufReadExt, AsyncReadExt};

use super::stdin;
use crate::commands::Edge;
use crate::failure::Failure;
use crate::output::Output;
use crate::pre_write_key_file::PreWriteKeyFile;
use crate::rehearsal::authority::RehearsalAuthority;
use crate::rehearsal::board::{self, Board, Means};
use crate::rehearsal::candidate::Candidate;
use crate::rehearsal::{Outcome, Verdict};
use crate::serving::told_to_stop;

/// Arguments of `touchmark station rehearse`.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("candidate").required(true).args(["device", "listen"]))]
pub struct RehearseArguments {
    /// Qualify the board at this address: tcp:HOST:PORT, serial:PATH or http://HOST:PORT/soap.
    /// It must be blank, and must be erased afterwards
    #[arg(long, value_name = "ADDRESS")]
    device: Option<DeviceAddress>,
    /// Qualify a station: be its gateway and its devices at ports of this host
    #[arg(long, value_name = "HOST", num_args = 0..=1, default_missing_value = "127.0.0.1")]
    listen: Option<String>,
    /// The board's pre-write key, as `authority pre-write-key export --json-file` wrote it
    #[arg(long, value_name = "FILE", conflicts_with = "listen")]
    pre_write_key: Option<PathBuf>,
    /// The board has only the key that is derived from the pre-write key for its chip
    #[arg(long, requires = "pre_write_key", conflicts_with = "listen")]
    derive_for_chip: bool,
    /// Cases that the board need not master, such as p-384,own-key
    #[arg(long, value_name = "CASES", value_delimiter = ',', conflicts_with = "listen")]
    without: Vec<board::Case>,
    /// How long the board may take for a step
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=3_600), conflicts_with = "listen")]
    device_seconds: u64,
}

/// Runs the command.
pub async fn run(arguments: RehearseArguments, edge: &Edge) -> anyhow::Result<()> {
    let verdicts = match (&arguments.device, &arguments.listen) {
        (Some(address), _) => qualify_board(address, &arguments, edge).await?,
        (None, Some(host)) => qualify_station(host, edge).await?,
        (None, None) => return Err(Failure::usage("nothing is to be qualified").into()),
    };
    let count = |outcome| verdicts.iter().filter(|verdict| verdict.outcome == outcome).count();
    let (passed, failed) = (count(Outcome::Passed), count(Outcome::Failed));
    edge.output.note(format!("{passed} passed, {failed} failed, {} not tried", count(Outcome::NotTried)));
    match (failed, passed) {
        (0, 1..) => Ok(()),
        (0, 0) => Err(Failure::new("nothing was tried").into()),
        _ => Err(Failure::new(format!("{failed} of {} cases failed", verdicts.len())).into()),
    }
}

async fn qualify_board(
    address: &DeviceAddress,
    arguments: &RehearseArguments,
    edge: &Edge,
) -> anyhow::Result<Vec<Verdict>> {
    let file = arguments.pre_write_key.as_deref().map(PreWriteKeyFile::read).transpose()?;
    let key = file.as_ref().map(PreWriteKeyFile::pre_write_key).transpose()?;
    let sealing = if arguments.derive_for_chip { Sealing::DeviceKey } else { Sealing::PreWriteKey };
    let sealing = key.as_ref().map(|_| sealing);
    let authority = RehearsalAuthority::new(key, Arc::clone(&edge.clock), Arc::clone(&edge.random))?;
    let means = Means {
        address: address.clone(),
        step_limit: Duration::from_secs(arguments.device_seconds),
        authority: Arc::new(authority),
        sealing,
        clock: Arc::clone(&edge.clock),
        random: Arc::clone(&edge.random),
    };
    let mut board =
        Board::find(means).await.with_context(|| format!("the board at {address} cannot be qualified"))?;
    if let Some(file) = file.filter(|file| file.product != *board.product()) {
        return Err(Failure::usage(format!(
            "the pre-write key is that of {}, and the board is a {}",
            file.product,
            board.product()
        ))
        .into());
    }
    let mut verdicts = Vec::new();
    for case in board::Case::ALL.iter().copied() {
        let verdict = if arguments.without.contains(&case) {
            Verdict::left_out(case.as_str(), case.shows())
        } else {
            board.try_case(case).await
        };
        show(&verdict, edge.output);
        verdicts.push(verdict);
    }
    edge.output.note("the board holds credentials that no authority knows: erase it before it is used");
    Ok(verdicts)
}

async fn qualify_station(host: &str, edge: &Edge) -> anyhow::Result<Vec<Verdict>> {
    let candidate = Candidate::start(host, Arc::clone(&edge.clock), Arc::clone(&edge.random))
        .await
        .with_context(|| format!("cannot rehearse at {host}"))?;
    let token = candidate.invite()?.to_text();
    let badge = candidate.badge().expose();
    let text = format!("join token: {token}\nbadge, where the station has a page: {badge}");
    edge.output.object(&Invited { token: &token, badge }, text);
    for task in candidate.tasks() {
        let (scan, device) = (task.scan.to_string(), format!("tcp:{}", task.device));
        let text = format!("scan {scan} at {device}");
        edge.output.object(&Scan { case: task.case.as_str(), scan, device }, text);
    }
    edge.output.note("let the station join and write each device, then press Enter");
    let told_to_stop = told_to_stop()?;
    let (mut typed, mut line) = (stdin()?.take(ENTER_BYTES_MAX), String::new());
    tokio::select! {
        read = typed.read_line(&mut line) => drop(read.context("cannot read stdin")?),
        () = told_to_stop => {}
    }
    let verdicts = candidate.verdicts();
    verdicts.iter().for_each(|verdict| show(verdict, edge.output));
    Ok(verdicts)
}

/// More than anyone types before pressing Enter.
const ENTER_BYTES_MAX: u64 = 1_024;

/// What is printed first: how the station joins, and who signs on there.
#[derive(Serialize)]
struct Invited<'a> {
    token: &'a str,
    badge: &'a str,
}

/// What is printed for each device: what the station is to do.
#[derive(Serialize)]
struct Scan {
    case: &'static str,
    scan: String,
    device: String,
}

fn show(verdict: &Verdict, output: Output) {
    let Verdict { case, shows, outcome, why } = verdict;
    let why = why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    output.object(verdict, format!("{:<10} {case:<20} {shows}{why}", outcome.as_str()));
}
