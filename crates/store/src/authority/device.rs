//! Devices that have proved what they hold, and why some credentials are of no use.

use std::collections::BTreeMap;

use identity::{CredentialId, DeviceNumber, HardwareUid, MemberName};

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// A device as it was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its number.
    pub number: DeviceNumber,
    /// Its chip.
    pub hardware_uid: HardwareUid,
    /// The station that wrote it.
    pub station: MemberName,
    /// When it had proved itself, by the gateway's clock.
    pub verified: i64,
}

/// Registers devices that have proved themselves, in place of devices that had these numbers before.
///
/// # Errors
/// The store fails.
pub async fn register(transaction: &mut Transaction, devices: &[Device]) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "INSERT INTO device (number, hardware_uid, station, verified) ",
        devices,
        |device| (
            device.number.to_string(),
            device.hardware_uid.to_string(),
            device.station.to_string(),
            device.verified,
        ),
        " ON CONFLICT (number) DO UPDATE SET hardware_uid = excluded.hardware_uid, \
         station = excluded.station, verified = excluded.verified"
    )?;
    Ok(())
}

/// Notes that a device has another chip now.
///
/// # Errors
/// The store fails.
pub async fn set_chip(
    transaction: &mut Transaction,
    number: &DeviceNumber,
    hardware_uid: &HardwareUid,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE device SET hardware_uid = $2 WHERE number = $1",
        number.to_string(),
        hardware_uid.to_string(),
    )?;
    Ok(())
}

/// The devices of these numbers, those that there are.
///
/// # Errors
/// The store fails.
pub async fn find_all(snapshot: &mut Snapshot, numbers: &[DeviceNumber]) -> Result<Vec<Device>, StoreError> {
    let rows: Vec<Row> = fetch_all_of!(
        snapshot,
        "SELECT number, hardware_uid, station, verified FROM device WHERE number IN (",
        numbers,
        |number| number.to_string(),
        ")"
    )?;
    rows.into_iter().map(Device::try_from).collect()
}

/// The devices with these chips whose credentials are in use: one a chip, or none.
///
/// # Errors
/// The store fails.
pub async fn in_use_on(snapshot: &mut Snapshot, chips: &[HardwareUid]) -> Result<Vec<Device>, StoreError> {
    let rows: Vec<Row> = fetch_all_of!(
        snapshot,
        "SELECT device.number, hardware_uid, station, verified FROM device \
         JOIN credential ON credential.number = device.number \
         WHERE (credential.state = 'verified' OR EXISTS (SELECT 1 FROM successor \
         WHERE successor.number = device.number AND successor.state = 'verified')) AND hardware_uid IN (",
        chips,
        |chip| chip.to_string(),
        ")"
    )?;
    rows.into_iter().map(Device::try_from).collect()
}

/// Notes why credentials are suspect or voided, in place of what was noted before.
///
/// # Errors
/// The store fails.
pub async fn set_reasons(
    transaction: &mut Transaction,
    reasons: &[(CredentialId, String)],
) -> Result<(), StoreError> {
    // Of several reasons for one credential the last counts.
    let last: BTreeMap<&CredentialId, &String> =
        reasons.iter().map(|(credential, reason)| (credential, reason)).collect();
    let last: Vec<_> = last.into_iter().collect();
    execute_all!(
        transaction,
        "INSERT INTO reason (credential, text) ",
        last,
        |noted| (noted.0.to_string(), noted.1.clone()),
        " ON CONFLICT (credential) DO UPDATE SET text = excluded.text"
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    number: String,
    hardware_uid: String,
    station: String,
    verified: i64,
}

impl TryFrom<Row> for Device {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            number: parsed("device.number", &row.number)?,
            hardware_uid: parsed("device.hardware_uid", &row.hardware_uid)?,
            station: parsed("device.station", &row.station)?,
            verified: row.verified,
        })
    }
}
