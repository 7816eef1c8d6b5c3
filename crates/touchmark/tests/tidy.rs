//! Keeps the repository as ARCHITECTURE.md draws it: who may name whom, which licences may come in,
//! and what no file may hold.

#![allow(clippy::unwrap_used, reason = "a test may fail where it is wrong")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The drawing of ARCHITECTURE.md: which of our crates each crate may depend on.
const EDGES: [(&str, &[&str]); 19] = [
    ("identity", &[]),
    ("auth", &["identity"]),
    ("seal", &["identity"]),
    ("package", &["identity"]),
    ("device", &["identity", "auth", "seal"]),
    ("message", &["identity"]),
    ("cert", &["identity"]),
    ("pki", &["identity", "cert"]),
    ("store", &["identity"]),
    ("transport", &["identity", "message", "cert"]),
    ("bundle", &["identity", "message", "cert"]),
    ("console", &["identity"]),
    ("staff", &["identity", "console", "store"]),
    (
        "authority",
        &[
            "identity",
            "auth",
            "seal",
            "message",
            "cert",
            "pki",
            "store",
            "transport",
            "bundle",
            "console",
            "staff",
        ],
    ),
    ("gateway", &["identity", "message", "cert", "store", "transport", "bundle", "console", "staff"]),
    ("station", &["identity", "message", "cert", "transport", "console"]),
    ("authenticator", &["identity", "auth", "seal", "message", "cert", "store", "transport"]),
    (
        "center",
        &["identity", "package", "message", "cert", "store", "transport", "bundle", "console", "staff"],
    ),
    (
        "touchmark",
        &[
            "identity",
            "auth",
            "seal",
            "package",
            "device",
            "message",
            "cert",
            "pki",
            "store",
            "transport",
            "bundle",
            "console",
            "staff",
            "authority",
            "gateway",
            "station",
            "authenticator",
            "center",
        ],
    ),
];

const CHIP_CRATES: [&str; 5] = ["identity", "auth", "seal", "package", "device"];

const LICENCES: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BlueOak-1.0.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages whose licence is not in [`LICENCES`] and was decided on by name (docs/decisions).
const LICENCE_EXCEPTIONS: [(&str, &str); 1] = [("serialport", "MPL-2.0")];

/// The longest file that is read in one sitting.
const LINES_MAX: usize = 600;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(arguments)
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Files that git tracks or would track, as paths below the workspace.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace())
        .output()
        .unwrap();
    let listing = String::from_utf8(output.stdout).unwrap();
    listing.lines().map(PathBuf::from).filter(|file| workspace().join(file).is_file()).collect()
}

fn rust_sources() -> impl Iterator<Item = (PathBuf, String)> {
    files().into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs")).map(|file| {
        let source = std::fs::read_to_string(workspace().join(&file)).unwrap();
        (file, source)
    })
}

#[test]
fn crates_depend_on_one_another_as_drawn() {
    let drawn: BTreeMap<&str, BTreeSet<&str>> =
        EDGES.iter().map(|(name, edges)| (*name, edges.iter().copied().collect())).collect();
    let metadata = metadata(&["--no-deps"]);
    let packages = list(&metadata, "packages");
    let names: BTreeSet<&str> = packages.iter().map(|package| text(package, "name")).collect();
    assert_eq!(names, drawn.keys().copied().collect(), "crates/ and the drawing differ");
    for package in packages {
        let name = text(package, "name");
        for dependency in list(package, "dependencies") {
            let to = text(dependency, "name");
            let is_shipped = dependency["kind"].is_null();
            if is_shipped && names.contains(to) {
                assert!(drawn[name].contains(to), "{name} must not depend on {to}");
            }
        }
    }
}

#[test]
fn architecture_page_shows_the_same_edges() {
    let page = std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    for (name, edges) in EDGES.iter().filter(|(name, _)| *name != "touchmark") {
        let line = page
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{name}/")))
            .unwrap_or_else(|| panic!("ARCHITECTURE.md does not draw {name}/"));
        let shown = line.split_once("->").map(|(_, edges)| edges).unwrap_or_default();
        assert_eq!(&shown.split_whitespace().collect::<Vec<_>>(), edges, "ARCHITECTURE.md on {name}");
    }
}

#[test]
fn chip_crates_know_no_std() {
    let metadata = metadata(&["--no-deps"]);
    for package in list(&metadata, "packages") {
        let name = text(package, "name");
        if CHIP_CRATES.contains(&name) {
            let features = package["features"].as_object().unwrap();
            assert!(!features.contains_key("std"), "{name} must not have a std feature");
            let root = workspace().join("crates").join(name).join("src/lib.rs");
            let source = std::fs::read_to_string(root).unwrap();
            assert!(source.lines().any(|line| line == "#![no_std]"), "{name} is not no_std");
        }
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for (name, _) in EDGES {
        let manifest = workspace().join("crates").join(name).join("Cargo.toml");
        let manifest: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{name}");
    }
}

#[test]
fn licences_are_compatible() {
    let metadata = metadata(&[]);
    for package in list(&metadata, "packages") {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        if LICENCE_EXCEPTIONS.contains(&(name, licence)) {
            continue;
        }
        let expression = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX)
            .unwrap_or_else(|error| panic!("{name}: licence {licence:?}: {error}"));
        let is_allowed =
            expression.evaluate(|requirement| LICENCES.contains(&requirement.to_string().as_str()));
        assert!(is_allowed, "{name} has the licence {licence}");
    }
}

#[test]
fn every_dependency_has_a_decision() {
    let decisions: String = std::fs::read_dir(workspace().join("docs/decisions"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let manifest: toml::Table =
        std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap().parse().unwrap();
    let dependencies = manifest["workspace"]["dependencies"].as_table().unwrap();
    for (name, dependency) in dependencies {
        let is_ours = dependency.get("path").is_some();
        let crate_name = dependency.get("package").and_then(|name| name.as_str()).unwrap_or(name);
        assert!(
            is_ours || decisions.contains(&format!("`{crate_name}`")),
            "no decision names `{crate_name}`"
        );
    }
}

#[test]
fn files_are_read_in_one_sitting() {
    for (file, source) in rust_sources() {
        let lines = source.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
    }
}

#[test]
fn nothing_is_left_undone_or_silenced() {
    // Put together here, so that this file does not find itself.
    let undone = [["todo", "!("].concat(), ["unimplemented", "!("].concat(), ["#[", "ignore"].concat()];
    // Modules that several test programs share are used by each in part.
    let silenced = [["allow(", "dead_code"].concat(), ["allow(", "missing_docs"].concat()];
    for (file, source) in rust_sources() {
        let is_shipped = file.components().any(|part| part.as_os_str() == "src");
        for word in undone.iter().chain(silenced.iter().filter(|_| is_shipped)) {
            assert!(!source.contains(word.as_str()), "{} holds {word}", file.display());
        }
    }
}

#[test]
fn no_file_holds_a_path_of_one_machine() {
    let forbidden = [["/", "work/"].concat(), ["/", "root/"].concat(), ["/", "home/"].concat()];
    for file in files() {
        let Ok(content) = std::fs::read_to_string(workspace().join(&file)) else { continue };
        for path in &forbidden {
            assert!(!content.contains(path.as_str()), "{} holds {path}", file.display());
        }
    }
}
