//! The log for readers: a page of it, the newest entries first.

use super::Entry;
use crate::listing::{Page, end_of_prefix};
use crate::statement::count;
use crate::{Snapshot, StoreError};

/// Which entries are wanted; what is empty is not asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EntryFilter {
    /// Who acted, from its beginning: `person:suzuki`.
    pub actor: String,
    /// What was done, from its beginning: `credential.`.
    pub action: String,
    /// What the body holds, anywhere.
    pub body: String,
}

/// Adds the conditions of a filter.
macro_rules! conditions {
    ($statement:ident, $actor:ident, $action:ident, $body:ident) => {
        for (column, prefix) in [("actor", $actor), ("action", $action)] {
            if !prefix.is_empty() {
                $statement.push(format!(" AND {column} >= ")).push_bind(prefix.clone());
                $statement.push(format!(" AND {column} < ")).push_bind(end_of_prefix(prefix));
            }
        }
        if !$body.is_empty() {
            // Both databases find a text in another with it; SQLite takes no letters for others.
            $statement.push(" AND replace(body, ").push_bind($body.clone()).push(", '') <> body");
        }
    };
}

/// A page of entries, and how many there are in all.
///
/// # Errors
/// The store fails.
pub async fn page(
    snapshot: &mut Snapshot,
    filter: &EntryFilter,
    page: Page,
) -> Result<(Vec<Entry>, u64), StoreError> {
    let EntryFilter { actor, action, body } = filter;
    let is_unfiltered = *filter == EntryFilter::default();
    let total = if is_unfiltered {
        super::head(snapshot).await?.sequence
    } else {
        let (total,): (i64,) = on_connection!(snapshot, connection => {
            let mut statement = sqlx::QueryBuilder::new("SELECT count(*) FROM audit WHERE 1 = 1");
            conditions!(statement, actor, action, body);
            statement.build_query_as().persistent(false).fetch_one(&mut **connection).await
        })?;
        total
    };
    let (limit, offset) = page.bounds();
    let rows = on_connection!(snapshot, connection => {
        let mut statement = sqlx::QueryBuilder::new(
            "SELECT sequence, time, actor, action, body, previous, hash FROM audit WHERE 1 = 1",
        );
        conditions!(statement, actor, action, body);
        statement.push(" ORDER BY sequence").push(page.direction());
        statement.push(" LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(offset);
        statement.build_query_as().persistent(false).fetch_all(&mut **connection).await
    })?;
    Ok((rows, count("audit", total)?))
}
