//! How far the authority's registrations are stored, and which of them were refused.

pub use crate::feed::{Position, advance, position};
use crate::statement::count;
use crate::{Snapshot, StoreError, Transaction};

/// A record that contradicts what is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The record's number.
    pub sequence: u64,
    /// The apparatus ID or the key identifier that it is about.
    pub subject: String,
    /// What it contradicts.
    pub reason: String,
}

/// Files a record that contradicts what is stored.
///
/// # Errors
/// The store fails.
pub async fn refuse(transaction: &mut Transaction, refused: &Refused) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO refused_registration (sequence, subject, reason) VALUES ($1, $2, $3)",
        refused.sequence.cast_signed(),
        &refused.subject,
        &refused.reason,
    )?;
    Ok(())
}

/// The records that were refused, the last first.
///
/// # Errors
/// The store fails.
pub async fn refused(snapshot: &mut Snapshot, limit: u32) -> Result<Vec<Refused>, StoreError> {
    let rows: Vec<(i64, String, String)> = fetch_all!(
        snapshot,
        "SELECT sequence, subject, reason FROM refused_registration ORDER BY sequence DESC LIMIT $1",
        i64::from(limit),
    )?;
    rows.into_iter()
        .map(|(sequence, subject, reason)| {
            Ok(Refused { sequence: count("refused_registration.sequence", sequence)?, subject, reason })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_both;
    use crate::{Schema, Store};

    #[tokio::test]
    async fn the_position_and_what_was_refused_are_read_back() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Authenticator).await.unwrap();
            assert_eq!(position(&mut store.read().await.unwrap()).await.unwrap(), Position::default());
            let contradiction = Refused {
                sequence: 2,
                subject: "A123-1".to_owned(),
                reason: "the device has another credential".to_owned(),
            };
            let filed = contradiction.clone();
            let done: Result<(), StoreError> = store
                .write(move |transaction| {
                    Box::pin(async move {
                        refuse(transaction, &filed).await?;
                        advance(transaction, 2, 100).await?;
                        advance(transaction, 3, 101).await
                    })
                })
                .await;
            done.unwrap();
            let mut snapshot = store.read().await.unwrap();
            assert_eq!(position(&mut snapshot).await.unwrap(), Position { sequence: 3, heard: Some(101) });
            assert_eq!(refused(&mut snapshot, 10).await.unwrap(), [contradiction]);
        })
        .await;
    }
}
