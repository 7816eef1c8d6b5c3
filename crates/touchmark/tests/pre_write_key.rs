//! `touchmark authority pre-write-key ...` as a person meets it, and the exported files as a firmware
//! build does.

#![cfg(test)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use touchmark::pre_write_key_file::PreWriteKeyFile;

/// Prints the identifier and the key of the header.
const C_PROGRAM: &str = r#"
#include <stdio.h>
#include "key.h"
int main(void) {
    printf("%s ", TOUCHMARK_KEY_IDENTIFIER);
    for (unsigned i = 0; i < sizeof touchmark_pre_write_key; i++) printf("%02x", touchmark_pre_write_key[i]);
    return 0;
}
"#;

/// Prints the same of the Rust source.
const RUST_PROGRAM: &str = r#"
include!("key.rs");
fn main() {
    print!("{KEY_IDENTIFIER} ");
    PRE_WRITE_KEY.iter().for_each(|byte| print!("{byte:02x}"));
}
"#;

/// An authority that makes A123.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        fs::write(place.path("unlock"), "a passphrase for the vault").unwrap();
        fs::write(place.path("root.pass"), "another one for the root").unwrap();
        place.done("init --name head-office --root-passphrase-file root.pass");
        place.done("product set A123");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, command: &str) -> Output {
        let mut touchmark = Command::new(env!("CARGO_BIN_EXE_touchmark"));
        touchmark.current_dir(self.0.path()).arg("authority").args(command.split(' '));
        touchmark.args(["--data", "data", "--unlock-file", "unlock", "--json"]).output().unwrap()
    }

    fn done(&self, command: &str) -> Vec<Value> {
        let output = self.run(command);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn refused(&self, command: &str, said: &str) {
        let output = self.run(command);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {words}");
        assert!(words.contains(said), "{command}: {words}");
        assert_eq!(output.stdout, b"", "{command}");
    }

    /// Builds a program beside the exported files and runs it; what it prints.
    fn built(&self, compiler: &str, arguments: &[&str], source: &str, text: &str) -> String {
        fs::write(self.path(source), text).unwrap();
        let built = Command::new(compiler)
            .args(arguments)
            .args([source, "-o", "program"])
            .current_dir(self.0.path())
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        String::from_utf8(Command::new(self.path("program")).output().unwrap().stdout).unwrap()
    }

    fn audit_log(&self) -> String {
        let exported = Command::new(env!("CARGO_BIN_EXE_touchmark"))
            .args(["audit", "export", "--data", "data", "audit.jsonl"])
            .current_dir(self.0.path())
            .output()
            .unwrap();
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        fs::read_to_string(self.path("audit.jsonl")).unwrap()
    }
}

#[test]
fn a_key_reaches_the_firmware_build_and_nothing_else() {
    let place = Place::new();
    let made = place.run("pre-write-key make A123");
    let exported = place.run("pre-write-key export A123-1 --c key.h --rust key.rs --json-file key.json");
    for output in [&made, &exported] {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for file in ["key.h", "key.rs", "key.json"] {
        assert_eq!(fs::metadata(place.path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    let in_c =
        place.built("cc", &["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"], "main.c", C_PROGRAM);
    let in_rust = place.built("rustc", &["--edition=2024", "-Dwarnings"], "main.rs", RUST_PROGRAM);
    assert_eq!(in_c, in_rust);
    let (identifier, key) = in_c.split_once(' ').unwrap();
    assert_eq!((identifier, key.len()), ("A123-1", 64));
    let file = PreWriteKeyFile::read(&place.path("key.json")).unwrap();
    assert_eq!((file.product.as_str(), file.key_identifier.as_str()), ("A123", "A123-1"));
    assert_eq!(hex::encode(file.pre_write_key().unwrap().expose()), key);

    let log = place.audit_log();
    assert!(log.contains("pre-write-key.make") && log.contains("pre-write-key.export"), "{log}");
    let bytes: Vec<String> =
        key.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into()).collect();
    let written = format!("0x{}, 0x{}", bytes[0], bytes[1]);
    let printed = [made.stdout, made.stderr, exported.stdout, exported.stderr].concat();
    for text in [log, String::from_utf8(printed).unwrap()] {
        assert!(!text.contains(key) && !text.contains(&written), "{text}");
    }
}

#[test]
fn a_key_is_exported_once_and_a_refusal_leaves_no_file_and_spends_no_key() {
    let place = Place::new();
    place.done("pre-write-key make A123");
    fs::write(place.path("key.h"), "another product's").unwrap();
    place.refused("pre-write-key export A123-1 --c key.h", "cannot make key.h");
    assert_eq!(fs::read_to_string(place.path("key.h")).unwrap(), "another product's");
    place.refused("pre-write-key export A123-1 --rust key.rs --c absent/key.h", "cannot make absent/key.h");
    place.refused("pre-write-key export A123-2 --rust key.rs", "no pre-write key A123-2");
    place.done("pre-write-key export A123-1 --rust key.rs");
    fs::remove_file(place.path("key.rs")).unwrap();
    place.refused("pre-write-key export A123-1 --rust key.rs", "never shown again");
    assert!(!place.path("key.rs").exists());
    assert_eq!(place.run("pre-write-key export A123-1").status.code(), Some(2), "to no file");
}

#[test]
fn keys_are_rotated_with_overlap_listed_and_retired() {
    let place = Place::new();
    assert_eq!(place.done("pre-write-key list"), [] as [Value; 0]);
    place.refused("pre-write-key rotate A123", "has no pre-write key yet");
    place.refused("pre-write-key make 3099", "no product 3099");
    assert_eq!(place.done("pre-write-key make A123")[0]["keyIdentifier"], "A123-1");
    place.refused("pre-write-key make A123", "A123-1 already: rotate it");
    assert_eq!(place.done("pre-write-key rotate A123")[0]["keyIdentifier"], "A123-2");
    place.done("pre-write-key rotate A123");
    place.refused("pre-write-key retire A123-3", "is the current key of A123");
    place.done("pre-write-key retire A123-1");
    place.refused("pre-write-key export A123-1 --c key.h", "is retired and erased");
    assert!(!place.path("key.h").exists());

    fs::remove_file(place.path("unlock")).unwrap();
    let listed = place.done("pre-write-key list");
    let stages: Vec<_> = listed.iter().map(|row| row["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["retired", "previous", "current"], "without the unlock file");
    assert!(listed[0]["retired"].is_number() && listed[1]["exported"].is_null());
}
