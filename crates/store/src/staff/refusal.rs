//! Names that were refused at sign-in, whether anyone has them or not: how often, and for how long they wait.

use crate::{Snapshot, StoreError, Transaction};

/// How often a name was refused since its last sign-in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Refusals {
    /// How often.
    pub failures: u32,
    /// Until when the next try is not looked at.
    pub until: i64,
}

/// How often a name was refused.
///
/// # Errors
/// The store fails.
pub async fn of_name(snapshot: &mut Snapshot, name: &str) -> Result<Refusals, StoreError> {
    let row: Option<(i64, i64)> =
        fetch_optional!(snapshot, "SELECT failures, until FROM staff_refusal WHERE name = $1", name)?;
    let Some((failures, until)) = row else { return Ok(Refusals::default()) };
    let failures =
        u32::try_from(failures).map_err(|_| StoreError::Corrupt { what: "staff_refusal.failures" })?;
    Ok(Refusals { failures, until })
}

/// Notes a name's refusals, and forgets those of others that waited until before `forgotten`.
///
/// # Errors
/// The store fails.
pub async fn note(
    transaction: &mut Transaction,
    name: &str,
    refusals: Refusals,
    forgotten: i64,
) -> Result<(), StoreError> {
    execute!(transaction, "DELETE FROM staff_refusal WHERE until < $1", forgotten)?;
    execute!(
        transaction,
        "INSERT INTO staff_refusal (name, failures, until) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET failures = excluded.failures, until = excluded.until",
        name,
        i64::from(refusals.failures),
        refusals.until,
    )?;
    Ok(())
}

/// Forgets a name's refusals.
///
/// # Errors
/// The store fails.
pub async fn forget(transaction: &mut Transaction, name: &str) -> Result<(), StoreError> {
    execute!(transaction, "DELETE FROM staff_refusal WHERE name = $1", name)?;
    Ok(())
}
