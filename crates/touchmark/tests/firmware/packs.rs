//! Packs as an authority makes them, and whether a device holds one.

use std::sync::OnceLock;

use auth::{SymmetricCredential, authority_confirmation, station_confirmation};
use cert::possession::{self, Proof};
use identity::line::{CertificatePart, Identity, Key, Pack, SymmetricPart, WriteResult, pack_digest};
use identity::profile::{KeyAlgorithm, SymmetricForm};
use identity::{CredentialId, Random};
use pki::{DeviceCredential, DeviceProfile, IssuingCa, NO_EXPIRY, Root, Validity};
use seal::{Binding, PreWriteKey, SEALED_OVERHEAD_MAX};
use touchmark::surroundings::SystemRandom;

/// 2026-01-01T00:00:00Z.
const NOT_BEFORE: i64 = 1_767_225_600;
const BATCH_CHALLENGE: [u8; 32] = [0xba; 32];

/// The key that the firmware of these tests is built with.
pub fn pre_write_key() -> &'static PreWriteKey {
    static KEY: OnceLock<PreWriteKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let mut key = [0; PreWriteKey::BYTES];
        SystemRandom.fill(&mut key);
        PreWriteKey::new("3012-1".parse().unwrap(), &key)
    })
}

/// A pack with both credentials that only the device can open, and what it is checked with.
pub struct TestPack {
    root: Vec<u8>,
    issuing: Vec<u8>,
    pub credential: DeviceCredential,
    symmetric: SymmetricCredential,
    sealed_key: Vec<u8>,
    sealed_pass_phrase: Vec<u8>,
}

impl TestPack {
    /// The pack as it is transmitted.
    pub fn as_line_pack(&self) -> Pack<'_> {
        Pack {
            device_number: self.credential.number.clone(),
            certificate: Some(self.certificate(Key::Sealed(&self.sealed_key))),
            symmetric: Some(SymmetricPart {
                apparatus_id: self.symmetric.apparatus_id,
                sealed: &self.sealed_pass_phrase,
                form: SymmetricForm::Opened,
                challenge: BATCH_CHALLENGE,
            }),
        }
    }

    /// Its certificate with the key in clear, as version 1 of the line protocol carries it.
    pub fn as_plain_line_pack(&self) -> Pack<'_> {
        let certificate = Some(self.certificate(Key::Plain(&self.credential.secret_key)));
        Pack { device_number: self.credential.number.clone(), certificate, symmetric: None }
    }

    /// Fails unless the device of `identity` has proved that it holds exactly this pack.
    pub fn assert_proved(&self, identity: &Identity, challenge: [u8; 32], result: &WriteResult) {
        self.assert_signed(identity, challenge, result, &self.as_line_pack());
        let SymmetricCredential { apparatus_id, pass_phrase } = &self.symmetric;
        let (number, chip) = (&result.device_number, &identity.hardware_uid);
        let authority = authority_confirmation(pass_phrase, *apparatus_id, number, chip, &BATCH_CHALLENGE);
        let confirmation = result.confirmation.unwrap();
        assert_eq!(confirmation.apparatus_id, *apparatus_id);
        assert_eq!(&confirmation.station, station_confirmation(pass_phrase, *apparatus_id).as_bytes());
        assert_eq!(&confirmation.authority, authority.as_bytes());
    }

    /// Fails unless the device has signed with the key of this pack, in one of its forms.
    pub fn assert_signed(
        &self,
        identity: &Identity,
        challenge: [u8; 32],
        result: &WriteResult,
        pack: &Pack<'_>,
    ) {
        assert_eq!(result.device_number, pack.device_number);
        assert_eq!(result.pack_digest, pack_digest(pack), "every byte of the pack is as it was sent");
        let proof = Proof {
            device_number: &result.device_number,
            hardware_uid: &identity.hardware_uid,
            challenge: &challenge,
            pack_digest: &result.pack_digest,
            signature: &result.signature,
        };
        possession::verify(&self.credential.certificate, proof).unwrap();
    }

    /// What its record in the device has at the least: its parts, without what CBOR puts between them.
    pub fn shortest_record(&self) -> u32 {
        let certificates = self.root.len() + self.issuing.len() + self.credential.certificate.len();
        let secrets = self.credential.secret_key.len() + SymmetricCredential::BYTES;
        u32::try_from(certificates + secrets).unwrap()
    }

    fn certificate<'a>(&'a self, key: Key<'a>) -> CertificatePart<'a> {
        CertificatePart {
            root: &self.root,
            issuing: &self.issuing,
            client: &self.credential.certificate,
            key,
        }
    }
}

/// Packs for these device numbers, from one new authority.
pub fn issue<const N: usize>(numbers: [&str; N]) -> [TestPack; N] {
    let forever = Validity::new(NOT_BEFORE, NO_EXPIRY).unwrap();
    let name = |text: &str| text.parse().unwrap();
    let root = Root::create(None, &name("test root"), forever, &SystemRandom).unwrap();
    let issuing = root.issue_ca(None, &name("test devices"), forever, &SystemRandom).unwrap();
    let issuing = IssuingCa::open(issuing.certificate, issuing.key).unwrap();
    let organization = Some(name("Example Works"));
    let profile = DeviceProfile { organization, key_algorithm: KeyAlgorithm::P256 };
    numbers.map(|number| {
        let prepared = issuing.prepare(&profile, &number.parse().unwrap(), forever, &SystemRandom).unwrap();
        let credential = issuing.issue(prepared).unwrap();
        let symmetric = SymmetricCredential::random(&SystemRandom);
        let of_number = credential.number.clone().into();
        let of_apparatus = symmetric.apparatus_id.into();
        TestPack {
            root: root.certificate().to_vec(),
            issuing: issuing.certificate().to_vec(),
            sealed_key: seal(&of_number, &credential.secret_key),
            sealed_pass_phrase: seal(&of_apparatus, &*symmetric.to_bytes()),
            credential,
            symmetric,
        }
    })
}

/// Seals what is meant for the firmware's product.
fn seal(credential: &CredentialId, secret: &[u8]) -> Vec<u8> {
    let binding = Binding { product: &"3012".parse().unwrap(), credential };
    let mut out = vec![0; secret.len() + SEALED_OVERHEAD_MAX];
    pre_write_key().seal(&binding, secret, &SystemRandom, &mut out).unwrap().to_vec()
}
