//! When something last happened or was last asked for.

use crate::{Snapshot, StoreError, Transaction};

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// The stock was replenished in full.
    Replenished,
    /// A person asked for replenishing.
    ReplenishWanted,
}

impl Moment {
    fn as_str(self) -> &'static str {
        match self {
            Self::Replenished => "replenished",
            Self::ReplenishWanted => "replenish wanted",
        }
    }
}

/// Notes that it happened at `time`.
///
/// # Errors
/// The store fails.
pub async fn note(transaction: &mut Transaction, moment: Moment, time: i64) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO moment (name, time) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET time = excluded.time",
        moment.as_str(),
        time,
    )?;
    Ok(())
}

/// When it last happened.
///
/// # Errors
/// The store fails.
pub async fn last(snapshot: &mut Snapshot, moment: Moment) -> Result<Option<i64>, StoreError> {
    let row: Option<(i64,)> =
        fetch_optional!(snapshot, "SELECT time FROM moment WHERE name = $1", moment.as_str())?;
    Ok(row.map(|(time,)| time))
}
