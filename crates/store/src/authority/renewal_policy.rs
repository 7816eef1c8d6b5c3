//! When a product's devices may, and when they are to, renew their certificates.

use identity::ProductCode;

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// What holds for the devices of one product. By default an expired certificate is not renewed, and nobody
/// is asked to renew.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RenewalPolicy {
    /// For how many days after its last second a certificate may still be renewed.
    pub expired_days: u32,
    /// How many days before it devices are asked to renew.
    pub before_days: Option<u32>,
}

/// Sets the policy of a product.
///
/// # Errors
/// There is no such product, or the store fails.
pub async fn set(
    transaction: &mut Transaction,
    product: &ProductCode,
    policy: RenewalPolicy,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO renewal_policy (product, expired_days, before_days) VALUES ($1, $2, $3) \
         ON CONFLICT (product) DO UPDATE SET expired_days = excluded.expired_days, \
         before_days = excluded.before_days",
        product.as_str(),
        i64::from(policy.expired_days),
        policy.before_days.map(i64::from),
    )?;
    Ok(())
}

/// The policy of a product.
///
/// # Errors
/// The store fails.
pub async fn of_product(snapshot: &mut Snapshot, product: &ProductCode) -> Result<RenewalPolicy, StoreError> {
    let row: Option<(i64, Option<i64>)> = fetch_optional!(
        snapshot,
        "SELECT expired_days, before_days FROM renewal_policy WHERE product = $1",
        product.as_str(),
    )?;
    row.map_or(Ok(RenewalPolicy::default()), |(expired, before)| policy(expired, before))
}

/// The policies of the products that have one.
///
/// # Errors
/// The store fails.
pub async fn all(snapshot: &mut Snapshot) -> Result<Vec<(ProductCode, RenewalPolicy)>, StoreError> {
    let rows: Vec<(String, i64, Option<i64>)> = fetch_all!(
        snapshot,
        "SELECT product, expired_days, before_days FROM renewal_policy ORDER BY product"
    )?;
    rows.into_iter()
        .map(|(product, expired, before)| {
            Ok((parsed("renewal_policy.product", &product)?, policy(expired, before)?))
        })
        .collect()
}

fn policy(expired: i64, before: Option<i64>) -> Result<RenewalPolicy, StoreError> {
    let days = |days| u32::try_from(days).map_err(|_| StoreError::Corrupt { what: "renewal_policy" });
    Ok(RenewalPolicy { expired_days: days(expired)?, before_days: before.map(days).transpose()? })
}
