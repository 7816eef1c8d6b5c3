//! The wire of every version, pinned to the byte. A published version's bytes are never edited: a
//! change that breaks them is a new version.

extern crate std;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;

use super::*;
use crate::{DeviceNumber, HardwareUid};

const SESSION: Session = Session::new([0x5e; 16]);

fn number(text: &str) -> DeviceNumber {
    text.parse().unwrap()
}

fn pack() -> Pack<'static> {
    Pack {
        device_number: number("3012-123456"),
        root_certificate: b"root",
        issuing_certificate: b"issuing\0",
        client_certificate: b"client",
        secret_key: b"key",
    }
}

fn requests() -> [Request<'static>; 4] {
    [
        Request::Identify,
        Request::Transmission(Transmission { session: SESSION, pack: pack() }),
        Request::ResultRequest { session: SESSION, challenge: [0xc4; 32] },
        Request::ResultResponse { session: SESSION },
    ]
}

fn identity(holding: Option<DeviceNumber>) -> Identity {
    Identity {
        versions: VersionRange { min: 1, current: 1 },
        product: "3012".parse().unwrap(),
        hardware_uid: HardwareUid::new(&[0, 0x11, 0x22, 0x33]).unwrap(),
        session: SESSION,
        confirmed: holding.is_some(),
        holding,
    }
}

fn answers() -> [Answer; 6] {
    [
        Answer::Identity(identity(None)),
        Answer::Identity(identity(Some(number("3012-123456")))),
        Answer::Reception,
        Answer::WriteResult(WriteResult {
            device_number: number("3012-123456"),
            pack_digest: [0xd1; 32],
            signature: [0x51; 64],
        }),
        Answer::Done,
        Answer::Refused(Refusal::HoldsAnother),
    ]
}

fn framed<M: minicbor::Encode<()>>(message: &M) -> Vec<u8> {
    let mut frame = vec![0; FRAME_BYTES_MAX];
    let length = encode(Version::CURRENT, message, &mut frame).unwrap();
    frame.truncate(length);
    frame
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn version_1_requests_have_these_bytes() {
    let expected = [
        "0301820680b7f4f19600",
        "310182018182505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e856b333031322d31323334353644726f6f74486973\
         7375696e671046636c69656e74436b6579213a9b8400",
        "3b01820282505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5820c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4\
         c4c4c4c4c4c4c4c4c4c4c4c4fdb17d0100",
        "1a01820381505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5ebf7261c600",
    ];
    assert_eq!(requests().map(|request| hex(&framed(&request))), expected);
}

#[test]
fn version_1_answers_have_these_bytes() {
    let expected = [
        "0301820c81868201016433303132441a112233505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5ef6f40fecea0100",
        "0301820c818682010164333031324426112233505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e6b333031322d3132\
         33343536f538592e7800",
        "0901820180f6c5ea8f00",
        "7a01820281836b333031322d3132333435365820d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1\
         d1d1d1d1d1d1d1d1584051515151515151515151515151515151515151515151515151515151515151515151\
         515151515151515151515151515151515151515151515151515151515151edead95700",
        "090182038074a7dcbd00",
        "0a0182048104d265ee9e00",
    ];
    assert_eq!(answers().map(|answer| hex(&framed(&answer))), expected);
}

#[test]
fn version_1_refusals_have_these_numbers() {
    for (number, refusal) in Refusal::ALL.into_iter().enumerate() {
        let mut bytes = [0xff; 1];
        minicbor::encode(refusal, &mut bytes[..]).unwrap();
        assert_eq!(usize::from(bytes[0]), number, "{refusal}");
        assert_eq!(refusal.as_str().parse(), Ok(refusal));
    }
}

#[test]
fn digest_and_proof_message_have_these_bytes() {
    let Pack { device_number, root_certificate, issuing_certificate, client_certificate, secret_key } =
        pack();
    let digest =
        pack_digest(&device_number, root_certificate, issuing_certificate, client_certificate, secret_key);
    assert_eq!(hex(&digest), "9f7ba32fa20af79c2bbd97a996c577cb336f4e4923faec0b29cdd6d4b37ca200");
    let uid = HardwareUid::new(&[0, 0x11, 0x22, 0x33]).unwrap();
    let message = proof_message(&device_number, &uid, &[0xc4; 32], &digest);
    assert_eq!(
        hex(&message),
        "00000016746f7563686d61726b20706f7373657373696f6e20310000000b333031322d313233343536000000\
         040011223300000020c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4000000\
         209f7ba32fa20af79c2bbd97a996c577cb336f4e4923faec0b29cdd6d4b37ca200"
    );
}

#[test]
fn messages_read_back() {
    for request in requests() {
        let mut frame = framed(&request);
        assert!(decode(&mut frame) == Ok((Version::CURRENT, request)));
    }
    for answer in answers() {
        let mut frame = framed(&answer);
        assert!(frame.len() <= ANSWER_FRAME_BYTES_MAX);
        assert_eq!(decode(&mut frame), Ok((Version::CURRENT, answer)));
    }
}

#[test]
fn the_largest_messages_fit_their_frames() {
    let certificate = vec![0; CERTIFICATE_BYTES_MAX];
    let secret_key = vec![0xff; SECRET_KEY_BYTES_MAX];
    let longest = number("ABCDEFGH-123456789012");
    let pack = Pack {
        device_number: longest.clone(),
        root_certificate: &certificate,
        issuing_certificate: &certificate,
        client_certificate: &certificate,
        secret_key: &secret_key,
    };
    assert!(pack.is_within_limits());
    let mut packed = vec![0; Pack::BYTES_MAX];
    minicbor::encode(&pack, &mut packed[..]).unwrap();
    let request = Request::Transmission(Transmission { session: SESSION, pack });
    assert!(decode(&mut framed(&request)) == Ok((Version::CURRENT, request)));

    let mut identity = identity(Some(longest.clone()));
    identity.versions = VersionRange { min: 255, current: 255 };
    identity.product = longest.product().clone();
    identity.hardware_uid = HardwareUid::new(&[1; HardwareUid::LENGTH_MAX]).unwrap();
    assert!(framed(&Answer::Identity(identity)).len() <= ANSWER_FRAME_BYTES_MAX);
    let digest = [9; 32];
    let result = WriteResult { device_number: longest.clone(), pack_digest: digest, signature: [0; 64] };
    assert!(framed(&Answer::WriteResult(result)).len() <= ANSWER_FRAME_BYTES_MAX);
    let uid = HardwareUid::new(&[1; HardwareUid::LENGTH_MAX]).unwrap();
    assert_eq!(proof_message(&longest, &uid, &digest, &digest).len(), PROOF_MESSAGE_BYTES_MAX);
}

#[test]
fn a_frame_that_does_not_fit_is_refused() {
    let request = &requests()[1];
    let length = framed(request).len();
    let mut output = vec![0; length];
    for room in 0..length {
        assert_eq!(encode(Version::CURRENT, request, &mut output[..room]), Err(FrameError::TooLong));
    }
    assert_eq!(encode(Version::CURRENT, request, &mut output), Ok(length));
}

#[test]
fn another_version_is_named() {
    for number in [0, 2, 255] {
        let mut content = vec![number, 0x82, 0x00, 0x80];
        let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&content);
        content.extend(sum.to_le_bytes());
        let mut frame = vec![0; 32];
        let length = cobs::encode(&content, &mut frame);
        let read = decode::<Request>(&mut frame[..length]);
        assert!(read.is_err_and(|error| error == FrameError::Version(number)));
    }
}

#[test]
fn peers_meet_on_the_newest_common_version() {
    let common = |min, current| VersionRange { min, current }.newest_common();
    assert_eq!(common(1, 1), Some(Version::CURRENT));
    assert_eq!(common(1, 9), Some(Version::CURRENT));
    assert_eq!(common(2, 9), None);
    assert_eq!(common(0, 0), None);
    assert_eq!(VersionRange::OURS.newest_common(), Some(Version::CURRENT));
}

#[test]
fn a_collector_finds_frames_in_any_stream() {
    let mut collector = FrameCollector::<FRAME_BYTES_MAX>::new();
    let mut stream = vec![0, 0];
    stream.extend(vec![7; FRAME_BYTES_MAX + 1]);
    stream.push(0);
    requests().iter().for_each(|request| stream.extend(framed(request)));
    let mut found = Vec::new();
    for byte in stream {
        if let Some(frame) = collector.push(byte) {
            found.push(frame.map(|frame| {
                let (_, request) = decode::<Request>(frame).unwrap();
                hex(&framed(&request))
            }));
        }
    }
    let expected = requests().map(|request| Ok(hex(&framed(&request))));
    assert_eq!(found[0], Err(FrameError::TooLong));
    assert_eq!(found[1..], expected);
}

/// What a bad line or a bad peer makes of a frame.
#[derive(Clone, Debug)]
enum Damage {
    Change(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    CutAt(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<prop::sample::Index>(), 1u8..).prop_map(|(at, by)| Damage::Change(at, by)),
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        any::<prop::sample::Index>().prop_map(Damage::Remove),
        any::<prop::sample::Index>().prop_map(Damage::CutAt),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        match damage {
            Damage::Change(at, by) => {
                let at = at.index(bytes.len());
                bytes[at] ^= by;
            }
            Damage::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
            Damage::Remove(at) => {
                bytes.remove(at.index(bytes.len()));
            }
            Damage::CutAt(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
    bytes
}

/// Wraps arbitrary content into a frame whose check sum fits, so that the CBOR behind it is reached.
fn with_check_sum(mut content: Vec<u8>) -> Vec<u8> {
    content.insert(0, Version::CURRENT.number());
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&content);
    content.extend(sum.to_le_bytes());
    let mut frame = vec![0; cobs::max_encoding_length(content.len())];
    let length = cobs::encode(&content, &mut frame);
    frame.truncate(length);
    frame
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_damaged_frame_is_never_taken_for_another_message(
        which in 0..4usize,
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        let request = &requests()[which];
        let whole = framed(request);
        let mut frame = damaged(whole, &damages);
        if let Ok((_, read)) = decode::<Request>(&mut frame) {
            prop_assert!(read == *request, "a damaged frame was read as another request");
        }
        // Sums that fit by design: only the CBOR reader stands between these bytes and the device.
        let mut body = vec![0; FRAME_BYTES_MAX];
        let mut rest = &mut body[..];
        minicbor::encode(request, &mut rest).unwrap();
        let length = FRAME_BYTES_MAX - rest.len();
        body.truncate(length);
        let mut frame = with_check_sum(damaged(body, &damages));
        match decode::<Request>(&mut frame) {
            Ok(_) | Err(FrameError::Message) => {}
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    #[test]
    fn what_is_written_is_read(
        root in prop::collection::vec(any::<u8>(), 0..600),
        client in prop::collection::vec(0..3u8, 0..600),
        secret in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let pack = Pack {
            root_certificate: &root,
            client_certificate: &client,
            secret_key: &secret,
            ..pack()
        };
        let request = Request::Transmission(Transmission { session: SESSION, pack });
        prop_assert!(decode(&mut framed(&request)) == Ok((Version::CURRENT, request)));
    }
}
