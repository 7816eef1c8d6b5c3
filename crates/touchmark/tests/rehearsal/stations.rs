//! Stations: ours masters every case, and what a credulous one gets wrong is found.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use identity::profile::KeyOrigin;
use message::allotment::Allotment;
use message::lease::{AttemptId, Lease, LeaseRequest};
use message::result::{WriteOutcome, WriteResultResponse, WriteResultTransmission};
use serde_json::Value;
use station::device::{Device, DeviceError, WriteError};
use tempfile::TempDir;
use touchmark::rehearsal::Outcome;
use touchmark::rehearsal::candidate::{Candidate, Task};
use touchmark::surroundings::{SystemClock, SystemRandom};
use transport::{Client, join};

async fn candidate() -> (Candidate, Client) {
    let candidate =
        Candidate::start("127.0.0.1", Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap();
    let token = candidate.invite().unwrap();
    let joined = join(&token, Arc::new(SystemClock)).await.unwrap();
    let trust = cert::tls::HostTrust::Plant(joined.trust().unwrap());
    let credential = joined.credential().unwrap();
    let client =
        Client::new(trust, Some(&credential), token.host, &token.url, Arc::new(SystemClock)).unwrap();
    (candidate, client)
}

#[tokio::test]
async fn our_station_masters_every_case() {
    let (candidate, client) = candidate().await;
    let directory = TempDir::new().unwrap();
    let limits = station::Limits { device_step: Duration::from_secs(2), gateway: Duration::from_secs(5) };
    let station = station::Station::new(client, directory.path(), Arc::new(SystemRandom), limits).unwrap();
    assert!(candidate.verdicts().iter().all(|verdict| verdict.outcome == Outcome::NotTried));
    for task in candidate.tasks() {
        let address = format!("tcp:{}", task.device).parse().unwrap();
        // What comes of it is the rehearsal's to judge.
        drop(station.write(&task.scan.to_string(), &address).await);
    }
    for verdict in candidate.verdicts() {
        assert_eq!(verdict.outcome, Outcome::Passed, "{verdict:?}");
    }
}

/// Writes a device as one who believes everything and tries everything once.
async fn write_credulously(gateway: &Client, task: &Task) -> Result<(), Box<dyn std::error::Error>> {
    let allotment: Allotment = gateway.get_json("/v1/allotment").await?;
    let product = allotment.products.iter().find(|product| product.product == *task.scan.product());
    let is_born = product.and_then(|product| product.credentials.0.certificate());
    let is_born = is_born.is_some_and(|certificate| certificate.origin == KeyOrigin::Device);
    let mut device = Device::at(&format!("tcp:{}", task.device).parse()?, Duration::from_secs(2));
    let identity = device.identify().await?;
    let signing_request = if is_born { Some(device.make_key(&identity, &task.scan).await?) } else { None };
    let mut attempt = [0; 16];
    identity::Random::fill(&SystemRandom, &mut attempt);
    let request = LeaseRequest {
        attempt: AttemptId::new(attempt),
        device_number: task.scan.clone(),
        product: task.scan.product().clone(),
        hardware_uid: identity.hardware_uid.clone(),
        key_identifier: None,
        chip_key: None,
        signing_request,
    };
    let lease: Lease = gateway.post_json("/v1/leases", &request).await?;
    let outcome = match device.write(&identity, &task.scan, &lease.pack, [1; 32]).await {
        Ok(proof) => WriteOutcome::Ok { proof },
        Err(WriteError::NotTaken(refusal)) => {
            WriteOutcome::NoGood { reason: refusal.to_string(), untouched: false }
        }
        Err(WriteError::Unknown(DeviceError::NoAnswer(reason))) => {
            WriteOutcome::NoGood { reason, untouched: true }
        }
        Err(WriteError::Unknown(error)) => return Err(error.into()),
    };
    let result =
        WriteResultTransmission { attempt: request.attempt, device_number: task.scan.clone(), outcome };
    // Whatever the gateway says of it.
    let _: Result<WriteResultResponse, _> = gateway.post_json("/v1/results", &result).await;
    Ok(device.confirm(identity.session).await?)
}

#[tokio::test]
async fn what_a_credulous_station_gets_wrong_is_found() {
    let (candidate, gateway) = candidate().await;
    for task in candidate.tasks() {
        drop(write_credulously(&gateway, task).await);
    }
    let verdicts = candidate.verdicts();
    let passed: Vec<_> = verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Passed).collect();
    let passed: Vec<&str> = passed.iter().map(|verdict| verdict.case).collect();
    assert_eq!(passed, ["good", "sealed", "own-key", "owed-certificate", "storage-fails", "lost-answer"]);
    assert!(verdicts.iter().all(|verdict| verdict.outcome != Outcome::NotTried));
}

/// `touchmark station ...` with JSON output.
fn touchmark(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
    command.arg("station").args(arguments).arg("--json");
    command.env("TOUCHMARK_STATION_DEVICE_SECONDS", "2");
    command
}

#[test]
fn the_program_qualifies_itself() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().to_str().unwrap();
    let mut rehearsal = touchmark(&["rehearse", "--listen"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(rehearsal.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let invited = next();
    let joined = touchmark(&["join", invited["token"].as_str().unwrap(), "--data", data]).output().unwrap();
    assert!(joined.status.success(), "{joined:?}");
    let cases = touchmark::rehearsal::candidate::Case::ALL.len();
    for _ in 0..cases {
        let task = next();
        let (scan, device) = (task["scan"].as_str().unwrap(), task["device"].as_str().unwrap());
        let written = touchmark(&["write", "--scan", scan, "--device", device, "--data", data]).output();
        assert!(written.unwrap().status.code().is_some(), "{task}");
    }
    writeln!(rehearsal.stdin.take().unwrap()).unwrap();
    for _ in 0..cases {
        let verdict = next();
        assert_eq!(verdict["outcome"], "passed", "{verdict}");
    }
    assert!(rehearsal.wait().unwrap().success());
    assert!(Path::new(data).join("attempts").exists());
}
