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
fn a_product_says_what_its_devices_take_and_how_it_travels() {
    let place = Place::new();
    place.done(INIT);
    let usual = place.done("product set 3012");
    assert_eq!((&usual["keyAlgorithm"], &usual["sealing"]), (&"p-256".into(), &"plain".into()));
    let both = place.done("product set A123 --certificate --symmetric opened --key-algorithm p-384");
    assert_eq!((&both["symmetric"], &both["sealing"]), (&"opened".into(), &"pre-write-key".into()));
    assert_eq!(both["keyIdentifier"], Value::Null);
    let hint = String::from_utf8(place.run("product set A123 --symmetric opened").stderr).unwrap();
    assert!(hint.contains("touchmark authority pre-write-key make A123"), "{hint}");
    place.done("pre-write-key make A123");
    let sealed = place.done("product set A123 --symmetric sealed --sealing device-key");
    assert_eq!((&sealed["takesCertificate"], &sealed["keyIdentifier"]), (&false.into(), &"A123-1".into()));
    let born = place.done("product set A124 --key-origin device");
    assert_eq!((&born["takesCertificate"], &born["keyOrigin"]), (&true.into(), &"device".into()));
    for wrong in [
        "product set A125 --symmetric opened --sealing plain",
        "product set A125 --symmetric sealed --sealing chip-key",
        "product set A125 --key-origin device --sealing device-key",
        "product set A125 --credential none --certificate",
        "product set A125 --symmetric folded",
        "product set A125 --key-algorithm rsa",
    ] {
        let output = place.run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let listed = String::from_utf8(place.run("product list").stdout).unwrap();
    assert!(!listed.contains("A125"), "{listed}");
}

#[test]
fn keys_of_chips_are_derived_into_a_file_of_the_owner_and_told_to_the_log_by_a_hash() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.done(INIT);
    place.done("product set A123 --symmetric opened --sealing device-key");
    place.done("pre-write-key make A123");
    place.write("uids", "0011223344556677\n\n8899AABBCCDDEEFF\n");
    let done = place.done("pre-write-key device-keys A123-1 --uids uids --out keys.csv");
    assert_eq!(done["chips"], 2);
    let path = place.0.path().join("keys.csv");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let keys = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = keys.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "hardware_uid,key"));
    assert!(lines[1].starts_with("0011223344556677,") && lines[2].starts_with("8899aabbccddeeff,"));
    assert_ne!(lines[1].rsplit(',').next(), lines[2].rsplit(',').next());
    place.done("pre-write-key device-keys A123-1 --uids uids --out again.csv");
    assert_eq!(fs::read_to_string(place.0.path().join("again.csv")).unwrap(), keys, "the same again");
    for file in ["data/store.sqlite", "data/store.sqlite-wal"] {
        let stored = fs::read(place.0.path().join(file)).unwrap_or_default();
        for line in &lines[1..] {
            let text = line.rsplit(',').next().unwrap();
            let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
            let key: Vec<u8> = (0..text.len()).step_by(2).map(pair).collect();
            assert!(!stored.windows(key.len()).any(|window| window == key), "{file}");
        }
    }

    place.refused(
        "pre-write-key device-keys A123-1 --uids uids --out keys.csv",
        "cannot make keys.csv",
        false,
    );
    place.refused(
        "pre-write-key device-keys A123-9 --uids uids --out k.csv",
        "no pre-write key A123-9",
        false,
    );
    for (text, said) in [
        ("", "lists no chip"),
        ("0011223344556677\n0011223344556677\n", "line 2 of uids names a chip again"),
        ("0011\n", "line 1 of uids is no hardware UID"),
    ] {
        place.write("uids", text);
        let command = "pre-write-key device-keys A123-1 --uids uids --out k.csv";
        let output = place.run(command);
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && words.contains(said), "{words}");
        assert!(!place.0.path().join("k.csv").exists());
    }
}

#[test]
fn what_was_never_issued_is_not_withdrawn() {
    let place = Place::new();
    place.done(INIT);
    for credential in ["3012-123456", "4TP9X2QZ7V0C3M8RHJ6KDWBN1E"] {
        let command = format!("void {credential} --reason stolen");
        place.refused(&command, &format!("{credential} was never issued"), false);
    }
    assert_eq!(place.run("void 3012 --reason stolen").status.code(), Some(2));
    assert_eq!(place.run("void 3012-123456").status.code(), Some(2));
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

#[test]
fn devices_are_revoked_by_what_they_have_in_common_and_a_preview_says_so_before() {
    let place = Place::new();
    place.done(INIT);
    place.done("product set 3012");
    place.done("factory set osaka");
    let preview = place.done("revoke --factory osaka --reason key-compromise --dry-run");
    assert_eq!((&preview["dryRun"], &preview["certificates"]), (&true.into(), &0.into()));
    assert_eq!(preview["credentials"], serde_json::json!([]));
    let window = "--from 2026-01-31T14:00:00+09:00 --to 2026-01-31T15:00";
    let done = place.done(&format!("revoke --station line-7 {window} --reason cessation-of-operation"));
    assert_eq!((&done["dryRun"], &done["reason"]), (&false.into(), &"cessation-of-operation".into()));
    place.refused("revoke --device 3012-123456 --reason superseded", "nothing that could be revoked", true);
    for wrong in [
        "revoke --reason key-compromise",
        "revoke --factory osaka",
        "revoke --factory osaka --reason bored",
        "revoke --from 2026-01-31T14:00 --reason key-compromise",
        "revoke --station line-7 --from yesterday --reason key-compromise",
        "revoke --numbers 3012-123457..3012-123456 --reason key-compromise",
        "revoke --numbers 3012-123456..A123-123457 --reason key-compromise",
    ] {
        assert_eq!(place.run(wrong).status.code(), Some(2), "{wrong}");
    }
}
