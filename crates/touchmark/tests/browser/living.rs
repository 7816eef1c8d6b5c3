//! A factory that lives: `demo --serve` of the true binary.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A demo that runs until dropped.
pub struct Demo {
    pub process: Child,
    /// What it printed first: where its consoles are, and how to sign in.
    pub started: Value,
    data: TempDir,
}

impl Demo {
    pub fn start(units: u32) -> Self {
        let data = TempDir::new().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_touchmark"))
            .args(["demo", "--serve", "--json", "--units", &units.to_string()])
            .args(["--data", data.path().to_str().unwrap()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { process, started: serde_json::from_str(&line).unwrap(), data }
    }

    /// The directory with all that it keeps.
    pub fn data(&self) -> &Path {
        self.data.path()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
