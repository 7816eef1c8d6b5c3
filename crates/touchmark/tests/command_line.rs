//! The command line as a person meets it: exit codes, help, errors that say what to do, completions, manual.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

fn touchmark(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_touchmark")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn wrong_usage_is_exit_code_2_and_failure_1() {
    for wrong in [&[][..], &["nonsense"], &["doctor"], &["station", "join"], &["--nonsense"]] {
        assert_eq!(touchmark(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let unreadable_token = touchmark(&["station", "join", "tmj1.cut-o"]);
    assert_eq!(unreadable_token.status.code(), Some(2));
    let no_file = touchmark(&["doctor", "--role", "gateway", "--config", "/nowhere/gateway.toml"]);
    assert_eq!(no_file.status.code(), Some(1));
    let words = text(&no_file.stderr);
    assert!(words.starts_with("error: cannot read /nowhere/gateway.toml\n  because: "), "{words}");
}

#[test]
fn help_and_version_are_no_failures() {
    for asked in [&["--help"][..], &["--version"], &["help", "doctor"], &["station", "--help"]] {
        let output = touchmark(asked);
        assert_eq!(output.status.code(), Some(0), "{asked:?}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn every_shell_gets_a_completion_that_names_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = touchmark(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(text(&output.stdout).contains("station"), "{shell}");
    }
}

#[test]
fn every_command_gets_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("man");
    assert_eq!(touchmark(&["manual", "--out", out.to_str().unwrap()]).status.code(), Some(0));
    for page in ["touchmark.1", "touchmark-station.1", "touchmark-station-write.1", "touchmark-doctor.1"] {
        assert!(fs::read_to_string(out.join(page)).unwrap().contains(".TH"), "{page}");
    }
}

#[test]
fn the_doctor_says_what_is_missing_and_how_to_mend_it() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("gateway.toml");
    let inside = |name: &str| directory.path().join(name).display().to_string();
    let lines = format!(
        "data = \"{}\"\nunlock_file = \"{}\"\nlisten = \"127.0.0.1:0\"\n",
        inside("data"),
        inside("unlock")
    );
    fs::write(&config, lines).unwrap();
    let output = touchmark(&["doctor", "--json", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let stdout = text(&output.stdout);
    let findings: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdict = |check: &str| findings.iter().find(|finding| finding["check"] == check).unwrap();
    for check in ["data directory", "unlock file", "store", "certificate"] {
        assert_eq!(verdict(check)["verdict"], "wrong", "{stdout}");
        assert_ne!(verdict(check)["mend"], "", "{check}");
    }
    assert_eq!(verdict("listen")["verdict"], "fine");
    assert!(!directory.path().join("data").exists(), "the doctor makes nothing");
}

#[test]
fn the_bench_of_revocations_measures_what_it_says() {
    let output = touchmark(&["bench", "revoke", "--n", "600", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let figures: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = figures.iter().map(|figure| figure["name"].as_str().unwrap()).collect();
    let measured =
        ["revoke", "ocsp", "crl", "delta crl"].map(|what| names.iter().any(|name| name.starts_with(what)));
    assert_eq!(measured, [true; 4], "{names:?}");
    assert!(figures.iter().all(|figure| figure["p99"].as_f64().is_some_and(|p99| p99 > 0.0)), "{figures:?}");
}
