//! Common certificates: each shared by the devices of a batch, and how far it is in its life.

use std::num::NonZeroU16;

use identity::{CommonBatch, ProductCode};

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// A common certificate; nothing of it is secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommonCertificate {
    /// The batch that shares it.
    pub batch: CommonBatch,
    /// The serial number of the certificate.
    pub certificate_serial: Vec<u8>,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// How many requests a day it may carry that nothing but itself speaks for.
    pub unproved_a_day_max: u32,
    /// When it was made, in seconds since 1970.
    pub made: i64,
    /// When it was handed to the firmware build, where it was.
    pub exported: Option<i64>,
    /// When it was stopped, where it was, and why.
    pub stopped: Option<(i64, String)>,
}

/// Stores a product's next common certificate with its sealed key.
///
/// # Errors
/// The product has this batch already, there is no such product, or the store fails.
pub async fn insert(
    transaction: &mut Transaction,
    common: &CommonCertificate,
    sealed_key: &[u8],
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO common_certificate \
         (batch, product, number, certificate_serial, certificate, sealed_key, unproved_a_day_max, made) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        common.batch.to_string(),
        common.batch.product().as_str(),
        i64::from(common.batch.number().get()),
        &common.certificate_serial,
        &common.certificate,
        sealed_key,
        i64::from(common.unproved_a_day_max),
        common.made,
    )?;
    Ok(())
}

/// The batch that a product's next common certificate is for; none where they are used up.
///
/// # Errors
/// The store fails.
pub async fn next_batch(
    snapshot: &mut Snapshot,
    product: &ProductCode,
) -> Result<Option<CommonBatch>, StoreError> {
    let (last,): (i64,) = fetch_one!(
        snapshot,
        "SELECT coalesce(max(number), 0) FROM common_certificate WHERE product = $1",
        product.as_str(),
    )?;
    let number = u16::try_from(last + 1).ok().and_then(NonZeroU16::new);
    Ok(number.map(|number| CommonBatch::new(product.clone(), number)))
}

/// The common certificate of a batch.
///
/// # Errors
/// The store fails.
pub async fn find(
    snapshot: &mut Snapshot,
    batch: &CommonBatch,
) -> Result<Option<CommonCertificate>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT batch, certificate_serial, certificate, unproved_a_day_max, made, exported, stopped, stop_reason \
         FROM common_certificate WHERE batch = $1",
        batch.to_string(),
    )?;
    row.map(CommonCertificate::try_from).transpose()
}

/// The sealed key of a batch's common certificate, until it is exported.
///
/// # Errors
/// The store fails.
pub async fn sealed_key(snapshot: &mut Snapshot, batch: &CommonBatch) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(Option<Vec<u8>>,)> = fetch_optional!(
        snapshot,
        "SELECT sealed_key FROM common_certificate WHERE batch = $1",
        batch.to_string(),
    )?;
    Ok(row.and_then(|(sealed,)| sealed))
}

/// All common certificates, by product and in the order they were made.
///
/// # Errors
/// The store fails.
pub async fn all(snapshot: &mut Snapshot) -> Result<Vec<CommonCertificate>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT batch, certificate_serial, certificate, unproved_a_day_max, made, exported, stopped, stop_reason \
         FROM common_certificate ORDER BY product, number"
    )?;
    rows.into_iter().map(CommonCertificate::try_from).collect()
}

/// Notes that a key was handed out, and erases it; whether it had not been before.
///
/// # Errors
/// The store fails.
pub async fn mark_exported(
    transaction: &mut Transaction,
    now: i64,
    batch: &CommonBatch,
) -> Result<bool, StoreError> {
    let marked = execute!(
        transaction,
        "UPDATE common_certificate SET exported = $2, sealed_key = NULL \
         WHERE batch = $1 AND exported IS NULL AND stopped IS NULL",
        batch.to_string(),
        now,
    )?;
    Ok(marked == 1)
}

/// Stops a batch for good, and erases its key; whether it was not stopped before.
///
/// # Errors
/// The store fails.
pub async fn stop(
    transaction: &mut Transaction,
    now: i64,
    batch: &CommonBatch,
    reason: &str,
) -> Result<bool, StoreError> {
    let stopped = execute!(
        transaction,
        "UPDATE common_certificate SET stopped = $2, stop_reason = $3, sealed_key = NULL \
         WHERE batch = $1 AND stopped IS NULL",
        batch.to_string(),
        now,
        reason,
    )?;
    Ok(stopped == 1)
}

#[derive(sqlx::FromRow)]
struct Row {
    batch: String,
    certificate_serial: Vec<u8>,
    certificate: Vec<u8>,
    unproved_a_day_max: i64,
    made: i64,
    exported: Option<i64>,
    stopped: Option<i64>,
    stop_reason: Option<String>,
}

impl TryFrom<Row> for CommonCertificate {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            batch: parsed("common_certificate.batch", &row.batch)?,
            certificate_serial: row.certificate_serial,
            certificate: row.certificate,
            unproved_a_day_max: u32::try_from(row.unproved_a_day_max)
                .map_err(|_| StoreError::Corrupt { what: "common_certificate.unproved_a_day_max" })?,
            made: row.made,
            exported: row.exported,
            stopped: row.stopped.map(|moment| (moment, row.stop_reason.unwrap_or_default())),
        })
    }
}
