//! The firmware as a board that is qualified before production.

use std::process::Command;

use serde_json::Value;

use crate::UID;
use crate::machine::Machine;

/// What this board does without: it has no key on P-384 and, for want of a true random number generator,
/// makes none of its own.
const WITHOUT: &str = "p-384,own-key,owed-certificate,foreign-certificate";

#[test]
fn it_masters_every_case_that_it_is_built_for() {
    let mut machine = Machine::start(UID);
    let device = format!("tcp:127.0.0.1:{}", machine.port());
    let rehearse = |without: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
        command.args(["station", "rehearse", "--json", "--device", &device]).args(without).output().unwrap()
    };
    let output = rehearse(&["--without", WITHOUT]);
    assert!(output.status.success(), "{output:?}");
    let verdicts: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let passed = verdicts.iter().filter(|verdict| verdict["outcome"] == "passed");
    let passed: Vec<&str> = passed.map(|verdict| verdict["case"].as_str().unwrap()).collect();
    assert_eq!(
        passed,
        [
            "identifies",
            "noise",
            "nothing-stored",
            "wrong-product",
            "plain",
            "fresh-proof",
            "repeated",
            "replayed",
            "broken-line",
            "whole",
            "finished",
        ]
    );
    // The rest needs a pre-write key or a chip with a key.
    assert!(verdicts.iter().all(|verdict| verdict["outcome"] != "failed"));

    // What a rehearsal has left behind is no board for another.
    let again = rehearse(&[]);
    let words = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.code() == Some(1) && words.contains("erase it first"), "{words}");
}
