//! `touchmark device bundle ...`: an emulated device's calls where there is no network, in files.

use std::path::{Path, PathBuf};

use bundle::{Signer, open_from_host};
use cert::Fingerprint;
use cert::tls::HostTrust;
use identity::{DeviceNumber, Member, MemberName};
use message::bundle::{Answers, BUNDLE_VERSION, Bundle, CallOutcome, Calls, Contents, Party};
use serde::Serialize;
use store::bundle::{Arrival, Waiting};

use super::call::{credential_of, pack_of, put_off};
use super::{Edge, open};
use crate::bundle_files::{self, ExportArguments, Opened, Row};
use crate::emulator::{EmulatedDevice, Outbox, SentBundle};
use crate::failure::Failure;

/// What is done with bundles.
#[derive(clap::Subcommand)]
pub enum BundleCommand {
    /// Write a file with the calls that have no answer yet
    Export {
        #[command(flatten)]
        device: DeviceArguments,
        #[command(flatten)]
        export: ExportArguments,
    },
    /// Take in a file with the center's answers, and do what they ask
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        device: DeviceArguments,
    },
}

/// Which device, and whom it calls.
#[derive(clap::Args)]
pub struct DeviceArguments {
    /// The file that is the device's memory
    #[arg(long, value_name = "FILE")]
    flash: PathBuf,
    /// The center's name, which its certificate must state
    #[arg(long, value_name = "NAME", default_value = "center")]
    center_name: MemberName,
}

/// Runs the command.
pub fn run(command: BundleCommand, edge: &Edge) -> anyhow::Result<()> {
    match command {
        BundleCommand::Export { device, export } => export_to(&export.out, &device, edge),
        BundleCommand::Import { file, device } => import(&file, &device, edge),
    }
}

/// What `export` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported<'a> {
    device_number: DeviceNumber,
    file: &'a Path,
    bundles: Vec<u64>,
    calls: usize,
}

/// What `import` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Imported {
    device_number: DeviceNumber,
    bundles: Vec<Row>,
    answered: usize,
    /// Calls that the center will never take, with its reason.
    refused: Vec<String>,
    /// Calls that wait still.
    waiting: usize,
}

fn export_to(out: &Path, arguments: &DeviceArguments, edge: &Edge) -> anyhow::Result<()> {
    let mut device = open(&arguments.flash, edge)?;
    let pack = pack_of(&mut device, &arguments.flash)?;
    let device_number = pack.device_number.clone();
    let center = Member::center(arguments.center_name.clone());
    let mut outbox = Outbox::of(&arguments.flash)?;
    outbox.check_center(&center)?;
    put_off(&mut device, &mut outbox)?;
    if let Some((sequence, taken, calls)) = outbox.next() {
        let bundle = Bundle {
            version: BUNDLE_VERSION,
            from: Party::Device(device_number.clone()),
            to: Party::Member(center.clone()),
            sequence,
            taken,
            contents: Contents::Calls(Calls { calls: calls.to_vec() }),
        };
        let document = Signer::new(credential_of(pack)).sign(&bundle)?;
        outbox.keep(&center, document)?;
    }
    let waiting = |bundle: &SentBundle| Waiting {
        peer: center.to_string(),
        sequence: bundle.sequence,
        document: bundle.document.0.clone(),
    };
    let waiting: Vec<Waiting> = outbox.bundles().iter().map(waiting).collect();
    if waiting.is_empty() {
        return Err(Failure::new(format!("no call of {device_number} waits for an answer"))
            .advise("make one with `device call ... --offline`")
            .into());
    }
    bundle_files::write(out, &waiting)?;
    let bundles: Vec<u64> = waiting.iter().map(|waiting| waiting.sequence).collect();
    let calls = outbox.bundles().iter().map(|bundle| bundle.calls.len()).sum();
    let text = format!("{} has {} bundles with {calls} calls", out.display(), bundles.len());
    edge.output.object(&Exported { device_number, file: out, bundles, calls }, text);
    Ok(())
}

fn import(file: &Path, arguments: &DeviceArguments, edge: &Edge) -> anyhow::Result<()> {
    let content = bundle_files::read(file)?;
    let mut device = open(&arguments.flash, edge)?;
    let pack = pack_of(&mut device, &arguments.flash)?;
    let center = Member::center(arguments.center_name.clone());
    let root = HostTrust::Root(Fingerprint::of(&pack.root_certificate));
    let now = edge.clock.epoch_seconds();
    let opened =
        bundle_files::open(file, &content, |document| open_from_host(document, &root, &center, now))?;
    let mut outbox = Outbox::of(&arguments.flash)?;
    let mut imported = Imported {
        device_number: pack.device_number,
        bundles: Vec::new(),
        answered: 0,
        refused: Vec::new(),
        waiting: 0,
    };
    let mut refusal = None;
    for Opened { received, .. } in opened {
        let (sequence, bundle) = (received.bundle.sequence, received.bundle);
        match arrival(&outbox, &bundle, &imported.device_number) {
            Ok(arrival) => {
                if arrival == Arrival::Next {
                    imported.take(&bundle, &mut device, &mut outbox)?;
                }
                imported.bundles.push(Row::new(sequence, arrival));
            }
            Err(refused) => {
                refusal = Some(refused);
                break;
            }
        }
    }
    imported.waiting = outbox.waiting();
    let mut text = bundle_files::for_people(&imported.bundles);
    text.push_str(&format!("\n{} calls are answered, {} wait", imported.answered, imported.waiting));
    for refused in &imported.refused {
        text.push_str(&format!("\na call is refused for good: {refused}"));
    }
    edge.output.object(&imported, text.trim_start());
    let again = format!("`center bundle export --device {}`", imported.device_number);
    bundle_files::finish(file, &imported.bundles, refusal, again)
}

/// What the center's bundle is to this device, or why it is not taken.
fn arrival(outbox: &Outbox, bundle: &Bundle, device: &DeviceNumber) -> Result<Arrival, Failure> {
    if bundle.to != Party::Device(device.clone()) {
        return Err(Failure::new(format!("the bundle is for {}", bundle.to)));
    }
    if !matches!(bundle.contents, Contents::Answers(_)) {
        return Err(Failure::new(format!("a center sends answers, not {}", bundle.contents.kind())));
    }
    let next = outbox.taken() + 1;
    let arrival = match bundle.sequence {
        sequence if sequence == next => Arrival::Next,
        sequence if sequence < next => Arrival::Double { received: 0 },
        _ => Arrival::Gap { missing: next },
    };
    match (arrival, arrival.fault(bundle.sequence)) {
        (Arrival::Gap { .. }, Some(fault)) => Err(Failure::new(fault)),
        _ => Ok(arrival),
    }
}

impl Imported {
    /// Takes the answers to the calls of one of the device's bundles.
    fn take(
        &mut self,
        bundle: &Bundle,
        device: &mut EmulatedDevice,
        outbox: &mut Outbox,
    ) -> anyhow::Result<()> {
        let Contents::Answers(Answers { outcomes }) = &bundle.contents else { return Ok(()) };
        let sent = outbox.bundles().iter().find(|sent| sent.sequence == bundle.taken);
        let calls = sent.map(|sent| sent.calls.clone()).unwrap_or_default();
        for (call, outcome) in calls.iter().zip(outcomes) {
            match outcome {
                CallOutcome::Answered(answer) => {
                    device.take_late_answer(call.as_bytes(), &serde_json::to_vec(answer)?)?;
                    self.answered += 1;
                }
                CallOutcome::Refused(problem) => self.refused.push(problem.to_string()),
            }
        }
        outbox.take(bundle.taken)
    }
}
