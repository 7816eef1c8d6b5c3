//! `touchmark authority ...` as a person meets it.

#![cfg(test)]

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const UNLOCK: &str = "a passphrase for the vault";
const ROOT: &str = "another one for the root";
const INIT: &str = "init --name head-office --root-passphrase-file root.pass";

/// A directory where an authority lives or may live.
struct Place(TempDir);

impl Place {
    /// With both passphrase files, and nothing else.
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        place.write("unlock", UNLOCK);
        place.write("root.pass", ROOT);
        place
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn run(&self, command: &str) -> Output {
        let mut touchmark = Command::new(env!("CARGO_BIN_EXE_touchmark"));
        touchmark.current_dir(self.0.path()).arg("authority").args(command.split(' '));
        touchmark.args(["--data", "data", "--unlock-file", "unlock", "--json"]).output().unwrap()
    }

    fn done(&self, command: &str) -> Value {
        let output = self.run(command);
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the person is told, and that there is advice where `advised`.
    fn refused(&self, command: &str, said: &str, advised: bool) {
        let output = self.run(command);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {words}");
        assert!(words.contains(said), "{command}: {words}");
        assert_eq!(words.contains("what to do:"), advised, "{command}: {words}");
        assert_eq!(output.stdout, b"", "{command}");
    }
}

#[test]
fn an_authority_is_set_up_once_and_its_root_key_opens_with_its_passphrase() {
    let place = Place::new();
    let done = place.done(INIT);
    assert_eq!(done["authority"], "urn:touchmark:authority:head-office");
    assert_eq!(done["rootKey"], "data/root-key.pem");
    let opened = Command::new("openssl")
        .args(["pkey", "-in", "data/root-key.pem", "-passin", "file:root.pass", "-noout"])
        .current_dir(place.0.path())
        .status()
        .unwrap();
    assert!(opened.success());
    let key = place.0.path().join("data/root-key.pem");
    let before = fs::read(&key).unwrap();
    place.refused(INIT, "is there already", true);
    assert_eq!(fs::read(&key).unwrap(), before, "the root's key is never written over");
}

#[test]
fn passphrases_that_will_not_do_are_refused_before_anything_is_made() {
    let place = Place::new();
    for (file, text, said) in [
        ("root.pass", "short", "there is no passphrase in root.pass"),
        ("root.pass", UNLOCK, "the same as that of the vault"),
        ("unlock", "short", "there is no passphrase in unlock"),
    ] {
        place.write("root.pass", ROOT);
        place.write("unlock", UNLOCK);
        place.write(file, text);
        place.refused(INIT, said, true);
    }
    fs::remove_file(place.0.path().join("unlock")).unwrap();
    place.refused(INIT, "cannot be read", true);
    assert!(!place.0.path().join("data").exists());
    place.refused("status", "holds no membership", true);
}

#[test]
fn what_may_be_made_is_set_and_shown() {
    let place = Place::new();
    place.done(INIT);
    place.done("product set 3012 --organization Example --validity-days 3650 --check-digit mod-37-2");
    place.done("product set 3013 --credential none");
    assert_eq!(place.done("factory set osaka")["isNew"], true);
    assert_eq!(place.done("factory set osaka")["isNew"], false);
    place.done("allot osaka 3012 --quota 10 --first 123456 --last 123999");
    place.done("allot osaka 3012 --quota 20");
    let token = place.done("invite gateway --name osaka");
    assert!(token["token"].as_str().unwrap().starts_with("tmj1."));
    let status = place.done("status");
    assert_eq!(status["conserved"], true);
    assert_eq!(status["factories"][0]["quota"], 20);
    assert_eq!(status["members"][0]["member"], "urn:touchmark:authority:head-office");

    for (command, said) in [
        ("allot osaka 3012 --first 123999 --last 124000", "osaka has serials 123456 to 123999"),
        ("allot kyoto 3012 --quota 1", "no factory kyoto"),
        ("allot osaka 3014 --quota 1", "no product 3014"),
        ("allot osaka 3013 --first 000001 --last 000002", "needs a quota"),
        ("invite gateway --name kyoto", "no factory kyoto"),
        ("revoke member urn:touchmark:gateway:kyoto", "neither a certificate that counts nor an invitation"),
    ] {
        place.refused(command, said, false);
    }
    place.done("revoke member urn:touchmark:gateway:osaka");
    let listed = place.run("product list");
    let lines: Vec<Value> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["validityDays"], 3650);
    assert_eq!(
        (lines[1]["code"].as_str(), lines[1]["takesCertificate"].as_bool()),
        (Some("3013"), Some(false))
    );
}

#[test]
fn an_authority_does_not_serve_with_the_wrong_passphrase() {
    let place = Place::new();
    place.done(INIT);
    place.write("unlock", "the passphrase of another store");
    place.refused("serve --listen 127.0.0.1:0", "is not the one that this store was made with", false);
}

#[test]
fn orders_that_make_no_sense_are_wrong_usage() {
    let place = Place::new();
    for wrong in [
        "allot osaka 3012",
        "allot osaka 3012 --quota 1 --first 000001",
        "allot osaka 12 --quota 1",
        "product set 3012 --validity-days 0",
        "revoke member osaka",
        "init --name Head --root-passphrase-file root.pass",
    ] {
        let output = place.run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
