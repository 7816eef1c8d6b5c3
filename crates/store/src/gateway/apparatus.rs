//! Symmetric credentials: orders for them, and the stock that leases draw from (source B table 702).

use identity::profile::CredentialKind;
use identity::{ApparatusId, CredentialState, DeviceNumber, KeyIdentifier, ProductCode};

use super::pack::ApparatusPack;
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// An order at the authority that has not arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// The name under which it is asked for, however often.
    pub id: String,
    /// The product.
    pub product: ProductCode,
    /// How many.
    pub count: u64,
}

/// Stores an order, before it is asked for.
///
/// # Errors
/// There is one of this name already, or the store fails.
pub async fn order(transaction: &mut Transaction, now: i64, order: &Order) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO apparatus_order (id, product, count, ordered) VALUES ($1, $2, $3, $4)",
        &order.id,
        order.product.as_str(),
        order.count as i64,
        now,
    )?;
    Ok(())
}

/// All orders that have not arrived, the oldest first.
///
/// # Errors
/// The store fails.
pub async fn orders(snapshot: &mut Snapshot) -> Result<Vec<Order>, StoreError> {
    let rows: Vec<(String, String, i64)> =
        fetch_all!(snapshot, "SELECT id, product, count FROM apparatus_order ORDER BY ordered, id")?;
    rows.into_iter()
        .map(|(id, product, ordered)| {
            Ok(Order {
                id,
                product: parsed("apparatus_order.product", &product)?,
                count: count("apparatus_order.count", ordered)?,
            })
        })
        .collect()
}

/// Ends an order: it has arrived, or never will. Whether it was open.
///
/// # Errors
/// The store fails.
pub async fn end_order(transaction: &mut Transaction, id: &str) -> Result<bool, StoreError> {
    Ok(execute!(transaction, "DELETE FROM apparatus_order WHERE id = $1", id)? == 1)
}

/// Files packs that have arrived, made for one device or for any: credentials that are intended, until
/// [`apply`](super::credential::apply) says what they are.
///
/// # Errors
/// There is a credential of one of these names already, or the store fails.
pub async fn file(
    transaction: &mut Transaction,
    product: &ProductCode,
    device_number: Option<&DeviceNumber>,
    packs: &[(ApparatusId, ApparatusPack)],
) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "INSERT INTO credential \
         (id, kind, product, device_number, state, reserved, created, travels, key_identifier, sealed, slot) ",
        packs,
        |row| (
            row.0.to_string(),
            CredentialKind::Symmetric.as_str(),
            product.to_string(),
            device_number.map(ToString::to_string),
            CredentialState::Intended.as_str(),
            row.1.created,
            row.1.created,
            "sealed",
            row.1.key_identifier.as_ref().map(ToString::to_string),
            row.1.secret.as_ref().map(|secret| secret.sealed.clone()),
            row.1.secret.as_ref().map(|secret| secret.slot),
        ),
        ""
    )?;
    execute_all!(
        transaction,
        "INSERT INTO apparatus (id, form, challenge, confirmation) ",
        packs,
        |row| (row.0.to_string(), row.1.form.as_str(), row.1.challenge.clone(), row.1.confirmation.clone()),
        ""
    )?;
    Ok(())
}

/// The oldest credential in the product's stock, of this pre-write key where one is named. Units of work
/// take turns, so no other draws it too.
///
/// # Errors
/// The store fails.
pub async fn draw(
    transaction: &mut Transaction,
    product: &ProductCode,
    key_identifier: Option<&KeyIdentifier>,
) -> Result<Option<ApparatusId>, StoreError> {
    let row: Option<(String,)> = match key_identifier {
        Some(key_identifier) => fetch_optional!(
            transaction,
            "SELECT id FROM credential WHERE product = $1 AND kind = 'symmetric' AND state = 'stocked' \
             AND key_identifier = $2 ORDER BY created LIMIT 1",
            product.as_str(),
            key_identifier.as_str(),
        )?,
        None => fetch_optional!(
            transaction,
            "SELECT id FROM credential WHERE product = $1 AND kind = 'symmetric' AND state = 'stocked' \
             ORDER BY key_identifier, created LIMIT 1",
            product.as_str(),
        )?,
    };
    row.map(|(id,)| parsed("credential.id", &id)).transpose()
}

/// The pre-write keys that the product's stock is sealed under.
///
/// # Errors
/// The store fails.
pub async fn keys_in_stock(
    snapshot: &mut Snapshot,
    product: &ProductCode,
) -> Result<Vec<KeyIdentifier>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(
        snapshot,
        "SELECT DISTINCT key_identifier FROM credential WHERE product = $1 AND kind = 'symmetric' \
         AND state = 'stocked' AND key_identifier IS NOT NULL ORDER BY key_identifier",
        product.as_str(),
    )?;
    rows.iter().map(|(identifier,)| parsed("credential.key_identifier", identifier)).collect()
}
