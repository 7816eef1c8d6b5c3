//! `touchmark certificate verify` as someone meets it who is no member: with files, as openssl would have them.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use identity::{Clock, RevocationReason};
use pki::{
    CrlContent, CrlPartition, DeviceProfile, IssuingCa, NO_EXPIRY, Publication, RevokedCertificate, Root,
    Validity, certificate_pem,
};
use serde_json::Value;
use tempfile::TempDir;
use touchmark::surroundings::{SystemClock, SystemRandom};

/// A device's certificate with those above it, and who signs the CRLs.
struct Place {
    files: TempDir,
    issuing: IssuingCa,
    serial: Vec<u8>,
    now: i64,
}

impl Place {
    fn new() -> Self {
        let now = SystemClock.epoch_seconds();
        let forever = Validity::new(now - 60, NO_EXPIRY).unwrap();
        let name = |text: &str| text.parse().unwrap();
        let root = Root::create(None, &name("root"), forever, &SystemRandom).unwrap();
        let ca = root.issue_ca(None, &name("devices"), forever, &SystemRandom).unwrap();
        let publication = Publication::new("http://pki.example".parse().unwrap(), "issuing");
        let issuing = IssuingCa::open(ca.certificate, ca.key).unwrap().published(publication);
        let profile =
            DeviceProfile { organization: None, key_algorithm: identity::profile::KeyAlgorithm::P256 };
        let number = "3012-123456".parse().unwrap();
        let prepared = issuing.prepare(&profile, &number, forever, &SystemRandom).unwrap();
        let serial = prepared.certificate().serial().as_bytes().to_vec();
        let device = issuing.issue(prepared).unwrap();
        let place = Self { files: tempfile::tempdir().unwrap(), issuing, serial, now };
        for (name, der) in [
            ("root.pem", root.certificate()),
            ("issuing.pem", place.issuing.certificate()),
            ("device.pem", device.certificate.as_slice()),
        ] {
            fs::write(place.path().join(name), certificate_pem(der)).unwrap();
        }
        place
    }

    fn path(&self) -> &Path {
        self.files.path()
    }

    /// Publishes a CRL of the device's partition that has so many seconds left, and lists it or not.
    fn publish(&self, name: &str, (number, base): (u64, Option<u64>), left: i64, is_listed: bool) {
        let revoked = RevokedCertificate {
            serial: self.serial.clone(),
            revoked: self.now - 50,
            reason: RevocationReason::KeyCompromise,
        };
        let content = CrlContent {
            partition: CrlPartition::of(&self.serial),
            number,
            base,
            this_update: self.now - 40,
            next_update: self.now + left,
            revoked: Some(revoked).filter(|_| is_listed).into_iter().collect(),
        };
        fs::write(self.path().join(name), self.issuing.sign_crl(&content).unwrap()).unwrap();
    }

    fn verify(&self, arguments: &str) -> Output {
        let trust = ["device.pem", "--root", "root.pem", "--issuing", "issuing.pem"];
        let mut touchmark = Command::new(env!("CARGO_BIN_EXE_touchmark"));
        touchmark.current_dir(self.path()).args(["certificate", "verify", "--json"]).args(trust);
        touchmark.args(arguments.split(' ')).output().unwrap()
    }

    fn refused(&self, arguments: &str, said: &str) {
        let output = self.verify(arguments);
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && words.contains(said), "{arguments}: {words}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn a_certificate_passes_while_current_lists_of_its_ca_do_not_name_it() {
    let place = Place::new();
    place.publish("clean.crl", (6, None), 3_600, false);
    place.publish("quiet-delta.crl", (7, Some(6)), 3_600, false);
    place.publish("delta.crl", (8, Some(6)), 3_600, true);
    place.publish("listing.crl", (9, None), 3_600, true);
    place.publish("old.crl", (5, None), -10, false);
    for lists in ["--crl clean.crl", "--crl clean.crl --crl quiet-delta.crl", "--crl old.crl --crl clean.crl"]
    {
        let output = place.verify(lists);
        assert!(output.status.success(), "{lists}: {}", String::from_utf8_lossy(&output.stderr));
        let verified: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(verified["deviceNumber"], "3012-123456");
    }
    let revoked = "was revoked by its CA";
    place.refused("--crl listing.crl", revoked);
    place.refused("--crl clean.crl --crl delta.crl --crl quiet-delta.crl", revoked);
    place.refused("--crl clean.crl --crl listing.crl --crl quiet-delta.crl", revoked);

    let unknown = "no current revocation list of its CA says";
    place.refused("--crl old.crl", unknown);
    place.refused("--crl quiet-delta.crl", unknown);
    let later = jiff::Timestamp::from_second(place.now + 7_200).unwrap();
    place.refused(&format!("--crl clean.crl --at {later}"), unknown);
    place.refused("--crl clean.crl --whole-path", unknown);
}

#[test]
fn lists_that_another_signed_or_that_are_about_others_say_nothing() {
    let (place, other) = (Place::new(), Place::new());
    other.publish("other.crl", (6, None), 3_600, false);
    fs::copy(other.path().join("other.crl"), place.path().join("other.crl")).unwrap();
    place.refused("--crl other.crl", "no current revocation list of its CA says");
    place.refused("--crl device.pem", "device.pem is of no use");
    place.publish("clean.crl", (6, None), 3_600, false);
    let mut changed = fs::read(place.path().join("clean.crl")).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(place.path().join("changed.crl"), changed).unwrap();
    place.refused("--crl changed.crl", "no current revocation list of its CA says");
    let no_list = place.verify("--whole-path");
    assert_eq!(no_list.status.code(), Some(2));
}
