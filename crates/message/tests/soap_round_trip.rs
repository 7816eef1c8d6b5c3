//! Every message reads back as it was written, and its document is one that the schema describes.

use identity::line::{Refusal, Session};
use identity::{CredentialState, DeviceNumber, HardwareUid, ProductCode, Serial};
use message::bytes::{Bytes, SecretBytes};
use message::device::{
    CertificateReceptionResponse, DeviceIdentification, DeviceIdentificationRequest, DeviceWriteResult,
    DeviceWriteResultResponse, PackTransmission,
};
use message::issue::{
    CertificatePack, CertificateTransmission, CertificateTransmissionRequest, NumberedPack,
};
use message::lease::{AttemptId, Lease, LeaseRequest};
use message::problem::{Problem, ProblemCode};
use message::result::{Proof, WriteOutcome, WriteResultResponse, WriteResultTransmission};
use message::soap::{AnswerError, Envelope, Fault, FaultKind, Message, Operation, document, wsdl};
use proptest::collection::vec;
use proptest::prelude::*;

fn round_trip<M: Message + PartialEq>(message: M) {
    let text = document(&message);
    let read = Envelope::parse(text.as_bytes()).and_then(|envelope| envelope.message::<M>());
    assert!(read.as_ref().is_ok_and(|read| *read == message), "{} {:?}", *text, read.err());
}

fn product() -> impl Strategy<Value = ProductCode> {
    "[0-9A-Z]{4,8}".prop_map(|text| text.parse().expect("a product code"))
}

fn device_number() -> impl Strategy<Value = DeviceNumber> {
    let serial = "[0-9]{6,12}".prop_map(|text| text.parse::<Serial>().expect("a serial"));
    (product(), serial).prop_map(|(product, serial)| DeviceNumber::new(product, serial))
}

fn hardware_uid() -> impl Strategy<Value = HardwareUid> {
    vec(any::<u8>(), 4..=16).prop_map(|bytes| HardwareUid::new(&bytes).expect("a chip"))
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..300).prop_map(Bytes)
}

/// A pack's parts: a pack itself holds a secret and cannot be shown when a test fails.
type PackParts = [Vec<u8>; 4];

fn pack_parts() -> impl Strategy<Value = PackParts> {
    [(); 4].map(|()| vec(any::<u8>(), 0..300))
}

fn pack([root, issuing, client, key]: PackParts) -> CertificatePack {
    CertificatePack {
        root_certificate: Bytes(root),
        issuing_certificate: Bytes(issuing),
        client_certificate: Bytes(client),
        secret_key: SecretBytes::new(key),
    }
}

/// Sentences for people, with all that XML would trip over.
fn reason() -> impl Strategy<Value = String> {
    "[!-~äß中😀]([ -~äß中😀]{0,40}[!-~äß中😀])?"
}

fn proof() -> impl Strategy<Value = Proof> {
    (hardware_uid(), bytes(), bytes(), bytes()).prop_map(
        |(hardware_uid, challenge, pack_digest, signature)| Proof {
            hardware_uid,
            challenge,
            pack_digest,
            signature,
        },
    )
}

fn refusal() -> impl Strategy<Value = Refusal> {
    proptest::sample::select(&Refusal::ALL)
}

fn outcome() -> impl Strategy<Value = WriteOutcome> {
    let no_good =
        (reason(), any::<bool>()).prop_map(|(reason, untouched)| WriteOutcome::NoGood { reason, untouched });
    prop_oneof![proof().prop_map(|proof| WriteOutcome::Ok { proof }), no_good]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn certificate_transmission_request(device_numbers in vec(device_number(), 1..20)) {
        round_trip(CertificateTransmissionRequest { device_numbers });
    }

    #[test]
    fn certificate_transmission(packs in vec((device_number(), pack_parts()), 1..5)) {
        let numbered = |(device_number, parts)| NumberedPack { device_number, pack: pack(parts) };
        round_trip(CertificateTransmission { packs: packs.into_iter().map(numbered).collect() });
    }

    #[test]
    fn lease_request(
        attempt in any::<[u8; 16]>(), device_number in device_number(), product in product(),
        hardware_uid in hardware_uid(),
    ) {
        round_trip(LeaseRequest { attempt: AttemptId::new(attempt), device_number, product, hardware_uid });
    }

    #[test]
    fn lease(device_number in device_number(), parts in pack_parts(), expires in any::<i64>()) {
        round_trip(Lease { device_number, pack: pack(parts), expires });
    }

    #[test]
    fn write_result(attempt in any::<[u8; 16]>(), device_number in device_number(), outcome in outcome()) {
        round_trip(WriteResultTransmission { attempt: AttemptId::new(attempt), device_number, outcome });
    }

    #[test]
    fn write_result_response(
        device_number in device_number(), state in proptest::sample::select(&CredentialState::ALL),
    ) {
        round_trip(WriteResultResponse { device_number, state });
    }

    #[test]
    fn device_identification(
        session in any::<[u8; 16]>(), product in product(), hardware_uid in hardware_uid(),
        holding in proptest::option::of(device_number()), confirmed in any::<bool>(),
    ) {
        let session = Session::new(session);
        round_trip(DeviceIdentification { session, product, hardware_uid, holding, confirmed });
    }

    #[test]
    fn pack_transmission(
        session in any::<[u8; 16]>(), challenge in bytes(), device_number in device_number(), parts in pack_parts(),
    ) {
        let result_address = "http://127.0.0.1:9001/soap?line=1&port=2".into();
        let session = Session::new(session);
        round_trip(PackTransmission { session, challenge, result_address, device_number, pack: pack(parts) });
    }

    #[test]
    fn device_write_result(
        session in any::<[u8; 16]>(), device_number in device_number(),
        outcome in proptest::result::maybe_ok(proof(), refusal()),
    ) {
        round_trip(DeviceWriteResult { session: Session::new(session), device_number, outcome });
    }

    #[test]
    fn fault(detail in reason()) {
        let sent = Fault::from(Problem::new(ProblemCode::OverQuota, detail));
        let envelope = Envelope::parse(sent.document().as_bytes()).unwrap();
        prop_assert_eq!(envelope.answer::<WriteResultResponse>(), Err(AnswerError::Fault(sent)));
    }
}

#[test]
fn messages_without_content_to_vary() {
    round_trip(DeviceIdentificationRequest);
    for outcome in Refusal::ALL.into_iter().map(Err).chain([Ok(())]) {
        round_trip(CertificateReceptionResponse { outcome });
    }
    round_trip(DeviceWriteResultResponse { device_number: "3012-123456".parse().unwrap() });
}

#[test]
fn header_carries_the_command_of_the_figures() {
    let request = CertificateTransmissionRequest { device_numbers: vec!["3012-123456".parse().unwrap()] };
    let text = document(&request);
    let command = "<t:Command>certificate transmission request command</t:Command>";
    assert!(text.contains(&format!("<soap:Header>{command}</soap:Header>")), "{}", *text);
}

#[test]
fn faults_tell_whose_mistake_it_is() {
    for (code, kind) in [
        (ProblemCode::OverQuota, FaultKind::Client),
        (ProblemCode::Internal, FaultKind::Server),
        (ProblemCode::Unavailable, FaultKind::Server),
    ] {
        assert_eq!(Fault::from(Problem::new(code, "so it is")).kind(), kind, "{code}");
    }
}

#[test]
fn text_that_xml_cannot_carry_is_replaced() {
    let result = |reason: &str| WriteResultTransmission {
        attempt: AttemptId::new([0; 16]),
        device_number: "3012-123456".parse().unwrap(),
        outcome: WriteOutcome::NoGood { reason: reason.into(), untouched: false },
    };
    let envelope = Envelope::parse(document(&result("flash\u{0} failed\u{1b}")).as_bytes()).unwrap();
    assert_eq!(envelope.message(), Ok(result("flash\u{fffd} failed\u{fffd}")));
}

#[test]
fn service_description_names_every_operation_and_the_address() {
    let text = wsdl("https://gateway.example:8443/soap?a&b");
    assert!(text.contains(r#"location="https://gateway.example:8443/soap?a&amp;b""#));
    for operation in Operation::ALL {
        assert!(text.contains(&format!(r#"soapAction="{}""#, operation.soap_action())));
        assert_eq!(format!(r#""{}""#, operation.soap_action()).parse(), Ok(operation));
    }
}
