//! Test databases: one test body on SQLite and on a private PostgreSQL server.
//!
//! The server is a cluster of Debian's package in a temporary directory, reached by a Unix socket
//! only, shared by the tests of one process and stopped with it.

use std::future::Future;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tempfile::TempDir;

/// An empty database of its own for one test, deleted when dropped.
pub struct TestDatabase {
    /// The URL for [`crate::Store::open`].
    pub url: String,
    /// A directory for whatever else the test stores.
    pub directory: TempDir,
    _server: Option<Arc<Server>>,
}

impl TestDatabase {
    /// An empty SQLite database.
    pub fn sqlite() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let url = format!("sqlite:{}", directory.path().join("store.sqlite").display());
        Self { url, directory, _server: None }
    }

    /// An empty PostgreSQL database.
    pub fn postgres() -> Self {
        static NAMES: AtomicU32 = AtomicU32::new(0);
        let server = Server::shared();
        let name = format!("test{}", NAMES.fetch_add(1, Ordering::Relaxed));
        run(server.psql().arg(format!("CREATE DATABASE {name}")));
        Self {
            url: format!("postgres://touchmark@localhost/{name}?host={}", server.socket().display()),
            directory: TempDir::new().expect("a temporary directory"),
            _server: Some(server),
        }
    }
}

/// Runs one test body on either database, first SQLite, then PostgreSQL.
pub async fn on_both<F: Future<Output = ()>>(mut body: impl FnMut(TestDatabase) -> F) {
    body(TestDatabase::sqlite()).await;
    body(TestDatabase::postgres()).await;
}

/// A hand in the database, which our own code would never lend: tests of what is found afterwards.
pub async fn tamper(store: &crate::Store, sql: &'static str) {
    let done: Result<u64, crate::StoreError> =
        store.write(move |transaction| Box::pin(async move { execute!(transaction, sql) })).await;
    assert_eq!(done.expect("the statement runs"), 1, "{sql}");
}

/// A running PostgreSQL server. It ends when its keeper's standard input closes, so also when the
/// test process is killed.
struct Server {
    directory: TempDir,
    programs: PathBuf,
    keeper: Child,
    lifeline: Option<ChildStdin>,
}

impl Server {
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    fn start() -> Self {
        let programs = programs();
        let directory = TempDir::new().expect("a temporary directory");
        let (data, socket) = (directory.path().join("data"), directory.path());
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(directory.path()));
        }
        run(unprivileged(&programs.join("initdb"))
            .args([
                "--auth=trust",
                "--username=touchmark",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .current_dir(directory.path()));
        // The keeper waits for its input to close and then stops the server.
        let script = "\"$@\" & server=$!; cat >/dev/null; kill -INT $server; wait $server";
        let postgres = programs.join("postgres");
        let mut keeper = unprivileged(Path::new("/bin/sh"))
            .args(["-c", script, "keeper"])
            .arg(postgres)
            .args(["-c", "listen_addresses=", "-c", "max_connections=200", "-D"])
            .arg(&data)
            .arg("-k")
            .arg(socket)
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("PostgreSQL starts");
        let lifeline = keeper.stdin.take();
        let server = Self { directory, programs, keeper, lifeline };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&self) {
        for _ in 0..600 {
            let answer = self.psql().arg("SELECT 1").stderr(Stdio::null()).stdout(Stdio::null()).status();
            if answer.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("PostgreSQL did not start in {}", self.directory.path().display());
    }

    fn socket(&self) -> &Path {
        self.directory.path()
    }

    fn psql(&self) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--username=touchmark", "--dbname=postgres", "--host"])
            .arg(self.socket())
            .arg("--command");
        psql
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.keeper.wait();
    }
}

/// Where Debian's package puts the server's programs; the newest version.
fn programs() -> PathBuf {
    let versions =
        std::fs::read_dir("/usr/lib/postgresql").expect("Debian's package postgresql is installed");
    let newest = versions.filter_map(Result::ok).map(|entry| entry.path()).max();
    newest.expect("Debian's package postgresql is installed").join("bin")
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.trim_ascii() == b"0"
}

/// The program as a user that PostgreSQL accepts: it refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

fn run(command: &mut Command) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut complaint = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut complaint);
    }
    assert!(child.wait().is_ok_and(|status| status.success()), "{command:?}: {complaint}");
}
