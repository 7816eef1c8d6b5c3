//! Every SOAP document that we write is one that the served description describes.

use std::io::Write;
use std::process::{Command, Stdio};

use identity::line::{Refusal, Session};
use identity::profile::SymmetricForm;
use identity::{CredentialState, FirmwareVersion};
use message::bytes::{Bytes, SecretBytes};
use message::call::{
    Call, CallAnswer, Command as Order, Counter, Event, Nonce, Outcome, Request, RequestResult, ShortText,
};
use message::device::{
    CertificateReceptionResponse, DeviceIdentification, DeviceIdentificationRequest, DeviceWriteResult,
    DeviceWriteResultResponse, KeyRequest, PackTransmission, SigningRequestTransmission, WriteResultRequest,
};
use message::issue::{CertificateTransmission, CertificateTransmissionRequest, NumberedPack};
use message::lease::{AttemptId, Lease, LeaseRequest};
use message::pack::{ApparatusPack, CertificatePack, CredentialPack, PackKey, Sealed};
use message::result::{Confirmation, Proof, WriteOutcome, WriteResultResponse, WriteResultTransmission};
use message::soap::{Message, call, document, wsdl};

use crate::services::{python, workspace};

const SESSION: Session = Session::new([0xab; 16]);
const ADDRESS: &str = "http://192.0.2.7:9001/soap";

fn bytes() -> Bytes {
    Bytes(vec![1, 2, 3])
}

fn certificate(key: PackKey) -> CertificatePack {
    CertificatePack {
        root_certificate: bytes(),
        issuing_certificate: bytes(),
        client_certificate: bytes(),
        key,
    }
}

fn sealed(key_identifier: Option<&str>) -> Sealed {
    Sealed { key_identifier: key_identifier.map(|text| text.parse().unwrap()), ciphertext: bytes() }
}

fn apparatus() -> ApparatusPack {
    ApparatusPack {
        apparatus_id: "7ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse().unwrap(),
        sealed: sealed(Some("A123-1")),
        form: SymmetricForm::Sealed,
        challenge: bytes(),
        confirmation: bytes(),
    }
}

/// Packs of every kind.
fn packs() -> [CredentialPack; 5] {
    [
        (Some(certificate(PackKey::Plain(SecretBytes::new(vec![4])))), None),
        (Some(certificate(PackKey::Sealed(sealed(None)))), Some(apparatus())),
        (Some(certificate(PackKey::DeviceOwn)), None),
        (None, Some(apparatus())),
        (None, None),
    ]
    .map(|(certificate, apparatus)| CredentialPack { certificate, apparatus })
}

/// Proofs with and without each of their parts.
fn proofs() -> [Proof; 2] {
    let confirmation =
        Confirmation { apparatus_id: apparatus().apparatus_id, station: bytes(), authority: bytes() };
    [(Some(bytes()), None), (None, Some(confirmation))].map(|(signature, confirmation)| Proof {
        hardware_uid: "00112233".parse().unwrap(),
        challenge: bytes(),
        pack_digest: bytes(),
        signature,
        confirmation,
    })
}

fn text<M: Message>(message: M) -> String {
    document(&message).to_string()
}

fn of_gateways_and_stations() -> Vec<String> {
    let number = || "A123-654321".parse().unwrap();
    let attempt = AttemptId::new([0xcd; 16]);
    let numbered = |key| NumberedPack { device_number: number(), pack: certificate(key) };
    let packs_of_numbers = vec![
        numbered(PackKey::Plain(SecretBytes::new(vec![4]))),
        numbered(PackKey::Sealed(sealed(Some("LONG-KEY-IDENTIFIER-1234")))),
    ];
    let request = LeaseRequest {
        attempt,
        device_number: number(),
        product: "A123".parse().unwrap(),
        hardware_uid: "00112233445566778899aabbccddeeff".parse().unwrap(),
        key_identifier: None,
        chip_key: None,
        signing_request: None,
    };
    let full_request = LeaseRequest {
        key_identifier: Some("1".parse().unwrap()),
        chip_key: Some(bytes()),
        signing_request: Some(bytes()),
        ..request.clone()
    };
    let mut documents = vec![
        text(CertificateTransmissionRequest { device_numbers: vec![number(), number()] }),
        text(CertificateTransmission { packs: packs_of_numbers }),
        text(request),
        text(full_request),
    ];
    for (pack, certificate_owed) in packs().into_iter().zip([false, false, false, true, true]) {
        documents.push(text(Lease { device_number: number(), pack, certificate_owed, expires: 1 }));
    }
    let failed = WriteOutcome::NoGood { reason: "worn & torn".into(), untouched: true };
    for outcome in proofs().map(|proof| WriteOutcome::Ok { proof }).into_iter().chain([failed]) {
        documents.push(text(WriteResultTransmission { attempt, device_number: number(), outcome }));
    }
    let states = CredentialState::ALL;
    documents.extend(states.map(|state| text(WriteResultResponse { device_number: number(), state })));
    documents
}

fn of_stations_and_devices() -> Vec<String> {
    let number = || "A123-654321".parse().unwrap();
    let identification = DeviceIdentification {
        session: SESSION,
        product: "A123".parse().unwrap(),
        hardware_uid: "00112233".parse().unwrap(),
        holding: None,
        confirmed: false,
        key_identifier: None,
        chip_key: None,
    };
    let full_identification = DeviceIdentification {
        holding: Some(number()),
        confirmed: true,
        key_identifier: Some("A123-1".parse().unwrap()),
        chip_key: Some(bytes()),
        ..identification.clone()
    };
    let result_address = || ADDRESS.to_owned();
    let mut documents = vec![
        text(DeviceIdentificationRequest),
        text(identification),
        text(full_identification),
        text(KeyRequest { session: SESSION, device_number: number() }),
        text(SigningRequestTransmission { outcome: Ok(bytes()) }),
        text(SigningRequestTransmission { outcome: Err(Refusal::NoKeyMade) }),
        text(WriteResultRequest {
            session: SESSION,
            challenge: bytes(),
            result_address: result_address(),
            device_number: number(),
        }),
        text(CertificateReceptionResponse { outcome: Ok(()) }),
        text(CertificateReceptionResponse { outcome: Err(Refusal::WrongKey) }),
        text(DeviceWriteResultResponse { device_number: number() }),
    ];
    documents.extend(packs().map(|pack| {
        text(PackTransmission {
            session: SESSION,
            challenge: bytes(),
            result_address: result_address(),
            device_number: number(),
            pack,
        })
    }));
    for outcome in proofs().map(Ok).into_iter().chain([Err(Refusal::StorageFailed)]) {
        documents.push(text(DeviceWriteResult { session: SESSION, device_number: number(), outcome }));
    }
    documents
}

fn of_devices_and_centers() -> Vec<String> {
    let text_of = |text: &str| -> ShortText { text.parse().unwrap() };
    let total = Counter { name: "total".parse().unwrap(), value: 9_007_199_254_740_991.try_into().unwrap() };
    let events = [
        Event::Counter { counters: vec![total.clone(), total.clone()] },
        Event::Service { fault_code: text_of("E-13 <door>") },
        Event::Supply { consumable: text_of("toner"), remaining_percent: 5.try_into().unwrap() },
        Event::Alarm { alarm: text_of("hot & loud") },
        Event::Manual { note: text_of("ring me") },
        Event::Manage { devices: vec!["3013-000001".parse().unwrap(), "3013-000002".parse().unwrap()] },
        Event::Poll,
    ];
    let outcomes = [
        Outcome::Done,
        Outcome::Refused { reason: text_of("no") },
        Outcome::Failed { reason: text_of("no room") },
    ];
    let results: Vec<_> =
        (1..).zip(outcomes).map(|(request, outcome)| RequestResult { request, outcome }).collect();
    let made = |event: Event, previous, results: &[RequestResult]| Call {
        device_number: "A123-654321".parse().unwrap(),
        boot: 1.try_into().unwrap(),
        sequence: u32::MAX.try_into().unwrap(),
        previous,
        on_behalf_of: None,
        event,
        firmware: (!results.is_empty()).then_some(FirmwareVersion::new([2, 14, u32::MAX])),
        results: results.to_vec(),
    };
    let commands = [
        Order::ReadCounters,
        Order::SetInitialValue { name: total.name.clone(), value: total.value },
        Order::RenewCertificate,
        Order::FetchFirmware { package: text_of("3012-2.1") },
        Order::RollBackFirmware { package: text_of("3012-2.0") },
    ];
    let requests: Vec<_> =
        (1..).zip(commands).map(|(request, command)| Request { request, command }).collect();
    let nonce = Some(Nonce::new([0xfb; 16]));
    let mut documents: Vec<String> =
        events.iter().map(|event| text(made(event.clone(), nonce, &results))).collect();
    documents.push(text(made(Event::Poll, None, &[])));
    let on_behalf_of = Some("3013-000001".parse().unwrap());
    documents.push(text(Call { on_behalf_of, ..made(Event::Poll, nonce, &[]) }));
    documents.push(text(CallAnswer { call: 1, received: -1, nonce, requests }));
    documents.push(text(CallAnswer { call: u64::MAX, received: 1, nonce: None, requests: Vec::new() }));
    documents
}

/// What an XML Schema validator says of each document: nothing where it fits the description.
fn faults(wsdl: String, documents: &[String]) -> Vec<Option<String>> {
    let script = workspace().join("crates/touchmark/tests/python/validate_soap.py");
    let mut process = Command::new(python())
        .arg(script)
        .arg(wsdl)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("./check installs the Python that this test needs");
    process.stdin.take().unwrap().write_all(&serde_json::to_vec(documents).unwrap()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_message_is_as_described() {
    let documents = [of_gateways_and_stations(), of_stations_and_devices()].concat();
    for (document, fault) in documents.iter().zip(faults(wsdl(ADDRESS), &documents)) {
        assert_eq!(fault, None, "{document}");
    }
    let calls = of_devices_and_centers();
    for (document, fault) in calls.iter().zip(faults(call::wsdl(ADDRESS), &calls)) {
        assert_eq!(fault, None, "{document}");
    }
}

#[test]
fn the_description_refuses_what_is_none() {
    let good = text(KeyRequest { session: SESSION, device_number: "A123-654321".parse().unwrap() });
    let bad = [
        good.replace("A123-654321", "A123"),
        good.replace("key request command", "key request"),
        good.replace("t:DeviceNumber", "t:Number"),
        good.replace(&"ab".repeat(16), "ab"),
    ];
    assert!(faults(wsdl(ADDRESS), &bad).iter().all(Option::is_some), "{bad:?}");
}
