//! The demo as its user runs it, and what it leaves behind, read by tools that we did not write.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use der::pem::{LineEnding, encode_string};
use serde_json::{Value, json};
use tempfile::TempDir;
use touchmark::emulator::EmulatedDevice;

const UNITS: usize = 200;

fn touchmark(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_touchmark")).args(arguments).arg("--json").output().unwrap()
}

fn result(output: &Output) -> Value {
    let words = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no result: {words}"))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A day of [`UNITS`] devices.
fn play(directory: &Path) -> Value {
    let units = UNITS.to_string();
    let output = touchmark(&["demo", "--data", text(directory), "--units", &units, "--seed", "7"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    result(&output)
}

fn flash_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("devices")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Root, issuing and client certificate of every device, as PEM files in `directory`.
fn certificates(devices: &[PathBuf], directory: &Path) -> Vec<[PathBuf; 3]> {
    let write = |name: String, der: &[u8]| {
        let path = directory.join(name);
        fs::write(&path, encode_string("CERTIFICATE", LineEnding::LF, der).unwrap()).unwrap();
        path
    };
    devices
        .iter()
        .map(|file| {
            let pack = EmulatedDevice::open(file, 0).unwrap().pack().unwrap().unwrap();
            let number = pack.device_number;
            [
                write(format!("{number}-root.pem"), &pack.root_certificate),
                write(format!("{number}-issuing.pem"), &pack.issuing_certificate),
                write(format!("{number}-client.pem"), &pack.client_certificate),
            ]
        })
        .collect()
}

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_day_ends_with_every_credential_in_its_device_and_accounted_for() {
    let directory = TempDir::new().unwrap();
    let day = directory.path().join("day");
    let report = play(&day);
    for key in ["planned", "issued", "written", "verified"] {
        assert_eq!(report[key], UNITS, "{key} of {report}");
    }
    for key in ["stocked", "leased", "suspect", "voided"] {
        assert_eq!(report[key], 0, "{key} of {report}");
    }
    let once_each = json!({"unplanned": 1, "wrong_product": 1, "second_device": 1, "replayed": 1});
    assert_eq!(report["refused"], once_each);
    assert_eq!((&report["calls"], &report["conserved"]), (&json!(10), &json!(true)), "{report}");

    let field = json!({
        "counter": 10, "service": 1, "supply": 1, "impostors_refused": 1, "clones_quarantined": 1,
        "renewed": 1, "boards_swapped": 1, "units_billed": report["field"]["units_billed"],
    });
    assert_eq!(report["field"], field);
    assert!(report["field"]["units_billed"].as_u64().unwrap() > 0, "{report}");

    let devices = flash_files(&day);
    assert_eq!(devices.len(), UNITS);
    let certificates = certificates(&devices, directory.path());
    openssl_accepts(&certificates[0]);
    pkilint_finds_nothing(&certificates);
    audit_logs_are_whole(&day);
    ledger_check_finds_what_is_wrong(&day, &devices);

    let again = touchmark(&["demo", "--data", text(&day)]);
    assert_eq!(again.status.code(), Some(1), "a directory that is used is not used again");
}

fn openssl_accepts([root, issuing, client]: &[PathBuf; 3]) {
    openssl(&["verify", "-x509_strict", "-CAfile", text(root), "-untrusted", text(issuing), text(client)]);
    let shown = openssl(&["x509", "-in", text(client), "-noout", "-text", "-nameopt", "RFC2253"]);
    for expected in [
        "Subject: serialNumber=3012-123456",
        "ecdsa-with-SHA256",
        "Not After : Dec 31 23:59:59 9999 GMT",
        "ASN1 OID: prime256v1",
        "CA:FALSE",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "TLS Web Client Authentication\n",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
}

fn pkilint_finds_nothing(certificates: &[[PathBuf; 3]]) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = std::env::var_os("TOUCHMARK_PYTHON")
        .map_or_else(|| workspace.join("target/tools/python/bin/python"), PathBuf::from);
    let [root, issuing, _] = &certificates[0];
    let linted = Command::new(python)
        .arg(workspace.join("crates/touchmark/tests/python/lint_certificates.py"))
        .args([root, issuing])
        .args(certificates.iter().map(|[.., client]| client))
        .output()
        .expect("./check installs the Python that this test needs");
    let said = String::from_utf8_lossy(&linted.stdout);
    assert!(linted.status.success(), "{said}{}", String::from_utf8_lossy(&linted.stderr));
    assert_eq!(said.trim(), format!("{} certificates, 0 findings", UNITS + 2));
}

fn audit_logs_are_whole(day: &Path) {
    for role in ["authority", "gateway", "center"] {
        let store = day.join(role);
        let verified = result(&touchmark(&["audit", "verify", "--data", text(&store)]));
        assert_eq!(verified["valid"], true, "{verified}");
        let export = day.join(format!("{role}.jsonl"));
        let exported = touchmark(&["audit", "export", "--data", text(&store), text(&export)]);
        assert_eq!(result(&exported)["head"], verified["head"]);
        let of_file = ["audit", "verify", "--data", text(&export)];
        assert_eq!(result(&touchmark(&of_file)), verified);
        let edited = fs::read_to_string(&export).unwrap().replacen("A123-654321", "A123-654322", 1);
        fs::write(&export, edited).unwrap();
        let tampered = touchmark(&of_file);
        assert_eq!((tampered.status.code(), &result(&tampered)["valid"]), (Some(1), &json!(false)));
    }
}

/// Breaks on purpose, each of which the check must find.
fn ledger_check_finds_what_is_wrong(day: &Path, devices: &[PathBuf]) {
    let check = || result(&touchmark(&["ledger", "check", "--data", text(day)]));
    let broken = |verdict: &Value| {
        let invariants = verdict["invariants"].as_object().unwrap();
        invariants
            .iter()
            .filter(|(_, holds)| **holds == false)
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(broken(&check()), [""; 0]);

    let memory = fs::read(&devices[0]).unwrap();
    let clone = day.join("devices/clone.flash");
    fs::write(&clone, &memory).unwrap();
    let verdict = check();
    assert_eq!((broken(&verdict), &verdict["conserved"]), (vec!["I1".to_owned()], &json!(false)));
    fs::remove_file(&clone).unwrap();

    fs::write(&devices[0], vec![0xff; memory.len()]).unwrap();
    assert_eq!(broken(&check()), ["I1", "I13"], "a memory that does not read");
    fs::write(&devices[0], &memory).unwrap();

    fs::copy(&devices[1], &devices[0]).unwrap();
    assert_eq!(broken(&check()), ["I1"], "one device holds another's credential");
    fs::write(&devices[0], &memory).unwrap();

    let authority = day.join("authority");
    let away = day.join("elsewhere");
    fs::rename(&authority, &away).unwrap();
    // They know of the board that was there before it was swapped in the field.
    let (repaired, scrapped) = repaired(day);
    let new_board = fs::read(&repaired).unwrap();
    fs::copy(scrapped, &repaired).unwrap();
    assert_eq!(broken(&check()), [""; 0], "a factory's books alone");
    fs::write(&repaired, new_board).unwrap();
    fs::rename(&away, &authority).unwrap();
    assert_eq!(broken(&check()), [""; 0]);
}

/// The memory of the device that got a new board, and that of its old one.
fn repaired(day: &Path) -> (PathBuf, PathBuf) {
    let entries = fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path());
    let mut scrapped = entries.filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_prefix("scrapped-")?.to_owned();
        Some((day.join("devices").join(name), path))
    });
    scrapped.next().unwrap()
}
