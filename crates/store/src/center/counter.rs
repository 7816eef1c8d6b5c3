//! What each counter of a device is counted from next.

use identity::DeviceNumber;

use crate::{StoreError, Transaction};

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

/// Stores counters, each with the device that it is of.
///
/// # Errors
/// The store fails.
pub async fn set(
    transaction: &mut Transaction,
    counters: &[(DeviceNumber, Counter)],
) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "INSERT INTO counter (device, name, base, held) ",
        counters,
        |of_device| (
            of_device.0.to_string(),
            of_device.1.name.as_str(),
            of_device.1.base.cast_signed(),
            i64::from(of_device.1.is_held),
        ),
        " ON CONFLICT (device, name) DO UPDATE SET base = excluded.base, held = excluded.held"
    )?;
    Ok(())
}
