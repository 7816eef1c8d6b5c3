//! openssl verifies the certificates, shows them as described, and opens the root's key file.

use std::path::Path;
use std::process::{Command, Output};

use identity::profile::KeyAlgorithm;
use pki::{
    DeviceCredential, DeviceProfile, KeyFileError, NO_EXPIRY, Validity, certificate_pem, decrypt_key,
    encrypt_key,
};

use crate::plant::{NOW, Plant, SystemRandom, plant};

const PASSPHRASE: &[u8] = b"correct-horse";

fn openssl(directory: &Path, arguments: &str) -> Output {
    let arguments = arguments.split(' ');
    Command::new("openssl").args(arguments).current_dir(directory).output().expect("openssl is installed")
}

fn shown(directory: &Path, arguments: &str) -> String {
    let output = openssl(directory, arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn assert_shows(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

/// The PEM files of a plant in a directory of their own.
fn files() -> tempfile::TempDir {
    let plant = plant();
    files_of(&plant, &plant.device)
}

fn files_of(plant: &Plant, device: &DeviceCredential) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, der) in [
        ("root", plant.root.certificate()),
        ("issuing", plant.issuing.certificate()),
        ("plant", plant.plant.certificate()),
        ("device", device.certificate.as_slice()),
        ("member", plant.member.as_slice()),
    ] {
        std::fs::write(directory.path().join(format!("{name}.pem")), certificate_pem(der)).unwrap();
    }
    std::fs::write(directory.path().join("device-key.der"), &device.secret_key).unwrap();
    directory
}

#[test]
fn openssl_verifies_the_chains() {
    let files = files();
    let verify = "verify -x509_strict -check_ss_sig -attime 1770000000 -CAfile root.pem";
    let device =
        shown(files.path(), &format!("{verify} -untrusted issuing.pem -purpose sslclient device.pem"));
    assert_eq!(device, "device.pem: OK\n");
    for purpose in ["sslclient", "sslserver"] {
        let member = format!("{verify} -untrusted plant.pem -purpose {purpose} member.pem");
        assert_eq!(shown(files.path(), &member), "member.pem: OK\n");
    }
    let server = format!("{verify} -untrusted issuing.pem -purpose sslserver device.pem");
    assert!(!openssl(files.path(), &server).status.success(), "a device is no server");
    let wrong_ca = format!("{verify} -untrusted plant.pem device.pem");
    assert!(!openssl(files.path(), &wrong_ca).status.success(), "the plant CA signed no device");
}

#[test]
fn openssl_shows_a_device_certificate_as_ieee_802_1ar_describes() {
    let files = files();
    let text = shown(files.path(), "x509 -in device.pem -noout -text");
    assert_shows(
        &text,
        &[
            "Version: 3 (0x2)",
            "Signature Algorithm: ecdsa-with-SHA256",
            "Issuer: O = Example Works, CN = test devices",
            "Not After : Dec 31 23:59:59 9999 GMT",
            "Subject: O = Example Works, serialNumber = 3012-123456",
            "NIST CURVE: P-256",
            "X509v3 Basic Constraints: critical\n                CA:FALSE",
            "X509v3 Key Usage: critical\n                Digital Signature\n",
            "X509v3 Extended Key Usage: \n                TLS Web Client Authentication\n",
            "X509v3 Subject Key Identifier:",
            "X509v3 Authority Key Identifier:",
        ],
    );
    let key = shown(files.path(), "pkey -inform DER -in device-key.der -pubout");
    assert_eq!(key, shown(files.path(), "x509 -in device.pem -noout -pubkey"));
}

#[test]
fn openssl_verifies_and_shows_a_device_with_a_key_on_p384() {
    let plant = plant();
    let profile = DeviceProfile { organization: None, key_algorithm: KeyAlgorithm::P384 };
    let validity = Validity::new(NOW, NO_EXPIRY).unwrap();
    let number = "A123-654321".parse().unwrap();
    let prepared = plant.issuing.prepare(&profile, &number, validity, &SystemRandom).unwrap();
    let device = plant.issuing.issue(prepared).unwrap();
    let files = files_of(&plant, &device);
    let verified = shown(
        files.path(),
        "verify -x509_strict -attime 1770000000 -CAfile root.pem -untrusted issuing.pem \
         -purpose sslclient device.pem",
    );
    assert_eq!(verified, "device.pem: OK\n");
    let text = shown(files.path(), "x509 -in device.pem -noout -text");
    assert_shows(
        &text,
        &[
            "Signature Algorithm: ecdsa-with-SHA256",
            "NIST CURVE: P-384",
            "Subject: serialNumber = A123-654321",
        ],
    );
    let key = shown(files.path(), "pkey -inform DER -in device-key.der -pubout");
    assert_eq!(key, shown(files.path(), "x509 -in device.pem -noout -pubkey"));
}

#[test]
fn openssl_shows_the_cas_and_a_member() {
    let files = files();
    let root = shown(files.path(), "x509 -in root.pem -noout -text");
    let ca_usage = "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n";
    assert_shows(&root, &["NIST CURVE: P-384", "ecdsa-with-SHA384", "CA:TRUE, pathlen:1", ca_usage]);
    let issuing = shown(files.path(), "x509 -in issuing.pem -noout -text");
    assert_shows(&issuing, &["NIST CURVE: P-256", "ecdsa-with-SHA384", "CA:TRUE, pathlen:0", ca_usage]);
    let member = shown(files.path(), "x509 -in member.pem -noout -text");
    assert_shows(
        &member,
        &[
            "Subject: CN = osaka",
            "URI:urn:touchmark:gateway:osaka",
            "TLS Web Server Authentication, TLS Web Client Authentication",
            "Not After : Feb  3 00:00:00 2027 GMT",
        ],
    );
}

#[test]
fn openssl_opens_the_root_key_file() {
    let plant = plant();
    let pem = encrypt_key(plant.root.key(), PASSPHRASE, &SystemRandom).unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("root-key.pem"), pem.as_bytes()).unwrap();
    std::fs::write(directory.path().join("root.pem"), certificate_pem(plant.root.certificate())).unwrap();
    let opened = shown(directory.path(), "pkey -in root-key.pem -passin pass:correct-horse -pubout");
    assert_eq!(opened, shown(directory.path(), "x509 -in root.pem -noout -pubkey"));
}

#[test]
fn the_root_key_file_opens_with_its_passphrase_only() {
    let plant = plant();
    let pem = encrypt_key(plant.root.key(), PASSPHRASE, &SystemRandom).unwrap();
    let opened = decrypt_key(&pem, PASSPHRASE, KeyAlgorithm::P384).unwrap();
    assert_eq!(opened.public_point(), plant.root.key().public_point());
    let refused =
        |pem: &str, passphrase: &[u8]| decrypt_key(pem, passphrase, KeyAlgorithm::P384).err().unwrap();
    assert!(matches!(refused(&pem, b"correct-house"), KeyFileError::WrongPassphrase));
    assert!(matches!(refused("no key at all", PASSPHRASE), KeyFileError::NotAKeyFile));
    let certificate = certificate_pem(plant.root.certificate());
    assert!(matches!(refused(&certificate, PASSPHRASE), KeyFileError::NotAKeyFile));
}
