//! The firmware as a board that is qualified before production.

use std::fs;
use std::process::Command;

use message::bytes::SecretBytes;
use serde_json::Value;
use tempfile::TempDir;
use touchmark::pre_write_key_file::PreWriteKeyFile;

use crate::UID;
use crate::machine::Machine;
use crate::packs::pre_write_key;

/// What this board does without: it has no key on P-384 and, for want of a true random number generator,
/// makes none of its own.
const WITHOUT: &str = "p-384,own-key,owed-certificate,foreign-certificate";

#[test]
fn it_masters_every_case_that_it_is_built_for() {
    let directory = TempDir::new().unwrap();
    let key_file = directory.path().join("key.json");
    let key = PreWriteKeyFile {
        product: "3012".parse().unwrap(),
        key_identifier: pre_write_key().identifier().clone(),
        key: SecretBytes::new(pre_write_key().expose().to_vec()),
    };
    fs::write(&key_file, serde_json::to_vec(&key).unwrap()).unwrap();
    let mut machine = Machine::start(UID);
    let device = format!("tcp:127.0.0.1:{}", machine.port());
    let rehearse = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
        command.args(["station", "rehearse", "--json", "--without", WITHOUT, "--device", &device]);
        command.arg("--pre-write-key").arg(&key_file).output().unwrap()
    };
    let output = rehearse();
    assert!(output.status.success(), "{output:?}");
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let verdict: Value = serde_json::from_str(line).unwrap();
        let case = verdict["case"].as_str().unwrap();
        // Its chip has no key either.
        let is_left_out = case == "chip-key" || WITHOUT.split(',').any(|without| without == case);
        assert_eq!(verdict["outcome"], if is_left_out { "not-tried" } else { "passed" }, "{verdict}");
    }

    // What a rehearsal has left behind is no board for another.
    let again = rehearse();
    let words = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.code() == Some(1) && words.contains("erase it first"), "{words}");
}
