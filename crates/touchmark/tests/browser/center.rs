//! The center's console, before a factory that lives.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::driver;
use crate::living::Demo;

/// Runs a command that works beside the demo, at its center.
fn touchmark(center: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
    command.args(arguments);
    if arguments[0] == "center" {
        command.args(["--data", center.to_str().unwrap()]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Gives the center two packages of firmware to choose from.
fn add_firmware(demo: &Demo) {
    let center = demo.data().join("center");
    let file = |name: &str| demo.data().join(name).to_str().unwrap().to_owned();
    let (key, public, image) = (file("maker.key"), file("maker.pem"), file("image"));
    let passphrase = file("maker.passphrase");
    fs::write(&passphrase, "a passphrase of a maker").unwrap();
    let with = ["--passphrase-file", &passphrase];
    touchmark(
        &center,
        &[&["firmware", "key", "make", "--out", &key, "--public", &public], &with[..]].concat(),
    );
    touchmark(&center, &["center", "firmware", "key", "add", "--product", "A123", &public]);
    for version in ["1.0.0", "1.1.0"] {
        fs::write(&image, format!("firmware {version}")).unwrap();
        let package = file(version);
        let sign = ["firmware", "sign", &image, "--product", "A123", "--version", version, "--key", &key];
        touchmark(&center, &[&sign[..], &with, &["--out", &package]].concat());
        touchmark(&center, &["center", "firmware", "add", &package]);
    }
}

#[test]
fn an_engineer_looks_into_a_life_releases_a_clone_and_rolls_firmware_out() {
    let demo = Demo::start(120);
    add_firmware(&demo);
    let arguments = json!({
        "console": demo.started["center"],
        "name": demo.started["name"],
        "password": demo.started["password"],
        "code": demo.started["code"],
    });
    driver::run("center", &arguments, |asked| panic!("nobody asks {asked}"));
}
