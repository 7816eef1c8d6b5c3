//! The program: `touchmark station rehearse`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use touchmark::rehearsal::board::Case;

fn touchmark(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
    command.args(arguments).arg("--json");
    command
}

/// An emulated device in a process of its own; it ends when dropped.
struct Device {
    process: Child,
    address: String,
}

impl Device {
    fn start(directory: &Path, key: &Path) -> Self {
        let flash = directory.join("device.flash");
        let mut process =
            touchmark(&["device", "emulate", "--product", "A123", "--hardware-uid", "0011223344556677"])
                .args(["--flash".as_ref(), flash.as_os_str(), "--pre-write-key".as_ref(), key.as_os_str()])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
        let started = BufReader::new(process.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let started: Value = serde_json::from_str(&started).unwrap();
        Self { process, address: started["address"].as_str().unwrap().to_owned() }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn key_file(directory: &Path, name: &str, product: &str, key: [u8; 32]) -> String {
    let path = directory.join(name);
    let key = message::bytes::SecretBytes::new(key.to_vec());
    let file = json!({ "product": product, "keyIdentifier": "A123-1", "key": key });
    fs::write(&path, file.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn rehearse(device: &Device, arguments: &[&str]) -> Output {
    touchmark(&["station", "rehearse", "--device", &device.address]).args(arguments).output().unwrap()
}

fn outcomes(output: &Output) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    let verdicts = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    verdicts.map(|verdict| (text(&verdict["case"]), text(&verdict["outcome"]))).collect()
}

#[test]
fn an_emulated_board_is_qualified_with_its_key() {
    let directory = TempDir::new().unwrap();
    let key = key_file(directory.path(), "key.json", "A123", [7; 32]);
    let device = Device::start(directory.path(), key.as_ref());
    let other_product = key_file(directory.path(), "other.json", "3012", [7; 32]);
    assert_eq!(rehearse(&device, &["--pre-write-key", &other_product]).status.code(), Some(2));
    let output = rehearse(&device, &["--pre-write-key", &key, "--without", "p-384"]);
    assert!(output.status.success(), "{output:?}");
    let outcomes = outcomes(&output);
    assert_eq!(outcomes.len(), Case::ALL.len());
    for (case, outcome) in outcomes {
        let is_left_out = ["p-384", "chip-key"].contains(&case.as_str());
        assert_eq!(outcome, if is_left_out { "not-tried" } else { "passed" }, "{case}");
    }
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("erase it"), "{words}");
}

#[test]
fn a_board_with_other_firmware_than_its_key_file_fails() {
    let directory = TempDir::new().unwrap();
    let device =
        Device::start(directory.path(), key_file(directory.path(), "key.json", "A123", [7; 32]).as_ref());
    let wrong = key_file(directory.path(), "wrong.json", "A123", [8; 32]);
    let output = rehearse(&device, &["--pre-write-key", &wrong]);
    assert_eq!(output.status.code(), Some(1));
    let failed = outcomes(&output).into_iter().filter(|(_, outcome)| outcome == "failed");
    let failed: Vec<String> = failed.map(|(case, _)| case).collect();
    assert_eq!(failed, ["sealed", "symmetric-opened", "symmetric-sealed", "both", "whole"]);
    // One has the key, the other what was derived from it.
    let right = key_file(directory.path(), "right.json", "A123", [7; 32]);
    let output = rehearse(&device, &["--pre-write-key", &right, "--derive-for-chip"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_is_to_be_rehearsed_must_be_said() {
    for wrong in [
        &["station", "rehearse"][..],
        &["station", "rehearse", "--listen", "--device", "tcp:127.0.0.1:1"],
        &["station", "rehearse", "--listen", "--pre-write-key", "key.json"],
        &["station", "rehearse", "--device", "tcp:127.0.0.1:1", "--derive-for-chip"],
        &["station", "rehearse", "--device", "tcp:127.0.0.1:1", "--without", "everything"],
    ] {
        let output = touchmark(wrong).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    let nobody = touchmark(&["station", "rehearse", "--device", "tcp:127.0.0.1:1"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(1));
}
