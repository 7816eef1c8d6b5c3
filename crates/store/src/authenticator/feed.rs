//! How far the authority's registrations are stored, and which of them were refused.

use crate::statement::count;
use crate::{Snapshot, StoreError, Transaction};

/// How far the feed is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// The last record, 0 before the first.
    pub sequence: u64,
    /// When the authority was last heard; never before the first time.
    pub heard: Option<i64>,
}

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

/// How far the feed is stored.
///
/// # Errors
/// The store fails.
pub async fn position(snapshot: &mut Snapshot) -> Result<Position, StoreError> {
    let row: Option<(i64, i64)> = fetch_optional!(snapshot, "SELECT sequence, heard FROM feed WHERE id = 1")?;
    match row {
        Some((sequence, heard)) => {
            Ok(Position { sequence: count("feed.sequence", sequence)?, heard: Some(heard) })
        }
        None => Ok(Position::default()),
    }
}

/// Notes that all records up to `sequence` are stored.
///
/// # Errors
/// The store fails.
pub async fn advance(transaction: &mut Transaction, sequence: u64, now: i64) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO feed (id, sequence, heard) VALUES (1, $1, $2) \
         ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, heard = excluded.heard",
        sequence.cast_signed(),
        now,
    )?;
    Ok(())
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
