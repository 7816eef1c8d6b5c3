//! Credentials of which nobody can say any more which device is the true one. What is in dispute stays so.

use identity::CredentialId;

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// Notes that credentials are in dispute from now on; some may have been before.
///
/// # Errors
/// The store fails.
pub async fn open(
    transaction: &mut Transaction,
    now: i64,
    credentials: &[CredentialId],
) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "INSERT INTO dispute (credential, since) ",
        credentials,
        |credential| (credential.to_string(), now),
        " ON CONFLICT (credential) DO NOTHING"
    )?;
    Ok(())
}

/// Which of these credentials are in dispute.
///
/// # Errors
/// The store fails.
pub async fn among(
    snapshot: &mut Snapshot,
    credentials: &[CredentialId],
) -> Result<Vec<CredentialId>, StoreError> {
    let rows: Vec<(String,)> = fetch_all_of!(
        snapshot,
        "SELECT credential FROM dispute WHERE credential IN (",
        credentials,
        |credential| credential.to_string(),
        ")"
    )?;
    rows.iter().map(|(credential,)| parsed("dispute.credential", credential)).collect()
}
