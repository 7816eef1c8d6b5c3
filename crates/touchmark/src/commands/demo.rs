//! `touchmark demo`: a production day of the figures' own plan, all roles in one process.

mod certificates;
mod living;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use identity::profile::CredentialKind;
use identity::{CredentialState, DeviceNumber};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use store::{Store, authority, gateway};

use self::certificates::{renew_through_power_cut, swap_board};
use super::Edge;
use crate::failure::Failure;
use crate::ledger::{Books, Verdict, check};
use crate::plant::Plant;
use crate::plant::day::{Refused, call_home, flash_file, play};
use crate::plant::field::{self, Calls};
use crate::plant::figures::Figures;

/// How many devices ask the authority at the end whom it takes them for, and how many authenticate.
const CALLS: usize = 10;

/// Play a production day with emulated devices, all roles in one process
#[derive(clap::Args)]
pub struct Arguments {
    /// Where to keep the stores and the devices' memories; by default a new directory in touchmark-data
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many units to make, over the products that take a credential; by default the plan's first day
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    units: Option<u64>,
    /// Makes the same devices come to the stations in the same order, with the same wrong scans
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Keep the factory running in slow motion, with all consoles on loopback ports, until stopped
    #[arg(long)]
    serve: bool,
}

/// What the day came to.
#[derive(Serialize)]
struct Report {
    planned: u64,
    issued: u64,
    /// Still in stock.
    stocked: u64,
    /// Still at a station.
    leased: u64,
    /// In a device; the verified ones are among them.
    written: u64,
    /// Proved by the device.
    verified: u64,
    suspect: u64,
    voided: u64,
    refused: Refused,
    /// Devices that asked the authority at the end, and were known as themselves.
    calls: u64,
    /// Symmetric credentials.
    apparatuses: Apparatuses,
    field: InTheField,
    conserved: bool,
    seconds: f64,
    data: PathBuf,
}

/// What became of devices in the field.
#[derive(Serialize)]
struct InTheField {
    #[serde(flatten)]
    calls: Calls,
    /// Certificates that were renewed, though the power failed in the middle.
    renewed: u64,
    /// Devices that have a new board.
    boards_swapped: u64,
}

/// What became of symmetric credentials.
#[derive(Serialize)]
struct Apparatuses {
    /// Bound to a device that proved its own at station and authority.
    bound: u64,
    /// Devices that authenticated at the end.
    authenticated: u64,
    /// Clones that tried to.
    clones_refused: u64,
}

/// Runs the demo.
pub async fn run(arguments: &Arguments, edge: &Edge) -> anyhow::Result<()> {
    let began = Instant::now();
    let now = Timestamp::from_second(edge.clock.epoch_seconds())?.to_zoned(TimeZone::UTC);
    let data = match &arguments.data {
        Some(directory) => directory.clone(),
        None => format!("touchmark-data/demo-{}", now.strftime("%Y%m%d-%H%M%S")).into(),
    };
    let devices = make_directory(&data)?;
    if arguments.serve {
        return living::run(arguments, &data, &devices, now.date(), edge).await;
    }
    let figures = Figures::read(arguments.units)?;
    let orders = figures.orders()?;
    let planned: u64 = orders.iter().map(|order| order.units).sum();

    edge.output.note("An authority is founded, and a gateway joins it over mutual TLS.");
    let blueprint = figures.blueprint(&data, now.date())?;
    let mut plant = Plant::start(&blueprint, Arc::clone(&edge.clock), Arc::clone(&edge.random)).await?;
    edge.output.note(format!("The gateway fetches packs for the {planned} units of the plan's first day."));
    plant.fill_stock().await?;

    edge.output.note("Two stations write them: one in frames, one in SOAP. In between the link breaks.");
    let mut progress = edge.output.progress("written", planned);
    let day = play(&plant, &orders, &devices, arguments.seed, |_| progress.advance(1)).await;
    drop(progress);
    let day = day.context("the day was not finished")?;
    edge.output.note("Some devices call home by their certificate, some by their pass phrase.");
    let calls = call_home(&plant, &day.written, &devices, CALLS, arguments.seed).await?;
    let apparatuses = authenticate(&mut plant, &day.written, &devices, arguments.seed).await?;
    let field = in_the_field(&mut plant, &day.written, &data, arguments.seed, edge).await?;

    let (authority, gateway) = plant.stores();
    let now = edge.clock.epoch_seconds();
    let books = Books::read(Some(authority), std::slice::from_ref(gateway), Some(&devices), now).await?;
    let verdict = check(&books);
    let counts = Counts::read(authority, gateway).await?;
    plant.stop().await;
    let report = Report {
        planned,
        issued: counts.issued,
        stocked: counts.of(CredentialState::Stocked),
        leased: counts.of(CredentialState::Leased),
        written: counts.of(CredentialState::Written) + counts.of(CredentialState::Verified),
        verified: counts.of(CredentialState::Verified),
        suspect: counts.of(CredentialState::Suspect),
        voided: counts.of(CredentialState::Voided),
        refused: day.refused,
        calls,
        apparatuses,
        field,
        conserved: verdict.conserved,
        seconds: began.elapsed().as_secs_f64(),
        data,
    };
    edge.output.object(&report, for_people(&report, &verdict));
    is_as_it_should_be(&report, &verdict, day.faults_of_each_kind)
}

/// Lets devices with a symmetric credential authenticate, and a clone of one try to.
async fn authenticate(
    plant: &mut Plant,
    written: &[DeviceNumber],
    devices: &Path,
    seed: u64,
) -> anyhow::Result<Apparatuses> {
    let states = authority::apparatus::counts(&mut plant.stores().0.read().await?).await?;
    let bound = states.into_iter().filter(|(.., state, _)| *state == CredentialState::Verified);
    let bound = bound.map(|(.., count)| count).sum();
    let keys = plant.firmware_keys();
    let holders: Vec<DeviceNumber> =
        written.iter().filter(|number| keys.of(number.product()).is_some()).cloned().collect();
    let gate = plant.authenticator().await?;
    let admitted = plant.admit(&gate, &holders, devices, CALLS, seed).await?;
    if let Some(apparatus_id) = admitted.first() {
        plant.refuse_clone(&gate, *apparatus_id).await?;
    }
    let clones_refused = u64::from(!admitted.is_empty());
    Ok(Apparatuses { bound, authenticated: admitted.len() as u64, clones_refused })
}

/// Lets a device renew its certificate, another get a new board, and more call the center.
async fn in_the_field(
    plant: &mut Plant,
    written: &[DeviceNumber],
    data: &Path,
    seed: u64,
    edge: &Edge,
) -> anyhow::Result<InTheField> {
    edge.output
        .note("A center opens. Devices call it: counters, service, supplies, and two that should not.");
    let center = plant.field().await?;
    let devices = data.join("devices");
    let mut random = StdRng::seed_from_u64(seed);
    let callers: Vec<DeviceNumber> = written.sample(&mut random, CALLS).cloned().collect();
    let calls = field::call(plant, &center, &callers, &devices, seed).await?;

    edge.output
        .note("A certificate is renewed, with a power cut in the middle, and a device gets a new board.");
    let keys = plant.firmware_keys();
    let (both, plain): (Vec<&DeviceNumber>, Vec<&DeviceNumber>) = written
        .iter()
        .filter(|number| !callers.contains(number))
        .partition(|number| keys.of(number.product()).is_some());
    let renewing = both.choose(&mut random);
    if let Some(number) = renewing {
        let flash = flash_file(&devices, number);
        let renewal = renew_through_power_cut(plant, &flash, random.next_u64(), edge).await;
        renewal.with_context(|| format!("{number} was not renewed"))?;
        center.follow().await?;
        field::poll(plant, &center, &flash, random.next_u64()).await?;
    }
    let repaired = plain.choose(&mut random);
    if let Some(number) = repaired {
        let (flash, scrapped) = (flash_file(&devices, number), data.join(format!("scrapped-{number}.flash")));
        field::poll(plant, &center, &flash, random.next_u64()).await?;
        let swap = swap_board(plant, number, &flash, &scrapped, random.next_u64(), edge).await;
        swap.with_context(|| format!("{number} has no new board"))?;
        center.follow().await?;
        field::refuse(plant, &center, &scrapped, random.next_u64()).await?;
        let first = field::poll(plant, &center, &flash, random.next_u64()).await;
        first.with_context(|| format!("the new board of {number} was not taken"))?;
    }
    let (renewed, boards_swapped) = (u64::from(renewing.is_some()), u64::from(repaired.is_some()));
    Ok(InTheField { calls, renewed, boards_swapped })
}

/// How many certificates there are: at the authority in all, at the factory in each state.
struct Counts {
    issued: u64,
    states: Vec<(CredentialState, u64)>,
}

impl Counts {
    async fn read(at_authority: &Store, at_gateway: &Store) -> anyhow::Result<Self> {
        let issued = authority::credential::counts(&mut at_authority.read().await?).await?;
        let states = gateway::credential::counts(&mut at_gateway.read().await?).await?;
        Ok(Self {
            issued: issued.into_iter().map(|(.., count)| count).sum(),
            states: states
                .into_iter()
                .filter(|count| count.kind == CredentialKind::Certificate)
                .map(|count| (count.state, count.number))
                .collect(),
        })
    }

    fn of(&self, state: CredentialState) -> u64 {
        self.states.iter().filter(|(of, _)| *of == state).map(|(_, count)| count).sum()
    }
}

/// Makes the directory of the day, and in it that of the devices' memories.
fn make_directory(data: &Path) -> anyhow::Result<PathBuf> {
    let devices = data.join("devices");
    let is_used = data.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        return Err(Failure::new(format!("{} is not empty", data.display()))
            .advise("name another directory with --data, or leave it out")
            .into());
    }
    std::fs::create_dir_all(&devices).with_context(|| format!("cannot make {}", devices.display()))?;
    Ok(devices)
}

/// A day that went wrong is a failure, however well it is told.
fn is_as_it_should_be(report: &Report, verdict: &Verdict, faults_of_each_kind: u64) -> anyhow::Result<()> {
    let Refused { unplanned, wrong_product, second_device, replayed } = report.refused;
    let all_refused =
        [unplanned, wrong_product, second_device, replayed].iter().all(|count| *count == faults_of_each_kind);
    let all_made = [report.issued, report.written, report.verified].iter().all(|n| *n == report.planned);
    if all_refused && all_made && report.conserved && verdict.violations.is_empty() {
        return Ok(());
    }
    Err(Failure::new("the day did not end as it should")
        .advise(format!("look at `touchmark ledger check --data {}`", report.data.display()))
        .into())
}

fn for_people(report: &Report, verdict: &Verdict) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let Refused { unplanned, wrong_product, second_device, replayed } = report.refused;
    for (what, count, remark) in [
        ("planned", report.planned, "units of the plan's first day"),
        ("issued", report.issued, "certificates signed by the authority"),
        ("in stock", report.stocked, "packs left at the gateway"),
        ("leased", report.leased, "packs at a station"),
        ("written", report.written, "devices that hold their pack"),
        ("verified", report.verified, "devices that proved it to station, gateway and authority"),
        ("suspect", report.suspect, "packs of which nobody knows"),
        ("voided", report.voided, "packs withdrawn"),
        ("refused", unplanned, "scans of an unplanned number"),
        ("", wrong_product, "devices of another product than their plate"),
        ("", second_device, "second devices with a used plate"),
        ("", replayed, "recorded packs played to another device"),
        ("calls", report.calls, "devices known to the authority by what is in their flash"),
        ("bound", report.apparatuses.bound, "apparatus IDs that became one device's, its pass phrase proved"),
        ("admitted", report.apparatuses.authenticated, "devices that authenticated by pass phrase"),
        ("", report.apparatuses.clones_refused, "clone that did not get in"),
        ("counters", report.field.calls.counter, "calls that said what a device's counter stands at"),
        ("service", report.field.calls.service, "calls of a device that is broken"),
        ("supplies", report.field.calls.supply, "calls of a device that runs out of toner"),
        ("billed", report.field.calls.units_billed, "pages, counted again from the journal of calls"),
        ("refused", report.field.calls.impostors_refused, "devices that called under another's number"),
        (
            "quarantine",
            report.field.calls.clones_quarantined,
            "numbers that two copies of a memory called under",
        ),
        ("renewed", report.field.renewed, "certificates, though the power failed in the middle"),
        ("repaired", report.field.boards_swapped, "devices with a new board; the old one is refused"),
    ] {
        table.add_row([what.to_owned(), count.to_string(), remark.to_owned()]);
    }
    let broken: Vec<String> =
        verdict.invariants.iter().filter(|(_, holds)| !**holds).map(|(name, _)| name.to_string()).collect();
    let conservation = match (report.conserved, broken.is_empty()) {
        (true, true) => "Every credential is accounted for.".to_owned(),
        _ => format!("NOT every credential is accounted for: {} broken.", broken.join(", ")),
    };
    let data = report.data.display();
    format!(
        "{table}\n{conservation} {:.1} s.\n\nWhere to look next:\n  \
         touchmark ledger check --data {data}\n  \
         touchmark audit verify --data {data}/authority\n  \
         touchmark center calls --data {data}/center\n  \
         touchmark device show --flash {data}/devices/3012-123456.flash\n  \
         touchmark device export --flash {data}/devices/3012-123456.flash --out device\n  \
         openssl x509 -in device/client.pem -noout -text",
        report.seconds
    )
}
