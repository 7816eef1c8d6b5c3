//! What can go wrong with a store, by who can mend it.

use std::error::Error;
use std::sync::Arc;

use sqlx::error::ErrorKind;
use sqlx::migrate::MigrateError;

/// Why a store did not do what was asked. Nothing of the failed unit of work was stored.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The configuration names no store that we know.
    #[error("{url:?} names no store: write sqlite:PATH or postgres://USER@HOST/DATABASE")]
    UnknownUrl {
        /// What it names, without a password.
        url: String,
    },
    /// The store was written by a newer release of this program.
    #[error(
        "the store was written by a newer release of touchmark: use that release or restore an older backup"
    )]
    NewerSchema,
    /// The database holds something else.
    #[error("the database holds another role's store, or its tables were changed by hand")]
    ForeignSchema,
    /// Another process keeps the database to itself.
    #[error("another process keeps the store locked: stop it, or try again when it is done")]
    Locked,
    /// The disk is full.
    #[error("the disk that holds the store is full")]
    Full,
    /// The database does not answer, or its file cannot be opened.
    #[error("the store at {location} cannot be reached")]
    Unreachable {
        /// The store's URL without a password.
        location: String,
        /// What the system said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// A value that must be unique is there already: the caller's mistake or a second request.
    #[error("a value that must be unique is already stored")]
    Duplicate {
        /// The constraint or columns, as the database names them.
        constraint: String,
    },
    /// What is stored is not what we write.
    #[error("the store is damaged: {what} does not read back")]
    Corrupt {
        /// The column or table.
        what: &'static str,
    },
    /// The store was closed, or its process is ending.
    #[error("the store is closed")]
    Closed,
    /// The unit of work panicked: our fault.
    #[error("a unit of work ended in a panic: {0}")]
    Panicked(String),
    /// The database refused a statement of ours.
    #[error("the database failed")]
    Database(#[source] Arc<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Whether the same request may succeed later without anyone changing the store.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Locked | Self::Full | Self::Unreachable { .. } | Self::Closed)
    }

    pub(crate) fn unreachable(location: &str, source: impl Error + Send + Sync + 'static) -> Self {
        Self::Unreachable { location: location.to_owned(), source: Arc::new(source) }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => from_database(database),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            sqlx::Error::Io(source) => Self::unreachable("its configured place", source),
            sqlx::Error::PoolTimedOut => Self::Locked,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::RowNotFound => Self::Corrupt { what: "a row" },
            sqlx::Error::Migrate(migrate) => Self::from(*migrate),
            other => Self::Database(Arc::new(other)),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => Self::NewerSchema,
            MigrateError::VersionMismatch(_) | MigrateError::Dirty(_) => Self::ForeignSchema,
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Self::from(error),
            other => Self::Database(Arc::new(other)),
        }
    }
}

fn from_database(error: Box<dyn sqlx::error::DatabaseError>) -> StoreError {
    if error.kind() == ErrorKind::UniqueViolation {
        let constraint = error.constraint().unwrap_or(error.message()).to_owned();
        return StoreError::Duplicate { constraint };
    }
    match error.code().as_deref() {
        Some(code) if is_sqlite_code(code, SQLITE_BUSY) => StoreError::Locked,
        Some(code) if is_sqlite_code(code, SQLITE_FULL) => StoreError::Full,
        Some(code) if is_sqlite_code(code, SQLITE_CORRUPT) || is_sqlite_code(code, SQLITE_NOTADB) => {
            StoreError::Corrupt { what: "the database file" }
        }
        Some("53100") => StoreError::Full,
        Some("55P03") => StoreError::Locked,
        // The server is starting, stopping, or has no connection left.
        Some("57P01" | "57P02" | "57P03" | "53300") => StoreError::unreachable("its configured place", error),
        _ => StoreError::Database(Arc::new(error)),
    }
}

// Primary result codes, https://www.sqlite.org/rescode.html
const SQLITE_BUSY: u32 = 5;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_NOTADB: u32 = 26;

/// Whether a code of SQLite, whose low byte is the primary code, is `primary`. PostgreSQL's codes
/// have five characters and never look like one of these.
fn is_sqlite_code(code: &str, primary: u32) -> bool {
    code.len() < 5 && code.parse::<u32>().is_ok_and(|code| code & 0xff == primary)
}
