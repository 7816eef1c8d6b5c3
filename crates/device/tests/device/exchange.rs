//! The exchange itself, with packs of certificates whose key travels in clear.

use device::sim::{FLASH_BYTES, SimBoard, Tear};
use device::{Board, HeldBuffer, WriteModule, nvram};
use identity::line::{
    self, ANSWER_FRAME_BYTES_MAX, Answer, CERTIFICATE_BYTES_MAX, CertificatePart, FRAME_BYTES_MAX, Key, Pack,
    Refusal, Request, Session, Transmission, Version, pack_digest, proof_message,
};
use p256::SecretKey;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePrivateKey;
use proptest::prelude::*;

use crate::{CERTIFICATES, CHALLENGE, SECRET_KEY, ask, device, identify, make, pack, remembers, send};

#[test]
fn a_device_is_made_and_proves_it() {
    let mut device = device();
    let blank = identify(&mut device);
    assert_eq!((blank.product.as_str(), blank.hardware_uid.to_string()), ("3012", "00112233".to_owned()));
    assert_eq!((blank.holding, blank.confirmed), (None, false));

    let session = blank.session;
    assert_eq!(send(&mut device, session, pack("3012-123456")), Answer::Reception);
    let Answer::WriteResult(result) =
        ask(&mut device, &Request::ResultRequest { session, challenge: CHALLENGE })
    else {
        panic!("no result");
    };
    let expected = pack("3012-123456");
    assert_eq!(result.pack_digest, pack_digest(&expected));
    assert_eq!(result.confirmation, None);
    let message =
        proof_message(&expected.device_number, &blank.hardware_uid, &CHALLENGE, &result.pack_digest);
    let public = VerifyingKey::from(SecretKey::from_pkcs8_der(SECRET_KEY).unwrap().public_key());
    public.verify(&message, &Signature::from_slice(&result.signature).unwrap()).unwrap();

    assert_eq!(ask(&mut device, &Request::ResultResponse { session }), Answer::Done);
    let made = identify(&mut device);
    assert_eq!((made.holding, made.confirmed), (Some("3012-123456".parse().unwrap()), true));
    assert_ne!(made.session, session);
}

#[test]
fn a_plain_pack_is_kept_as_the_first_version_kept_it() {
    let mut device = device();
    make(&mut device, pack("3012-123456"));
    let mut packed = [0; 512];
    let mut rest = &mut packed[..];
    minicbor::encode(pack("3012-123456"), &mut rest).unwrap();
    let length = 512 - rest.len();
    assert!(remembers(&mut device, &packed[..length]));
}

#[test]
fn every_step_may_be_repeated() {
    let mut device = device();
    let session = make(&mut device, pack("3012-123456"));
    let changes = device.board().supply().changes();
    assert_eq!(send(&mut device, session, pack("3012-123456")), Answer::Reception);
    let request = Request::ResultRequest { session, challenge: CHALLENGE };
    assert_eq!(ask(&mut device, &request), ask(&mut device, &request));
    assert_eq!(ask(&mut device, &Request::ResultResponse { session }), Answer::Done);
    assert_eq!(device.board().supply().changes(), changes, "nothing was written again");
}

#[test]
fn a_recorded_exchange_is_not_played_again() {
    let mut device = device();
    let recorded = identify(&mut device).session;
    let current = identify(&mut device).session;
    let replayed = Answer::Refused(Refusal::Replayed);
    assert_eq!(send(&mut device, recorded, pack("3012-123456")), replayed);
    assert_eq!(send(&mut device, current, pack("3012-123456")), Answer::Reception);
    for session in [recorded, Session::new([0; Session::LENGTH])] {
        let request = Request::ResultRequest { session, challenge: CHALLENGE };
        assert_eq!(ask(&mut device, &request), replayed);
        assert_eq!(ask(&mut device, &Request::ResultResponse { session }), replayed);
    }
    let mut restarted = WriteModule::new(device.board().clone());
    assert_eq!(send(&mut restarted, current, pack("3012-123456")), replayed, "after a restart");
}

#[test]
fn a_pack_that_is_not_for_the_device_is_refused_untouched() {
    let long = [0; CERTIFICATE_BYTES_MAX + 1];
    let with = |client, key| {
        let certificate = Some(CertificatePart { client, key, ..CERTIFICATES });
        Pack { certificate, ..pack("3012-123456") }
    };
    for (pack, refusal) in [
        (pack("3013-123456"), Refusal::WrongProduct),
        (with(b"client", Key::Plain(&SECRET_KEY[..100])), Refusal::UnusableKey),
        (with(&long, Key::Plain(SECRET_KEY)), Refusal::TooLong),
    ] {
        let mut device = device();
        let session = identify(&mut device).session;
        assert_eq!(send(&mut device, session, pack), Answer::Refused(refusal));
        assert!(refusal.is_untouched());
        assert_eq!(device.board().supply().changes(), 0);
    }
}

#[test]
fn a_device_takes_another_pack_until_one_is_confirmed() {
    let mut device = device();
    let session = identify(&mut device).session;
    assert_eq!(send(&mut device, session, pack("3012-123456")), Answer::Reception);
    make(&mut device, pack("3012-123457"));

    let session = identify(&mut device).session;
    let holds_another = Answer::Refused(Refusal::HoldsAnother);
    assert_eq!(send(&mut device, session, pack("3012-123458")), holds_another);
    let certificate = Some(CertificatePart { client: b"another certificate", ..CERTIFICATES });
    let reissued = Pack { certificate, ..pack("3012-123457") };
    assert_eq!(send(&mut device, session, reissued), holds_another);
    assert_eq!(identify(&mut device).holding, Some("3012-123457".parse().unwrap()));
}

#[test]
fn a_damaged_store_takes_back_its_own_number_only() {
    let mut device = device();
    make(&mut device, pack("3012-123456"));
    let (product, uid) = ("3012".parse().unwrap(), "00112233".parse().unwrap());
    let nvram = device.board().nvram_image().to_vec();
    let mut damaged = WriteModule::new(SimBoard::new(product, uid, 2, vec![0xff; FLASH_BYTES], nvram));

    let identity = identify(&mut damaged);
    assert_eq!((identity.holding, identity.confirmed), (None, false));
    let session = identity.session;
    let other = send(&mut damaged, session, pack("3012-123457"));
    assert_eq!(other, Answer::Refused(Refusal::HoldsAnother));
    assert_eq!(send(&mut damaged, session, pack("3012-123456")), Answer::Reception);
    assert!(identify(&mut damaged).confirmed);
}

#[test]
fn a_result_needs_a_pack() {
    let mut device = device();
    let session = identify(&mut device).session;
    let nothing = Answer::Refused(Refusal::NothingStored);
    assert_eq!(ask(&mut device, &Request::ResultRequest { session, challenge: CHALLENGE }), nothing);
    assert_eq!(ask(&mut device, &Request::ResultResponse { session }), nothing);
}

#[test]
fn a_failing_memory_is_no_good() {
    let mut device = device();
    let session = identify(&mut device).session;
    device.board().supply().cut_after(5, Tear::Noisy(1));
    let failed = Answer::Refused(Refusal::StorageFailed);
    assert_eq!(send(&mut device, session, pack("3012-123456")), failed);
    assert!(!Refusal::StorageFailed.is_untouched());
    device.board().supply().restore();
    assert_eq!(identify(&mut device).holding, None);
}

#[test]
fn confirming_keeps_the_rest_of_the_nvram() {
    let mut device = device();
    let before = nvram::Nvram {
        initial_operational_value: b"operational",
        initial_application_value: b"application",
        counter_information: b"counters",
        common_certificate: &[0xcc; CERTIFICATE_BYTES_MAX],
        device_number: None,
        own_key: None,
    };
    nvram::write(device.board(), &before).unwrap();
    make(&mut device, pack("3012-123456"));
    let mut buffer = nvram::NvramBuffer::new();
    let after = nvram::read(device.board(), &mut buffer).unwrap();
    let expected = nvram::Nvram { device_number: Some("3012-123456".parse().unwrap()), ..before };
    assert!(after == expected);
}

#[test]
fn a_record_of_an_unknown_kind_is_left_alone() {
    let mut device = device();
    let board = device.board();
    let area = board.flash_areas().certificate;
    device::slots::Slots::new(board.flash(), area)
        .write(device::slots::RecordKind::Nvram, &"from a newer program")
        .unwrap();
    let changes = board.supply().changes();
    assert_eq!(ask(&mut device, &Request::Identify), Answer::Refused(Refusal::StorageFailed));
    assert_eq!(device.board().supply().changes(), changes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn no_damaged_frame_changes_a_device(
        at in any::<prop::sample::Index>(),
        changes in prop::collection::vec(any::<u8>(), 0..4),
        removed in 0..4usize,
    ) {
        let mut device = device();
        let session = identify(&mut device).session;
        let request = Request::Transmission(Transmission { session, pack: pack("3012-123456") });
        let mut frame = vec![0; FRAME_BYTES_MAX];
        let length = line::encode(Version::CURRENT, &request, &mut frame).unwrap();
        frame.truncate(length - 1);
        let whole = frame.clone();
        let at = at.index(frame.len());
        let end = frame.len().min(at + removed);
        frame.splice(at..end, changes);
        prop_assume!(frame != whole);

        let mut answer = [0; ANSWER_FRAME_BYTES_MAX];
        let answered = device.handle_frame(&mut frame, &mut answer);
        let answer = line::decode::<Answer>(&mut answer[..answered]).unwrap().1;
        let is_refused =
            matches!(answer, Answer::Refused(Refusal::Malformed | Refusal::UnsupportedVersion));
        prop_assert!(is_refused, "{answer:?}");
        prop_assert_eq!(device.board().supply().changes(), 0);
        let mut buffer = HeldBuffer::new();
        prop_assert!(device.held(&mut buffer).unwrap().is_none());
    }
}
