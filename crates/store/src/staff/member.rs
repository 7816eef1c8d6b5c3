//! The people themselves.

use super::{StaffName, StaffRole};
use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// A person who may sign in.
#[derive(Clone)]
pub struct StaffMember {
    /// Their name.
    pub name: StaffName,
    /// What they are.
    pub roles: Vec<StaffRole>,
    /// The salt of the password.
    pub salt: Vec<u8>,
    /// What the password must give.
    pub verifier: Vec<u8>,
    /// The secret of the second factor, sealed under what else the password gives.
    pub second_factor: Vec<u8>,
    /// The time step of the last code that was taken.
    pub last_step: i64,
    /// When they were added.
    pub added: i64,
}

type Row = (String, String, Vec<u8>, Vec<u8>, Vec<u8>, i64, i64);

/// Adds a person.
///
/// # Errors
/// The name is taken, or the store fails.
pub async fn insert(transaction: &mut Transaction, person: &StaffMember) -> Result<(), StoreError> {
    let roles: Vec<&str> = person.roles.iter().map(|role| role.as_str()).collect();
    execute!(
        transaction,
        "INSERT INTO staff (name, roles, salt, verifier, second_factor, last_step, added) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        person.name.as_str(),
        roles.join(","),
        person.salt.clone(),
        person.verifier.clone(),
        person.second_factor.clone(),
        person.last_step,
        person.added,
    )?;
    Ok(())
}

/// Removes a person and ends their sessions; whether there was one.
///
/// # Errors
/// The store fails.
pub async fn remove(transaction: &mut Transaction, name: &StaffName) -> Result<bool, StoreError> {
    execute!(transaction, "DELETE FROM staff_session WHERE name = $1", name.as_str())?;
    Ok(execute!(transaction, "DELETE FROM staff WHERE name = $1", name.as_str())? > 0)
}

/// One person.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, name: &StaffName) -> Result<Option<StaffMember>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT name, roles, salt, verifier, second_factor, last_step, added FROM staff WHERE name = $1",
        name.as_str(),
    )?;
    row.map(member_from).transpose()
}

/// All people, by name.
///
/// # Errors
/// The store fails.
pub async fn all(snapshot: &mut Snapshot) -> Result<Vec<StaffMember>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT name, roles, salt, verifier, second_factor, last_step, added FROM staff ORDER BY name"
    )?;
    rows.into_iter().map(member_from).collect()
}

/// Notes that the code of this time step was taken; whether it is later than all that were taken before.
///
/// # Errors
/// The store fails.
pub async fn take_step(
    transaction: &mut Transaction,
    name: &StaffName,
    step: i64,
) -> Result<bool, StoreError> {
    let changed = execute!(
        transaction,
        "UPDATE staff SET last_step = $2 WHERE name = $1 AND last_step < $2",
        name.as_str(),
        step,
    )?;
    Ok(changed > 0)
}

fn member_from(
    (name, roles, salt, verifier, second_factor, last_step, added): Row,
) -> Result<StaffMember, StoreError> {
    Ok(StaffMember {
        name: parsed("staff.name", &name)?,
        roles: roles.split(',').map(|role| parsed("staff.roles", role)).collect::<Result<_, _>>()?,
        salt,
        verifier,
        second_factor,
        last_step,
        added,
    })
}
