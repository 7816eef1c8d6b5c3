//! Incidents: what was refused and may be an attack.

use identity::DeviceNumber;

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// What devices of one number did that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incident {
    /// The device that the session's certificate named.
    pub device: DeviceNumber,
    /// What it did, as a word.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// When first, in seconds since 1970.
    pub first: i64,
    /// When last.
    pub last: i64,
    /// The last time in words.
    pub detail: String,
}

/// Files an incident.
///
/// # Errors
/// The store fails.
pub async fn note(
    transaction: &mut Transaction,
    device: &DeviceNumber,
    kind: &'static str,
    detail: &str,
    now: i64,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO incident (device, kind, count, first, last, detail) VALUES ($1, $2, 1, $3, $3, $4) \
         ON CONFLICT (device, kind) DO UPDATE SET count = incident.count + 1, last = excluded.last, \
         detail = excluded.detail",
        device.to_string(),
        kind,
        now,
        detail,
    )?;
    Ok(())
}

/// How many incidents there were of each kind, of all devices together.
///
/// # Errors
/// The store fails.
pub async fn counts(snapshot: &mut Snapshot) -> Result<Vec<(String, u64)>, StoreError> {
    let rows: Vec<(String, i64)> = fetch_all!(
        snapshot,
        "SELECT kind, CAST(sum(count) AS bigint) FROM incident GROUP BY kind ORDER BY kind"
    )?;
    rows.into_iter().map(|(kind, number)| Ok((kind, count("incident.count", number)?))).collect()
}

/// Incidents, the last first; those of one device where it is named.
///
/// # Errors
/// The store fails.
pub async fn list(
    snapshot: &mut Snapshot,
    device: Option<&DeviceNumber>,
    limit: u32,
) -> Result<Vec<Incident>, StoreError> {
    let rows: Vec<(String, String, i64, i64, i64, String)> = fetch_all!(
        snapshot,
        "SELECT device, kind, count, first, last, detail FROM incident \
         WHERE $1 = '' OR device = $1 ORDER BY last DESC, device, kind LIMIT $2",
        device.map_or_else(String::new, DeviceNumber::to_string),
        i64::from(limit),
    )?;
    rows.into_iter()
        .map(|(device, kind, number, first, last, detail)| {
            let device = parsed("incident.device", &device)?;
            Ok(Incident { device, kind, count: count("incident.count", number)?, first, last, detail })
        })
        .collect()
}
