//! Operators: the people at the stations, and their badges.

use identity::MemberName;

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// An operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operator {
    /// Their name in the factory.
    pub name: MemberName,
    /// SHA-256 of the code on their badge, hexadecimal; no other badge counts.
    pub badge_sha256: String,
    /// When that badge was made.
    pub made: i64,
    /// When it was withdrawn, where it was.
    pub withdrawn: Option<i64>,
}

/// All operators, by name.
///
/// # Errors
/// The store fails.
pub async fn all(snapshot: &mut Snapshot) -> Result<Vec<Operator>, StoreError> {
    let rows: Vec<Row> =
        fetch_all!(snapshot, "SELECT name, badge_sha256, made, withdrawn FROM operator ORDER BY name")?;
    rows.into_iter().map(operator_from).collect()
}

/// The operator whose badge this is, unless it was withdrawn.
///
/// # Errors
/// The store fails.
pub async fn with_badge(snapshot: &mut Snapshot, badge_sha256: &str) -> Result<Option<Operator>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT name, badge_sha256, made, withdrawn FROM operator \
         WHERE badge_sha256 = $1 AND withdrawn IS NULL",
        badge_sha256,
    )?;
    row.map(operator_from).transpose()
}

/// Gives an operator a badge, in place of the one they had.
///
/// # Errors
/// The store fails.
pub async fn give_badge(
    transaction: &mut Transaction,
    now: i64,
    name: &MemberName,
    badge_sha256: &str,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO operator (name, badge_sha256, made) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET badge_sha256 = excluded.badge_sha256, made = excluded.made, \
         withdrawn = NULL",
        name.as_str(),
        badge_sha256,
        now,
    )?;
    Ok(())
}

/// Withdraws an operator's badge; whether there is such an operator.
///
/// # Errors
/// The store fails.
pub async fn withdraw(
    transaction: &mut Transaction,
    now: i64,
    name: &MemberName,
) -> Result<bool, StoreError> {
    let changed =
        execute!(transaction, "UPDATE operator SET withdrawn = $2 WHERE name = $1", name.as_str(), now)?;
    Ok(changed == 1)
}

type Row = (String, String, i64, Option<i64>);

fn operator_from((name, badge_sha256, made, withdrawn): Row) -> Result<Operator, StoreError> {
    Ok(Operator { name: parsed("operator.name", &name)?, badge_sha256, made, withdrawn })
}
