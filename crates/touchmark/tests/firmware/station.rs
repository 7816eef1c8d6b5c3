//! The firmware on the production line: authority and gateway over TLS, and the station's own program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use device::slots::UNIT_BYTES;
use identity::Clock;
use identity::profile::{CredentialProfile, Sealing, SymmetricForm};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use tempfile::TempDir;
use touchmark::plant::Plant;
use touchmark::plant::figures::Figures;
use touchmark::surroundings::{SystemClock, SystemRandom};

use crate::UID;
use crate::machine::{Machine, build};
use crate::packs;
use crate::port::{Port, frame, transmission};
use crate::resets::PACK_SLOTS;

/// A plant with stock for the first numbers of the figures, a station's program that has joined it, and
/// firmware that was built with the plant's pre-write key.
struct Line {
    plant: Plant,
    station: PathBuf,
    firmware: PathBuf,
    _directory: TempDir,
}

impl Line {
    async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let now = Timestamp::from_second(SystemClock.epoch_seconds()).unwrap();
        let today = now.to_zoned(TimeZone::UTC).date();
        let mut blueprint = Figures::read(Some(8)).unwrap().blueprint(directory.path(), today).unwrap();
        let product = blueprint.products.iter_mut().find(|product| product.code.as_str() == "3012").unwrap();
        let certificate = CredentialProfile::PLAIN_CERTIFICATE.certificate();
        let symmetric = Some(SymmetricForm::Opened);
        product.profile = CredentialProfile::new(certificate, symmetric, Sealing::PreWriteKey).unwrap();
        let mut plant =
            Plant::start(&blueprint, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
        assert_eq!(plant.fill_stock().await.unwrap(), 2 * 8, "certificates, and as many pass phrases");
        let token = plant.invite_station(&"line-1".parse().unwrap()).await.unwrap();
        let station = directory.path().join("station");
        let joined = touchmark(&station, &["join", &token.to_text()]).output().unwrap();
        assert!(joined.status.success(), "{joined:?}");
        let key = plant.firmware_keys().of(&"3012".parse().unwrap()).unwrap();
        let firmware = build(&key, &format!("firmware-{}", key.identifier()));
        Self { plant, station, firmware, _directory: directory }
    }

    /// The program that writes the device at this port.
    fn write(&self, scan: &str, port: u16) -> Command {
        touchmark(&self.station, &["write", "--scan", scan, "--device", &format!("tcp:127.0.0.1:{port}")])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_program_provisions_the_device() {
    let line = Line::start().await;
    let mut machine = Machine::start_with(&line.firmware, UID);
    let port = machine.port();
    // Somebody has talked to the device before and was cut off.
    let [other] = packs::issue(["3012-000001"]);
    let mut stranger = Port::open(port);
    let request = frame(&transmission(stranger.identify().session, &other));
    stranger.send(&request[..request.len() / 2]);
    drop(stranger);

    let wrong = line.write("A123-654321", port).output().unwrap();
    assert_eq!((verdict(&wrong)["verdict"].as_str(), wrong.status.code()), (Some("red"), Some(1)));
    assert_eq!(verdict(&wrong)["code"], "wrong-product");

    let written = line.write("3012-123456", port).output().unwrap();
    assert_eq!(verdict(&written)["verdict"], "green", "{written:?}");
    assert_eq!(verdict(&written)["hardwareUid"], hex::encode(UID));
    assert_written(&mut Port::open(port));
    line.plant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_program_sees_a_device_through_a_reset() {
    let line = Line::start().await;
    let mut machine = Machine::start_with(&line.firmware, UID);
    let port = machine.port();
    // The reset comes when half of the commit word is written.
    let word = PACK_SLOTS.map(|slot| slot + UNIT_BYTES as u32 * 3 / 2);
    let mut debugger = machine.debug();
    let mut program = None;
    debugger.run_over_writes(&word, 2, || {
        let command = &mut line.write("3012-123456", port);
        program = Some(command.stdout(Stdio::piped()).spawn().unwrap());
    });
    machine.reset();
    debugger.detach();

    let written = program.unwrap().wait_with_output().unwrap();
    assert_eq!(verdict(&written)["verdict"], "green", "{written:?}");
    assert_written(&mut Port::open(port));
    line.plant.stop().await;
}

/// Fails unless the device is confirmed and uses both of its credentials.
fn assert_written(port: &mut Port) {
    let identity = port.identify();
    assert_eq!(identity.holding, Some("3012-123456".parse().unwrap()));
    assert!(identity.confirmed);
    let result = port.prove(identity.session, [5; 32]);
    assert_eq!((result.signature.len(), result.confirmation.is_some()), (64, true));
}

/// `touchmark station ...` with its things in this directory.
fn touchmark(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
    command.arg("station").args(arguments).arg("--data").arg(data).arg("--json");
    // The device that falls silent is asked again after this time.
    command.env("TOUCHMARK_STATION_DEVICE_SECONDS", "4");
    command
}

/// What the program printed of a scan.
fn verdict(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap_or_else(|_| panic!("{output:?}"))
}
