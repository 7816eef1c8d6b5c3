//! The certificates that were revoked, as CRLs and OCSP tell it.

use identity::{DeviceNumber, RevocationReason};

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A certificate that was revoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revocation {
    /// The serial number of the certificate.
    pub certificate_serial: Vec<u8>,
    /// When it was revoked.
    pub revoked: i64,
    /// Why.
    pub reason: RevocationReason,
}

/// What is known of the certificate with some serial number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It was signed, and not revoked.
    Good,
    /// It was revoked.
    Revoked {
        /// When.
        time: i64,
        /// Why.
        reason: RevocationReason,
    },
}

/// A certificate that was just revoked.
pub(super) struct Revoked {
    pub(super) number: String,
    pub(super) certificate_serial: Vec<u8>,
    pub(super) issuing_ca: String,
}

/// Appends the first certificates of numbers that were just voided.
///
/// # Errors
/// The store fails.
pub(super) async fn append_first(
    transaction: &mut Transaction,
    time: i64,
    voided: &[&DeviceNumber],
) -> Result<(), StoreError> {
    let found: Vec<(String, Vec<u8>, String)> = fetch_all_of!(
        transaction,
        "SELECT credential.number, certificate_serial, issuing_ca FROM credential \
         JOIN pack ON pack.number = credential.number WHERE credential.number IN (",
        voided,
        |number| number.to_string(),
        ")"
    )?;
    let revoked = found.into_iter().map(|(number, certificate_serial, issuing_ca)| Revoked {
        number,
        certificate_serial,
        issuing_ca,
    });
    append(transaction, time, revoked.collect()).await
}

/// Appends certificates that were just revoked.
///
/// # Errors
/// The store fails.
pub(super) async fn append(
    transaction: &mut Transaction,
    time: i64,
    revoked: Vec<Revoked>,
) -> Result<(), StoreError> {
    if revoked.is_empty() {
        return Ok(());
    }
    let (last,): (i64,) = fetch_one!(transaction, "SELECT coalesce(max(sequence), 0) FROM revocation")?;
    let rows: Vec<(i64, Revoked)> = (last + 1..).zip(revoked).collect();
    execute_all!(
        transaction,
        "INSERT INTO revocation (sequence, issuing_ca, certificate_serial, number, revoked, reason) ",
        rows,
        |row| (
            row.0,
            row.1.issuing_ca.clone(),
            row.1.certificate_serial.clone(),
            row.1.number.clone(),
            time,
            RevocationReason::Unspecified.as_str(),
        ),
        ""
    )?;
    Ok(())
}

/// Notes why the certificates of these numbers are revoked, where nobody has said it yet.
///
/// # Errors
/// The store fails.
pub async fn give_reason(
    transaction: &mut Transaction,
    numbers: &[DeviceNumber],
    reason: RevocationReason,
) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "UPDATE revocation SET reason = new.column2 FROM (",
        numbers,
        |number| (number.to_string(), reason.as_str()),
        ") AS new WHERE revocation.number = new.column1 AND revocation.reason = 'unspecified'"
    )?;
    Ok(())
}

/// The number of the last revocation of a CA's partition; 0 where there is none.
///
/// # Errors
/// The store fails.
pub async fn last_of_partition(
    snapshot: &mut Snapshot,
    issuing_ca: &str,
    partition: u8,
) -> Result<u64, StoreError> {
    let (last,): (i64,) = fetch_one!(
        snapshot,
        "SELECT coalesce(max(sequence), 0) FROM revocation \
         WHERE issuing_ca = $1 AND substr(certificate_serial, 2, 1) = $2",
        issuing_ca,
        vec![partition],
    )?;
    count("revocation.sequence", last)
}

/// The revocations of a CA's partition that come after the one of this number.
///
/// # Errors
/// The store fails.
pub async fn of_partition(
    snapshot: &mut Snapshot,
    issuing_ca: &str,
    partition: u8,
    after: u64,
) -> Result<Vec<Revocation>, StoreError> {
    let rows: Vec<(Vec<u8>, i64, String)> = fetch_all!(
        snapshot,
        "SELECT certificate_serial, revoked, reason FROM revocation \
         WHERE issuing_ca = $1 AND substr(certificate_serial, 2, 1) = $2 AND sequence > $3 ORDER BY sequence",
        issuing_ca,
        vec![partition],
        i64::try_from(after).unwrap_or(i64::MAX),
    )?;
    rows.into_iter()
        .map(|(certificate_serial, revoked, reason)| {
            Ok(Revocation { certificate_serial, revoked, reason: parsed("revocation.reason", &reason)? })
        })
        .collect()
}

/// What is known of the certificate that this CA signed with this serial number; none where it signed none.
///
/// # Errors
/// The store fails.
pub async fn standing(
    snapshot: &mut Snapshot,
    issuing_ca: &str,
    certificate_serial: &[u8],
) -> Result<Option<Standing>, StoreError> {
    let revoked: Option<(i64, String)> = fetch_optional!(
        snapshot,
        "SELECT revoked, reason FROM revocation WHERE issuing_ca = $1 \
         AND substr(certificate_serial, 1, 12) = substr($2, 1, 12) AND certificate_serial = $2",
        issuing_ca,
        certificate_serial,
    )?;
    if let Some((time, reason)) = revoked {
        return Ok(Some(Standing::Revoked { time, reason: parsed("revocation.reason", &reason)? }));
    }
    let issued: Option<(i64,)> = fetch_optional!(
        snapshot,
        "SELECT pack.issued FROM credential JOIN pack ON pack.number = credential.number \
         WHERE substr(certificate_serial, 1, 12) = substr($2, 1, 12) AND certificate_serial = $2 \
         AND pack.issuing_ca = $1",
        issuing_ca,
        certificate_serial,
    )?;
    if issued.is_some() {
        return Ok(Some(Standing::Good));
    }
    let issued: Option<(i64,)> = fetch_optional!(
        snapshot,
        "SELECT issued FROM successor \
         WHERE certificate_serial = $2 AND issuing_ca = $1 AND issued IS NOT NULL",
        issuing_ca,
        certificate_serial,
    )?;
    Ok(issued.map(|_| Standing::Good))
}
