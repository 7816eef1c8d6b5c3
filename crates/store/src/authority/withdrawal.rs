//! What was withdrawn at the authority, for the gateways to hear.

use identity::{CredentialId, MemberName};

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Withdrawal {
    /// Its number, from 1.
    pub sequence: u64,
    /// The credential.
    pub credential: CredentialId,
    /// Why.
    pub reason: String,
}

/// Appends a record for each of these credentials, for the factory that it was issued for.
///
/// # Errors
/// The store fails.
pub async fn append(
    transaction: &mut Transaction,
    withdrawn: &[CredentialId],
    reason: &str,
) -> Result<(), StoreError> {
    let mut issued: Vec<(String, String)> = fetch_all_of!(
        transaction,
        "SELECT number, factory FROM credential WHERE number IN (",
        withdrawn,
        |credential| credential.to_string(),
        ")"
    )?;
    issued.extend::<Vec<(String, String)>>(fetch_all_of!(
        transaction,
        "SELECT apparatus_id, factory FROM apparatus WHERE apparatus_id IN (",
        withdrawn,
        |credential| credential.to_string(),
        ")"
    )?);
    let (last,): (i64,) = fetch_one!(transaction, "SELECT coalesce(max(sequence), 0) FROM withdrawal")?;
    let rows: Vec<_> = (last + 1..).zip(issued).collect();
    execute_all!(
        transaction,
        "INSERT INTO withdrawal (sequence, factory, credential, reason) ",
        rows,
        |row| (row.0, row.1.1.clone(), row.1.0.clone(), reason.to_owned()),
        ""
    )?;
    Ok(())
}

/// A factory's records after the one of this number, at most `limit`.
///
/// # Errors
/// The store fails.
pub async fn after(
    snapshot: &mut Snapshot,
    factory: &MemberName,
    sequence: u64,
    limit: u32,
) -> Result<Vec<Withdrawal>, StoreError> {
    let rows: Vec<(i64, String, String)> = fetch_all!(
        snapshot,
        "SELECT sequence, credential, reason FROM withdrawal \
         WHERE factory = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
        factory.as_str(),
        i64::try_from(sequence).unwrap_or(i64::MAX),
        i64::from(limit),
    )?;
    rows.into_iter()
        .map(|(sequence, credential, reason)| {
            Ok(Withdrawal {
                sequence: count("withdrawal.sequence", sequence)?,
                credential: parsed("withdrawal.credential", &credential)?,
                reason,
            })
        })
        .collect()
}
