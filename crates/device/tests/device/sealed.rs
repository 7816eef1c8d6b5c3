//! Packs that only the device can open.

use std::sync::Arc;

use auth::{PassPhrase, SymmetricCredential, authority_confirmation, station_confirmation};
use device::WriteModule;
use device::sim::{FLASH_BYTES, NVRAM_BYTES, SimBoard};
use identity::line::{
    Answer, CertificatePart, Key, Pack, Refusal, Request, SymmetricPart, Transmission, Version, WriteResult,
    pack_digest, proof_message,
};
use identity::profile::SymmetricForm;
use identity::{ApparatusId, CredentialId, HardwareUid, Random};
use p256::pkcs8::DecodePrivateKey;
use seal::{Binding, ChipKey, PreWriteKey, SEALED_OVERHEAD_MAX};

use crate::{
    CERTIFICATES, CHALLENGE, Device, SECRET_KEY, TestBoard, ask_in, board, confirm, device, identify, make,
    remembers, restarted, result, send,
};

/// Made by `openssl ecparam -name secp384r1 -genkey`.
const P384_KEY: &[u8] = include_bytes!("../secret_key_p384.der");
const NUMBER: &str = "3012-123456";
const UID: &str = "00112233";
const BATCH_CHALLENGE: [u8; 32] = [0xba; 32];

/// Not random at all, so that a test can be repeated.
struct Counting;

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().zip(1..).for_each(|(byte, value)| *byte = value);
    }
}

pub fn pre_write_key(identifier: &str) -> PreWriteKey {
    PreWriteKey::new(identifier.parse().unwrap(), &[0x77; 32])
}

fn chip_key() -> ChipKey {
    ChipKey::new(&[0x33; 32]).unwrap()
}

/// A device with firmware that was built with this key.
fn device_with(key: PreWriteKey) -> Device {
    WriteModule::new(board().with_pre_write_key(Arc::new(key)))
}

fn pass_phrase() -> PassPhrase {
    PassPhrase::new(&[0xf0; 32])
}

fn apparatus_id() -> ApparatusId {
    ApparatusId::new([0x1d; 16])
}

/// Seals what is meant for the product 3012.
fn seal(key: &PreWriteKey, credential: impl Into<CredentialId>, secret: &[u8]) -> Vec<u8> {
    let binding = Binding { product: &"3012".parse().unwrap(), credential: &credential.into() };
    let mut out = vec![0; secret.len() + SEALED_OVERHEAD_MAX];
    key.seal(&binding, secret, &Counting, &mut out).unwrap().to_vec()
}

/// What a pack with both credentials carries.
pub struct Sealed {
    key: Vec<u8>,
    pass_phrase: Vec<u8>,
}

impl Sealed {
    pub fn under(key: &PreWriteKey) -> Self {
        let credential = SymmetricCredential { apparatus_id: apparatus_id(), pass_phrase: pass_phrase() };
        let number: identity::DeviceNumber = NUMBER.parse().unwrap();
        Self {
            key: seal(key, number, SECRET_KEY),
            pass_phrase: seal(key, apparatus_id(), &*credential.to_bytes()),
        }
    }

    fn for_chip(key: &ChipKey) -> Self {
        let seal = |credential: CredentialId, secret: &[u8]| {
            let binding = Binding { product: &"3012".parse().unwrap(), credential: &credential };
            let mut out = vec![0; secret.len() + SEALED_OVERHEAD_MAX];
            key.public_key().seal(&binding, secret, &Counting, &mut out).unwrap().to_vec()
        };
        let credential = SymmetricCredential { apparatus_id: apparatus_id(), pass_phrase: pass_phrase() };
        Self {
            key: seal(CredentialId::Number(NUMBER.parse().unwrap()), SECRET_KEY),
            pass_phrase: seal(apparatus_id().into(), &*credential.to_bytes()),
        }
    }

    pub fn pack(&self, form: SymmetricForm) -> Pack<'_> {
        Pack {
            device_number: NUMBER.parse().unwrap(),
            certificate: Some(CertificatePart { key: Key::Sealed(&self.key), ..CERTIFICATES }),
            symmetric: Some(SymmetricPart {
                apparatus_id: apparatus_id(),
                sealed: &self.pass_phrase,
                form,
                challenge: BATCH_CHALLENGE,
            }),
        }
    }
}

/// Fails unless the device has proved that it holds both secrets and exactly this pack.
fn assert_proved(result: &WriteResult, pack: &Pack<'_>) {
    assert_eq!(result.pack_digest, pack_digest(pack));
    let chip: HardwareUid = UID.parse().unwrap();
    assert_signed(result, &chip);
    let confirmation = result.confirmation.unwrap();
    let number = NUMBER.parse().unwrap();
    let expected = authority_confirmation(&pass_phrase(), apparatus_id(), &number, &chip, &BATCH_CHALLENGE);
    assert_eq!(confirmation.apparatus_id, apparatus_id());
    assert_eq!(&confirmation.station, station_confirmation(&pass_phrase(), apparatus_id()).as_bytes());
    assert_eq!(&confirmation.authority, expected.as_bytes());
}

fn assert_signed(result: &WriteResult, chip: &HardwareUid) {
    use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier};
    let message = proof_message(&result.device_number, chip, &CHALLENGE, &result.pack_digest);
    let public = VerifyingKey::from(p256::SecretKey::from_pkcs8_der(SECRET_KEY).unwrap().public_key());
    public.verify(&message, &Signature::from_slice(&result.signature).unwrap()).unwrap();
}

#[test]
fn a_device_takes_both_credentials_and_proves_both() {
    for form in [SymmetricForm::Opened, SymmetricForm::Sealed] {
        let sealed = Sealed::under(&pre_write_key("3012-1"));
        let pack = sealed.pack(form);
        let mut device = device_with(pre_write_key("3012-1"));
        let session = identify(&mut device).session;
        assert_eq!(send(&mut device, session, pack.clone()), Answer::Reception);
        assert_proved(&result(&mut device, session), &pack);
        confirm(&mut device, session);

        let mut device = restarted(&mut device);
        let identity = identify(&mut device);
        assert!(identity.confirmed);
        assert_eq!(identity.key_identifier, Some("3012-1".parse().unwrap()));
        assert_proved(&result(&mut device, identity.session), &pack);
    }
}

#[test]
fn the_second_form_keeps_ciphertext_and_opens_it_to_authenticate() {
    for (form, is_opened) in [(SymmetricForm::Opened, true), (SymmetricForm::Sealed, false)] {
        let sealed = Sealed::under(&pre_write_key("3012-1"));
        let mut device = device_with(pre_write_key("3012-1"));
        make(&mut device, sealed.pack(form));
        assert_eq!(remembers(&mut device, pass_phrase().expose()), is_opened);
        assert_eq!(remembers(&mut device, &sealed.pass_phrase), !is_opened);
        let lent = device.with_pass_phrase(|id, lent| (id, *lent.expose()));
        assert_eq!(lent, Ok((apparatus_id(), *pass_phrase().expose())));
    }
}

#[test]
fn a_pass_phrase_alone_is_a_pack() {
    let sealed = Sealed::under(&pre_write_key("3012-1"));
    let pack = Pack { certificate: None, ..sealed.pack(SymmetricForm::Opened) };
    let mut device = device_with(pre_write_key("3012-1"));
    let session = make(&mut device, pack.clone());
    let result = result(&mut device, session);
    assert!(result.signature.is_empty());
    assert!(result.confirmation.is_some());
    assert_eq!(result.pack_digest, pack_digest(&pack));
    assert_eq!(device.sign(b"message"), Err(Refusal::NothingStored));
}

#[test]
fn a_chip_opens_what_is_sealed_to_its_own_key() {
    let sealed = Sealed::for_chip(&chip_key());
    let pack = sealed.pack(SymmetricForm::Opened);
    let mut device = WriteModule::new(board().with_chip_key(Arc::new(chip_key())));
    let session = make(&mut device, pack.clone());
    assert_proved(&result(&mut device, session), &pack);
    assert_eq!(identify(&mut device).chip_key, Some(chip_key().public_key().to_bytes()));

    let other = ChipKey::new(&[0x34; 32]).unwrap();
    let mut other = WriteModule::new(board().with_chip_key(Arc::new(other)));
    assert_refused(&mut other, pack, Refusal::NotOpened);
}

#[test]
fn a_key_for_one_chip_opens_no_other_chips_packs() {
    let chip = |uid: &str| pre_write_key("3012-1").for_chip(&uid.parse().unwrap());
    let sealed = Sealed::under(&chip(UID));
    let pack = sealed.pack(SymmetricForm::Opened);
    let mut device = device_with(chip(UID));
    let session = make(&mut device, pack.clone());
    assert_proved(&result(&mut device, session), &pack);
    assert_refused(&mut device_with(chip("00112234")), pack.clone(), Refusal::NotOpened);
    assert_refused(&mut device_with(pre_write_key("3012-1")), pack, Refusal::NotOpened);
}

#[test]
fn a_sealed_p384_key_is_taken() {
    use p384::ecdsa::{Signature, VerifyingKey, signature::Verifier};
    let number: identity::DeviceNumber = NUMBER.parse().unwrap();
    let sealed = seal(&pre_write_key("3012-1"), number.clone(), P384_KEY);
    let certificate = Some(CertificatePart { key: Key::Sealed(&sealed), ..CERTIFICATES });
    let mut device = device_with(pre_write_key("3012-1"));
    let session = make(&mut device, Pack { device_number: number, certificate, symmetric: None });
    let result = result(&mut device, session);
    let message =
        proof_message(&result.device_number, &UID.parse().unwrap(), &CHALLENGE, &result.pack_digest);
    let public = VerifyingKey::from(p384::SecretKey::from_pkcs8_der(P384_KEY).unwrap().public_key());
    public.verify(&message, &Signature::from_slice(&result.signature).unwrap()).unwrap();
}

#[test]
fn a_pack_that_does_not_open_is_refused_untouched() {
    let (key, other_key) = (pre_write_key("3012-1"), pre_write_key("3012-2"));
    let number = |text: &str| -> identity::DeviceNumber { text.parse().unwrap() };
    let good = Sealed::under(&key);
    let refused = |bad: Sealed, refusal| {
        let mut device = device_with(pre_write_key("3012-1"));
        assert_refused(&mut device, bad.pack(SymmetricForm::Opened), refusal);
    };
    let with_key = |key: Vec<u8>| Sealed { key, pass_phrase: good.pass_phrase.clone() };
    let with_phrase = |pass_phrase: Vec<u8>| Sealed { key: good.key.clone(), pass_phrase };
    let phrase_of = |id| {
        SymmetricCredential { apparatus_id: ApparatusId::new(id), pass_phrase: pass_phrase() }.to_bytes()
    };

    refused(with_key(seal(&other_key, number(NUMBER), SECRET_KEY)), Refusal::WrongKey);
    refused(with_key(seal(&key, number("3012-123457"), SECRET_KEY)), Refusal::NotOpened);
    refused(with_key(seal(&key, apparatus_id(), SECRET_KEY)), Refusal::NotOpened);
    refused(with_key(seal(&key, number(NUMBER), b"not a key")), Refusal::UnusableKey);
    refused(with_key(b"not sealed".to_vec()), Refusal::NotOpened);
    refused(with_phrase(seal(&other_key, apparatus_id(), &*phrase_of([0x1d; 16]))), Refusal::WrongKey);
    refused(with_phrase(seal(&key, apparatus_id(), &*phrase_of([0x1e; 16]))), Refusal::NotOpened);
    refused(with_phrase(seal(&key, apparatus_id(), &[0xf0; 47])), Refusal::NotOpened);
    refused(
        with_phrase(seal(&key, ApparatusId::new([0x1e; 16]), &*phrase_of([0x1d; 16]))),
        Refusal::NotOpened,
    );
    for at in 0..good.key.len() {
        let mut key = good.key.clone();
        key[at] ^= 1;
        let mut device = device_with(pre_write_key("3012-1"));
        let session = identify(&mut device).session;
        let answer = send(&mut device, session, with_key(key).pack(SymmetricForm::Sealed));
        assert!(matches!(answer, Answer::Refused(Refusal::NotOpened | Refusal::WrongKey)), "{answer:?}");
        assert_eq!(device.board().supply().changes(), 0);
    }
    assert_refused(&mut device(), good.pack(SymmetricForm::Sealed), Refusal::WrongKey);
}

#[test]
fn a_sealed_pack_is_taken_once_and_repeated_without_writing() {
    let sealed = Sealed::under(&pre_write_key("3012-1"));
    let mut device = device_with(pre_write_key("3012-1"));
    let session = make(&mut device, sealed.pack(SymmetricForm::Opened));
    let changes = device.board().supply().changes();
    assert_eq!(send(&mut device, session, sealed.pack(SymmetricForm::Opened)), Answer::Reception);
    let other_form = send(&mut device, session, sealed.pack(SymmetricForm::Sealed));
    assert_eq!(other_form, Answer::Refused(Refusal::HoldsAnother));
    confirm(&mut device, session);
    assert_eq!(device.board().supply().changes(), changes);
}

#[test]
fn what_is_new_is_not_taken_in_an_old_frame() {
    let sealed = Sealed::under(&pre_write_key("3012-1"));
    let mut device = device_with(pre_write_key("3012-1"));
    let session = identify(&mut device).session;
    let pack = sealed.pack(SymmetricForm::Opened);
    let request = Request::Transmission(Transmission { session, pack });
    let answer = ask_in(Version::MIN, &mut device, &request);
    assert_eq!(answer, Answer::Refused(Refusal::UnsupportedVersion));
    assert_eq!(device.board().supply().changes(), 0);
}

#[test]
fn a_secret_that_was_replaced_is_wiped_once_the_device_is_confirmed() {
    let scalar = &SECRET_KEY[36..68];
    let sealed = Sealed::under(&pre_write_key("3012-1"));
    let other = PreWriteKey::new("3012-1".parse().unwrap(), &[0x77; 32]);
    let number: identity::DeviceNumber = "3012-123457".parse().unwrap();
    let key = seal(&other, number.clone(), P384_KEY);
    let certificate = Some(CertificatePart { key: Key::Sealed(&key), ..CERTIFICATES });
    let replacing = Pack { device_number: number, certificate, symmetric: None };

    let mut device = device_with(pre_write_key("3012-1"));
    let session = identify(&mut device).session;
    assert_eq!(send(&mut device, session, sealed.pack(SymmetricForm::Opened)), Answer::Reception);
    assert_eq!(send(&mut device, session, replacing), Answer::Reception);
    assert!(remembers(&mut device, scalar) && remembers(&mut device, pass_phrase().expose()));
    confirm(&mut device, session);
    assert!(!remembers(&mut device, scalar) && !remembers(&mut device, pass_phrase().expose()));
}

#[test]
fn a_damaged_store_takes_its_sealed_pack_back() {
    let sealed = Sealed::under(&pre_write_key("3012-1"));
    let mut device = device_with(pre_write_key("3012-1"));
    make(&mut device, sealed.pack(SymmetricForm::Opened));
    let nvram = device.board().nvram_image().to_vec();
    assert_eq!(nvram.len(), NVRAM_BYTES);
    let damaged: TestBoard =
        SimBoard::new("3012".parse().unwrap(), UID.parse().unwrap(), 2, vec![0xff; FLASH_BYTES], nvram);
    let mut damaged = WriteModule::new(damaged.with_pre_write_key(Arc::new(pre_write_key("3012-1"))));
    let session = identify(&mut damaged).session;
    assert_eq!(send(&mut damaged, session, sealed.pack(SymmetricForm::Opened)), Answer::Reception);
    assert_proved(&result(&mut damaged, session), &sealed.pack(SymmetricForm::Opened));
    assert!(identify(&mut damaged).confirmed);
}

/// Sends the pack, which is refused before anything is written.
fn assert_refused(device: &mut Device, pack: Pack<'_>, refusal: Refusal) {
    let session = identify(device).session;
    assert_eq!(send(device, session, pack), Answer::Refused(refusal));
    assert!(refusal.is_untouched());
    assert_eq!(device.board().supply().changes(), 0);
}
