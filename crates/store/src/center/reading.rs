//! Readings: what counters stood at in which call, and from where to where each counts.

use identity::DeviceNumber;

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// What a counter stood at in one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading {
    /// The call, by its entry in the journal.
    pub call: u64,
    /// The device.
    pub device: DeviceNumber,
    /// The counter.
    pub name: String,
    /// What it stood at.
    pub value: u64,
    /// Whether it counts.
    pub verdict: Verdict,
}

/// Whether a reading counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It counts from a base.
    Counted(Settled),
    /// It waits for a decision.
    Held,
    /// A person has set the counter anew instead; it counts for nothing.
    Dropped,
}

/// When a reading came to count, and from where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settled {
    /// What it counts from.
    pub base: u64,
    /// When, in seconds since 1970.
    pub time: i64,
    /// The entry of the journal that settled it: the call itself, or a release.
    pub by: u64,
}

/// A reading that waits for a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// The call.
    pub call: u64,
    /// What the counter stood at.
    pub value: u64,
}

/// Files the readings of a call.
///
/// # Errors
/// The store fails.
pub async fn insert(transaction: &mut Transaction, readings: &[Reading]) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "INSERT INTO reading (call, device, name, value, state, base, settled, settled_by) ",
        readings,
        |reading| (
            reading.call.cast_signed(),
            reading.device.to_string(),
            reading.name.clone(),
            reading.value.cast_signed(),
            reading.verdict.as_str(),
            reading.verdict.settled().map(|settled| settled.base.cast_signed()),
            reading.verdict.settled().map(|settled| settled.time),
            reading.verdict.settled().map(|settled| settled.by.cast_signed()),
        ),
        ""
    )?;
    Ok(())
}

/// The readings of a counter that wait for a decision, in the order of their calls.
///
/// # Errors
/// The store fails.
pub async fn held(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
    name: &str,
) -> Result<Vec<Held>, StoreError> {
    let rows: Vec<(i64, i64)> = fetch_all!(
        snapshot,
        "SELECT call, value FROM reading WHERE device = $1 AND name = $2 AND state = 'held' ORDER BY call",
        device.to_string(),
        name,
    )?;
    rows.into_iter()
        .map(|(call, value)| {
            Ok(Held { call: count("reading.call", call)?, value: count("reading.value", value)? })
        })
        .collect()
}

/// How many readings wait for a decision, by device and counter.
///
/// # Errors
/// The store fails.
pub async fn held_counts(snapshot: &mut Snapshot) -> Result<Vec<(DeviceNumber, String, u64)>, StoreError> {
    let rows: Vec<(String, String, i64)> = fetch_all!(
        snapshot,
        "SELECT device, name, count(*) FROM reading WHERE state = 'held' GROUP BY device, name \
         ORDER BY device, name"
    )?;
    rows.into_iter()
        .map(|(device, name, number)| {
            Ok((parsed("reading.device", &device)?, name, count("reading", number)?))
        })
        .collect()
}

/// Lets held readings of a counter count, each by its call and the base it counts from.
///
/// # Errors
/// The store fails.
pub async fn settle(
    transaction: &mut Transaction,
    name: &str,
    settled: &[(u64, Settled)],
) -> Result<(), StoreError> {
    for (call, Settled { base, time, by }) in settled {
        execute!(
            transaction,
            "UPDATE reading SET state = 'counted', base = $1, settled = $2, settled_by = $3 \
             WHERE call = $4 AND name = $5 AND state = 'held'",
            base.cast_signed(),
            *time,
            by.cast_signed(),
            call.cast_signed(),
            name,
        )?;
    }
    Ok(())
}

/// Lets the held readings of a counter count for nothing.
///
/// # Errors
/// The store fails.
pub async fn drop_held(
    transaction: &mut Transaction,
    device: &DeviceNumber,
    name: &str,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE reading SET state = 'dropped' WHERE device = $1 AND name = $2 AND state = 'held'",
        device.to_string(),
        name,
    )?;
    Ok(())
}

/// The readings that came to count from `from` on and before `to`, by device, counter and call; those of
/// one device where it is named.
///
/// # Errors
/// The store fails.
pub async fn counted(
    snapshot: &mut Snapshot,
    from: i64,
    to: i64,
    device: Option<&DeviceNumber>,
) -> Result<Vec<Reading>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT call, device, name, value, base, settled, settled_by FROM reading \
         WHERE settled >= $1 AND settled < $2 AND ($3 = '' OR device = $3) ORDER BY device, name, call",
        from,
        to,
        device.map_or_else(String::new, DeviceNumber::to_string),
    )?;
    rows.into_iter().map(Reading::try_from).collect()
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counted(_) => "counted",
            Self::Held => "held",
            Self::Dropped => "dropped",
        }
    }

    fn settled(self) -> Option<Settled> {
        match self {
            Self::Counted(settled) => Some(settled),
            Self::Held | Self::Dropped => None,
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    call: i64,
    device: String,
    name: String,
    value: i64,
    base: i64,
    settled: i64,
    settled_by: i64,
}

impl TryFrom<Row> for Reading {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let settled = Settled {
            base: count("reading.base", row.base)?,
            time: row.settled,
            by: count("reading.settled_by", row.settled_by)?,
        };
        Ok(Self {
            call: count("reading.call", row.call)?,
            device: parsed("reading.device", &row.device)?,
            name: row.name,
            value: count("reading.value", row.value)?,
            verdict: Verdict::Counted(settled),
        })
    }
}
