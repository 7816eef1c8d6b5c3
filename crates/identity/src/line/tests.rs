//! The wire of every version, pinned to the byte. A published version's bytes are never edited: a
//! change that breaks them is a new version.

extern crate std;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;

use super::*;
use crate::profile::SymmetricForm;
use crate::{ApparatusId, DeviceNumber, HardwareUid};

const SESSION: Session = Session::new([0x5e; 16]);

fn number(text: &str) -> DeviceNumber {
    text.parse().unwrap()
}

fn pack() -> Pack<'static> {
    Pack {
        device_number: number("3012-123456"),
        certificate: Some(CertificatePart {
            root: b"root",
            issuing: b"issuing\0",
            client: b"client",
            key: Key::Plain(b"key"),
        }),
        symmetric: None,
    }
}

/// The packs that version 2 brought.
fn packs_of_version_2() -> [Pack<'static>; 5] {
    let certificate =
        |key| Some(CertificatePart { root: b"root", issuing: b"issuing\0", client: b"client", key });
    let symmetric = |form| {
        Some(SymmetricPart {
            apparatus_id: ApparatusId::new(*b"0123456789abcdef"),
            sealed: b"sealed\0",
            form,
            challenge: [0xba; 32],
        })
    };
    let pack = |certificate, symmetric| Pack { device_number: number("A123-654321"), certificate, symmetric };
    [
        pack(certificate(Key::Sealed(b"sealed key")), symmetric(SymmetricForm::Opened)),
        pack(certificate(Key::Sealed(b"sealed key")), None),
        pack(certificate(Key::Own), None),
        pack(None, symmetric(SymmetricForm::Sealed)),
        pack(None, None),
    ]
}

fn requests_of_version_2() -> [Request<'static>; 6] {
    let [both, sealed, own, symmetric, owed] =
        packs_of_version_2().map(|pack| Request::Transmission(Transmission { session: SESSION, pack }));
    let key = Request::KeyRequest { session: SESSION, device_number: number("A123-654321") };
    [both, sealed, own, symmetric, owed, key]
}

fn answers_of_version_2() -> [Answer; 5] {
    let identity = |key_identifier, chip_key| {
        let holding = None;
        Answer::Identity(Identity { key_identifier, chip_key, ..identity(holding) })
    };
    let result = |signature: &[u8]| {
        Answer::WriteResult(WriteResult {
            device_number: number("A123-654321"),
            pack_digest: [0xd1; 32],
            signature: heapless::Vec::from_slice(signature).unwrap(),
            confirmation: Some(Confirmation {
                apparatus_id: ApparatusId::new(*b"0123456789abcdef"),
                station: [0x57; 32],
                authority: [0xa0; 32],
            }),
        })
    };
    [
        identity(Some("A123-2".parse().unwrap()), None),
        identity(None, Some([4; CHIP_KEY_BYTES])),
        result(&[0x51; 96]),
        result(&[]),
        Answer::SigningRequest(SigningRequest(heapless::Vec::from_slice(b"request").unwrap())),
    ]
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
        key_identifier: None,
        chip_key: None,
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
            signature: heapless::Vec::from_slice(&[0x51; 64]).unwrap(),
            confirmation: None,
        }),
        Answer::Done,
        Answer::Refused(Refusal::HoldsAnother),
    ]
}

fn framed<M: minicbor::Encode<()>>(version: u8, message: &M) -> Vec<u8> {
    let mut frame = vec![0; FRAME_BYTES_MAX];
    let length = encode(Version::new(version).unwrap(), message, &mut frame).unwrap();
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
    assert_eq!(requests().map(|request| hex(&framed(1, &request))), expected);
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
    assert_eq!(answers().map(|answer| hex(&framed(1, &answer))), expected);
}

#[test]
fn refusals_have_these_numbers() {
    for (number, refusal) in Refusal::ALL.into_iter().enumerate() {
        let mut bytes = [0xff; 1];
        minicbor::encode(refusal, &mut bytes[..]).unwrap();
        assert_eq!(usize::from(bytes[0]), number, "{refusal}");
        assert_eq!(refusal.as_str().parse(), Ok(refusal));
    }
}

#[test]
fn version_2_requests_have_these_bytes() {
    let expected = [
        "310282018182505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e876b413132332d36353433323144726f6f74486973\
         7375696e672d46636c69656e74404a7365616c6564206b657984503031323334353637383961626364656647\
         7365616c65642e666f70656e65645820babababababababababababababababababababababababababababa\
         babababaefd4378400",
        "310282018182505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e866b413132332d36353433323144726f6f74486973\
         7375696e671846636c69656e74404a7365616c6564206b6579fe0d9cd200",
        "310282018182505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e856b413132332d36353433323144726f6f74486973\
         7375696e670d46636c69656e74407705ca9400",
        "420282018182505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e876b413132332d36353433323140404040f6845030\
         313233343536373839616263646566477365616c65642e667365616c65645820babababababababababababa\
         babababababababababababababababababababa86334a3b00",
        "2c0282018182505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e856b413132332d363534333231404040405dc6a090\
         00",
        "2602820482505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e6b413132332d363534333231f540e82b00",
    ];
    assert_eq!(requests_of_version_2().map(|request| hex(&framed(2, &request))), expected);
}

#[test]
fn version_2_answers_have_these_bytes() {
    let expected = [
        "0302820c818782010164333031324422112233505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5ef6f466413132332d\
         325d202b9d00",
        "0302820c81888201016433303132445e112233505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5ef6f4f65841040404\
         0404040404040404040404040404040404040404040404040404040404040404040404040404040404040404\
         04040404040404040404040404040404040418eb330100",
        "f002820281846b413132332d3635343332315820d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1\
         d1d1d1d1d1d1d1d1586051515151515151515151515151515151515151515151515151515151515151515151\
         5151515151515151515151515151515151515151515151515151515151515151515151515151515151515151\
         5151515151515151515151515151515151518350303132333435363738396162636465665820575757575757\
         57575757575757575757575757575757575757575757575757575820a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0\
         a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a098a7a73f00",
        "8f02820281846b413132332d3635343332315820d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1\
         d1d1d1d1d1d1d1d1408350303132333435363738396162636465665820575757575757575757575757575757\
         57575757575757575757575757575757575820a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0\
         a0a0a0a0a0a0a065d46d2a00",
        "11028205814772657175657374f390c7aa00",
    ];
    assert_eq!(answers_of_version_2().map(|answer| hex(&framed(2, &answer))), expected);
}

#[test]
fn version_2_digests_have_these_bytes() {
    let expected = [
        "6c3c370d5f3a073434a25f60f6de63eb17dfe533a8c66f201ab21cd310ba9d3c",
        "a66b49913391828ab30da831c49e7c37388da3b4afc2e481e5dc83fb8ff814ff",
        "f5e08e7f6abacc17c43af6554cfa825d06beeeb7a95e462da293aa13139e6d44",
        "1e07f695768270c6593b6a2071cf372e3086b4cecaa7c9cd8ed2490cb5997ddc",
        "2bf723cebd807fc639c459d64ef91960827652b34eace8dd0d8161946bfd3d5d",
    ];
    assert_eq!(packs_of_version_2().map(|pack| hex(&pack_digest(&pack))), expected);
}

#[test]
fn what_is_new_travels_in_version_2() {
    assert!(requests().iter().all(|request| request.oldest_version().number() == 1));
    assert!(requests_of_version_2().iter().all(|request| request.oldest_version().number() == 2));
}

#[test]
fn a_pack_that_would_be_misread_is_not_written() {
    let part = CertificatePart { root: b"root", issuing: b"issuing", client: b"client", key: Key::Own };
    for part in [CertificatePart { client: b"", ..part }, CertificatePart { key: Key::Plain(b""), ..part }] {
        let pack = Pack { certificate: Some(part), ..pack() };
        let request = Request::Transmission(Transmission { session: SESSION, pack });
        let mut frame = [0; 256];
        assert_eq!(encode(Version::CURRENT, &request, &mut frame), Err(FrameError::Message));
    }
}

#[test]
fn a_pack_that_contradicts_itself_is_not_read() {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let written = |fields: [Vec<u8>; 4], sealed: Option<&[u8]>| {
        let mut body = vec![0; 256];
        let room = body.len();
        let mut rest = &mut body[..];
        let mut to = minicbor::Encoder::new(&mut rest);
        to.array(if sealed.is_some() { 6 } else { 5 }).unwrap().str("3012-123456").unwrap();
        fields.iter().for_each(|field| {
            to.bytes(field).unwrap();
        });
        if let Some(sealed) = sealed {
            to.bytes(sealed).unwrap();
        }
        let length = room - rest.len();
        body.truncate(length);
        body
    };
    let [root, issuing, client, key] = ["root", "issuing", "client", "key"].map(bytes);
    let none = Vec::new;
    let read = |fields, sealed| minicbor::decode::<Pack>(&written(fields, sealed)).is_ok();
    assert!(read([root.clone(), issuing.clone(), client.clone(), key.clone()], None));
    assert!(!read([root.clone(), issuing.clone(), client, key.clone()], Some(b"sealed")), "two keys");
    assert!(!read([root, issuing, none(), none()], None), "issuers without a certificate");
    assert!(!read([none(), none(), none(), key], None), "a key without a certificate");
    assert!(!read([none(), none(), none(), none()], Some(b"sealed")), "a sealed key without a certificate");
}

#[test]
fn digest_and_proof_message_have_these_bytes() {
    let digest = pack_digest(&pack());
    assert_eq!(hex(&digest), "9f7ba32fa20af79c2bbd97a996c577cb336f4e4923faec0b29cdd6d4b37ca200");
    let uid = HardwareUid::new(&[0, 0x11, 0x22, 0x33]).unwrap();
    let message = proof_message(&pack().device_number, &uid, &[0xc4; 32], &digest);
    assert_eq!(
        hex(&message),
        "00000016746f7563686d61726b20706f7373657373696f6e20310000000b333031322d313233343536000000\
         040011223300000020c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4000000\
         209f7ba32fa20af79c2bbd97a996c577cb336f4e4923faec0b29cdd6d4b37ca200"
    );
}

#[test]
fn messages_read_back() {
    for request in requests().into_iter().chain(requests_of_version_2()) {
        let mut frame = framed(2, &request);
        assert!(decode(&mut frame) == Ok((Version::CURRENT, request)));
    }
    for answer in answers().into_iter().chain(answers_of_version_2()) {
        let mut frame = framed(2, &answer);
        assert!(frame.len() <= ANSWER_FRAME_BYTES_MAX);
        assert_eq!(decode(&mut frame), Ok((Version::CURRENT, answer)));
    }
}

#[test]
fn the_largest_messages_fit_their_frames() {
    let certificate = vec![0; CERTIFICATE_BYTES_MAX];
    let sealed = vec![0xff; SEALED_KEY_BYTES_MAX];
    let longest = number("ABCDEFGH-123456789012");
    let part = |key| CertificatePart { root: &certificate, issuing: &certificate, client: &certificate, key };
    let symmetric = SymmetricPart {
        apparatus_id: ApparatusId::new([1; 16]),
        sealed: &sealed[..SEALED_PASS_PHRASE_BYTES_MAX],
        form: SymmetricForm::Opened,
        challenge: [1; 32],
    };
    let pack = Pack {
        device_number: longest.clone(),
        certificate: Some(part(Key::Sealed(&sealed))),
        symmetric: Some(symmetric),
    };
    assert!(pack.is_within_limits());
    let long = vec![0xff; SEALED_KEY_BYTES_MAX + 1];
    for key in [Key::Sealed(&long), Key::Plain(&long[..SECRET_KEY_BYTES_MAX + 1])] {
        assert!(!Pack { certificate: Some(part(key)), ..pack.clone() }.is_within_limits());
    }
    let mut packed = vec![0; Pack::BYTES_MAX];
    minicbor::encode(&pack, &mut packed[..]).unwrap();
    let request = Request::Transmission(Transmission { session: SESSION, pack });
    assert!(decode(&mut framed(2, &request)) == Ok((Version::CURRENT, request)));

    let mut identity = identity(Some(longest.clone()));
    identity.versions = VersionRange { min: 255, current: 255 };
    identity.product = longest.product().clone();
    identity.hardware_uid = HardwareUid::new(&[1; HardwareUid::LENGTH_MAX]).unwrap();
    identity.key_identifier = Some("ABCDEFGHIJKLMNOPQRSTUVWX".parse().unwrap());
    identity.chip_key = Some([4; CHIP_KEY_BYTES]);
    // A station of version 1 has room for 256 bytes.
    assert!(framed(1, &Answer::Identity(identity)).len() <= 256);
    let digest = [9; 32];
    let result = WriteResult {
        device_number: longest.clone(),
        pack_digest: digest,
        signature: heapless::Vec::from_array([1; SIGNATURE_BYTES_MAX]),
        confirmation: Some(Confirmation {
            apparatus_id: ApparatusId::new([1; 16]),
            station: digest,
            authority: digest,
        }),
    };
    assert!(framed(2, &Answer::WriteResult(result)).len() <= ANSWER_FRAME_BYTES_MAX);
    let request = SigningRequest(heapless::Vec::from_array([1; SIGNING_REQUEST_BYTES_MAX]));
    assert!(framed(2, &Answer::SigningRequest(request)).len() <= ANSWER_FRAME_BYTES_MAX);
    let uid = HardwareUid::new(&[1; HardwareUid::LENGTH_MAX]).unwrap();
    assert_eq!(proof_message(&longest, &uid, &digest, &digest).len(), PROOF_MESSAGE_BYTES_MAX);
}

#[test]
fn a_frame_that_does_not_fit_is_refused() {
    let request = &requests()[1];
    let length = framed(2, request).len();
    let mut output = vec![0; length];
    for room in 0..length {
        assert_eq!(encode(Version::CURRENT, request, &mut output[..room]), Err(FrameError::TooLong));
    }
    assert_eq!(encode(Version::CURRENT, request, &mut output), Ok(length));
}

#[test]
fn another_version_is_named() {
    for number in [0, 3, 255] {
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
    assert_eq!(common(1, 1), Some(Version::MIN));
    assert_eq!(common(1, 9), Some(Version::CURRENT));
    assert_eq!(common(2, 9), Some(Version::CURRENT));
    assert_eq!(common(3, 9), None);
    assert_eq!(common(0, 0), None);
    assert_eq!(VersionRange::OURS.newest_common(), Some(Version::CURRENT));
}

#[test]
fn a_collector_finds_frames_in_any_stream() {
    let mut collector = FrameCollector::<FRAME_BYTES_MAX>::new();
    let mut stream = vec![0, 0];
    stream.extend(vec![7; FRAME_BYTES_MAX + 1]);
    stream.push(0);
    requests().iter().for_each(|request| stream.extend(framed(1, request)));
    let mut found = Vec::new();
    for byte in stream {
        if let Some(frame) = collector.push(byte) {
            found.push(frame.map(|frame| {
                let (_, request) = decode::<Request>(frame).unwrap();
                hex(&framed(1, &request))
            }));
        }
    }
    let expected = requests().map(|request| Ok(hex(&framed(1, &request))));
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
        which in 0..10usize,
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        let every: Vec<_> = requests().into_iter().chain(requests_of_version_2()).collect();
        let request = &every[which];
        let whole = framed(2, request);
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
        client in prop::collection::vec(0..3u8, 1..600),
        secret in prop::collection::vec(any::<u8>(), 1..200),
        which_key in 0..3u8,
        has_symmetric: bool,
    ) {
        let key = [Key::Plain(&secret), Key::Sealed(&secret), Key::Own][usize::from(which_key)];
        let symmetric = has_symmetric.then_some(SymmetricPart {
            apparatus_id: ApparatusId::new([7; 16]),
            sealed: &secret,
            form: SymmetricForm::Sealed,
            challenge: [which_key; 32],
        });
        let certificate = Some(CertificatePart { root: &root, issuing: b"", client: &client, key });
        let pack = Pack { certificate, symmetric, ..pack() };
        let request = Request::Transmission(Transmission { session: SESSION, pack });
        prop_assert!(decode(&mut framed(2, &request)) == Ok((Version::CURRENT, request)));
    }
}
