//! `touchmark center ...`: the role that takes the calls of devices in the field.

mod bundle;
mod firmware;
mod intermediate;
mod quarantine;
mod rollout;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use center::{Center, ConsoleSettings, Desk};
use identity::{DeviceNumber, FirmwareVersion, ProductCode, Role};
use jiff::tz::TimeZone;
use message::call::{Command as DeviceCommand, CounterName, CounterValue, ShortText};
use serde::Serialize;
use store::{Schema, Store};
use transport::Limits;

use super::Edge;
use super::gateway::person;
use super::role_arguments::CenterArguments;
use super::staff::StaffCommand;
use crate::config::CenterConfig;
use crate::failure::Failure;
use crate::member_files;
use crate::metrics;
use crate::output::moment;
use crate::serving;

/// What a center does, and what people do at it.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Join an authority with the token that its `invite center` printed
    Join {
        /// The join token
        token: String,
        #[command(flatten)]
        role: CenterArguments,
    },
    /// Take calls until stopped, and follow the authority's registrations
    Serve {
        /// Let devices of this product come over TLS 1.2 as well; may be given again, and adds to the configuration
        #[arg(long = "tls12-product", value_name = "PRODUCT")]
        tls12_products: Vec<ProductCode>,
        #[command(flatten)]
        role: CenterArguments,
    },
    /// Show how many devices are known, how far the journal goes, and what is held
    Status {
        #[command(flatten)]
        role: CenterArguments,
    },
    /// List the devices
    Devices {
        /// Those whose numbers come after this one
        #[arg(long, value_name = "NUMBER")]
        after: Option<DeviceNumber>,
        #[command(flatten)]
        list: ListArguments,
    },
    /// List calls, the last first
    Calls(OfDeviceArguments),
    /// List what was refused and may be an attack, the last first
    Incidents(OfDeviceArguments),
    /// List what devices were asked, the last first
    Requests(OfDeviceArguments),
    /// Ask something of a device, which it is told when it calls next
    Request {
        /// The device
        device: DeviceNumber,
        /// What it is to do
        #[command(subcommand)]
        what: RequestCommand,
    },
    /// Let the held readings of a counter count
    Release(ReleaseArguments),
    /// Look into device numbers under which two memories have called, and let them call again
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    /// Files for and from devices that no network joins to this center
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// Firmware packages, and the makers' keys that count
    #[command(subcommand)]
    Firmware(firmware::Command),
    /// Which devices get a firmware package, and when no more
    #[command(subcommand)]
    Rollout(rollout::Command),
    /// Say which devices may speak for others, and for which
    #[command(subcommand)]
    Intermediate(intermediate::IntermediateCommand),
    /// The people who sign in at the console
    #[command(subcommand)]
    Staff(StaffCommand<CenterArguments>),
}

/// Arguments of a list.
#[derive(clap::Args)]
pub struct ListArguments {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    role: CenterArguments,
}

/// Arguments of a list that may be of one device.
#[derive(clap::Args)]
pub struct OfDeviceArguments {
    /// Those of this device
    #[arg(long, value_name = "NUMBER")]
    device: Option<DeviceNumber>,
    #[command(flatten)]
    list: ListArguments,
}

/// What a device can be asked.
#[derive(clap::Subcommand)]
pub enum RequestCommand {
    /// Say what its counters stand at
    ReadCounters {
        #[command(flatten)]
        role: CenterArguments,
    },
    /// Let a counter stand at a value; what is held of it then counts for nothing
    SetInitialValue {
        /// The counter
        counter: CounterName,
        /// What it stands at then
        value: CounterValue,
        #[command(flatten)]
        role: CenterArguments,
    },
    /// Get a new certificate
    RenewCertificate {
        #[command(flatten)]
        role: CenterArguments,
    },
    /// Get a firmware package, and run it unless what runs is as new
    FetchFirmware {
        /// Its name
        package: ShortText,
        #[command(flatten)]
        role: CenterArguments,
    },
    /// Get a firmware package, and run it although it may be older than what runs
    RollBackFirmware {
        /// Its name
        package: ShortText,
        #[command(flatten)]
        role: CenterArguments,
    },
}

/// Arguments of `touchmark center release`.
#[derive(clap::Args)]
pub struct ReleaseArguments {
    /// The device
    device: DeviceNumber,
    /// The counter
    counter: CounterName,
    /// What the first of the readings counts from; by default what it stood at, so that the drop is not billed
    #[arg(long, value_name = "VALUE")]
    base: Option<CounterValue>,
    #[command(flatten)]
    role: CenterArguments,
}

/// Runs the command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Join { token, role } => join(&token, &role.center()?, edge).await,
        Command::Serve { tls12_products, role } => serve(tls12_products, &role.center()?, edge).await,
        Command::Status { role } => status(&open_desk(&role.center()?, edge).await?, edge).await,
        Command::Devices { after, list } => devices(after.as_ref(), &list, edge).await,
        Command::Calls(arguments) => calls(&arguments, edge).await,
        Command::Incidents(arguments) => incidents(&arguments, edge).await,
        Command::Requests(arguments) => requests(&arguments, edge).await,
        Command::Request { device, what } => request(device, what, edge).await,
        Command::Release(arguments) => release(arguments, edge).await,
        Command::Quarantine(command) => quarantine::run(command, edge).await,
        Command::Bundle(command) => bundle::run(command, edge).await,
        Command::Firmware(command) => firmware::run(command, edge).await,
        Command::Rollout(command) => rollout::run(command, edge).await,
        Command::Intermediate(command) => intermediate::run(command, edge).await,
        Command::Staff(command) => {
            let store = Store::open(&command.role().center()?.store, Schema::Center).await?;
            command.run(store, "center", &person(), edge).await
        }
    }
}

/// The books of a center.
pub async fn open_desk(config: &CenterConfig, edge: &Edge) -> anyhow::Result<Desk> {
    let opened = Store::open(&config.store, Schema::Center).await;
    let store = opened.with_context(|| format!("cannot open {}", config.store))?;
    Ok(Desk::new(store, Arc::clone(&edge.clock)))
}

/// What `join` prints.
#[derive(Serialize)]
struct Joined<'a> {
    member: String,
    data: &'a Path,
}

async fn join(token: &str, config: &CenterConfig, edge: &Edge) -> anyhow::Result<()> {
    // Whatever can fail here fails before the token is used up.
    open_desk(config, edge).await?;
    let member = member_files::join(&config.data, token, &config.proxy, Arc::clone(&edge.clock)).await?;
    let text = format!("joined as {member}; its files are in {}", config.data.display());
    edge.output.object(&Joined { member: member.to_string(), data: &config.data }, text);
    Ok(())
}

async fn serve(tls12_products: Vec<ProductCode>, config: &CenterConfig, edge: &Edge) -> anyhow::Result<()> {
    let files = member_files::load(&config.data)?;
    if files.member.role() != Role::Center {
        let what = format!("{} is the directory of {}", config.data.display(), files.member);
        return Err(Failure::new(what).advise("name the center's own with --data").into());
    }
    let authority =
        files.client(&member_files::load_host(&config.data)?, &config.proxy, Arc::clone(&edge.clock))?;
    let desk = open_desk(config, edge).await?;
    let products = tls12_products.into_iter().chain(config.tls12_products.iter().cloned()).collect();
    let tls = serving::host_tls_with_tls12_for(products, &files, edge)?;
    let here = Center::new(files.member.clone(), desk, Arc::clone(&edge.random), config.settings());
    let here = Arc::new(here.serving_at(Arc::clone(&tls)).passing_on_to(authority.clone()));
    // Whoever has no certificate has nothing to ask here.
    let limits = Limits { open_to_all: &[], ..config.limits.limits() };
    let router = Arc::clone(&here).router();
    let keeper = member_files::trust_keeper(&config.data, files.trust.clone()).serving_at(Arc::clone(&tls));
    let every = config.settings().pull_every;
    let (desk, clock) = (here.desk().clone(), Arc::clone(&edge.clock));
    let read = move || metrics::books::of_center(desk.clone(), Arc::clone(&clock));
    let shown = metrics::serve(&config.metrics_listen, read).await?;
    let console = serving::console(&config.console, &files, config.limits.limits(), edge, |over_tls| {
        let (authority, time_zone) = (Some(authority.clone()), TimeZone::system());
        here.console(ConsoleSettings { authority, time_zone, over_tls })
    })
    .await?;
    let beside =
        async { tokio::join!(here.tend(&authority), keeper.follow(&authority, every), shown, console) };
    serving::serve(config.listen, &files.member, tls, router, limits, beside, edge).await
}

/// What `status` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    devices: std::collections::BTreeMap<String, u64>,
    sequence: u64,
    heard: Option<i64>,
    entries: u64,
    hash: String,
    held: Vec<Held>,
    quarantined: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    device_number: DeviceNumber,
    counter: String,
    readings: u64,
}

async fn status(desk: &Desk, edge: &Edge) -> anyhow::Result<()> {
    let found = desk.status().await?;
    let held = |(device_number, counter, readings)| Held { device_number, counter, readings };
    let status = Status {
        devices: found.devices.iter().map(|(state, count)| (state.to_string(), *count)).collect(),
        sequence: found.feed.sequence,
        heard: found.feed.heard,
        entries: found.journal.id,
        hash: hex::encode(&found.journal.hash),
        held: found.held.into_iter().map(held).collect(),
        quarantined: found.quarantined,
    };
    let mut text = String::new();
    for (state, count) in &status.devices {
        text.push_str(&format!("{count} devices are {state}\n"));
    }
    text.push_str(&format!(
        "registrations are stored up to {}, last heard {}\nthe journal has {} entries; hash {}",
        status.sequence,
        status.heard.map_or("never".to_owned(), moment),
        status.entries,
        status.hash,
    ));
    for Held { device_number, counter, readings } in &status.held {
        text.push_str(&format!("\nheld: {readings} readings of {counter} of {device_number}"));
    }
    if status.quarantined > 0 {
        text.push_str(&format!("\n{} device numbers are in quarantine", status.quarantined));
    }
    edge.output.object(&status, text);
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeviceRow {
    device_number: DeviceNumber,
    state: String,
    changed: i64,
    calls: u64,
    last_called: Option<i64>,
    firmware: Option<FirmwareVersion>,
}

async fn devices(after: Option<&DeviceNumber>, list: &ListArguments, edge: &Edge) -> anyhow::Result<()> {
    let found = open_desk(&list.role.center()?, edge).await?.devices(after, list.limit).await?;
    let row = |device: store::center::device::Listed| DeviceRow {
        device_number: device.number,
        state: device.state.to_string(),
        changed: device.changed,
        calls: device.calls,
        last_called: device.last_called,
        firmware: device.firmware,
    };
    let rows: Vec<DeviceRow> = found.into_iter().map(row).collect();
    edge.output.rows(&["device", "state", "since", "calls", "last call", "firmware"], &rows, |row| {
        let last_called = row.last_called.map_or("never".to_owned(), moment);
        vec![
            row.device_number.to_string(),
            row.state.clone(),
            moment(row.changed),
            row.calls.to_string(),
            last_called,
            row.firmware.map_or("unknown".to_owned(), |version| version.to_string()),
        ]
    });
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallRow {
    call: u64,
    time: i64,
    device_number: DeviceNumber,
    boot: u32,
    sequence: u32,
    raw: String,
    hash: String,
}

async fn calls(arguments: &OfDeviceArguments, edge: &Edge) -> anyhow::Result<()> {
    let OfDeviceArguments { device, list } = arguments;
    let found = open_desk(&list.role.center()?, edge).await?.calls(device.as_ref(), list.limit).await?;
    let row = |entry: store::center::journal::Entry| {
        let number = entry.number.map_or((0, 0), |number| (number.boot, number.sequence));
        CallRow {
            call: entry.id,
            time: entry.time,
            device_number: entry.device,
            boot: number.0,
            sequence: number.1,
            raw: String::from_utf8_lossy(&entry.raw).into_owned(),
            hash: hex::encode(entry.hash),
        }
    };
    let rows: Vec<CallRow> = found.into_iter().map(row).collect();
    edge.output.rows(&["call", "time", "device", "number", "as it came"], &rows, |row| {
        let number = format!("{}.{}", row.boot, row.sequence);
        vec![row.call.to_string(), moment(row.time), row.device_number.to_string(), number, row.raw.clone()]
    });
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IncidentRow {
    device_number: DeviceNumber,
    kind: String,
    count: u64,
    first: i64,
    last: i64,
    detail: String,
}

async fn incidents(arguments: &OfDeviceArguments, edge: &Edge) -> anyhow::Result<()> {
    let OfDeviceArguments { device, list } = arguments;
    let found = open_desk(&list.role.center()?, edge).await?.incidents(device.as_ref(), list.limit).await?;
    let row = |incident: store::center::incident::Incident| IncidentRow {
        device_number: incident.device,
        kind: incident.kind,
        count: incident.count,
        first: incident.first,
        last: incident.last,
        detail: incident.detail,
    };
    let rows: Vec<IncidentRow> = found.into_iter().map(row).collect();
    edge.output.rows(&["device", "kind", "count", "first", "last", "the last time"], &rows, |row| {
        let (number, count) = (row.device_number.to_string(), row.count.to_string());
        vec![number, row.kind.clone(), count, moment(row.first), moment(row.last), row.detail.clone()]
    });
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestRow {
    request: u64,
    device_number: DeviceNumber,
    command: String,
    queued: i64,
    handed_out_by: Option<u64>,
    finished_by: Option<u64>,
    outcome: Option<String>,
}

async fn requests(arguments: &OfDeviceArguments, edge: &Edge) -> anyhow::Result<()> {
    let OfDeviceArguments { device, list } = arguments;
    let found = open_desk(&list.role.center()?, edge).await?.requests(device.as_ref(), list.limit).await?;
    let row = |request: store::center::request::Request| RequestRow {
        request: request.id,
        device_number: request.device,
        command: request.command,
        queued: request.queued,
        handed_out_by: request.handed_out_by,
        finished_by: request.finished_by,
        outcome: request.outcome,
    };
    let rows: Vec<RequestRow> = found.into_iter().map(row).collect();
    edge.output.rows(&["request", "device", "what", "queued", "outcome"], &rows, |row| {
        let outcome = row.outcome.clone().unwrap_or_else(|| "open".to_owned());
        let (request, device) = (row.request.to_string(), row.device_number.to_string());
        vec![request, device, row.command.clone(), moment(row.queued), outcome]
    });
    Ok(())
}

/// What `request` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Requested {
    request: u64,
}

async fn request(device: DeviceNumber, what: RequestCommand, edge: &Edge) -> anyhow::Result<()> {
    let (command, role) = match what {
        RequestCommand::ReadCounters { role } => (DeviceCommand::ReadCounters, role),
        RequestCommand::SetInitialValue { counter, value, role } => {
            (DeviceCommand::SetInitialValue { name: counter, value }, role)
        }
        RequestCommand::RenewCertificate { role } => (DeviceCommand::RenewCertificate, role),
        RequestCommand::FetchFirmware { package, role } => (DeviceCommand::FetchFirmware { package }, role),
        RequestCommand::RollBackFirmware { package, role } => {
            (DeviceCommand::RollBackFirmware { package }, role)
        }
    };
    let desk = open_desk(&role.center()?, edge).await?;
    let request = desk.request(device.clone(), command, &person()).await?;
    edge.output
        .object(&Requested { request }, format!("request {request}: {device} is told when it calls next"));
    Ok(())
}

/// What `release` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Released {
    entry: u64,
    base: u64,
    readings: usize,
    units: u64,
    still_held: usize,
}

async fn release(arguments: ReleaseArguments, edge: &Edge) -> anyhow::Result<()> {
    let ReleaseArguments { device, counter, base, role } = arguments;
    let desk = open_desk(&role.center()?, edge).await?;
    let center::Released { entry, base, readings, units, still_held } =
        desk.release(device, counter, base.map(CounterValue::number), &person()).await?;
    let text =
        format!("{readings} readings count from {base} on, {units} units; {still_held} are still held");
    edge.output.object(&Released { entry, base, readings, units, still_held }, text);
    Ok(())
}
