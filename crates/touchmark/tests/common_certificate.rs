//! `touchmark authority common-certificate ...` as a person meets it, and the exported files as a firmware
//! build does.

#![cfg(test)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use touchmark::common_certificate_file::CommonCertificateFile;

/// An authority that makes 3012.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        fs::write(place.path("unlock"), "a passphrase for the vault").unwrap();
        fs::write(place.path("root.pass"), "another one for the root").unwrap();
        place.done("init --name head-office --root-passphrase-file root.pass");
        place.done("product set 3012");
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

    fn openssl(&self, arguments: &str) -> String {
        let output =
            Command::new("openssl").current_dir(self.0.path()).args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn a_common_certificate_is_made_exported_once_and_stopped() {
    let place = Place::new();
    let made = place.done("common-certificate make 3012");
    assert_eq!((&made[0]["batch"], &made[0]["exported"]), (&"3012-1".into(), &Value::Null));
    place.done("common-certificate export 3012-1 --pem common.pem --json-file common.json");
    for file in ["common.pem", "common.json"] {
        assert_eq!(fs::metadata(place.path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    place.refused("common-certificate export 3012-1 --pem again.pem", "never shown again");
    assert!(!place.path("again.pem").exists());

    // The firmware build finds a certificate and its key; openssl takes it for no client's certificate.
    let of = |what: &str| place.openssl(&format!("{what} -in common.pem -pubout")).replace('\n', "");
    let certified = place.openssl("x509 -in common.pem -noout -pubkey").replace('\n', "");
    assert_eq!(of("pkey"), certified);
    let purposes = place.openssl("x509 -in common.pem -noout -purpose");
    assert!(purposes.contains("SSL client : No") && purposes.contains("SSL server : No"), "{purposes}");
    let file = CommonCertificateFile::read(&place.path("common.json")).unwrap();
    assert_eq!(file.batch.to_string(), "3012-1");

    place.done("common-certificate stop 3012-1 --reason leaked");
    place.refused("common-certificate stop 3012-1 --reason again", "stopped already");
    place.done("common-certificate make 3012 --unproved-a-day 3");
    let listed = place.done("common-certificate list");
    assert_eq!((&listed[0]["batch"], &listed[0]["stopReason"]), (&"3012-1".into(), &"leaked".into()));
    assert_eq!((&listed[1]["batch"], &listed[1]["unprovedADayMax"]), (&"3012-2".into(), &3.into()));
    assert_eq!((&listed[1]["unprovedToday"], &listed[1]["falseProofsToday"]), (&0.into(), &0.into()));
    place.refused("common-certificate enable --root-passphrase-file root.pass", "already");
    place.refused("common-certificate enable --root-passphrase-file unlock", "cannot open the root's key");
}
