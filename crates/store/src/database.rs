//! Opening a store, reading from it, and handing units of work to its writer.

use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, Postgres};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};

use crate::audit::Entry;
use crate::writer::Writer;
use crate::{Schema, StoreError, audit};

/// How long a statement waits for another process's lock on a SQLite file.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long to wait for a connection from the pool, or to a PostgreSQL server.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Connections of one store for reading. The writer has one of its own, whose pages stay in memory: SQLite
/// forgets the pages of a connection once another one has written.
const READERS_MAX: u32 = 7;
/// How much of a SQLite file a connection keeps in memory.
const CACHE_KIB: u32 = 16 * 1_024;
/// How many pages SQLite's log holds before they are written back to the file: 16 MiB.
const CHECKPOINT_PAGES: u32 = 4 * 1_024;
/// PostgreSQL's advisory lock that makes writers of different processes take turns. Any constant.
const WRITER_LOCK: i64 = 0x746f_7563_686d;

/// One role's database. Clones share it.
#[derive(Clone)]
pub struct Store {
    /// Connections for snapshots.
    readers: Pool,
    /// The writer's one connection.
    writing: Pool,
    writer: Writer,
    location: String,
}

/// A look at the store as it stands at one moment. Dropping it ends it.
pub struct Snapshot {
    connection: Connection,
}

/// A unit of work under way: all that a [`Snapshot`] can, and changes.
pub struct Transaction {
    snapshot: Snapshot,
    /// What this group of units of work has appended to the audit log; stored at the commit.
    pub(crate) audit: Vec<Entry>,
    /// How many of these there were at the savepoint.
    audit_at_savepoint: usize,
}

impl Store {
    /// Opens the store at `sqlite:PATH` or `postgres://...`, makes it where it is missing, and brings
    /// its tables up to date. A SQLite file is made with mode 0600, its directory with 0700.
    ///
    /// # Errors
    /// A URL of another kind, a database that cannot be reached or is locked, another schema.
    pub async fn open(url: &str, schema: Schema) -> Result<Self, StoreError> {
        let location = without_password(url);
        let (readers, writing) = match url.split_once(':') {
            Some(("sqlite", path)) if !path.trim_start_matches('/').is_empty() => {
                let path = Path::new(path);
                make_private_file(path).map_err(|error| StoreError::unreachable(&location, error))?;
                let writing = open_sqlite(path, 1).await?;
                schema.migrator().run(&writing).await?;
                (Pool::Sqlite(open_sqlite(path, READERS_MAX).await?), Pool::Sqlite(writing))
            }
            Some(("postgres" | "postgresql", _)) => {
                let writing = open_postgres(url, &location, 1).await?;
                schema.migrator().run(&writing).await?;
                (Pool::Postgres(open_postgres(url, &location, READERS_MAX).await?), Pool::Postgres(writing))
            }
            _ => return Err(StoreError::UnknownUrl { url: location }),
        };
        Ok(Self { writer: Writer::start(writing.clone()), readers, writing, location })
    }

    /// Runs one unit of work and answers once it is durable; where the work returns an error nothing
    /// of it is stored. Once begun it runs to its end, even if the caller goes away.
    ///
    /// Units that wait at the same time share one commit, and so one fsync; they do not see each
    /// other's failures.
    ///
    /// # Errors
    /// The work's own error, or the store's where the commit fails.
    pub async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        W: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// The store as it stands now.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn read(&self) -> Result<Snapshot, StoreError> {
        let connection = match &self.readers {
            Pool::Sqlite(pool) => Connection::Sqlite(pool.begin().await?),
            Pool::Postgres(pool) => Connection::Postgres(
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?,
            ),
        };
        Ok(Snapshot { connection })
    }

    /// Where the store is: its URL without a password.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Waits for running work and closes the database. Later calls on any clone fail.
    pub async fn close(&self) {
        self.writing.close().await;
        self.readers.close().await;
    }
}

impl Snapshot {
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl std::ops::Deref for Transaction {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl std::ops::DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Snapshot {
        &mut self.snapshot
    }
}

impl Transaction {
    pub(crate) async fn begin(pool: &Pool) -> Result<Self, StoreError> {
        let connection = match pool {
            Pool::Sqlite(pool) => Connection::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Pool::Postgres(pool) => Connection::Postgres(pool.begin().await?),
        };
        let snapshot = Snapshot { connection };
        let mut transaction = Self { snapshot, audit: Vec::new(), audit_at_savepoint: 0 };
        if let Connection::Postgres(connection) = transaction.connection() {
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(WRITER_LOCK)
                .execute(&mut **connection)
                .await?;
        }
        Ok(transaction)
    }

    /// Sets the savepoint that a unit of work is undone to where it fails.
    pub(crate) async fn set_savepoint(&mut self) -> Result<(), StoreError> {
        execute!(self, "SAVEPOINT unit_of_work")?;
        Ok(())
    }

    /// Keeps what was done since the savepoint, and moves it here.
    pub(crate) async fn renew_savepoint(&mut self) -> Result<(), StoreError> {
        self.audit_at_savepoint = self.audit.len();
        execute_raw!(self, "RELEASE SAVEPOINT unit_of_work; SAVEPOINT unit_of_work")
    }

    /// Undoes what was done since the savepoint, which stays where it is.
    pub(crate) async fn undo_to_savepoint(&mut self) -> Result<(), StoreError> {
        self.audit.truncate(self.audit_at_savepoint);
        execute!(self, "ROLLBACK TO SAVEPOINT unit_of_work")?;
        Ok(())
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        audit::store_appended(&mut self).await?;
        match self.snapshot.connection {
            Connection::Sqlite(transaction) => transaction.commit().await?,
            Connection::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}

/// The connection pool of either database.
#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Pool {
    async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// The open transaction of either database.
pub(crate) enum Connection {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

async fn open_sqlite(path: &Path, connections: u32) -> Result<SqlitePool, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(LOCK_WAIT)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL loses acknowledged rows when power is cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("secure_delete", "ON")
        // The indexes of random values touch a page a row: keep them at hand, and write each back once for
        // many commits.
        .pragma("cache_size", format!("-{CACHE_KIB}"))
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        // What a savepoint may have to undo is otherwise written to a file first.
        .pragma("temp_store", "MEMORY");
    let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(CONNECT_WAIT);
    Ok(pool.connect_with(options).await?)
}

async fn open_postgres(url: &str, location: &str, connections: u32) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| StoreError::UnknownUrl { url: location.to_owned() })?
        .application_name("touchmark")
        .options([("synchronous_commit", "on")]);
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECT_WAIT);
    pool.connect_with(options).await.map_err(|error| StoreError::unreachable(location, error))
}

/// Makes the file before SQLite does, so that it, its log and its directory are never readable by others.
fn make_private_file(path: &Path) -> std::io::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let missing = !fs::exists(path)?;
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    if missing {
        file.sync_all()?;
    }
    Ok(())
}

fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.split_once('@') {
        Some((user, place)) => {
            format!("{scheme}://{}@{place}", user.split(':').next().unwrap_or_default())
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::{TestDatabase, on_both};

    async fn note(store: &Store, action: &'static str) -> Result<(), StoreError> {
        store.write(move |transaction| Box::pin(audit::append(transaction, 1, "tester", action, &()))).await
    }

    #[tokio::test]
    async fn what_was_written_is_read_back_after_reopening() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            note(&store, "first").await.unwrap();
            store.close().await;
            assert!(matches!(note(&store, "late").await, Err(StoreError::Closed)));

            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            assert_eq!(audit::head(&mut store.read().await.unwrap()).await.unwrap().sequence, 1);
        })
        .await;
    }

    #[tokio::test]
    async fn a_snapshot_does_not_see_what_comes_after_it() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            note(&store, "before").await.unwrap();
            let mut snapshot = store.read().await.unwrap();
            assert_eq!(audit::head(&mut snapshot).await.unwrap().sequence, 1);
            note(&store, "after").await.unwrap();
            assert_eq!(audit::head(&mut snapshot).await.unwrap().sequence, 1);
        })
        .await;
    }

    #[tokio::test]
    async fn a_url_that_names_no_store_is_refused_without_showing_its_password() {
        for url in ["", "sqlite", "sqlite:", "mysql://u:secret@h/d", "postgres://u:secret@h:port/d"] {
            let error = Store::open(url, Schema::Gateway).await.err().unwrap();
            assert!(matches!(error, StoreError::UnknownUrl { .. }), "{url}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn an_absent_server_and_an_unusable_path_are_unreachable() {
        for url in ["postgres://u:secret@127.0.0.1:1/d", "sqlite:/dev/null/store.sqlite"] {
            let error = Store::open(url, Schema::Gateway).await.err().unwrap();
            assert!(matches!(error, StoreError::Unreachable { .. }), "{url}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_damaged() {
        let database = TestDatabase::sqlite();
        let path = database.directory.path().join("store.sqlite");
        fs::write(&path, "not a database, but long enough to be looked at as one".repeat(99)).unwrap();
        let error = Store::open(&database.url, Schema::Gateway).await.err().unwrap();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn another_roles_store_and_a_newer_store_are_refused() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            store.close().await;
            let error = Store::open(&database.url, Schema::Authority).await.err().unwrap();
            assert!(matches!(error, StoreError::ForeignSchema | StoreError::NewerSchema), "{error:?}");

            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            let newer = "UPDATE _sqlx_migrations SET version = version + 100";
            store
                .write(move |transaction| Box::pin(async move { execute!(transaction, newer) }))
                .await
                .unwrap();
            store.close().await;
            let error = Store::open(&database.url, Schema::Gateway).await.err().unwrap();
            assert!(matches!(error, StoreError::NewerSchema), "{error:?}");
        })
        .await;
    }

    #[tokio::test]
    async fn a_file_that_another_process_keeps_locked_is_named_as_such() {
        let database = TestDatabase::sqlite();
        let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
        let other = Store::open(&database.url, Schema::Gateway).await.unwrap();
        let holding = Transaction::begin(&other.writing).await.unwrap();
        assert!(matches!(note(&store, "too early").await, Err(StoreError::Locked)));
        drop(holding);
        note(&store, "later").await.unwrap();
    }

    #[tokio::test]
    async fn nobody_else_may_read_the_files() {
        let database = TestDatabase::sqlite();
        let directory = database.directory.path().join("data");
        let url = format!("sqlite:{}", directory.join("store.sqlite").display());
        let store = Store::open(&url, Schema::Gateway).await.unwrap();
        note(&store, "something").await.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}
