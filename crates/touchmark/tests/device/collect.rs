//! A device is made while its authority cannot be asked, and collects its certificate afterwards.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use identity::Clock;
use identity::profile::{CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use touchmark::emulator::EmulatedDevice;
use touchmark::plant::Plant;
use touchmark::plant::figures::Figures;
use touchmark::surroundings::{SystemClock, SystemRandom};

use super::writer::{NUMBER, openssl};

/// A plant that makes one device of 3012, with a key of its own.
async fn plant(directory: &Path, algorithm: KeyAlgorithm) -> Plant {
    let now = Timestamp::from_second(SystemClock.epoch_seconds()).unwrap();
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut blueprint = Figures::read(Some(8)).unwrap().blueprint(directory, today).unwrap();
    let product = blueprint.products.iter_mut().find(|product| product.code.as_str() == "3012").unwrap();
    let certificate = Some(CertificateProfile { algorithm, origin: KeyOrigin::Device });
    product.profile = CredentialProfile::new(certificate, None, Sealing::Plain).unwrap();
    let mut plant = Plant::start(&blueprint, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
    plant.fill_stock().await.unwrap();
    plant
}

fn touchmark(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
    command.args(arguments).arg("--json").current_dir(directory);
    command
}

fn done(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_written_offline_and_certified_at_its_first_call() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let plant = plant(directory, KeyAlgorithm::P384).await;
    let token = plant.invite_station(&"line-1".parse().unwrap()).await.unwrap();
    done(
        &touchmark(directory, &["station", "join", &token.to_text(), "--data", "station"]).output().unwrap(),
    );

    let blank = ["--flash", "a.flash", "--product", "3012", "--hardware-uid", "00112233"];
    let emulate = [&["device", "emulate", "--key-algorithm", "p-384"], &blank[..]].concat();
    let mut emulation = touchmark(directory, &emulate).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(emulation.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let started: Value = serde_json::from_str(&line).unwrap();

    plant.link.cut();
    let address = started["address"].as_str().unwrap();
    let write = ["station", "write", "--scan", NUMBER, "--device", address, "--data", "station"];
    let written = done(&touchmark(directory, &write).output().unwrap());
    assert_eq!(written["verdict"], "green", "{written}");
    emulation.kill().unwrap();
    emulation.wait().unwrap();
    let flash = directory.join("a.flash");
    let held = EmulatedDevice::open(&flash, 1).unwrap().pack().unwrap().unwrap();
    assert!(held.client_certificate.is_empty() && !held.secret_key.is_empty());

    plant.link.restore();
    let url = format!("https://{}", plant.link.address());
    let root = &token.root_sha256;
    let authority = ["--authority", &url, "--authority-name", "head-office", "--root-sha256", root];
    let collect = [&["device", "collect", "--flash", "a.flash"], &authority[..]].concat();
    let mut collected = touchmark(directory, &collect).output().unwrap();
    for _ in 0..100 {
        if collected.status.success() {
            break;
        }
        // The gateway reports within some seconds once the link is back, and the authority then signs.
        tokio::time::sleep(Duration::from_millis(200)).await;
        collected = touchmark(directory, &collect).output().unwrap();
    }
    let collected = done(&collected);
    assert_eq!(collected["deviceNumber"], NUMBER);
    assert_eq!(done(&touchmark(directory, &collect).output().unwrap()), collected, "it may ask again");

    done(
        &touchmark(directory, &["device", "export", "--flash", "a.flash", "--out", "held"]).output().unwrap(),
    );
    let chain = ["-CAfile", "held/root.pem", "-untrusted", "held/client.pem", "held/client.pem"];
    assert_eq!(openssl(directory, &[&["verify"], &chain[..]].concat()), "held/client.pem: OK\n");
    let of_key = openssl(directory, &["pkey", "-in", "held/key.pem", "-pubout"]);
    assert_eq!(of_key, openssl(directory, &["x509", "-in", "held/client.pem", "-noout", "-pubkey"]));
    plant.stop().await;
}
