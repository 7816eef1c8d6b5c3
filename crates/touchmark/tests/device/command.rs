//! `touchmark device ...` as processes, and openssl as the judge of what they export.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use base64::prelude::{BASE64_STANDARD, Engine};
use identity::DeviceNumber;
use identity::line::{Answer, Key, Refusal, Request};
use seal::{Binding, ChipPublicKey, PreWriteKey, SEALED_OVERHEAD_MAX};
use serde_json::Value;
use tokio::net::TcpStream;
use touchmark::surroundings::SystemRandom;

use super::writer::{NUMBER, OpensslPack, Writer, openssl, openssl_bytes};

fn touchmark(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
    command.arg("device").args(arguments).current_dir(directory);
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    touchmark(directory, arguments).output().unwrap()
}

fn json(directory: &Path, arguments: &[&str]) -> Value {
    let output = run(directory, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A running `device emulate`, and what it printed.
struct Emulation {
    process: Child,
    started: Value,
}

impl Emulation {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = touchmark(directory, &[&["emulate", "--json"], arguments].concat());
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { started: serde_json::from_str(&line).unwrap(), process }
    }

    async fn connect(&self) -> Writer<TcpStream> {
        let address = self.started["address"].as_str().unwrap().strip_prefix("tcp:").unwrap();
        Writer(TcpStream::connect(address).await.unwrap())
    }
}

impl Drop for Emulation {
    /// Without warning, as a power cut: what was answered must be in the file.
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

const BLANK: [&str; 6] = ["--flash", "a.flash", "--product", "3012", "--hardware-uid", "00112233"];

#[tokio::test]
async fn openssl_reads_and_verifies_what_a_device_holds() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let pack = OpensslPack::make(directory);
    let emulation = Emulation::start(directory, &BLANK);
    assert_eq!(emulation.started["hardwareUid"], "00112233");
    emulation.connect().await.make(pack.pack()).await.unwrap();
    drop(emulation);

    let shown = json(directory, &["show", "--flash", "a.flash"]);
    assert_eq!(shown["holding"], NUMBER);
    assert_eq!(shown["confirmed"], true);
    let exported = json(directory, &["export", "--flash", "a.flash", "--out", "held"]);
    assert_eq!(exported["deviceNumber"], NUMBER);

    let verified = openssl(
        directory,
        &["verify", "-CAfile", "held/root.pem", "-untrusted", "held/client.pem", "held/client.pem"],
    );
    assert_eq!(verified, "held/client.pem: OK\n");
    let subject = openssl(directory, &["x509", "-in", "held/client.pem", "-noout", "-subject"]);
    assert_eq!(subject, format!("subject=serialNumber = {NUMBER}\n"));
    let of_key = openssl(directory, &["pkey", "-in", "held/key.pem", "-pubout"]);
    let of_certificate = openssl(directory, &["x509", "-in", "held/client.pem", "-noout", "-pubkey"]);
    assert_eq!(of_key, of_certificate);
    let certificates = fs::read_to_string(directory.join("held/client.pem")).unwrap();
    assert_eq!(certificates.matches("BEGIN CERTIFICATE").count(), 2, "leaf and issuing CA");
    let mode = |file| fs::metadata(directory.join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("held/key.pem"), mode("held/client.pem")), (0o600, 0o644));
}

#[tokio::test]
async fn a_killed_device_comes_back_as_it_answered() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let pack = OpensslPack::make(directory);
    let emulation = Emulation::start(directory, &BLANK);
    let mut writer = emulation.connect().await;
    let session = writer.identify().await.unwrap().session;
    writer.send(session, pack.pack()).await.unwrap();
    drop(emulation);

    let emulation = Emulation::start(directory, &["--flash", "a.flash"]);
    let identity = emulation.connect().await.identify().await.unwrap();
    assert_eq!((identity.holding, identity.confirmed), (Some(NUMBER.parse().unwrap()), false));
    assert_ne!(identity.session, session);
}

/// A key file as `authority pre-write-key export --json-file` writes it, and the key in it.
fn key_file(directory: &Path, name: &str, product: &str) -> PreWriteKey {
    let key = [0x77; 32];
    let file = serde_json::json!({
        "product": product, "keyIdentifier": "3012-1", "key": BASE64_STANDARD.encode(key),
    });
    fs::write(directory.join(name), file.to_string()).unwrap();
    PreWriteKey::new("3012-1".parse().unwrap(), &key)
}

fn sealed(secret: &[u8], seal: impl FnOnce(&Binding, &mut [u8]) -> usize) -> Vec<u8> {
    let mut sealed = vec![0; secret.len() + SEALED_OVERHEAD_MAX];
    let number: DeviceNumber = NUMBER.parse().unwrap();
    let length =
        seal(&Binding { product: number.product(), credential: &number.clone().into() }, &mut sealed);
    sealed.truncate(length);
    sealed
}

#[tokio::test]
async fn a_device_opens_what_is_sealed_under_its_keys() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let pack = OpensslPack::make(directory);
    let secret = &pack.secret_key;
    let pre_write_key = key_file(directory, "key.json", "3012");
    let for_chip = pre_write_key.for_chip(&"00112233".parse().unwrap());
    openssl(
        directory,
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "chip.pem"],
    );
    let point = openssl_bytes(directory, &["pkey", "-in", "chip.pem", "-pubout", "-outform", "DER"]);
    let chip_key = ChipPublicKey::new(&point[point.len() - ChipPublicKey::BYTES..]).unwrap();

    let under =
        |key: &PreWriteKey| sealed(secret, |to, out| key.seal(to, secret, &SystemRandom, out).unwrap().len());
    let to_chip = sealed(secret, |to, out| chip_key.seal(to, secret, &SystemRandom, out).unwrap().len());
    for (number, (keys, sealed)) in [
        (&["--pre-write-key", "key.json"][..], under(&pre_write_key)),
        (&["--pre-write-key", "key.json", "--derive-for-chip"], under(&for_chip)),
        (&["--chip-key", "chip.pem"], to_chip),
    ]
    .into_iter()
    .enumerate()
    {
        let flash = format!("{number}.flash");
        let blank = ["--flash", &flash, "--product", "3012", "--hardware-uid", "00112233"];
        let without = Emulation::start(directory, &blank);
        let mut writer = without.connect().await;
        let session = writer.identify().await.unwrap().session;
        let answer = writer.send(session, pack.pack_with(Key::Sealed(&sealed))).await.unwrap();
        assert!(matches!(answer, Answer::Refused(Refusal::WrongKey | Refusal::NotOpened)), "{answer:?}");
        drop(without);

        let emulation = Emulation::start(directory, &[&blank[..2], keys].concat());
        emulation.connect().await.make(pack.pack_with(Key::Sealed(&sealed))).await.unwrap();
        drop(emulation);
        json(directory, &["export", "--flash", &flash, "--out", "held"]);
        let key = openssl_bytes(
            directory,
            &["pkcs8", "-in", "held/key.pem", "-topk8", "-nocrypt", "-outform", "DER"],
        );
        assert_eq!(key, *secret);
    }
}

#[tokio::test]
async fn openssl_verifies_the_request_for_a_key_that_a_device_makes() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for (algorithm, curve) in [("p-256", "prime256v1"), ("p-384", "secp384r1")] {
        let flash = format!("{algorithm}.flash");
        let arguments = ["--flash", &flash, "--product", "3012", "--hardware-uid", "00112233"];
        let emulation =
            Emulation::start(directory, &[&arguments[..], &["--key-algorithm", algorithm]].concat());
        let mut writer = emulation.connect().await;
        let session = writer.identify().await.unwrap().session;
        let request = Request::KeyRequest { session, device_number: NUMBER.parse().unwrap() };
        let Answer::SigningRequest(request) = writer.ask(&request).await.unwrap() else {
            panic!("no request")
        };
        fs::write(directory.join("request"), &request.0).unwrap();
        let shown = ["req", "-inform", "DER", "-in", "request", "-noout", "-verify", "-subject", "-text"];
        let shown = openssl(directory, &shown);
        assert!(shown.contains(&format!("subject=serialNumber = {NUMBER}")), "{shown}");
        assert!(shown.contains(&format!("ASN1 OID: {curve}")), "{shown}");
    }
}

#[test]
fn mistakes_are_named_and_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    fs::write(directory.join("letter.txt"), "Dear Sir or Madam").unwrap();
    key_file(directory, "a123.json", "A123");
    drop(Emulation::start(directory, &BLANK));
    let before = fs::read(directory.join("a.flash")).unwrap();
    let another = ["emulate", "--flash", "a.flash", "--product", "A123", "--hardware-uid", "00112233"];
    for (arguments, code, words) in [
        (&another[..], 2, "is the memory of a 3012"),
        (&["emulate", "--flash", "none.flash"], 2, "none.flash does not exist"),
        (&["emulate", "--flash", "a.flash", "--listen", "carrier pigeon"], 2, "an address is tcp:HOST:PORT"),
        (
            &["emulate", "--flash", "a.flash", "--listen", "serial:nowhere"],
            1,
            "cannot answer at serial:nowhere",
        ),
        (&["emulate", "--flash", "letter.txt"], 1, "not the flash file of an emulated device"),
        (&["emulate", "--flash", "a.flash", "--pre-write-key", "letter.txt"], 2, "holds no pre-write key"),
        (&["emulate", "--flash", "a.flash", "--pre-write-key", "a123.json"], 2, "is a key of A123"),
        (&["emulate", "--flash", "a.flash", "--derive-for-chip"], 2, "--pre-write-key"),
        (&["emulate", "--flash", "a.flash", "--chip-key", "letter.txt"], 2, "holds no P-256 key"),
        (&["emulate", "--flash", "a.flash", "--key-algorithm", "rsa"], 2, "p-256 or p-384"),
        (&["export", "--flash", "a.flash", "--out", "held"], 1, "holds no pack"),
        (&["show", "--flash", "none.flash"], 1, "cannot open none.flash"),
    ] {
        let output = run(directory, arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    assert_eq!(fs::read(directory.join("a.flash")).unwrap(), before);
    assert!(!directory.join("held").exists());
}
