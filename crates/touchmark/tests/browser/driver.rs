//! Runs a script in a browser.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs a script of `scripts` to its good end. What it asks for, `answer` does.
pub fn run(script: &str, arguments: &Value, mut answer: impl FnMut(&str) -> Value) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let screenshots = workspace.join("target/screenshots");
    fs::create_dir_all(&screenshots).unwrap();
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/browser/scripts");
    let tools = workspace.join("target/tools/browser/node_modules");
    let mut node = Command::new(tools.join(".bin/node"))
        .arg(scripts.join(format!("{script}.js")))
        .arg(arguments.to_string())
        .arg(&screenshots)
        .env("NODE_PATH", tools)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("./check installs node");
    let mut told = node.stdin.take().unwrap();
    for line in BufReader::new(node.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let asked: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{script} prints {line}"));
        let answer = answer(asked["ask"].as_str().unwrap());
        writeln!(told, "{answer}").unwrap();
    }
    assert!(node.wait().unwrap().success(), "{script} failed; what it says is above");
}
