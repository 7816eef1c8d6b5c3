//! Device numbers: reserving them for certificates that are to be fetched, and packs asked for on the
//! spot.

use identity::profile::CredentialKind;
use identity::{CredentialState, DeviceNumber, ProductCode, Serial};

use crate::audit::{self, Cause};
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// Reserves new numbers: certificates that are intended.
///
/// # Errors
/// A number was reserved before, or the store fails.
pub async fn reserve(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    numbers: &[DeviceNumber],
) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "INSERT INTO credential (id, kind, product, device_number, digits, serial, state, reserved) ",
        numbers,
        |number| (
            number.to_string(),
            CredentialKind::Certificate.as_str(),
            number.product().to_string(),
            number.to_string(),
            i64::from(number.serial().digits()),
            number.serial().value() as i64,
            CredentialState::Intended.as_str(),
            cause.time,
        ),
        ""
    )?;
    audit::append(transaction, cause.time, cause.actor, cause.action, &numbers).await
}

/// The products that have numbers whose packs are to be fetched.
///
/// # Errors
/// The store fails.
pub async fn reserved_products(snapshot: &mut Snapshot) -> Result<Vec<ProductCode>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(
        snapshot,
        "SELECT DISTINCT product FROM credential WHERE state = 'intended' AND hardware_uid IS NULL \
         ORDER BY product",
    )?;
    rows.iter().map(|(product,)| parsed("credential.product", product)).collect()
}

/// A product's reserved numbers whose packs are to be fetched, lowest first. Those that a device has are
/// fetched on the spot, or owed to it.
///
/// # Errors
/// The store fails.
pub async fn reserved(
    snapshot: &mut Snapshot,
    product: &ProductCode,
    limit: usize,
) -> Result<Vec<DeviceNumber>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(
        snapshot,
        "SELECT id FROM credential WHERE product = $1 AND kind = 'certificate' AND state = 'intended' \
         AND hardware_uid IS NULL ORDER BY digits, serial LIMIT $2",
        product.as_str(),
        limit as i64,
    )?;
    rows.iter().map(|(number,)| parsed("credential.id", number)).collect()
}

/// The numbers that no device has yet, of one product or of all: reserved, in stock, or on their way to a
/// device. By product, lowest first.
///
/// # Errors
/// The store fails.
pub async fn without_device(
    snapshot: &mut Snapshot,
    product: Option<&ProductCode>,
) -> Result<Vec<DeviceNumber>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(
        snapshot,
        "SELECT id FROM credential WHERE kind = 'certificate' AND state IN ('intended', 'issued', 'stocked') \
         AND hardware_uid IS NULL AND ($1 = '' OR product = $1) ORDER BY product, digits, serial",
        product.map_or("", ProductCode::as_str),
    )?;
    rows.iter().map(|(number,)| parsed("credential.id", number)).collect()
}

/// The highest serial from `first` to `last` that was ever reserved for the product.
///
/// # Errors
/// The store fails.
pub async fn last_serial(
    snapshot: &mut Snapshot,
    product: &ProductCode,
    first: Serial,
    last: Serial,
) -> Result<Option<Serial>, StoreError> {
    let (highest,): (Option<i64>,) = fetch_one!(
        snapshot,
        "SELECT max(serial) FROM credential \
         WHERE product = $1 AND digits = $2 AND serial >= $3 AND serial <= $4",
        product.as_str(),
        i64::from(first.digits()),
        first.value() as i64,
        last.value() as i64,
    )?;
    let Some(highest) = highest else { return Ok(None) };
    let value = count("credential.serial", highest)?;
    Serial::new(value, first.digits()).map(Some).ok_or(StoreError::Corrupt { what: "credential.serial" })
}

/// Notes, before the authority is asked, that it may make packs for this device.
///
/// # Errors
/// The store fails.
pub async fn order(transaction: &mut Transaction, now: i64, number: &DeviceNumber) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO device_order (number, ordered) VALUES ($1, $2) ON CONFLICT (number) DO NOTHING",
        number.to_string(),
        now,
    )?;
    Ok(())
}

/// Notes that the packs of this device have arrived.
///
/// # Errors
/// The store fails.
pub async fn order_arrived(transaction: &mut Transaction, number: &DeviceNumber) -> Result<(), StoreError> {
    execute!(transaction, "DELETE FROM device_order WHERE number = $1", number.to_string())?;
    Ok(())
}

/// The devices whose packs were asked for and have not arrived.
///
/// # Errors
/// The store fails.
pub async fn ordered(snapshot: &mut Snapshot) -> Result<Vec<DeviceNumber>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(snapshot, "SELECT number FROM device_order ORDER BY number")?;
    rows.iter().map(|(number,)| parsed("device_order.number", number)).collect()
}
