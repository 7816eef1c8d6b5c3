//! The test vectors: what this program computes is what they say, a program that others could have written
//! passes them, and a program that is wrong does not.

#![allow(clippy::unwrap_used, reason = "a test may fail where it is wrong")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use serde_json::Value;
use touchmark::vectors::answer::answer;
use touchmark::vectors::{FILES, cases};

const TOUCHMARK: &str = env!("CARGO_BIN_EXE_touchmark");

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Puts a program to the test as an implementer does.
fn run(program: &[&str]) -> Output {
    Command::new(TOUCHMARK).args(["--json", "vectors", "run", "--"]).args(program).output().unwrap()
}

/// Puts a shell script to the test that has the reference's answers to change.
fn run_script(script: &str) -> Output {
    run(&["sh", "-c", &script.replace("REFERENCE", &format!("{TOUCHMARK} vectors answer"))])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn our_code_computes_every_output() {
    for case in cases() {
        let output = answer(&case.operation, &case.input).unwrap();
        assert_eq!(output, case.output, "{}: {}", case.file, case.name);
    }
}

#[test]
fn every_file_is_built_in_and_no_name_stands_twice() {
    let built_in: BTreeSet<String> = FILES.iter().map(|(name, _)| format!("{name}.json")).collect();
    let files: BTreeSet<String> = fs::read_dir(workspace().join("vectors"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    assert_eq!(files, built_in);
    let mut names = BTreeSet::new();
    for case in cases() {
        assert!(names.insert((case.file, case.name.clone())), "{}: {}", case.file, case.name);
    }
}

#[test]
fn the_page_explains_every_file_and_operation() {
    let page = fs::read_to_string(workspace().join("vectors/README.md")).unwrap();
    for case in cases() {
        assert!(page.contains(&format!("`{}`", case.file)), "{}", case.file);
        assert!(page.contains(&format!("**`{}`**", case.operation)), "{}", case.operation);
    }
}

#[test]
fn the_reference_passes() {
    let output = run(&[TOUCHMARK, "vectors", "answer"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let tested: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tested["passed"], cases().len());
    assert_eq!(tested["differences"], Value::Array(Vec::new()));
}

#[test]
fn a_program_of_libraries_that_are_not_ours_passes() {
    let installed = || workspace().join("target/tools/python/bin/python");
    let python = env::var_os("TOUCHMARK_PYTHON").map_or_else(installed, PathBuf::from);
    let script = workspace().join("crates/touchmark/tests/python/answer_vectors.py");
    let output = run(&[python.to_str().unwrap(), script.to_str().unwrap()]);
    let words = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "./check installs the Python that this needs: {words}");
}

#[test]
fn a_program_that_opens_what_it_must_refuse_is_found() {
    let output = run_script(r#"REFERENCE | sed -u 's/{"refused":true}/{"secret":""}/'"#);
    assert_eq!(output.status.code(), Some(1));
    let tested: Value = serde_json::from_slice(&output.stdout).unwrap();
    let different = tested["differences"].as_array().unwrap();
    let refusals = cases().iter().filter(|case| case.output["refused"] == true).count();
    assert_eq!(different.len(), refusals);
    assert!(refusals > 0);
    assert!(different.iter().all(|difference| difference["answered"]["secret"] == ""));
}

#[test]
fn a_program_that_stops_or_babbles_is_told_so() {
    for (script, words) in [
        ("exit 0", "the program stopped answering at authentication-1, version 1 offered and chosen"),
        ("read line; echo hello", "is not a line of JSON"),
    ] {
        let output = run_script(script);
        assert_eq!(output.status.code(), Some(1), "{script}");
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
    let output = run(&["/no/such/program"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/no/such/program does not start"), "{}", text(&output.stderr));
}

#[test]
fn only_the_operations_asked_for_are_asked() {
    let only = |operation: &str| {
        Command::new(TOUCHMARK)
            .args(["--json", "vectors", "run", "--only", operation, "--"])
            .args([TOUCHMARK, "vectors", "answer"])
            .output()
            .unwrap()
    };
    let tested: Value = serde_json::from_slice(&only("derive-key").stdout).unwrap();
    let wanted = cases().iter().filter(|case| case.operation == "derive-key").count();
    assert_eq!(tested["cases"], wanted);
    assert_eq!(only("derive").status.code(), Some(2));
}
