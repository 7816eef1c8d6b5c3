//! What each counter of a device is counted from next.

use identity::DeviceNumber;

use crate::statement::count;
use crate::{Snapshot, StoreError, Transaction};

/// A counter of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counter {
    /// Its name.
    pub name: String,
    /// What it is counted from next.
    pub base: u64,
    /// Whether its readings wait for a decision.
    pub is_held: bool,
}

/// The counters of a device.
///
/// # Errors
/// The store fails.
pub async fn of(snapshot: &mut Snapshot, device: &DeviceNumber) -> Result<Vec<Counter>, StoreError> {
    let rows: Vec<(String, i64, i64)> = fetch_all!(
        snapshot,
        "SELECT name, base, held FROM counter WHERE device = $1 ORDER BY name",
        device.to_string(),
    )?;
    rows.into_iter()
        .map(|(name, base, held)| {
            Ok(Counter { name, base: count("counter.base", base)?, is_held: held != 0 })
        })
        .collect()
}

/// Stores counters of a device.
///
/// # Errors
/// The store fails.
pub async fn set(
    transaction: &mut Transaction,
    device: &DeviceNumber,
    counters: &[Counter],
) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "INSERT INTO counter (device, name, base, held) ",
        counters,
        |counter| (
            device.to_string(),
            counter.name.clone(),
            counter.base.cast_signed(),
            i64::from(counter.is_held),
        ),
        " ON CONFLICT (device, name) DO UPDATE SET base = excluded.base, held = excluded.held"
    )?;
    Ok(())
}
