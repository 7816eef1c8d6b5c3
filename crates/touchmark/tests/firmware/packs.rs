//! Packs as an authority makes them, and whether a device holds one.

use cert::possession::{self, Proof};
use identity::line::{Identity, Pack, WriteResult, pack_digest};
use identity::profile::KeyAlgorithm;
use pki::{DeviceCredential, DeviceProfile, IssuingCa, NO_EXPIRY, Root, Validity};
use touchmark::surroundings::SystemRandom;

/// 2026-01-01T00:00:00Z.
const NOT_BEFORE: i64 = 1_767_225_600;

/// A pack and what it is checked with.
pub struct TestPack {
    root: Vec<u8>,
    issuing: Vec<u8>,
    pub credential: DeviceCredential,
}

impl TestPack {
    /// The pack as it is transmitted.
    pub fn as_line_pack(&self) -> Pack<'_> {
        Pack {
            device_number: self.credential.number.clone(),
            root_certificate: &self.root,
            issuing_certificate: &self.issuing,
            client_certificate: &self.credential.certificate,
            secret_key: &self.credential.secret_key,
        }
    }

    /// Fails unless the device of `identity` has proved that it holds exactly this pack.
    pub fn assert_proved(&self, identity: &Identity, challenge: [u8; 32], result: &WriteResult) {
        let pack = self.as_line_pack();
        let digest = pack_digest(
            &pack.device_number,
            pack.root_certificate,
            pack.issuing_certificate,
            pack.client_certificate,
            pack.secret_key,
        );
        assert_eq!(result.device_number, pack.device_number);
        assert_eq!(result.pack_digest, digest, "every byte of the pack is as it was sent");
        let proof = Proof {
            device_number: &result.device_number,
            hardware_uid: &identity.hardware_uid,
            challenge: &challenge,
            pack_digest: &result.pack_digest,
            signature: &result.signature,
        };
        possession::verify(pack.client_certificate, proof).unwrap();
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
        TestPack {
            root: root.certificate().to_vec(),
            issuing: issuing.certificate().to_vec(),
            credential: issuing.issue(prepared).unwrap(),
        }
    })
}
