//! Packs of every kind, and what a station finds out about the devices that take them.

use std::path::Path;
use std::sync::{Arc, Mutex};

use identity::line::{Answer, VersionRange};
use message::bytes::Bytes;
use message::pack::{CredentialPack, PackKey};
use message::problem::ProblemCode;
use message::result::{Proof, WriteOutcome};
use p256::SecretKey;
use p256::pkcs8::DecodePrivateKey;
use seal::PreWriteKey;
use serde_json::Value;
use station::Handling;
use touchmark::emulator::EmulatedDevice;
use touchmark::rehearsal::faulty::Fault;

use crate::{Line, OnPort, device, finished};

/// The only result that the gateway has.
fn only_outcome(line: &Line) -> WriteOutcome {
    let books = line.gateway.books();
    let [outcome] = books.results.values().map(|result| &result.outcome).collect::<Vec<_>>()[..] else {
        panic!("{:?}", books.results)
    };
    outcome.clone()
}

fn proof(line: &Line) -> Proof {
    let WriteOutcome::Ok { proof } = only_outcome(line) else { panic!("the device is not proved") };
    proof
}

#[tokio::test]
async fn packs_of_every_kind_are_written_over_frames_and_soap() {
    for (number, has_signature) in
        [("S001-000001", true), ("S002-000001", false), ("S003-000001", true), ("S004-000001", true)]
    {
        let product = &number[..4];
        for port in [OnPort::tcp(product, 1).await, OnPort::http(product, 1).await] {
            let line = Line::start(&[number]).await;
            line.write(number, &port).await.unwrap_or_else(|failure| panic!("{number}: {failure}"));
            assert_eq!(port.holds(), finished(number), "{}", port.address);
            let proof = proof(&line);
            assert_eq!((proof.signature.is_some(), proof.confirmation.is_some()), (has_signature, true));
            assert_eq!(line.unfinished_files(), 0);
        }
    }
}

#[tokio::test]
async fn a_device_that_makes_its_own_key_gets_a_certificate_for_it() {
    for port in [OnPort::tcp("K001", 1).await, OnPort::http("K001", 1).await] {
        let line = Line::start(&["K001-000001"]).await;
        line.write("K001-000001", &port).await.unwrap();
        assert_eq!(port.holds(), finished("K001-000001"), "{}", port.address);
        let proof = proof(&line);
        assert!(proof.signature.is_some() && proof.confirmation.is_some());
    }
}

#[tokio::test]
async fn a_device_whose_certificate_is_owed_proves_the_key_that_it_made() {
    for port in [OnPort::tcp("K001", 1).await, OnPort::http("K001", 1).await] {
        let mut line = Line::start(&[]).await;
        line.gateway.owe("K001-000001");
        line.gateway.books().results_refused = Some(ProblemCode::Unavailable);
        let failure = line.write("K001-000001", &port).await.unwrap_err();
        assert_eq!(failure.word(), "not-reported");
        // What it takes to know the device again is in the station's file.
        line.restart();
        line.gateway.books().results_refused = None;
        line.write("K001-000001", &port).await.unwrap();
        assert_eq!(port.holds(), finished("K001-000001"), "{}", port.address);
        assert!(proof(&line).signature.is_some());
        let books = line.gateway.books();
        assert!(books.asked.iter().all(|request| request.signing_request.is_some()));
        assert_eq!(books.asked[0].key_identifier, Some("S000-1".parse().unwrap()));
    }
}

#[tokio::test]
async fn firmware_with_another_key_leaves_number_and_device_as_they_were() {
    let line = Line::start(&["S001-000001"]).await;
    let other = PreWriteKey::new("S000-2".parse().unwrap(), &[8; 32]);
    let blank = EmulatedDevice::new("S001".parse().unwrap(), "0011223344556677".parse().unwrap(), 7);
    let port = OnPort::faulty(Arc::new(Mutex::new(blank.with_pre_write_key(other))), sound()).await;
    let failure = line.write("S001-000001", &port).await.unwrap_err();
    assert_eq!((failure.word(), failure.handling()), ("wrong-key", Handling::RetrySafe), "{failure}");
    assert!(failure.to_string().contains("another key"), "{failure}");
    assert_untouched(&line);
    // Another device of the lot, with the right firmware, is as good as the first.
    assert_eq!(port.holds(), (None, None));
}

#[tokio::test]
async fn a_pack_that_was_changed_on_its_way_does_not_open() {
    let changes: [fn(&mut CredentialPack) -> &mut Bytes; 2] = [
        |pack| match &mut pack.certificate.as_mut().unwrap().key {
            PackKey::Sealed(sealed) => &mut sealed.ciphertext,
            _ => panic!("the key is sealed"),
        },
        |pack| &mut pack.apparatus.as_mut().unwrap().sealed.ciphertext,
    ];
    for part in changes {
        let line = Line::start(&["S001-000001"]).await;
        let change = move |pack: &mut CredentialPack| *part(pack).0.last_mut().unwrap() ^= 1;
        line.gateway.books().alters_packs = Some(Box::new(change));
        let port = OnPort::tcp("S001", 1).await;
        let failure = line.write("S001-000001", &port).await.unwrap_err();
        assert_eq!((failure.word(), failure.handling()), ("not-opened", Handling::RetrySafe), "{failure}");
        assert_untouched(&line);
        assert_eq!(port.holds(), (None, None));
    }
}

#[tokio::test]
async fn what_a_device_claims_is_not_believed() {
    let faults: [(&str, Fault); 5] = [
        ("wrong-confirmation", on_result(|result| result.confirmation.as_mut().unwrap().station[0] ^= 1)),
        ("wrong-confirmation", on_result(|result| result.confirmation = None)),
        ("proof-failed", on_result(|result| result.signature[0] ^= 1)),
        ("proof-failed", on_result(|result| result.signature.clear())),
        ("proof-failed", on_result(|result| result.pack_digest[0] ^= 1)),
    ];
    for (word, fault) in faults {
        let line = Line::start(&["S001-000001"]).await;
        let port = OnPort::faulty(device("S001", 1), fault).await;
        let failure = line.write("S001-000001", &port).await.unwrap_err();
        assert_eq!((failure.word(), failure.handling()), (word, Handling::Suspect), "{failure}");
        let outcome = only_outcome(&line);
        assert!(matches!(outcome, WriteOutcome::NoGood { untouched: false, .. }), "{outcome:?}");
        assert_eq!(port.holds().1, None);
    }
}

#[tokio::test]
async fn an_old_device_is_not_sent_what_it_does_not_know() {
    let line = Line::start(&["S001-000001"]).await;
    let old: Fault = Box::new(|request, sound| {
        let mut answer = sound(request)?;
        if let Answer::Identity(identity) = &mut answer {
            identity.versions = VersionRange { min: 1, current: 1 };
        }
        Some(answer)
    });
    let port = OnPort::faulty(device("S001", 1), old).await;
    let failure = line.write("S001-000001", &port).await.unwrap_err();
    assert_eq!((failure.word(), failure.handling()), ("unsupported-version", Handling::RetrySafe));
    assert_untouched(&line);
    assert_eq!(port.holds(), (None, None));
}

#[tokio::test]
async fn a_silent_authority_is_told_from_a_busy_gateway() {
    for (number, word) in [("K001-000001", "authority-silent"), ("3012-123456", "unavailable")] {
        let line = Line::start(&[number]).await;
        let port = OnPort::tcp(&number[..4], 1).await;
        line.gateway.books().leases_refused = Some(ProblemCode::Unavailable);
        let failure = line.write(number, &port).await.unwrap_err();
        assert_eq!((failure.word(), failure.handling()), (word, Handling::RetrySafe), "{failure}");
        assert_eq!(port.holds(), (None, None));
    }
}

#[tokio::test]
async fn a_stations_files_hold_no_secret() {
    for number in ["3012-123456", "S001-000001"] {
        let line = Line::start(&[number]).await;
        let port = OnPort::tcp(&number[..4], 1).await;
        line.gateway.books().results_refused = Some(ProblemCode::Unavailable);
        assert_eq!(line.write(number, &port).await.unwrap_err().word(), "not-reported");
        let key = port.device().pack().unwrap().unwrap().secret_key;
        let key = SecretKey::from_pkcs8_der(&key).unwrap().to_bytes();
        let kept = kept_bytes(line.directory.path());
        assert!(kept.len() > 500, "the file holds what it takes to know the device again");
        for part in key.windows(8) {
            assert!(
                !kept.windows(8).any(|window| window == part),
                "{number}: a part of the key is in the file"
            );
        }
    }
}

/// A device that does all as it should.
fn sound() -> Fault {
    Box::new(|request, sound| sound(request))
}

/// A device that says something else when it is to prove itself.
fn on_result(change: fn(&mut identity::line::WriteResult)) -> Fault {
    Box::new(move |request, sound| {
        let mut answer = sound(request)?;
        if let Answer::WriteResult(result) = &mut answer {
            change(result);
        }
        Some(answer)
    })
}

/// The gateway was told that the device has nothing of the pack, which may be tried again.
fn assert_untouched(line: &Line) {
    let outcome = only_outcome(line);
    assert!(matches!(outcome, WriteOutcome::NoGood { untouched: true, .. }), "{outcome:?}");
    assert_eq!(line.unfinished_files(), 0);
}

/// All that lies in the files of a directory, as it is and with every text decoded that may be bytes.
fn kept_bytes(directory: &Path) -> Vec<u8> {
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        decode_texts(&serde_json::from_slice(&text).unwrap(), &mut kept);
        kept.extend(text);
    }
    kept
}

fn decode_texts(value: &Value, kept: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            kept.extend(hex::decode(text).unwrap_or_default());
            let bytes: Result<Bytes, _> = serde_json::from_value(value.clone());
            kept.extend(bytes.map_or_else(|_| Vec::new(), |bytes| bytes.0));
        }
        Value::Array(values) => values.iter().for_each(|value| decode_texts(value, kept)),
        Value::Object(fields) => fields.values().for_each(|value| decode_texts(value, kept)),
        _ => {}
    }
}
