//! Pre-write keys: the keys that firmware is built with, sealed by the vault, and how far each is in
//! its life (source B table 700).

use identity::{KeyIdentifier, ProductCode};

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// What is said of a pre-write key; nothing of it is secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PreWriteKey {
    /// Its public name.
    pub identifier: KeyIdentifier,
    /// Whose firmware is built with it.
    pub product: ProductCode,
    /// When it was made.
    pub made: i64,
    /// When it was handed to the firmware build, where it was.
    pub exported: Option<i64>,
    /// When another key took its place, where one did.
    pub replaced: Option<i64>,
    /// When it was retired and erased, where it was.
    pub retired: Option<i64>,
}

/// How far a pre-write key is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// New packs are sealed under it.
    Current,
    /// Another took its place, and firmware that was built with it is still in use.
    Previous,
    /// Nothing is sealed under it any more, and the authority no longer has it.
    Retired,
}

impl PreWriteKey {
    /// How far the key is in its life.
    pub fn stage(&self) -> Stage {
        match (self.replaced, self.retired) {
            (_, Some(_)) => Stage::Retired,
            (Some(_), None) => Stage::Previous,
            (None, None) => Stage::Current,
        }
    }
}

/// Stores a product's next key, which is its current one from now on; `number` counts the product's keys.
///
/// # Errors
/// The product has a current key still, there is no such product, or the store fails.
pub async fn insert(
    transaction: &mut Transaction,
    key: &PreWriteKey,
    number: i64,
    sealed_key: &[u8],
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO pre_write_key (key_identifier, product, number, sealed_key, made) \
         VALUES ($1, $2, $3, $4, $5)",
        key.identifier.as_str(),
        key.product.as_str(),
        number,
        sealed_key,
        key.made,
    )?;
    Ok(())
}

/// How many keys a product has had, and its current one.
///
/// # Errors
/// The store fails.
pub async fn of_product(
    snapshot: &mut Snapshot,
    product: &ProductCode,
) -> Result<(i64, Option<PreWriteKey>), StoreError> {
    let count: Option<(i64,)> = fetch_optional!(
        snapshot,
        "SELECT count(*) FROM pre_write_key WHERE product = $1",
        product.as_str(),
    )?;
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT key_identifier, product, made, exported, replaced, retired FROM pre_write_key \
         WHERE product = $1 AND replaced IS NULL",
        product.as_str(),
    )?;
    Ok((count.map_or(0, |(count,)| count), row.map(PreWriteKey::try_from).transpose()?))
}

/// Notes that another key takes the place of this one.
///
/// # Errors
/// The store fails.
pub async fn replace(
    transaction: &mut Transaction,
    now: i64,
    identifier: &KeyIdentifier,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE pre_write_key SET replaced = $2 WHERE key_identifier = $1 AND replaced IS NULL",
        identifier.as_str(),
        now,
    )?;
    Ok(())
}

/// The key of this identifier, and its sealed bytes where it is not retired.
///
/// # Errors
/// The store fails.
pub async fn find(
    snapshot: &mut Snapshot,
    identifier: &KeyIdentifier,
) -> Result<Option<(PreWriteKey, Option<Vec<u8>>)>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT key_identifier, product, made, exported, replaced, retired FROM pre_write_key \
         WHERE key_identifier = $1",
        identifier.as_str(),
    )?;
    let Some(row) = row else { return Ok(None) };
    let sealed: Option<(Option<Vec<u8>>,)> = fetch_optional!(
        snapshot,
        "SELECT sealed_key FROM pre_write_key WHERE key_identifier = $1",
        identifier.as_str(),
    )?;
    Ok(Some((row.try_into()?, sealed.and_then(|(sealed,)| sealed))))
}

/// All keys, by product and in the order they were made.
///
/// # Errors
/// The store fails.
pub async fn all(snapshot: &mut Snapshot) -> Result<Vec<PreWriteKey>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT key_identifier, product, made, exported, replaced, retired FROM pre_write_key \
         ORDER BY product, number"
    )?;
    rows.into_iter().map(PreWriteKey::try_from).collect()
}

/// Notes that a key was handed out; whether it had not been before.
///
/// # Errors
/// The store fails.
pub async fn mark_exported(
    transaction: &mut Transaction,
    now: i64,
    identifier: &KeyIdentifier,
) -> Result<bool, StoreError> {
    let marked = execute!(
        transaction,
        "UPDATE pre_write_key SET exported = $2 \
         WHERE key_identifier = $1 AND exported IS NULL AND retired IS NULL",
        identifier.as_str(),
        now,
    )?;
    Ok(marked == 1)
}

/// Retires a key whose place another has taken, and erases it; whether that was to be done.
///
/// # Errors
/// The store fails.
pub async fn retire(
    transaction: &mut Transaction,
    now: i64,
    identifier: &KeyIdentifier,
) -> Result<bool, StoreError> {
    let retired = execute!(
        transaction,
        "UPDATE pre_write_key SET retired = $2, sealed_key = NULL \
         WHERE key_identifier = $1 AND replaced IS NOT NULL AND retired IS NULL",
        identifier.as_str(),
        now,
    )?;
    Ok(retired == 1)
}

#[derive(sqlx::FromRow)]
struct Row {
    key_identifier: String,
    product: String,
    made: i64,
    exported: Option<i64>,
    replaced: Option<i64>,
    retired: Option<i64>,
}

impl TryFrom<Row> for PreWriteKey {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            identifier: parsed("pre_write_key.key_identifier", &row.key_identifier)?,
            product: parsed("pre_write_key.product", &row.product)?,
            made: row.made,
            exported: row.exported,
            replaced: row.replaced,
            retired: row.retired,
        })
    }
}
