//! How far a role that follows the authority's registrations has stored them. Each such role's schema has a
//! table `feed` of one row.

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
