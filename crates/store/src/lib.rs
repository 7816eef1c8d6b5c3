//! Durable storage: SQLite embedded, PostgreSQL by URL, one SQL text for both.
//!
//! A [`Store`] is one role's database. All changes go through [`Store::write`], a unit of work that
//! is acknowledged only after it is durable; reading goes through [`Store::read`]. What else a role
//! keeps safe lives beside it: the hash-chained [`audit`] log, the [`Vault`] that seals secrets at
//! rest, and the [`KeyRing`] whose keys can be erased for good. No other crate names SQL.
//!
//! # How to add a repository
//!
//! 1. Columns: a new file in `migrations/ROLE`, only `text`, `bigint` and `bytea` (times are seconds
//!    since 1970, truths are 0 and 1), and one line for it in `schema.rs`. Both databases run the
//!    same file. Never edit a file that was released.
//! 2. Code: a file `ROLE/NOUN.rs` with free functions. Those that only look take
//!    `&mut Snapshot`, those that change take `&mut Transaction`, which is also a `Snapshot`. All
//!    speak the words of `identity` and plain structs, and return [`StoreError`]:
//!
//!    ```text
//!    pub async fn find(snapshot: &mut Snapshot, name: &MemberName) -> Result<Option<Station>, StoreError> {
//!        let row: Option<(String, i64)> = fetch_optional!(
//!            snapshot,
//!            "SELECT hardware, joined FROM station WHERE name = $1",
//!            name.as_str(),
//!        )?;
//!        row.map(Station::from_row).transpose()
//!    }
//!    ```
//!
//!    The macros `execute!`, `execute_all!`, `fetch_one!`, `fetch_optional!`, `fetch_all!` and
//!    `fetch_all_of!` (`statement.rs`) run the one SQL text, with `$1..$n`, on whichever database is
//!    open. List the columns, never `*`. `RETURNING` and `ON CONFLICT` work on both. Use `execute_all!` for many rows.
//! 3. Callers put the functions together in one unit of work and audit it there:
//!
//!    ```text
//!    store.write(move |transaction| Box::pin(async move {
//!        station::insert(transaction, &name).await?;
//!        audit::append(transaction, now, &actor, "station.join", &body).await
//!    })).await?;
//!    ```
//!
//!    One writer at a time works on a database (also across processes, on PostgreSQL by an advisory
//!    lock), so what a unit of work has looked up stays true until it ends. No row locks, no retries.
//!    Work that very many callers want at once has a [`Batcher`], which does all that waits as one unit.
//! 4. Tests: one body, run on both databases by `testing::on_both`.

#[macro_use]
mod statement;

pub mod audit;
pub mod authenticator;
pub mod authority;
mod batcher;
pub mod bundle;
pub mod center;
mod database;
mod error;
pub mod feed;
pub mod gateway;
mod key_ring;
pub mod listing;
mod schema;
pub mod staff;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod vault;
mod writer;

pub use batcher::Batcher;
pub use database::{Snapshot, Store, Transaction};
pub use error::StoreError;
pub use key_ring::{KeyRing, KeyRingError, LockedKeyRing, Slot};
pub use schema::Schema;
pub use vault::{Secret, Vault, VaultError, read_unlock_file};
