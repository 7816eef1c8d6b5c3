//! Quarantine: device numbers whose calls have forked, and are refused until a person has decided.
//!
//! A device has one open quarantine at most. Each that was released began a new chain of its calls.

use identity::DeviceNumber;

use super::chain;
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A quarantine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quarantine {
    /// The device number.
    pub device: DeviceNumber,
    /// The chain that forked: 0 for the first.
    pub chain: u64,
    /// The entry of the journal that says so.
    pub entry: u64,
    /// When, in seconds since 1970.
    pub opened: i64,
    /// The entry up to which nothing is in doubt.
    pub since: u64,
    /// Calls that were refused since and do follow the last answer.
    pub following: Refused,
    /// Calls that were refused and do not, with the first.
    pub straying: Refused,
    /// The entry of the journal that ended it, where one did.
    pub released_by: Option<u64>,
}

/// Calls that were refused.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Refused {
    /// How many.
    pub count: u64,
    /// When the last came.
    pub last: Option<i64>,
}

/// A fork that begins a quarantine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fork {
    /// The device number.
    pub device: DeviceNumber,
    /// The chain that forked.
    pub chain: u64,
    /// The entry of the journal that says so.
    pub entry: u64,
    /// When, in seconds since 1970.
    pub time: i64,
    /// The entry up to which nothing is in doubt.
    pub since: u64,
}

/// Begins a quarantine.
///
/// # Errors
/// The chain is in quarantine already, or the store fails.
pub async fn open(transaction: &mut Transaction, fork: &Fork) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO quarantine (device, chain, entry, opened, since, following, straying, straying_last) \
         VALUES ($1, $2, $3, $4, $5, 0, 1, $4)",
        fork.device.to_string(),
        fork.chain.cast_signed(),
        fork.entry.cast_signed(),
        fork.time,
        fork.since.cast_signed(),
    )?;
    Ok(())
}

/// Counts a call that was refused, which follows the last answer or does not.
///
/// # Errors
/// The store fails.
pub async fn note_refused(
    transaction: &mut Transaction,
    device: &DeviceNumber,
    is_following: bool,
    now: i64,
) -> Result<(), StoreError> {
    let sql = if is_following {
        "UPDATE quarantine SET following = following + 1, following_last = $1 \
         WHERE device = $2 AND released_by IS NULL"
    } else {
        "UPDATE quarantine SET straying = straying + 1, straying_last = $1 \
         WHERE device = $2 AND released_by IS NULL"
    };
    execute!(transaction, sql, now, device.to_string())?;
    Ok(())
}

/// Ends the quarantine of a device by this entry of the journal; the device begins a new chain.
///
/// # Errors
/// The store fails.
pub async fn release(
    transaction: &mut Transaction,
    device: &DeviceNumber,
    released_by: u64,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE quarantine SET released_by = $1 WHERE device = $2 AND released_by IS NULL",
        released_by.cast_signed(),
        device.to_string(),
    )?;
    chain::begin(transaction, device, released_by, None).await
}

/// The last quarantine of a device, open or released.
///
/// # Errors
/// The store fails.
pub async fn last(snapshot: &mut Snapshot, device: &DeviceNumber) -> Result<Option<Quarantine>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT device, chain, entry, opened, since, following, following_last, straying, straying_last, \
         released_by FROM quarantine WHERE device = $1 ORDER BY chain DESC LIMIT 1",
        device.to_string(),
    )?;
    row.map(Quarantine::try_from).transpose()
}

/// Quarantines that are open, the last first.
///
/// # Errors
/// The store fails.
pub async fn list(snapshot: &mut Snapshot, limit: u32) -> Result<Vec<Quarantine>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT device, chain, entry, opened, since, following, following_last, straying, straying_last, \
         released_by FROM quarantine WHERE released_by IS NULL ORDER BY entry DESC LIMIT $1",
        i64::from(limit),
    )?;
    rows.into_iter().map(Quarantine::try_from).collect()
}

/// How many are open.
///
/// # Errors
/// The store fails.
pub async fn count_open(snapshot: &mut Snapshot) -> Result<u64, StoreError> {
    let (number,): (i64,) =
        fetch_one!(snapshot, "SELECT count(*) FROM quarantine WHERE released_by IS NULL")?;
    count("quarantine", number)
}

/// Whether readings of this counter that are held came in calls that are in doubt.
///
/// # Errors
/// The store fails.
pub async fn covers_held(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
    counter: &str,
) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = fetch_optional!(
        snapshot,
        "SELECT reading.call FROM reading JOIN journal ON journal.id = reading.call \
         JOIN quarantine ON quarantine.device = journal.device AND quarantine.released_by IS NULL \
         WHERE reading.device = $1 AND reading.name = $2 AND reading.state = 'held' \
         AND reading.call > quarantine.since LIMIT 1",
        device.to_string(),
        counter,
    )?;
    Ok(row.is_some())
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    device: String,
    chain: i64,
    entry: i64,
    opened: i64,
    since: i64,
    following: i64,
    following_last: Option<i64>,
    straying: i64,
    straying_last: Option<i64>,
    released_by: Option<i64>,
}

impl TryFrom<Row> for Quarantine {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let refused = |number, last| count("quarantine", number).map(|count| Refused { count, last });
        Ok(Self {
            device: parsed("quarantine.device", &row.device)?,
            chain: count("quarantine.chain", row.chain)?,
            entry: count("quarantine.entry", row.entry)?,
            opened: row.opened,
            since: count("quarantine.since", row.since)?,
            following: refused(row.following, row.following_last)?,
            straying: refused(row.straying, row.straying_last)?,
            released_by: row.released_by.map(|id| count("quarantine.released_by", id)).transpose()?,
        })
    }
}
