//! The outbox: records that the authority must hear, numbered without gaps, each kept until taken.

use identity::CredentialId;

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A record that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its number at this gateway.
    pub sequence: u64,
    /// Its credential.
    pub credential: CredentialId,
    /// When it happened.
    pub time: i64,
    /// What happened, as the JSON that is sent.
    pub event: String,
    /// How often it was refused.
    pub failures: u64,
    /// Why it waits for a person, where it does.
    pub parked: Option<String>,
}

/// Puts records for these credentials at the end of the outbox.
///
/// # Errors
/// The store fails.
pub async fn push(
    transaction: &mut Transaction,
    time: i64,
    events: &[(CredentialId, String)],
) -> Result<(), StoreError> {
    let (end,): (i64,) = fetch_one!(
        transaction,
        "INSERT INTO outbox_end (id, sequence) VALUES (1, $1) \
         ON CONFLICT (id) DO UPDATE SET sequence = outbox_end.sequence + excluded.sequence RETURNING sequence",
        events.len() as i64,
    )?;
    let first = end - events.len() as i64 + 1;
    let rows: Vec<(i64, &(CredentialId, String))> = (first..).zip(events).collect();
    execute_all!(
        transaction,
        "INSERT INTO outbox (sequence, credential, time, event, failures) ",
        rows,
        |row| (row.0, row.1.0.to_string(), time, row.1.1.clone(), 0_i64),
        ""
    )?;
    Ok(())
}

/// The first records that are not parked, in their order.
///
/// # Errors
/// The store fails.
pub async fn waiting(snapshot: &mut Snapshot, limit: usize) -> Result<Vec<Record>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT sequence, credential, time, event, failures, parked FROM outbox \
         WHERE parked IS NULL ORDER BY sequence LIMIT $1",
        limit as i64,
    )?;
    rows.into_iter().map(Record::try_from).collect()
}

/// The records from `first` to `last` that are not parked, in their order.
///
/// # Errors
/// The store fails.
pub async fn waiting_between(
    snapshot: &mut Snapshot,
    first: u64,
    last: u64,
) -> Result<Vec<Record>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT sequence, credential, time, event, failures, parked FROM outbox \
         WHERE parked IS NULL AND sequence >= $1 AND sequence <= $2 ORDER BY sequence",
        first.cast_signed(),
        last.cast_signed(),
    )?;
    rows.into_iter().map(Record::try_from).collect()
}

/// The parked records, in their order.
///
/// # Errors
/// The store fails.
pub async fn parked(snapshot: &mut Snapshot) -> Result<Vec<Record>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT sequence, credential, time, event, failures, parked FROM outbox \
         WHERE parked IS NOT NULL ORDER BY sequence",
    )?;
    rows.into_iter().map(Record::try_from).collect()
}

/// How many records wait, parked ones not counted.
///
/// # Errors
/// The store fails.
pub async fn length(snapshot: &mut Snapshot) -> Result<u64, StoreError> {
    let (length,): (i64,) = fetch_one!(snapshot, "SELECT count(*) FROM outbox WHERE parked IS NULL")?;
    count("outbox", length)
}

/// Takes out the records that the authority has taken.
///
/// # Errors
/// The store fails.
pub async fn remove(transaction: &mut Transaction, sequences: &[u64]) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "DELETE FROM outbox WHERE sequence IN (",
        sequences,
        |sequence| (*sequence as i64),
        ")"
    )?;
    Ok(())
}

/// Notes that the authority refused a record, and parks it where `parked` says why.
///
/// # Errors
/// The store fails.
pub async fn refused(
    transaction: &mut Transaction,
    sequence: u64,
    parked: Option<&str>,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE outbox SET failures = failures + 1, parked = $2 WHERE sequence = $1",
        sequence as i64,
        parked,
    )?;
    Ok(())
}

/// Puts all parked records back in line, after a person has dealt with the cause. How many.
///
/// # Errors
/// The store fails.
pub async fn unpark(transaction: &mut Transaction) -> Result<u64, StoreError> {
    execute!(transaction, "UPDATE outbox SET parked = NULL, failures = 0 WHERE parked IS NOT NULL")
}

#[derive(sqlx::FromRow)]
struct Row {
    sequence: i64,
    credential: String,
    time: i64,
    event: String,
    failures: i64,
    parked: Option<String>,
}

impl TryFrom<Row> for Record {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            sequence: count("outbox.sequence", row.sequence)?,
            credential: parsed("outbox.credential", &row.credential)?,
            time: row.time,
            event: row.event,
            failures: count("outbox.failures", row.failures)?,
            parked: row.parked,
        })
    }
}
