//! Every message reads back as it was written, and its document is one that the schema describes.

use identity::line::{Refusal, Session};
use identity::profile::SymmetricForm;
use identity::{ApparatusId, CredentialState, DeviceNumber, HardwareUid, KeyIdentifier, ProductCode, Serial};
use message::bytes::{Bytes, SecretBytes};
use message::device::{
    CertificateReceptionResponse, DeviceIdentification, DeviceIdentificationRequest, DeviceWriteResult,
    DeviceWriteResultResponse, KeyRequest, PackTransmission, SigningRequestTransmission, WriteResultRequest,
};
use message::issue::{CertificateTransmission, CertificateTransmissionRequest, NumberedPack};
use message::lease::{AttemptId, Lease, LeaseRequest};
use message::pack::{ApparatusPack, CertificatePack, CredentialPack, PackKey, Sealed};
use message::problem::{Problem, ProblemCode};
use message::result::{Confirmation, Proof, WriteOutcome, WriteResultResponse, WriteResultTransmission};
use message::soap::{AnswerError, Envelope, Fault, FaultKind, Message, Operation, document, wsdl};
use proptest::collection::vec;
use proptest::option;
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

fn session() -> impl Strategy<Value = Session> {
    any::<[u8; 16]>().prop_map(Session::new)
}

fn key_identifier() -> impl Strategy<Value = KeyIdentifier> {
    "[0-9A-Z]([0-9A-Z-]{0,22}[0-9A-Z])?".prop_map(|text| text.parse().expect("a key identifier"))
}

fn apparatus_id() -> impl Strategy<Value = ApparatusId> {
    any::<[u8; 16]>().prop_map(ApparatusId::new)
}

/// What a certificate pack is made of: a pack itself may hold a secret and cannot be shown when a test
/// fails.
#[derive(Clone, Debug)]
struct CertificateParts {
    certificates: [Vec<u8>; 3],
    key: KeyParts,
}

#[derive(Clone, Debug)]
enum KeyParts {
    Plain(Vec<u8>),
    Sealed(Sealed),
    DeviceOwn,
}

fn sealed() -> impl Strategy<Value = Sealed> {
    (option::of(key_identifier()), bytes())
        .prop_map(|(key_identifier, ciphertext)| Sealed { key_identifier, ciphertext })
}

fn certificate_parts() -> impl Strategy<Value = CertificateParts> {
    let part = || vec(any::<u8>(), 0..300);
    let key = prop_oneof![
        part().prop_map(KeyParts::Plain),
        sealed().prop_map(KeyParts::Sealed),
        Just(KeyParts::DeviceOwn)
    ];
    ([part(), part(), part()], key).prop_map(|(certificates, key)| CertificateParts { certificates, key })
}

fn certificate_pack(parts: CertificateParts) -> CertificatePack {
    let [root, issuing, client] = parts.certificates.map(Bytes);
    CertificatePack {
        root_certificate: root,
        issuing_certificate: issuing,
        client_certificate: client,
        key: match parts.key {
            KeyParts::Plain(key) => PackKey::Plain(SecretBytes::new(key)),
            KeyParts::Sealed(key) => PackKey::Sealed(key),
            KeyParts::DeviceOwn => PackKey::DeviceOwn,
        },
    }
}

fn apparatus_pack() -> impl Strategy<Value = ApparatusPack> {
    let form = proptest::sample::select(SymmetricForm::ALL);
    (apparatus_id(), sealed(), form, bytes(), bytes()).prop_map(
        |(apparatus_id, sealed, form, challenge, confirmation)| ApparatusPack {
            apparatus_id,
            sealed,
            form,
            challenge,
            confirmation,
        },
    )
}

type PackParts = (Option<CertificateParts>, Option<ApparatusPack>);

fn pack_parts() -> impl Strategy<Value = PackParts> {
    (option::of(certificate_parts()), option::of(apparatus_pack()))
}

fn pack((certificate, apparatus): PackParts) -> CredentialPack {
    CredentialPack { certificate: certificate.map(certificate_pack), apparatus }
}

/// Sentences for people, with all that XML would trip over.
fn reason() -> impl Strategy<Value = String> {
    "[!-~äß中😀]([ -~äß中😀]{0,40}[!-~äß中😀])?"
}

fn confirmation() -> impl Strategy<Value = Confirmation> {
    (apparatus_id(), bytes(), bytes()).prop_map(|(apparatus_id, station, authority)| Confirmation {
        apparatus_id,
        station,
        authority,
    })
}

fn proof() -> impl Strategy<Value = Proof> {
    (hardware_uid(), bytes(), bytes(), option::of(bytes()), option::of(confirmation())).prop_map(
        |(hardware_uid, challenge, pack_digest, signature, confirmation)| Proof {
            hardware_uid,
            challenge,
            pack_digest,
            signature,
            confirmation,
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
    fn certificate_transmission(packs in vec((device_number(), certificate_parts()), 1..5)) {
        let numbered = |(device_number, parts)| NumberedPack { device_number, pack: certificate_pack(parts) };
        round_trip(CertificateTransmission { packs: packs.into_iter().map(numbered).collect() });
    }

    #[test]
    fn lease_request(
        attempt in any::<[u8; 16]>(), device_number in device_number(), product in product(),
        hardware_uid in hardware_uid(), key_identifier in option::of(key_identifier()),
        chip_key in option::of(bytes()), signing_request in option::of(bytes()),
    ) {
        let attempt = AttemptId::new(attempt);
        round_trip(LeaseRequest {
            attempt, device_number, product, hardware_uid, key_identifier, chip_key, signing_request,
        });
    }

    #[test]
    fn lease(
        device_number in device_number(), parts in pack_parts(), certificate_owed in any::<bool>(),
        expires in any::<i64>(),
    ) {
        round_trip(Lease { device_number, pack: pack(parts), certificate_owed, expires });
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
        session in session(), product in product(), hardware_uid in hardware_uid(),
        holding in option::of(device_number()), confirmed in any::<bool>(),
        key_identifier in option::of(key_identifier()), chip_key in option::of(bytes()),
    ) {
        round_trip(DeviceIdentification {
            session, product, hardware_uid, holding, confirmed, key_identifier, chip_key,
        });
    }

    #[test]
    fn key_request(session in session(), device_number in device_number()) {
        round_trip(KeyRequest { session, device_number });
    }

    #[test]
    fn signing_request(outcome in proptest::result::maybe_ok(bytes(), refusal())) {
        round_trip(SigningRequestTransmission { outcome });
    }

    #[test]
    fn write_result_request(
        session in session(), challenge in bytes(), device_number in device_number(),
    ) {
        let result_address = "http://[::1]:9001/soap".into();
        round_trip(WriteResultRequest { session, challenge, result_address, device_number });
    }

    #[test]
    fn pack_transmission(
        session in session(), challenge in bytes(), device_number in device_number(), parts in pack_parts(),
    ) {
        let result_address = "http://127.0.0.1:9001/soap?line=1&port=2".into();
        round_trip(PackTransmission { session, challenge, result_address, device_number, pack: pack(parts) });
    }

    #[test]
    fn device_write_result(
        session in session(), device_number in device_number(),
        outcome in proptest::result::maybe_ok(proof(), refusal()),
    ) {
        round_trip(DeviceWriteResult { session, device_number, outcome });
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
