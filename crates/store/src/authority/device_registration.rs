//! What centers are told of devices: which keys a device was given, and what becomes of the certificate
//! of each.

use std::collections::HashMap;

use identity::{CredentialState, DeviceNumber, HardwareUid};

use super::successor::SuccessionCause;
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
    /// Where the certificate of this key stands.
    pub state: CredentialState,
    /// SHA-256 of the certificate's public key info.
    pub public_key_sha256: Vec<u8>,
    /// The certificate of the CA that signed it.
    pub issuing_certificate: Vec<u8>,
    /// The certificate.
    pub certificate: Vec<u8>,
    /// Its chip, where it has proved itself.
    pub hardware_uid: Option<HardwareUid>,
    /// How many days before its end the device is to be asked to renew it.
    pub renew_before_days: Option<u32>,
    /// Whether the certificate was made for a board that took the place of another.
    pub is_new_board: bool,
}

/// What a record says, before it has its number.
pub(super) struct News {
    pub(super) number: String,
    pub(super) state: CredentialState,
    pub(super) public_key_sha256: Vec<u8>,
    pub(super) issuing_ca: String,
}

/// Appends a record for each first certificate that has come to a state of which centers are told: a
/// device holds it, or may hold it, or nobody may use it.
///
/// # Errors
/// The store fails.
pub(super) async fn append_first(
    transaction: &mut Transaction,
    time: i64,
    reached: &[(&DeviceNumber, CredentialState)],
) -> Result<(), StoreError> {
    use CredentialState::{Suspect, Verified, Voided};
    let told: Vec<(String, CredentialState)> = reached
        .iter()
        .filter(|(_, state)| matches!(state, Verified | Suspect | Voided))
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
    // A credential without certificate is no center's business.
    let news = told.into_iter().filter_map(|(number, state)| {
        let (public_key_sha256, issuing_ca) = keys.remove(&number)?;
        Some(News { number, state, public_key_sha256, issuing_ca })
    });
    append(transaction, time, news.collect()).await
}

/// Appends a record for each of these.
///
/// # Errors
/// The store fails.
pub(super) async fn append(
    transaction: &mut Transaction,
    time: i64,
    news: Vec<News>,
) -> Result<(), StoreError> {
    let (last,): (i64,) =
        fetch_one!(transaction, "SELECT coalesce(max(sequence), 0) FROM device_registration")?;
    let rows: Vec<(News, i64)> = news.into_iter().zip(last + 1..).collect();
    execute_all!(
        transaction,
        "INSERT INTO device_registration (sequence, time, number, state, public_key_sha256, issuing_ca) ",
        rows,
        |row| (
            row.1,
            time,
            row.0.number.clone(),
            row.0.state.as_str(),
            row.0.public_key_sha256.clone(),
            row.0.issuing_ca.clone(),
        ),
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
        "SELECT sequence, time, device_registration.number, device_registration.state, \
         device_registration.public_key_sha256, ca.certificate AS issuing_certificate, \
         coalesce(successor.certificate, pack.certificate) AS certificate, device.hardware_uid, before_days, successor.cause \
         FROM device_registration JOIN ca ON ca.name = device_registration.issuing_ca \
         JOIN pack ON pack.number = device_registration.number \
         JOIN credential ON credential.number = device_registration.number \
         LEFT JOIN renewal_policy ON renewal_policy.product = credential.product \
         LEFT JOIN successor ON successor.number = device_registration.number \
         AND successor.public_key_sha256 = device_registration.public_key_sha256 \
         AND successor.state <> 'abandoned' \
         LEFT JOIN device ON device.number = device_registration.number \
         WHERE sequence > $1 ORDER BY sequence LIMIT $2",
        i64::try_from(sequence).unwrap_or(i64::MAX),
        i64::from(limit),
    )?;
    rows.into_iter().map(DeviceRegistration::try_from).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    sequence: i64,
    time: i64,
    number: String,
    state: String,
    public_key_sha256: Vec<u8>,
    issuing_certificate: Vec<u8>,
    certificate: Vec<u8>,
    hardware_uid: Option<String>,
    before_days: Option<i64>,
    cause: Option<String>,
}

impl TryFrom<Row> for DeviceRegistration {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let chip = row.hardware_uid.map(|chip| parsed("device.hardware_uid", &chip));
        let before_days = row.before_days.map(u32::try_from).transpose();
        let before_days =
            before_days.map_err(|_| StoreError::Corrupt { what: "renewal_policy.before_days" })?;
        Ok(Self {
            sequence: count("device_registration.sequence", row.sequence)?,
            time: row.time,
            number: parsed("device_registration.number", &row.number)?,
            state: parsed("device_registration.state", &row.state)?,
            public_key_sha256: row.public_key_sha256,
            issuing_certificate: row.issuing_certificate,
            certificate: row.certificate,
            hardware_uid: chip.transpose()?,
            renew_before_days: before_days,
            is_new_board: row.cause.as_deref() == Some(SuccessionCause::BoardSwap.as_str()),
        })
    }
}
