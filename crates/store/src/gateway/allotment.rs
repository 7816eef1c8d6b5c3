//! The authority's last word on what the factory may make, kept for days without it.

use crate::{Snapshot, StoreError, Transaction};

/// Stores the message `body`, heard at `now`, in place of the one before.
///
/// # Errors
/// The store fails.
pub async fn replace(transaction: &mut Transaction, now: i64, body: &str) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO allotment (id, heard, body) VALUES (1, $1, $2) \
         ON CONFLICT (id) DO UPDATE SET heard = excluded.heard, body = excluded.body",
        now,
        body,
    )?;
    Ok(())
}

/// The message as it was stored; none before the authority was first heard.
///
/// # Errors
/// The store fails.
pub async fn last_heard(snapshot: &mut Snapshot) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = fetch_optional!(snapshot, "SELECT body FROM allotment WHERE id = 1")?;
    Ok(row.map(|(body,)| body))
}
