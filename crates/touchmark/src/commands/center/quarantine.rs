//! `touchmark center quarantine ...`: device numbers under which two memories have called.

use center::{Doubt, Evidence, Sign, Suspicion};
use identity::DeviceNumber;
use serde::Serialize;

use super::{CenterArguments, Edge, ListArguments, open_desk, person};
use crate::output::moment;

/// What people do about quarantines.
#[derive(clap::Subcommand)]
pub enum QuarantineCommand {
    /// List the device numbers in quarantine, the last first
    List(ListArguments),
    /// Show the evidence: the last call that was taken, and the one that does not follow it
    Show {
        /// The device
        device: DeviceNumber,
        #[command(flatten)]
        role: CenterArguments,
    },
    /// Let the device call again: its next call begins a new chain, whatever memory it comes from
    Release {
        /// The device
        device: DeviceNumber,
        /// Let what was counted since the fork count for nothing; without it, it is billed now
        #[arg(long)]
        drop: bool,
        #[command(flatten)]
        role: CenterArguments,
    },
}

/// Runs the command.
pub async fn run(command: QuarantineCommand, edge: &Edge) -> anyhow::Result<()> {
    match command {
        QuarantineCommand::List(arguments) => list(&arguments, edge).await,
        QuarantineCommand::Show { device, role } => {
            let desk = open_desk(&role.center()?, edge).await?;
            let shown = Shown::of(desk.evidence(&device).await?);
            edge.output.object(&shown, shown.for_people());
            Ok(())
        }
        QuarantineCommand::Release { device, drop, role } => {
            let desk = open_desk(&role.center()?, edge).await?;
            let doubt = if drop { Doubt::Drop } else { Doubt::Count };
            let center::Readmitted { entry, units } = desk.readmit(device.clone(), doubt, &person()).await?;
            let became = if drop { "count for nothing" } else { "are billed now" };
            let text = format!("{device} may call again; {units} units that were held {became}");
            edge.output.object(&Released { entry, units }, text);
            Ok(())
        }
    }
}

/// What `release` prints.
#[derive(Serialize)]
struct Released {
    entry: u64,
    units: u64,
}

/// What `list` prints of one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    device_number: DeviceNumber,
    opened: i64,
    entry: u64,
    suspicion: Suspicion,
    following: u64,
    straying: u64,
}

async fn list(arguments: &ListArguments, edge: &Edge) -> anyhow::Result<()> {
    let found = open_desk(&arguments.role.center()?, edge).await?.quarantines(arguments.limit).await?;
    let row = |quarantine: store::center::quarantine::Quarantine| Row {
        suspicion: Suspicion::of(&quarantine),
        device_number: quarantine.device,
        opened: quarantine.opened,
        entry: quarantine.entry,
        following: quarantine.following.count,
        straying: quarantine.straying.count,
    };
    let rows: Vec<Row> = found.into_iter().map(row).collect();
    edge.output.rows(&["device", "since", "what it looks like", "in line", "out of line"], &rows, |row| {
        let (following, straying) = (row.following.to_string(), row.straying.to_string());
        let suspicion = in_words(row.suspicion).to_owned();
        vec![row.device_number.to_string(), moment(row.opened), suspicion, following, straying]
    });
    Ok(())
}

/// What `show` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    device_number: DeviceNumber,
    opened: i64,
    /// The fork's entry in the journal.
    entry: u64,
    /// The entry up to which nothing is in doubt.
    since: u64,
    sign: Sign,
    suspicion: Suspicion,
    taken: Call,
    refused: Call,
    /// Calls that were refused since and are in line with the last answer.
    following: u64,
    following_last: Option<i64>,
    /// Calls that were refused and are not.
    straying: u64,
    straying_last: Option<i64>,
    held: Vec<Held>,
    released_by: Option<u64>,
}

#[derive(Serialize)]
struct Call {
    entry: u64,
    time: i64,
    address: Option<String>,
    raw: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    call: u64,
    device_number: DeviceNumber,
    counter: String,
    units: u64,
}

impl Shown {
    fn of(evidence: Evidence) -> Self {
        let Evidence { quarantine, sign, suspicion, taken, taken_from, refused, refused_from, taken_back } =
            evidence;
        let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
        let held = taken_back.into_iter().map(|taken| Held {
            call: taken.call,
            device_number: taken.device,
            counter: taken.name,
            units: taken.units.unsigned_abs(),
        });
        Self {
            opened: quarantine.opened,
            entry: quarantine.entry,
            since: quarantine.since,
            sign,
            suspicion,
            taken: Call { entry: taken.id, time: taken.time, address: taken_from, raw: text(&taken.raw) },
            refused: Call {
                entry: quarantine.entry,
                time: quarantine.opened,
                address: refused_from,
                raw: text(&refused),
            },
            following: quarantine.following.count,
            following_last: quarantine.following.last,
            straying: quarantine.straying.count,
            straying_last: quarantine.straying.last,
            held: held.collect(),
            released_by: quarantine.released_by,
            device_number: quarantine.device,
        }
    }

    fn for_people(&self) -> String {
        let call = |call: &Call| {
            let from = call.address.as_deref().unwrap_or("an unknown address");
            format!("entry {}, {}, from {from}\n    {}", call.entry, moment(call.time), call.raw)
        };
        let mut text = format!(
            "{}: {}\nthe last call that was taken: {}\nthe call that does not follow it: {}\n\
             refused since: {} in line with the last answer, {} out of line",
            self.device_number,
            in_words(self.suspicion),
            call(&self.taken),
            call(&self.refused),
            self.following,
            self.straying,
        );
        for Held { call, device_number, counter, units } in &self.held {
            text.push_str(&format!("\nheld: {units} units of {counter} of {device_number}, call {call}"));
        }
        if let Some(entry) = self.released_by {
            text.push_str(&format!("\nreleased by entry {entry}"));
        }
        text
    }
}

fn in_words(suspicion: Suspicion) -> &'static str {
    match suspicion {
        Suspicion::Copied => "two devices: both have called since",
        Suspicion::SetBackOrCopied => "an old memory, or a second device that is silent",
    }
}
