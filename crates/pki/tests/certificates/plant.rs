//! A root, the two CAs below it, a device and a member, for tests.

use identity::Random;
use identity::profile::KeyAlgorithm;
use pki::{
    CommonCa, DeviceCredential, DeviceProfile, IssuingCa, NO_EXPIRY, OcspResponder, PlantCa, Publication,
    Root, Validity,
};

/// 2026-01-01T00:00:00Z.
pub const NOW: i64 = 1_767_225_600;

pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

pub struct Plant {
    pub root: Root,
    pub issuing: IssuingCa,
    pub plant: PlantCa,
    pub device: DeviceCredential,
    pub member: Vec<u8>,
    pub common_ca: Vec<u8>,
    pub common: Vec<u8>,
    pub responder: OcspResponder,
}

pub fn plant() -> Plant {
    let forever = Validity::new(NOW, NO_EXPIRY).unwrap();
    let maker = "Example Works".parse().unwrap();
    let name = |text: &str| text.parse().unwrap();
    let root = Root::create(Some(&maker), &name("test root"), forever, &SystemRandom).unwrap();
    let issuing = root.issue_ca(Some(&maker), &name("test devices"), forever, &SystemRandom).unwrap();
    let plant = root.issue_ca(Some(&maker), &name("test members"), forever, &SystemRandom).unwrap();
    let common_ca = root.issue_ca(Some(&maker), &name("test recovery"), forever, &SystemRandom).unwrap();
    let publication = Publication::new("http://pki.example".parse().unwrap(), "issuing");
    let issuing = IssuingCa::open(issuing.certificate, issuing.key).unwrap().published(publication);
    let plant = PlantCa::open(plant.certificate, plant.key).unwrap();
    let common = CommonCa::open(common_ca.certificate.clone(), common_ca.key).unwrap();
    let batch = "3012-1".parse().unwrap();
    let (common, _) = common.issue_with_key(Some(&maker), &batch, NOW, &SystemRandom).unwrap();
    let common_ca = common_ca.certificate;
    let profile = DeviceProfile { organization: Some(maker), key_algorithm: KeyAlgorithm::P256 };
    let number = "3012-123456".parse().unwrap();
    let prepared = issuing.prepare(&profile, &number, forever, &SystemRandom).unwrap();
    let device = issuing.issue(prepared).unwrap();
    let gateway = "urn:touchmark:gateway:osaka".parse().unwrap();
    let (member, _) = plant.issue_with_key(&gateway, NOW, &SystemRandom).unwrap();
    let validity = Validity::days(NOW, 14).unwrap();
    let responder = issuing.prepare_responder(&name("test OCSP"), validity, &SystemRandom).unwrap();
    let responder = issuing.issue_responder(responder).unwrap();
    Plant { root, issuing, plant, device, member, common_ca, common, responder }
}
