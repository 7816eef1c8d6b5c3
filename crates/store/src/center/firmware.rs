//! Firmware packages, and the makers' keys that they are signed with.

use identity::{FirmwareVersion, ProductCode};

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A maker's public key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MakerKey {
    /// The product whose firmware it may sign.
    pub product: ProductCode,
    /// Its public name.
    pub name: String,
    /// The key, a point (SEC 1).
    pub point: Vec<u8>,
    /// When it was added.
    pub added: i64,
}

/// A package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Firmware {
    /// Its name, which follows from its bytes.
    pub name: String,
    /// The product that it is for.
    pub product: ProductCode,
    /// The version of its image.
    pub version: FirmwareVersion,
    /// Its security number.
    pub security: u32,
    /// How many bytes the package has.
    pub length: u64,
    /// The name of the key that it is signed with.
    pub key_name: String,
    /// When it was added.
    pub added: i64,
}

/// Adds a maker's key; whether it is new.
///
/// # Errors
/// The store fails.
pub async fn add_key(transaction: &mut Transaction, key: &MakerKey) -> Result<bool, StoreError> {
    let added = execute!(
        transaction,
        "INSERT INTO maker_key (product, name, point, added) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (product, name) DO NOTHING",
        key.product.as_str(),
        &key.name,
        &key.point,
        key.added,
    )?;
    Ok(added > 0)
}

/// Removes a maker's key; whether it was there.
///
/// # Errors
/// The store fails.
pub async fn remove_key(
    transaction: &mut Transaction,
    product: &ProductCode,
    name: &str,
) -> Result<bool, StoreError> {
    let sql = "DELETE FROM maker_key WHERE product = $1 AND name = $2";
    Ok(execute!(transaction, sql, product.as_str(), name)? > 0)
}

/// The makers' keys, by product.
///
/// # Errors
/// The store fails.
pub async fn keys(snapshot: &mut Snapshot) -> Result<Vec<MakerKey>, StoreError> {
    let rows: Vec<(String, String, Vec<u8>, i64)> =
        fetch_all!(snapshot, "SELECT product, name, point, added FROM maker_key ORDER BY product, name")?;
    rows.into_iter()
        .map(|(product, name, point, added)| {
            Ok(MakerKey { product: parsed("maker_key.product", &product)?, name, point, added })
        })
        .collect()
}

/// Adds a package.
///
/// # Errors
/// There is one of this name, or of this product and version; or the store fails.
pub async fn add(transaction: &mut Transaction, firmware: &Firmware) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO firmware (name, product, version, security, length, key_name, added) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &firmware.name,
        firmware.product.as_str(),
        firmware.version.to_string(),
        i64::from(firmware.security),
        firmware.length.cast_signed(),
        &firmware.key_name,
        firmware.added,
    )?;
    Ok(())
}

/// Removes a package; whether it was there.
///
/// # Errors
/// The store fails.
pub async fn remove(transaction: &mut Transaction, name: &str) -> Result<bool, StoreError> {
    Ok(execute!(transaction, "DELETE FROM firmware WHERE name = $1", name)? > 0)
}

/// The package of this name.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, name: &str) -> Result<Option<Firmware>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT name, product, version, security, length, key_name, added FROM firmware WHERE name = $1",
        name,
    )?;
    row.map(Firmware::try_from).transpose()
}

/// All packages, by product, the last version first.
///
/// # Errors
/// The store fails.
pub async fn list(snapshot: &mut Snapshot) -> Result<Vec<Firmware>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT name, product, version, security, length, key_name, added FROM firmware"
    )?;
    let mut list = rows.into_iter().map(Firmware::try_from).collect::<Result<Vec<_>, _>>()?;
    list.sort_by(|a, b| a.product.cmp(&b.product).then(b.version.cmp(&a.version)));
    Ok(list)
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    product: String,
    version: String,
    security: i64,
    length: i64,
    key_name: String,
    added: i64,
}

impl TryFrom<Row> for Firmware {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let security = row.security.try_into();
        Ok(Self {
            name: row.name,
            product: parsed("firmware.product", &row.product)?,
            version: parsed("firmware.version", &row.version)?,
            security: security.map_err(|_| StoreError::Corrupt { what: "firmware.security" })?,
            length: count("firmware.length", row.length)?,
            key_name: row.key_name,
            added: row.added,
        })
    }
}
