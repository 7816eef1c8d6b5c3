//! All that is stored of one number's certificates, for people who look into it.

use std::collections::HashMap;

use identity::{CredentialState, DeviceNumber, HardwareUid, MemberName, RevocationReason};

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError};

/// Who ordered a number first, and what is said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ordered {
    /// The factory.
    pub factory: MemberName,
    /// When, in seconds since 1970.
    pub time: i64,
    /// Why it is suspect or void, where it is.
    pub reason: Option<String>,
}

/// One certificate of a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    /// 1 for the first, then on.
    pub generation: u64,
    /// Why there is one: `factory` for the first.
    pub cause: String,
    /// Where it stands.
    pub state: CredentialState,
    /// Its serial number.
    pub serial: Vec<u8>,
    /// When it was asked for, in seconds since 1970.
    pub ordered: i64,
    /// When it was signed, and the certificate; none where it is not signed.
    pub signed: Option<(i64, Vec<u8>)>,
    /// The chip it is for, where that is known.
    pub hardware_uid: Option<HardwareUid>,
    /// What centers were told of it, in order.
    pub told: Vec<(i64, CredentialState)>,
    /// When and why it was revoked, where it was.
    pub revoked: Option<(i64, RevocationReason)>,
}

/// Who ordered a number first; none where nobody has.
///
/// # Errors
/// The store fails.
pub async fn ordered(snapshot: &mut Snapshot, number: &DeviceNumber) -> Result<Option<Ordered>, StoreError> {
    let row: Option<(String, i64, Option<String>)> = fetch_optional!(
        snapshot,
        "SELECT factory, intended, reason.text FROM credential \
         LEFT JOIN reason ON reason.credential = credential.number WHERE number = $1",
        number.to_string(),
    )?;
    let Some((factory, time, reason)) = row else { return Ok(None) };
    Ok(Some(Ordered { factory: parsed("credential.factory", &factory)?, time, reason }))
}

/// All certificates of a number, the first first.
///
/// # Errors
/// The store fails.
pub async fn certificates(
    snapshot: &mut Snapshot,
    number: &DeviceNumber,
) -> Result<Vec<Certificate>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT 1 AS generation, 'factory' AS cause, state, certificate_serial, public_key_sha256, intended, \
         issued, certificate, hardware_uid FROM credential LEFT JOIN pack ON pack.number = credential.number \
         WHERE credential.number = $1 UNION ALL \
         SELECT generation, cause, state, certificate_serial, public_key_sha256, intended, issued, certificate, \
         hardware_uid FROM successor WHERE number = $1 ORDER BY generation",
        number.to_string(),
    )?;
    let mut told = told(snapshot, number).await?;
    let mut revoked = revoked(snapshot, number).await?;
    rows.into_iter()
        .map(|row| {
            let hardware_uid = row.hardware_uid.map(|uid| parsed("hardware_uid", &uid)).transpose()?;
            Ok(Certificate {
                generation: count("successor.generation", row.generation)?,
                cause: row.cause,
                state: parsed("successor.state", &row.state)?,
                ordered: row.intended,
                signed: row.issued.zip(row.certificate),
                hardware_uid,
                told: told.remove(&row.public_key_sha256).unwrap_or_default(),
                revoked: revoked.remove(&row.certificate_serial),
                serial: row.certificate_serial,
            })
        })
        .collect()
}

/// What centers were told of a number, by key.
async fn told(
    snapshot: &mut Snapshot,
    number: &DeviceNumber,
) -> Result<HashMap<Vec<u8>, Vec<(i64, CredentialState)>>, StoreError> {
    let rows: Vec<(Vec<u8>, i64, String)> = fetch_all!(
        snapshot,
        "SELECT public_key_sha256, time, state FROM device_registration WHERE number = $1 ORDER BY sequence",
        number.to_string(),
    )?;
    let mut told: HashMap<Vec<u8>, Vec<_>> = HashMap::new();
    for (key, time, state) in rows {
        told.entry(key).or_default().push((time, parsed("device_registration.state", &state)?));
    }
    Ok(told)
}

/// The certificates of a number that were revoked, by serial.
async fn revoked(
    snapshot: &mut Snapshot,
    number: &DeviceNumber,
) -> Result<HashMap<Vec<u8>, (i64, RevocationReason)>, StoreError> {
    let rows: Vec<(Vec<u8>, i64, String)> = fetch_all!(
        snapshot,
        "SELECT certificate_serial, revoked, reason FROM revocation WHERE number = $1",
        number.to_string(),
    )?;
    rows.into_iter()
        .map(|(serial, time, reason)| Ok((serial, (time, parsed("revocation.reason", &reason)?))))
        .collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    generation: i64,
    cause: String,
    state: String,
    certificate_serial: Vec<u8>,
    public_key_sha256: Vec<u8>,
    intended: i64,
    issued: Option<i64>,
    certificate: Option<Vec<u8>>,
    hardware_uid: Option<String>,
}
