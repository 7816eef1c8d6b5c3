//! What devices are asked to do. A request's number is that of its entry in the journal.

use identity::DeviceNumber;

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A request to a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Its number.
    pub id: u64,
    /// The device.
    pub device: DeviceNumber,
    /// What to do, as it is written in an answer.
    pub command: String,
    /// When it was queued.
    pub queued: i64,
    /// The call that was answered with it first.
    pub handed_out_by: Option<u64>,
    /// The call that said what came of it.
    pub finished_by: Option<u64>,
    /// What came of it.
    pub outcome: Option<String>,
}

/// Queues a request.
///
/// # Errors
/// The store fails.
pub async fn queue(
    transaction: &mut Transaction,
    id: u64,
    device: &DeviceNumber,
    command: &str,
    now: i64,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO request (id, device, command, queued) VALUES ($1, $2, $3, $4)",
        id.cast_signed(),
        device.to_string(),
        command,
        now,
    )?;
    Ok(())
}

/// What is open for a device, the first first, at most `limit`: number and command.
///
/// # Errors
/// The store fails.
pub async fn open(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
    limit: usize,
) -> Result<Vec<(u64, String)>, StoreError> {
    let rows: Vec<(i64, String)> = fetch_all!(
        snapshot,
        "SELECT id, command FROM request WHERE device = $1 AND finished_by IS NULL ORDER BY id LIMIT $2",
        device.to_string(),
        i64::try_from(limit).unwrap_or(i64::MAX),
    )?;
    rows.into_iter().map(|(id, command)| Ok((count("request.id", id)?, command))).collect()
}

/// What is open for a device, all of it: the commands.
///
/// # Errors
/// The store fails.
pub async fn commands(snapshot: &mut Snapshot, device: &DeviceNumber) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(
        snapshot,
        "SELECT command FROM request WHERE device = $1 AND finished_by IS NULL",
        device.to_string(),
    )?;
    Ok(rows.into_iter().map(|(command,)| command).collect())
}

/// How many are open, of all devices together.
///
/// # Errors
/// The store fails.
pub async fn count_open(snapshot: &mut Snapshot) -> Result<u64, StoreError> {
    let (number,): (i64,) = fetch_one!(snapshot, "SELECT count(*) FROM request WHERE finished_by IS NULL")?;
    count("request", number)
}

/// Notes which call was answered with a device's open requests up to `last`, where none was before.
///
/// # Errors
/// The store fails.
pub async fn hand_out(
    transaction: &mut Transaction,
    device: &DeviceNumber,
    last: u64,
    call: u64,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE request SET handed_out_by = $1 \
         WHERE device = $2 AND id <= $3 AND finished_by IS NULL AND handed_out_by IS NULL",
        call.cast_signed(),
        device.to_string(),
        last.cast_signed(),
    )?;
    Ok(())
}

/// Notes what came of a request; its command, where it was still open.
///
/// # Errors
/// The store fails.
pub async fn finish(
    transaction: &mut Transaction,
    device: &DeviceNumber,
    id: u64,
    call: u64,
    outcome: &str,
) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = fetch_optional!(
        transaction,
        "UPDATE request SET finished_by = $1, outcome = $2 WHERE id = $3 AND device = $4 \
         AND finished_by IS NULL RETURNING command",
        call.cast_signed(),
        outcome,
        id.cast_signed(),
        device.to_string(),
    )?;
    Ok(row.map(|(command,)| command))
}

/// The last requests, the last first; those of one device where it is named.
///
/// # Errors
/// The store fails.
pub async fn list(
    snapshot: &mut Snapshot,
    device: Option<&DeviceNumber>,
    limit: u32,
) -> Result<Vec<Request>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT id, device, command, queued, handed_out_by, finished_by, outcome FROM request \
         WHERE $1 = '' OR device = $1 ORDER BY id DESC LIMIT $2",
        device.map_or_else(String::new, DeviceNumber::to_string),
        i64::from(limit),
    )?;
    rows.into_iter().map(Request::try_from).collect()
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: i64,
    device: String,
    command: String,
    queued: i64,
    handed_out_by: Option<i64>,
    finished_by: Option<i64>,
    outcome: Option<String>,
}

impl TryFrom<Row> for Request {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let call = |column, id: Option<i64>| id.map(|id| count(column, id)).transpose();
        Ok(Self {
            id: count("request.id", row.id)?,
            device: parsed("request.device", &row.device)?,
            command: row.command,
            queued: row.queued,
            handed_out_by: call("request.handed_out_by", row.handed_out_by)?,
            finished_by: call("request.finished_by", row.finished_by)?,
            outcome: row.outcome,
        })
    }
}
