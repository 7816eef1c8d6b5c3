//! A period's billing lines, each explained by its calls.
//!
//! An invoice is made from the journal alone: every entry is checked against the hash of all before it, and
//! every call is read and counted again, as it came. What the books say must come out; else the invoice
//! is refused, and the first difference named.

use std::collections::BTreeMap;

use identity::DeviceNumber;
use serde::Serialize;
use store::center::correction::{self, Correction};
use store::center::{journal, quarantine, reading};
use store::{Store, StoreError};

use crate::desk::Desk;
use crate::replay::Replay;

/// What is billed for a period.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invoice {
    /// The first second of the period, in seconds since 1970.
    pub from: i64,
    /// The first second after it.
    pub to: i64,
    /// Whether nothing can be added to the period any more.
    pub is_final: bool,
    /// A line a counter of a device.
    pub lines: Vec<Line>,
    /// How many entries the journal has that the invoice follows from.
    pub entries: u64,
    /// The hash of the last, over all of them.
    pub hash: String,
}

/// What one counter of a device has counted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The device.
    pub device_number: DeviceNumber,
    /// The counter.
    pub counter: String,
    /// How many units; below zero where more was taken back than counted.
    pub units: i64,
    /// The calls that they come from.
    pub calls: Vec<Part>,
    /// What was taken back because it is in doubt, and given back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<CorrectedPart>,
}

/// Units of one call that are taken back or given back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CorrectedPart {
    /// The entry of the journal that says so: a fork of the device's calls, or a person's decision on it.
    pub entry: u64,
    /// The call.
    pub call: u64,
    /// How many; below zero what is taken back.
    pub units: i64,
}

/// What one call adds to a line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The call's number in the journal.
    pub call: u64,
    /// The hash of the journal up to and with it.
    pub hash: String,
    /// The device's boot that it was made in.
    pub boot: u32,
    /// Its place since then.
    pub sequence: u32,
    /// What the counter counts from.
    pub from: u64,
    /// What it stood at.
    pub to: u64,
    /// When it came to count, in seconds since 1970.
    pub settled: i64,
    /// The entry that let it count, where a person had to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_by: Option<u64>,
}

/// Why there is no invoice.
#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    /// An entry of the journal is missing or was changed.
    #[error("entry {0} of the journal is missing, or was changed after it was written")]
    Tampered(u64),
    /// An entry of the journal cannot be what it says it is.
    #[error("entry {id} of the journal cannot be: {fault}")]
    Impossible {
        /// The entry.
        id: u64,
        /// Why.
        fault: Fault,
    },
    /// The books say otherwise.
    #[error("call {call}, {counter} of {device}: the books do not say what follows from the journal")]
    Books {
        /// The call.
        call: u64,
        /// The device.
        device: DeviceNumber,
        /// The counter.
        counter: String,
    },
    /// A device is in quarantine by the journal and not by the books, or the reverse.
    #[error("{0}: the books do not say of its quarantine what follows from the journal")]
    Quarantine(DeviceNumber),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What cannot be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// It does not read as what it is said to be.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It names another device or number than it is filed under.
    #[error("it is filed under another device, or another number")]
    FiledElsewhere,
    /// Nobody had allowed the sender to speak for the device.
    #[error("the sender does not speak for the device")]
    NotTheSender,
    /// A call's number was used before in its chain.
    #[error("the device has made this call before, or a later one")]
    NumberUsed,
    /// A call does not follow the last answer.
    #[error("the call does not follow the last answer")]
    Unchained,
    /// The device was, or was not, in quarantine then.
    #[error("it does not fit the device's quarantine")]
    Quarantine,
}

/// How many entries are read at a time.
const PAGE: u32 = 1_000;

impl Desk {
    /// The billing lines of a period, for all devices or for one. All are replayed from the journal.
    ///
    /// # Errors
    /// The journal was changed, the books say otherwise, or the store fails.
    pub async fn invoice(
        &self,
        from: i64,
        to: i64,
        device: Option<&DeviceNumber>,
    ) -> Result<Invoice, InvoiceError> {
        let replay = replay(&self.store, from, to).await?;
        Ok(Invoice {
            from,
            to,
            // No later entry has an earlier time.
            is_final: replay.head.time >= to,
            entries: replay.head.id,
            hash: hex::encode(&replay.head.hash),
            lines: replay.lines(device),
        })
    }
}

/// Replays the journal, and compares all that follows from it with the books. How many entries it has.
///
/// # Errors
/// The journal was changed, the books say otherwise, or the store fails.
pub async fn recount(store: &Store) -> Result<u64, InvoiceError> {
    Ok(replay(store, i64::MIN, i64::MAX).await?.head.id)
}

async fn replay(store: &Store, from: i64, to: i64) -> Result<Replay, InvoiceError> {
    let mut snapshot = store.read().await?;
    let mut replay = Replay::new(from, to);
    loop {
        let page = journal::after(&mut snapshot, replay.head.id, PAGE).await?;
        if page.is_empty() {
            break;
        }
        page.iter().try_for_each(|entry| replay.follow(entry))?;
    }
    replay.compare(&reading::counted(&mut snapshot, from, to, None).await?)?;
    replay.compare_corrections(&correction::list(&mut snapshot, from, to).await?)?;
    replay.compare_quarantines(&quarantine::list(&mut snapshot, u32::MAX).await?)?;
    Ok(replay)
}

impl Line {
    fn empty(device_number: DeviceNumber, counter: String) -> Self {
        Self { device_number, counter, units: 0, calls: Vec::new(), corrections: Vec::new() }
    }
}

impl Replay {
    fn lines(self, only: Option<&DeviceNumber>) -> Vec<Line> {
        let mut lines: BTreeMap<(DeviceNumber, String), Line> = BTreeMap::new();
        for ((device, counter, _), part) in self.counted {
            let line = lines.entry((device.clone(), counter.clone()));
            let line = line.or_insert_with(|| Line::empty(device, counter));
            line.units += (part.to - part.from).cast_signed();
            line.calls.push(part);
        }
        for Correction { entry, call, device, name, units, .. } in self.corrections {
            let line = lines.entry((device.clone(), name.clone()));
            let line = line.or_insert_with(|| Line::empty(device, name));
            line.units += units;
            line.corrections.push(CorrectedPart { entry, call, units });
        }
        lines.into_values().filter(|line| only.is_none_or(|only| *only == line.device_number)).collect()
    }
}
