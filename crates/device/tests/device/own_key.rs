//! Keys that the device makes itself, and certificates that come at once or later.

use std::sync::Arc;

use auth::{PassPhrase, SymmetricCredential};
use der::referenced::OwnedToRef;
use der::{Decode, Encode};
use device::sim::{FLASH_BYTES, NVRAM_BYTES, SimBoard};
use device::{HeldBuffer, WriteModule, nvram};
use identity::line::{
    Answer, CertificatePart, Key, Pack, Refusal, Request, Session, SigningRequest, SymmetricPart,
    WriteResult, pack_digest, proof_message,
};
use identity::profile::{KeyAlgorithm, SymmetricForm};
use identity::{ApparatusId, Random};
use p256::ecdsa::signature::Verifier;
use seal::{Binding, PreWriteKey};
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::ext::Extension;
use x509_cert::name::Name;
use x509_cert::request::CertReq;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::Validity;

use crate::{
    CHALLENGE, Device, ask, board, confirm, device, identify, make, pack, remembers, restarted, result, send,
};

const NUMBER: &str = "3012-123456";

#[test]
fn a_device_makes_its_key_and_takes_the_certificate_for_it() {
    for (algorithm, signature_bytes) in [(KeyAlgorithm::P256, 64), (KeyAlgorithm::P384, 96)] {
        let mut device = WriteModule::new(board().with_own_key_algorithm(algorithm));
        let session = identify(&mut device).session;
        let request = requested(&mut device, session, NUMBER);
        assert_eq!(checked(&request).info.subject.to_string(), "SERIALNUMBER=3012-123456");
        let certificate = certify(&request);
        let pack = certified(NUMBER, &certificate);
        assert_eq!(send(&mut device, session, pack.clone()), Answer::Reception);
        let result = result(&mut device, session);
        assert_eq!(result.signature.len(), signature_bytes);
        assert_proved(&result, &request, &pack);
        confirm(&mut device, session);
        assert!(identify(&mut device).confirmed);
        let message = b"a message to the outside";
        let signature = device.sign(message).unwrap();
        public_key(checked(&request).info.public_key.owned_to_ref()).verify(message, &signature);
    }
}

#[test]
fn the_request_for_the_longest_number_and_key_fits() {
    let (product, uid) = ("ABCDEFGH".parse().unwrap(), "00112233".parse().unwrap());
    let board = SimBoard::new(product, uid, 1, vec![0xff; FLASH_BYTES], vec![0xff; NVRAM_BYTES]);
    let mut device = WriteModule::new(board.with_own_key_algorithm(KeyAlgorithm::P384));
    let session = identify(&mut device).session;
    checked(&requested(&mut device, session, "ABCDEFGH-123456789012"));
}

#[test]
fn a_request_may_be_repeated_until_the_end_and_after_a_restart() {
    let mut device = device();
    let session = identify(&mut device).session;
    let request = requested(&mut device, session, NUMBER);
    let mut device = restarted(&mut device);
    let changes = device.board().supply().changes();
    let session = identify(&mut device).session;
    assert_eq!(requested(&mut device, session, NUMBER), request);
    assert_eq!(device.board().supply().changes(), changes, "nothing was written again");

    let certificate = certify(&request);
    make(&mut device, certified(NUMBER, &certificate));
    let session = identify(&mut device).session;
    assert_eq!(requested(&mut device, session, NUMBER), request);
    assert_eq!(send(&mut device, session, certified(NUMBER, &certificate)), Answer::Reception);
}

#[test]
fn each_number_has_a_key_of_its_own() {
    let mut device = device();
    let session = identify(&mut device).session;
    let first = requested(&mut device, session, NUMBER);
    let second = requested(&mut device, session, "3012-123457");
    let key = |request| checked(request).info.public_key;
    assert_ne!(key(&first), key(&second));
    let refused = Answer::Refused(Refusal::NoKeyMade);
    assert_eq!(send(&mut device, session, certified(NUMBER, &certify(&first))), refused);
    let certificate = certify(&second);
    make(&mut device, certified("3012-123457", &certificate));
}

#[test]
fn a_certificate_for_another_key_is_refused_untouched() {
    let mut stranger = device_with_seed(2);
    let session = identify(&mut stranger).session;
    let foreign = certify(&requested(&mut stranger, session, NUMBER));

    let mut device = device();
    let session = identify(&mut device).session;
    let no_key = Answer::Refused(Refusal::NoKeyMade);
    assert_eq!(send(&mut device, session, certified(NUMBER, &foreign)), no_key);
    assert_eq!(send(&mut device, session, owed(NUMBER)), no_key);
    requested(&mut device, session, NUMBER);
    let changes = device.board().supply().changes();
    for client in [&foreign[..], b"no certificate", &foreign[..foreign.len() - 1]] {
        let answer = send(&mut device, session, certified(NUMBER, client));
        assert_eq!(answer, Answer::Refused(Refusal::ForeignCertificate));
    }
    assert_eq!(device.board().supply().changes(), changes);
}

#[test]
fn a_key_is_made_for_the_boards_product_and_session_only() {
    let mut device = device();
    let over = identify(&mut device).session;
    let session = identify(&mut device).session;
    assert_eq!(key_request(&mut device, over, NUMBER), Answer::Refused(Refusal::Replayed));
    assert_eq!(key_request(&mut device, session, "3013-123456"), Answer::Refused(Refusal::WrongProduct));
    assert_eq!(device.board().supply().changes(), 0);

    make(&mut device, pack(NUMBER));
    let session = identify(&mut device).session;
    for number in [NUMBER, "3012-123457"] {
        assert_eq!(key_request(&mut device, session, number), Answer::Refused(Refusal::HoldsAnother));
    }
}

#[test]
fn a_device_that_is_owed_its_certificate_takes_it_later() {
    let mut device = device();
    let session = identify(&mut device).session;
    let request = requested(&mut device, session, NUMBER);
    assert_eq!(send(&mut device, session, owed(NUMBER)), Answer::Reception);
    assert_proved(&result(&mut device, session), &request, &owed(NUMBER));
    confirm(&mut device, session);

    let mut device = restarted(&mut device);
    let session = identify(&mut device).session;
    let certificate = certify(&request);
    let other = send(&mut device, session, certified("3012-123457", &certificate));
    assert_eq!(other, Answer::Refused(Refusal::HoldsAnother));
    assert_eq!(send(&mut device, session, pack(NUMBER)), Answer::Refused(Refusal::HoldsAnother));

    // Over the line, or at its first call: the same.
    let mut caller = restarted(&mut device);
    assert_eq!(caller.install_certificate(b"root", b"issuing", &certificate), Ok(()));
    assert_eq!(send(&mut device, session, certified(NUMBER, &certificate)), Answer::Reception);
    for mut device in [device, caller] {
        let session = identify(&mut device).session;
        let result = result(&mut device, session);
        assert_proved(&result, &request, &certified(NUMBER, &certificate));
        assert_eq!(device.install_certificate(b"root", b"issuing", &certificate), Ok(()), "once more");
        let mut buffer = HeldBuffer::new();
        assert_eq!(device.held(&mut buffer).unwrap().unwrap().client_certificate, certificate);
        // At its port a device takes one only; by a call of its own it takes what follows.
        let renewed = certify_as(&request, 8);
        let answer = send(&mut device, session, certified(NUMBER, &renewed));
        assert_eq!(answer, Answer::Refused(Refusal::HoldsAnother));
        assert_eq!(device.install_certificate(b"root", b"issuing", &renewed), Ok(()));
        assert_eq!(device.held(&mut buffer).unwrap().unwrap().client_certificate, renewed);
    }
}

#[test]
fn only_the_certificate_for_its_key_is_installed() {
    let mut stranger = device_with_seed(2);
    let session = identify(&mut stranger).session;
    let foreign = certify(&requested(&mut stranger, session, NUMBER));
    let mut device = device();
    assert_eq!(device.install_certificate(b"root", b"", &foreign), Err(Refusal::NothingStored));
    let session = identify(&mut device).session;
    requested(&mut device, session, NUMBER);
    make(&mut device, owed(NUMBER));
    let changes = device.board().supply().changes();
    assert_eq!(device.install_certificate(b"root", b"", &foreign), Err(Refusal::ForeignCertificate));
    let long = vec![0; identity::line::CERTIFICATE_BYTES_MAX + 1];
    assert_eq!(device.install_certificate(b"root", b"", &long), Err(Refusal::TooLong));
    assert_eq!(device.board().supply().changes(), changes);

    let mut plain = self::device();
    make(&mut plain, pack(NUMBER));
    assert_eq!(plain.install_certificate(b"root", b"", &foreign), Err(Refusal::HoldsAnother));
}

#[test]
fn a_symmetric_credential_stays_when_the_owed_certificate_comes() {
    let key = || PreWriteKey::new("3012-1".parse().unwrap(), &[0x77; 32]);
    let mut device = WriteModule::new(board().with_pre_write_key(Arc::new(key())));
    let session = identify(&mut device).session;
    let request = requested(&mut device, session, NUMBER);
    let apparatus_id = ApparatusId::new([0x1d; 16]);
    let credential = SymmetricCredential { apparatus_id, pass_phrase: PassPhrase::new(&[0xf0; 32]) };
    let mut out = [0; 160];
    let binding = Binding { product: &"3012".parse().unwrap(), credential: &apparatus_id.into() };
    let sealed = key().seal(&binding, &*credential.to_bytes(), &Zeros, &mut out).unwrap();
    let symmetric =
        Some(SymmetricPart { apparatus_id, sealed, form: SymmetricForm::Opened, challenge: [0xba; 32] });
    let session = make(&mut device, Pack { symmetric, ..owed(NUMBER) });
    let before = result(&mut device, session);
    assert!(!before.signature.is_empty());
    assert_eq!(send(&mut device, session, certified(NUMBER, &certify(&request))), Answer::Reception);
    let after = result(&mut device, session);
    assert_eq!(after.confirmation, before.confirmation);
    assert_eq!(device.with_pass_phrase(|id, lent| (id, *lent.expose())), Ok((apparatus_id, [0xf0; 32])));
}

#[test]
fn a_key_that_was_never_used_is_wiped_once_the_device_is_confirmed() {
    let mut device = device();
    let session = identify(&mut device).session;
    requested(&mut device, session, NUMBER);
    assert_eq!(send(&mut device, session, owed(NUMBER)), Answer::Reception);
    let unused = scalar(&mut device);
    let request = requested(&mut device, session, "3012-123457");
    let certificate = certify(&request);
    assert_eq!(send(&mut device, session, certified("3012-123457", &certificate)), Answer::Reception);
    let used = scalar(&mut device);
    assert!(remembers(&mut device, &unused) && remembers(&mut device, &used));
    confirm(&mut device, session);
    assert!(!remembers(&mut device, &unused));
    let nvram = device.board().nvram_image().to_vec();
    assert!(!nvram.windows(32).any(|window| window == used), "its key is in the certificate area alone");
}

#[test]
fn a_device_with_a_damaged_store_makes_another_key_for_its_own_number() {
    let mut device = device();
    let session = identify(&mut device).session;
    let request = requested(&mut device, session, NUMBER);
    let certificate = certify(&request);
    make(&mut device, certified(NUMBER, &certificate));
    let nvram = device.board().nvram_image().to_vec();
    let mut damaged = device_of(3, Some(nvram));
    let session = identify(&mut damaged).session;
    let other = key_request(&mut damaged, session, "3012-123457");
    assert_eq!(other, Answer::Refused(Refusal::HoldsAnother));
    let lost = send(&mut damaged, session, certified(NUMBER, &certificate));
    assert_eq!(lost, Answer::Refused(Refusal::NoKeyMade));
    let certificate = certify(&requested(&mut damaged, session, NUMBER));
    assert_eq!(send(&mut damaged, session, certified(NUMBER, &certificate)), Answer::Reception);
    assert!(identify(&mut damaged).confirmed);
}

#[test]
fn making_a_key_keeps_the_rest_of_the_nvram() {
    let mut device = device();
    let before = nvram::Nvram { counter_information: b"counters", ..Default::default() };
    nvram::write(device.board(), &before).unwrap();
    let session = identify(&mut device).session;
    requested(&mut device, session, NUMBER);
    let mut buffer = nvram::NvramBuffer::new();
    let after = nvram::read(device.board(), &mut buffer).unwrap();
    assert!(after.own_key.is_some());
    assert_eq!(after.counter_information, b"counters");
}

/// Not random at all, so that a test can be repeated.
struct Zeros;

impl Random for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// A device that draws other random numbers than the others.
fn device_with_seed(seed: u64) -> Device {
    device_of(seed, None)
}

fn device_of(seed: u64, nvram: Option<Vec<u8>>) -> Device {
    let (product, uid) = ("3012".parse().unwrap(), "00112233".parse().unwrap());
    let nvram = nvram.unwrap_or_else(|| vec![0xff; NVRAM_BYTES]);
    WriteModule::new(SimBoard::new(product, uid, seed, vec![0xff; FLASH_BYTES], nvram))
}

fn key_request(device: &mut Device, session: Session, number: &str) -> Answer {
    ask(device, &Request::KeyRequest { session, device_number: number.parse().unwrap() })
}

pub fn requested(device: &mut Device, session: Session, number: &str) -> SigningRequest {
    match key_request(device, session, number) {
        Answer::SigningRequest(request) => request,
        answer => panic!("{answer:?}"),
    }
}

/// A pack with this certificate, for a key that the device has.
pub fn certified<'a>(number: &str, client: &'a [u8]) -> Pack<'a> {
    let part = CertificatePart { root: b"root", issuing: b"issuing", client, key: Key::Own };
    Pack { device_number: number.parse().unwrap(), certificate: Some(part), symmetric: None }
}

/// A pack for a device that is owed its certificate.
pub fn owed(number: &str) -> Pack<'static> {
    Pack { device_number: number.parse().unwrap(), certificate: None, symmetric: None }
}

/// A certificate for the key of this request, after checking the request.
pub fn certify(request: &SigningRequest) -> Vec<u8> {
    certify_as(request, 7)
}

pub fn certify_as(request: &SigningRequest, serial: u32) -> Vec<u8> {
    let request = checked(request);
    certify_key(request.info.subject, request.info.public_key, serial)
}

pub fn certify_key(subject: Name, public_key: SubjectPublicKeyInfoOwned, serial: u32) -> Vec<u8> {
    let validity = Validity::from_now(std::time::Duration::from_secs(60)).unwrap();
    let builder =
        CertificateBuilder::new(Leaf(subject), SerialNumber::from(serial), validity, public_key).unwrap();
    let issuer = p256::ecdsa::SigningKey::from_slice(&[0x15; 32]).unwrap();
    builder.build::<_, p256::ecdsa::DerSignature>(&issuer).unwrap().to_der().unwrap()
}

/// The request, whose signature was verified with the key that it names.
fn checked(request: &SigningRequest) -> CertReq {
    let request = CertReq::from_der(&request.0).unwrap();
    let message = request.info.to_der().unwrap();
    let signature = request.signature.raw_bytes();
    let key = public_key(request.info.public_key.owned_to_ref());
    key.verify_der(&message, signature);
    request
}

enum PublicKey {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
}

fn public_key(information: SubjectPublicKeyInfoRef<'_>) -> PublicKey {
    p256::ecdsa::VerifyingKey::try_from(information.clone())
        .map(PublicKey::P256)
        .or_else(|_| p384::ecdsa::VerifyingKey::try_from(information).map(PublicKey::P384))
        .unwrap()
}

impl PublicKey {
    fn verify_der(&self, message: &[u8], signature: &[u8]) {
        match self {
            Self::P256(key) => {
                key.verify(message, &p256::ecdsa::DerSignature::try_from(signature).unwrap()).unwrap();
            }
            Self::P384(key) => {
                key.verify(message, &p384::ecdsa::DerSignature::try_from(signature).unwrap()).unwrap();
            }
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) {
        match self {
            Self::P256(key) => {
                key.verify(message, &p256::ecdsa::Signature::from_slice(signature).unwrap()).unwrap();
            }
            Self::P384(key) => {
                key.verify(message, &p384::ecdsa::Signature::from_slice(signature).unwrap()).unwrap();
            }
        }
    }
}

/// Fails unless the device signed with the key of this request.
fn assert_proved(result: &WriteResult, request: &SigningRequest, pack: &Pack<'_>) {
    assert_eq!(result.pack_digest, pack_digest(pack));
    let chip = "00112233".parse().unwrap();
    let message = proof_message(&pack.device_number, &chip, &CHALLENGE, &result.pack_digest);
    public_key(checked(request).info.public_key.owned_to_ref()).verify(&message, &result.signature);
}

/// The scalar of the key that the device holds, to look for it where it must not be.
fn scalar(device: &mut Device) -> Vec<u8> {
    let mut buffer = HeldBuffer::new();
    device.held(&mut buffer).unwrap().unwrap().secret_key[36..68].to_vec()
}

struct Leaf(Name);

impl BuilderProfile for Leaf {
    fn get_issuer(&self, _: &Name) -> Name {
        "CN=test".parse().unwrap()
    }

    fn get_subject(&self) -> Name {
        self.0.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        Ok(Vec::new())
    }
}
