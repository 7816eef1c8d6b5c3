//! Corrections: units that were counted and are taken back while they are in doubt, and given back.

use identity::DeviceNumber;

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// One booking.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Correction {
    /// The entry of the journal that books it.
    pub entry: u64,
    /// The call whose reading it corrects.
    pub call: u64,
    /// The device whose counter it is.
    pub device: DeviceNumber,
    /// The counter.
    pub name: String,
    /// Below zero what is taken back, above what is given back.
    pub units: i64,
    /// When, in seconds since 1970.
    pub time: i64,
}

/// What a counter stood at before all that is in doubt of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Before {
    /// The device whose counter it is.
    pub device: DeviceNumber,
    /// The counter.
    pub name: String,
    /// What it stood at.
    pub base: u64,
}

/// Takes back, by the entry of the journal, all that was counted of calls of `sender` after `since`.
///
/// # Errors
/// The store fails.
pub async fn take_back(
    transaction: &mut Transaction,
    sender: &DeviceNumber,
    since: u64,
    entry: u64,
    time: i64,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO correction (entry, call, device, name, units, time) \
         SELECT $1, reading.call, reading.device, reading.name, reading.base - reading.value, $2 \
         FROM reading JOIN journal ON journal.id = reading.call \
         WHERE journal.device = $3 AND reading.call > $4 AND reading.state = 'counted' \
         AND reading.value > reading.base",
        entry.cast_signed(),
        time,
        sender.to_string(),
        since.cast_signed(),
    )?;
    Ok(())
}

/// Gives back, by the entry of the journal, all that the entry `taken_by` took back.
///
/// # Errors
/// The store fails.
pub async fn give_back(
    transaction: &mut Transaction,
    taken_by: u64,
    entry: u64,
    time: i64,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO correction (entry, call, device, name, units, time) \
         SELECT $1, call, device, name, -units, $2 FROM correction WHERE entry = $3",
        entry.cast_signed(),
        time,
        taken_by.cast_signed(),
    )?;
    Ok(())
}

/// What each counter stood at before what the entry `taken_by` took back.
///
/// # Errors
/// The store fails.
pub async fn before(snapshot: &mut Snapshot, taken_by: u64) -> Result<Vec<Before>, StoreError> {
    let rows: Vec<(String, String, i64)> = fetch_all!(
        snapshot,
        "SELECT reading.device, reading.name, reading.base FROM reading JOIN \
         (SELECT min(call) AS call, device, name FROM correction WHERE entry = $1 GROUP BY device, name) \
         AS first ON first.call = reading.call AND first.name = reading.name \
         ORDER BY reading.device, reading.name",
        taken_by.cast_signed(),
    )?;
    rows.into_iter()
        .map(|(device, name, base)| {
            let device = parsed("reading.device", &device)?;
            Ok(Before { device, name, base: count("reading.base", base)? })
        })
        .collect()
}

/// What was booked from `from` on and before `to`, in the order of entry and call.
///
/// # Errors
/// The store fails.
pub async fn list(snapshot: &mut Snapshot, from: i64, to: i64) -> Result<Vec<Correction>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT entry, call, device, name, units, time FROM correction WHERE time >= $1 AND time < $2 \
         ORDER BY entry, call, name",
        from,
        to,
    )?;
    rows.into_iter().map(Correction::try_from).collect()
}

/// What one entry of the journal booked, in the order of calls.
///
/// # Errors
/// The store fails.
pub async fn of_entry(snapshot: &mut Snapshot, entry: u64) -> Result<Vec<Correction>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT entry, call, device, name, units, time FROM correction WHERE entry = $1 ORDER BY call, name",
        entry.cast_signed(),
    )?;
    rows.into_iter().map(Correction::try_from).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    entry: i64,
    call: i64,
    device: String,
    name: String,
    units: i64,
    time: i64,
}

impl TryFrom<Row> for Correction {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            entry: count("correction.entry", row.entry)?,
            call: count("correction.call", row.call)?,
            device: parsed("correction.device", &row.device)?,
            name: row.name,
            units: row.units,
            time: row.time,
        })
    }
}
