//! Reports of gateways: each record once, with the answer it got.

use identity::MemberName;

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A record that was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// Its number at its gateway.
    pub sequence: u64,
    /// SHA-256 of what it said.
    pub record_sha256: Vec<u8>,
    /// The answer it got, as the caller wrote it.
    pub answer: String,
}

/// What is known of one gateway's records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The gateway.
    pub gateway: MemberName,
    /// How many of its records were taken.
    pub taken: u64,
    /// The highest number among them; higher than `taken` where some are missing.
    pub last: u64,
}

/// Stores records that were taken.
///
/// # Errors
/// A number was taken before, or the store fails.
pub async fn insert(
    transaction: &mut Transaction,
    gateway: &MemberName,
    records: &[Taken],
) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "INSERT INTO report (gateway, sequence, record_sha256, answer) ",
        records,
        |record| (
            gateway.to_string(),
            record.sequence as i64,
            record.record_sha256.clone(),
            record.answer.clone(),
        ),
        ""
    )?;
    Ok(())
}

/// The gateway's records from `first` to `last` that were taken, in rising order.
///
/// # Errors
/// The store fails.
pub async fn find_all(
    snapshot: &mut Snapshot,
    gateway: &MemberName,
    first: u64,
    last: u64,
) -> Result<Vec<Taken>, StoreError> {
    let rows: Vec<(i64, Vec<u8>, String)> = fetch_all!(
        snapshot,
        "SELECT sequence, record_sha256, answer FROM report \
         WHERE gateway = $1 AND sequence >= $2 AND sequence <= $3 ORDER BY sequence",
        gateway.as_str(),
        i64::try_from(first).unwrap_or(i64::MAX),
        i64::try_from(last).unwrap_or(i64::MAX),
    )?;
    rows.into_iter()
        .map(|(sequence, record_sha256, answer)| {
            Ok(Taken { sequence: count("report.sequence", sequence)?, record_sha256, answer })
        })
        .collect()
}

/// What is known of each gateway's records.
///
/// # Errors
/// The store fails.
pub async fn progress(snapshot: &mut Snapshot) -> Result<Vec<Progress>, StoreError> {
    let rows: Vec<(String, i64, i64)> = fetch_all!(
        snapshot,
        "SELECT gateway, count(*), max(sequence) FROM report GROUP BY gateway ORDER BY gateway"
    )?;
    rows.into_iter()
        .map(|(gateway, taken, last)| {
            Ok(Progress {
                gateway: parsed("report.gateway", &gateway)?,
                taken: count("report", taken)?,
                last: count("report.sequence", last)?,
            })
        })
        .collect()
}
