//! What centers are told of devices: which key a device was made with, and what becomes of its
//! credential.

use std::collections::HashMap;

use identity::{CredentialState, DeviceNumber, HardwareUid};

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceRegistration {
    /// Its number, from 1 without gaps.
    pub sequence: u64,
    /// When it came about.
    pub time: i64,
    /// The device.
    pub number: DeviceNumber,
    /// Where its credential stands.
    pub state: CredentialState,
    /// SHA-256 of its public key info.
    pub public_key_sha256: Vec<u8>,
    /// The certificate of the CA that signed its certificate.
    pub issuing_certificate: Vec<u8>,
    /// Its chip, where it has proved itself.
    pub hardware_uid: Option<HardwareUid>,
}

/// Appends a record for each credential that has come to a state of which centers are told: a device
/// holds it, or may hold it, or nobody may use it.
///
/// # Errors
/// The store fails.
pub(super) async fn append(
    transaction: &mut Transaction,
    time: i64,
    reached: &[(&DeviceNumber, CredentialState)],
) -> Result<(), StoreError> {
    let told: Vec<(String, CredentialState)> = reached
        .iter()
        .filter(|(_, state)| is_told(*state))
        .map(|(number, state)| (number.to_string(), *state))
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    let keys: Vec<(String, Vec<u8>, String)> = fetch_all_of!(
        transaction,
        "SELECT credential.number, public_key_sha256, issuing_ca FROM credential \
         JOIN pack ON pack.number = credential.number \
         WHERE credential.state <> 'abandoned' AND credential.number IN (",
        told,
        |told| told.0.clone(),
        ")"
    )?;
    let mut keys: HashMap<String, (Vec<u8>, String)> =
        keys.into_iter().map(|(number, key, ca)| (number, (key, ca))).collect();
    let (last,): (i64,) =
        fetch_one!(transaction, "SELECT coalesce(max(sequence), 0) FROM device_registration")?;
    // A credential without certificate is no center's business.
    let rows: Vec<_> = told
        .into_iter()
        .filter_map(|(number, state)| keys.remove(&number).map(|(key, ca)| (number, state, key, ca)))
        .zip(last + 1..)
        .collect();
    execute_all!(
        transaction,
        "INSERT INTO device_registration (sequence, time, number, state, public_key_sha256, issuing_ca) ",
        rows,
        |row| (row.1, time, row.0.0.clone(), row.0.1.as_str(), row.0.2.clone(), row.0.3.clone()),
        ""
    )?;
    Ok(())
}

/// The records after the one of this number, at most `limit`.
///
/// # Errors
/// The store fails.
pub async fn after(
    snapshot: &mut Snapshot,
    sequence: u64,
    limit: u32,
) -> Result<Vec<DeviceRegistration>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT sequence, time, device_registration.number, state, public_key_sha256, \
         ca.certificate, hardware_uid FROM device_registration \
         JOIN ca ON ca.name = device_registration.issuing_ca \
         LEFT JOIN device ON device.number = device_registration.number \
         WHERE sequence > $1 ORDER BY sequence LIMIT $2",
        i64::try_from(sequence).unwrap_or(i64::MAX),
        i64::from(limit),
    )?;
    rows.into_iter().map(DeviceRegistration::try_from).collect()
}

fn is_told(state: CredentialState) -> bool {
    use CredentialState::{Suspect, Verified, Voided};
    matches!(state, Verified | Suspect | Voided)
}

#[derive(sqlx::FromRow)]
struct Row {
    sequence: i64,
    time: i64,
    number: String,
    state: String,
    public_key_sha256: Vec<u8>,
    certificate: Vec<u8>,
    hardware_uid: Option<String>,
}

impl TryFrom<Row> for DeviceRegistration {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let chip = row.hardware_uid.map(|chip| parsed("device.hardware_uid", &chip));
        Ok(Self {
            sequence: count("device_registration.sequence", row.sequence)?,
            time: row.time,
            number: parsed("device_registration.number", &row.number)?,
            state: parsed("device_registration.state", &row.state)?,
            public_key_sha256: row.public_key_sha256,
            issuing_certificate: row.certificate,
            hardware_uid: chip.transpose()?,
        })
    }
}
