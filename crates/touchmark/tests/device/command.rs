//! `touchmark device ...` as processes, and openssl as the judge of what they export.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tokio::net::TcpStream;

use super::writer::{NUMBER, OpensslPack, Writer, openssl};

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

#[test]
fn mistakes_are_named_and_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    fs::write(directory.join("letter.txt"), "Dear Sir or Madam").unwrap();
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
