//! Who is signed in.

use super::{StaffName, StaffRole};
use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// A person who is signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// The person.
    pub name: StaffName,
    /// What they are.
    pub roles: Vec<StaffRole>,
    /// When they signed in.
    pub started: i64,
    /// When they were last noted here.
    pub seen: i64,
}

/// Begins a session, and removes those that began before `expired` and so have ended.
///
/// # Errors
/// The store fails.
pub async fn begin(
    transaction: &mut Transaction,
    secret_sha256: &[u8],
    name: &StaffName,
    now: i64,
    expired: i64,
) -> Result<(), StoreError> {
    execute!(transaction, "DELETE FROM staff_session WHERE started < $1", expired)?;
    execute!(
        transaction,
        "INSERT INTO staff_session (secret_sha256, name, started, seen) VALUES ($1, $2, $3, $3)",
        secret_sha256,
        name.as_str(),
        now,
    )?;
    Ok(())
}

/// The session of this secret, whether or not it has run out.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, secret_sha256: &[u8]) -> Result<Option<Session>, StoreError> {
    let row: Option<(String, String, i64, i64)> = fetch_optional!(
        snapshot,
        "SELECT staff.name, staff.roles, started, seen FROM staff_session JOIN staff ON staff.name = staff_session.name \
         WHERE secret_sha256 = $1",
        secret_sha256,
    )?;
    let Some((name, roles, started, seen)) = row else { return Ok(None) };
    let roles = roles.split(',').map(|role| parsed("staff.roles", role)).collect::<Result<_, _>>()?;
    Ok(Some(Session { name: parsed("staff.name", &name)?, roles, started, seen }))
}

/// Notes that the person is still there.
///
/// # Errors
/// The store fails.
pub async fn note_seen(
    transaction: &mut Transaction,
    secret_sha256: &[u8],
    now: i64,
) -> Result<(), StoreError> {
    execute!(transaction, "UPDATE staff_session SET seen = $2 WHERE secret_sha256 = $1", secret_sha256, now)?;
    Ok(())
}

/// Ends a session.
///
/// # Errors
/// The store fails.
pub async fn end(transaction: &mut Transaction, secret_sha256: &[u8]) -> Result<(), StoreError> {
    execute!(transaction, "DELETE FROM staff_session WHERE secret_sha256 = $1", secret_sha256)?;
    Ok(())
}
