//! `touchmark station ...`: the role on the production line.

mod page;
mod rehearse;

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use station::{DeviceAddress, Station, Written};
use tokio::io::{AsyncBufRead, AsyncWriteExt, BufReader, simplex};
use tokio::runtime::Handle;
use transport::Client;

use super::Edge;
use super::role_arguments::StationArguments;
use crate::config::StationConfig;
use crate::failure::Failure;
use crate::member_files::{self, MemberFiles};
use crate::output::Output;
use crate::serving::told_to_stop;

/// How often the gateway is asked which CAs sign devices.
const FOLLOW_EVERY: Duration = Duration::from_secs(10);

/// What a station does.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Join a gateway with the token that its `invite station` printed
    Join(JoinArguments),
    /// Take scans from stdin, a line each, or from the operator's page, and write the device on the port for each
    Serve(ServeArguments),
    /// Write one device
    Write(WriteArguments),
    /// Try out a board or a station before it is used, with credentials made for nothing else
    Rehearse(rehearse::RehearseArguments),
}

/// Arguments of `touchmark station join`.
#[derive(clap::Args)]
pub struct JoinArguments {
    /// The join token
    token: String,
    #[command(flatten)]
    role: StationArguments,
}

/// Arguments of `touchmark station serve`.
#[derive(clap::Args)]
pub struct ServeArguments {
    /// The device on the port: tcp:HOST:PORT, serial:PATH or http://HOST:PORT/soap
    #[arg(long, value_name = "ADDRESS")]
    device: Option<DeviceAddress>,
    /// Serve the operator's page at this address of this machine; scans then come from there
    #[arg(long, value_name = "ADDRESS")]
    console: Option<SocketAddr>,
    #[command(flatten)]
    role: StationArguments,
}

/// Arguments of `touchmark station write`.
#[derive(clap::Args)]
pub struct WriteArguments {
    /// What the scanner read from the rating plate
    #[arg(long, value_name = "NUMBER")]
    scan: String,
    /// The device on the port: tcp:HOST:PORT, serial:PATH or http://HOST:PORT/soap
    #[arg(long, value_name = "ADDRESS")]
    device: Option<DeviceAddress>,
    #[command(flatten)]
    role: StationArguments,
}

/// Runs the command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Join(arguments) => join(&arguments, edge).await,
        Command::Serve(arguments) => serve(&arguments, edge).await,
        Command::Write(arguments) => write(&arguments, edge).await,
        Command::Rehearse(arguments) => rehearse::run(arguments, edge).await,
    }
}

async fn join(arguments: &JoinArguments, edge: &Edge) -> anyhow::Result<()> {
    let config = arguments.role.station()?;
    let member =
        member_files::join(&config.data, &arguments.token, &config.proxy, Arc::clone(&edge.clock)).await?;
    let text = format!("joined as {member}; its files are in {}", config.data.display());
    edge.output.object(&Joined { member: member.to_string(), data: &config.data }, text);
    Ok(())
}

async fn serve(arguments: &ServeArguments, edge: &Edge) -> anyhow::Result<()> {
    let config = arguments.role.station()?;
    let device = device(arguments.device.as_ref(), &config)?;
    let member = member_files::load(&config.data)?;
    let gateway = client(&config, &member, edge)?;
    let keeper = member_files::trust_keeper(&config.data, member.trust.clone());
    let station = open(&config, edge)?;
    let serving = async {
        match page::address(arguments.console, &config)? {
            Some(address) => page::serve(address, station, device, &config, edge).await,
            None => take_scans(&station, &device, edge.output).await,
        }
    };
    tokio::select! {
        served = serving => served,
        () = keeper.follow(&gateway, FOLLOW_EVERY) => Ok(()),
    }
}

async fn take_scans(station: &Station, device: &DeviceAddress, output: Output) -> anyhow::Result<()> {
    output.note(format!("ready: scan a rating plate; the device is at {device}"));
    let told_to_stop = told_to_stop()?;
    tokio::select! {
        served = station::serve(station, device, stdin()?, |scan, result| report(output, scan, result)) => {
            served.context("the station cannot go on")
        }
        () = told_to_stop => Ok(()),
    }
}

async fn write(arguments: &WriteArguments, edge: &Edge) -> anyhow::Result<()> {
    let config = arguments.role.station()?;
    let device = device(arguments.device.as_ref(), &config)?;
    let result = open(&config, edge)?.write(&arguments.scan, &device).await;
    report(edge.output, &arguments.scan, &result);
    match result {
        Ok(_) => Ok(()),
        Err(failure) => {
            let what = format!("{} was not written ({})", arguments.scan, failure.handling());
            Err(Failure::new(what).because(failure).into())
        }
    }
}

/// What `join` prints.
#[derive(Serialize)]
struct Joined<'a> {
    member: String,
    data: &'a Path,
}

/// What `serve` and `write` print for a scan.
#[derive(Serialize)]
#[serde(tag = "verdict", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Verdict<'a> {
    Green { scan: &'a str, device_number: String, hardware_uid: String },
    Red { scan: &'a str, handling: &'static str, code: &'static str, sentence: String },
}

fn report(output: Output, scan: &str, result: &Result<Written, station::Failure>) {
    match result {
        Ok(Written { device_number, hardware_uid }) => {
            let (device_number, hardware_uid) = (device_number.to_string(), hardware_uid.to_string());
            let text = format!("GREEN  {device_number} is in device {hardware_uid}");
            output.object(&Verdict::Green { scan, device_number, hardware_uid }, text);
        }
        Err(failure) => {
            let (handling, code, sentence) =
                (failure.handling().as_str(), failure.word(), failure.to_string());
            let text = format!("RED    {sentence} ({handling})");
            output.object(&Verdict::Red { scan, handling, code, sentence }, text);
        }
    }
}

fn device(argument: Option<&DeviceAddress>, config: &StationConfig) -> anyhow::Result<DeviceAddress> {
    match argument {
        Some(address) => Ok(address.clone()),
        None => config.device.parse().map_err(|error| {
            Failure::usage(format!("\"{}\" is not the address of a device", config.device))
                .because(error)
                .advise("give --device, or mend the key `device`")
                .into()
        }),
    }
}

fn open(config: &StationConfig, edge: &Edge) -> anyhow::Result<Station> {
    let limits = config.limits();
    let gateway = client(config, &member_files::load(&config.data)?, edge)?.with_timeout(limits.gateway);
    let attempts = config.data.join("attempts");
    Station::new(gateway, &attempts, Arc::clone(&edge.random), limits)
        .with_context(|| format!("cannot make {}", attempts.display()))
}

fn client(config: &StationConfig, member: &MemberFiles, edge: &Edge) -> anyhow::Result<Client> {
    let host = member_files::load_host(&config.data)?;
    member.client(&host, &config.proxy, Arc::clone(&edge.clock))
}

/// Scans from stdin. A thread of its own waits for them, since nothing can end a read from a
/// terminal: when the station is told to stop, the process ends and the thread with it.
fn stdin() -> anyhow::Result<impl AsyncBufRead + Unpin> {
    const BUFFER_BYTES: usize = 4_096;
    let (reader, mut writer) = simplex(BUFFER_BYTES);
    let runtime = Handle::current();
    let copy = move || {
        let mut buffer = [0; BUFFER_BYTES];
        while let Ok(length @ 1..) = std::io::stdin().read(&mut buffer) {
            if runtime.block_on(writer.write_all(&buffer[..length])).is_err() {
                break;
            }
        }
    };
    std::thread::Builder::new().name("scans".into()).spawn(copy).context("cannot start a thread")?;
    Ok(BufReader::new(reader))
}
