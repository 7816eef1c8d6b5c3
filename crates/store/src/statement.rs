//! One SQL text on two databases: macros that run a statement on whichever connection is open.
//!
//! They are macros because a bound value has a different type for each database, which only the
//! compiler can work out where the statement stands.

use std::str::FromStr;

use crate::StoreError;

/// How many rows one statement of `execute_all!` carries.
pub(crate) const ROWS_PER_STATEMENT: usize = 1_000;

/// Whether a statement for so many rows comes often enough to be worth keeping prepared.
pub(crate) fn recurs(rows: usize) -> bool {
    rows == 1 || rows == ROWS_PER_STATEMENT
}

macro_rules! on_connection {
    ($snapshot:expr, $connection:ident => $run:expr) => {
        match $snapshot.connection() {
            crate::database::Connection::Sqlite($connection) => $run,
            crate::database::Connection::Postgres($connection) => $run,
        }
        .map_err(crate::StoreError::from)
    };
}

/// `execute!(transaction, "UPDATE ...", value...)`: how many rows it changed.
macro_rules! execute {
    ($transaction:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        on_connection!($transaction, connection => {
            sqlx::query($sql)$(.bind($value))*.execute(&mut **connection).await.map(|done| done.rows_affected())
        })
    };
}

/// `execute_raw!(transaction, "ONE; TWO")`: several statements without values, in one exchange with the database.
macro_rules! execute_raw {
    ($transaction:expr, $sql:literal) => {
        on_connection!($transaction, connection => {
            sqlx::raw_sql($sql).execute(&mut **connection).await.map(|_| ())
        })
    };
}

/// `execute_all!(transaction, "INSERT INTO t (a, b) ", rows, |row| (row.a, row.b), "")`: one
/// statement for many rows; the text, `VALUES` with all rows, then the last text. How many rows it changed.
///
/// The values of a row are `column1`, `column2`... where the statement is not an insert:
/// `"UPDATE t SET a = new.column2 FROM (", ..., ") AS new WHERE t.id = new.column1"`.
macro_rules! execute_all {
    ($transaction:expr, $before:literal, $rows:expr, |$row:ident| ($($value:expr),+ $(,)?), $after:literal) => {
        async {
            let mut changed = 0;
            for chunk in $rows.chunks(crate::statement::ROWS_PER_STATEMENT) {
                changed += on_connection!($transaction, connection => {
                    let mut statement = sqlx::QueryBuilder::new($before);
                    statement.push_values(chunk, |mut values, $row| { $(values.push_bind($value);)+ });
                    statement.push($after);
                    let query = statement.build().persistent(crate::statement::recurs(chunk.len()));
                    query.execute(&mut **connection).await.map(|done| done.rows_affected())
                })?;
            }
            Ok::<u64, crate::StoreError>(changed)
        }
        .await
    };
}

/// `fetch_one!(snapshot, "SELECT ...", value...)`: the one row, as a tuple or a `FromRow` struct.
macro_rules! fetch_one {
    ($snapshot:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        on_connection!($snapshot, connection => {
            sqlx::query_as($sql)$(.bind($value))*.fetch_one(&mut **connection).await
        })
    };
}

/// `fetch_optional!(snapshot, "SELECT ...", value...)`: the row, if there is one.
macro_rules! fetch_optional {
    ($snapshot:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        on_connection!($snapshot, connection => {
            sqlx::query_as($sql)$(.bind($value))*.fetch_optional(&mut **connection).await
        })
    };
}

/// `fetch_all!(snapshot, "SELECT ...", value...)`: all rows.
macro_rules! fetch_all {
    ($snapshot:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        on_connection!($snapshot, connection => {
            sqlx::query_as($sql)$(.bind($value))*.fetch_all(&mut **connection).await
        })
    };
}

/// `fetch_all_of!(snapshot, "SELECT ... WHERE key IN (", keys, |key| key.to_string(), ")")`: all rows
/// of many keys; the text, `VALUES` with the keys, then the last text. A key may be several values, as a row of
/// `execute_all!` is.
macro_rules! fetch_all_of {
    ($snapshot:expr, $before:literal, $keys:expr, |$key:ident| ($($value:expr),+ $(,)?), $after:literal) => {
        async {
            let mut found = Vec::new();
            for chunk in $keys.chunks(crate::statement::ROWS_PER_STATEMENT) {
                let rows = on_connection!($snapshot, connection => {
                    let mut statement = sqlx::QueryBuilder::new($before);
                    statement.push_values(chunk, |mut values, $key| { $(values.push_bind($value);)+ });
                    statement.push($after);
                    let query = statement.build_query_as().persistent(crate::statement::recurs(chunk.len()));
                    query.fetch_all(&mut **connection).await
                })?;
                found.extend(rows);
            }
            Ok::<_, crate::StoreError>(found)
        }
        .await
    };
    ($snapshot:expr, $before:literal, $keys:expr, |$key:ident| $value:expr, $after:literal) => {
        fetch_all_of!($snapshot, $before, $keys, |$key| ($value), $after)
    };
}

/// A word read back from a text column.
pub(crate) fn parsed<T: FromStr>(column: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt { what: column })
}

/// A count read back from a `bigint` column.
pub(crate) fn count(column: &'static str, number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt { what: column })
}
