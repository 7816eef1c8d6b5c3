//! The gateway that stations are tested with, behind a link that a test can break.

use std::path::Path;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use identity::profile::{
    CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing, SymmetricForm,
};
use message::allotment::CheckDigitName;
use message::pack::{CredentialPack, PackKey};
use seal::PreWriteKey;
use touchmark::rehearsal::authority::{Receiver, RehearsalAuthority};
use touchmark::rehearsal::gateway::{Books, Planned, RehearsalGateway};
use touchmark::surroundings::{SystemClock, SystemRandom};
use transport::Link;

/// The pre-write key of the products whose packs are sealed.
pub const PRE_WRITE_KEY: [u8; 32] = [7; 32];

/// The gateway, reached over its link.
pub struct TestGateway {
    pub link: Link,
    gateway: RehearsalGateway,
    authority: Arc<RehearsalAuthority>,
}

impl TestGateway {
    /// A gateway whose plan has these numbers.
    pub async fn start(planned: &[&str]) -> Self {
        let key = Some(pre_write_key());
        let authority =
            Arc::new(RehearsalAuthority::new(key, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap());
        let clock = Arc::new(SystemClock);
        let gateway = RehearsalGateway::start("127.0.0.1", Arc::clone(&authority), clock).await.unwrap();
        let plain = CredentialProfile::PLAIN_CERTIFICATE;
        let certificate = plain.certificate();
        let own = CertificateProfile { algorithm: KeyAlgorithm::P256, origin: KeyOrigin::Device };
        let profile = |certificate, symmetric, sealing| {
            CredentialProfile::new(certificate, symmetric, sealing).unwrap()
        };
        let opened = Some(SymmetricForm::Opened);
        for (code, check_digit, profile) in [
            ("3012", CheckDigitName::None, plain),
            ("A123", CheckDigitName::Mod37_2, plain),
            ("S001", CheckDigitName::None, profile(certificate, opened, Sealing::PreWriteKey)),
            ("S002", CheckDigitName::None, profile(None, Some(SymmetricForm::Sealed), Sealing::PreWriteKey)),
            ("S003", CheckDigitName::None, profile(certificate, opened, Sealing::DeviceKey)),
            ("S004", CheckDigitName::None, profile(certificate, opened, Sealing::ChipKey)),
            ("K001", CheckDigitName::None, profile(Some(own), opened, Sealing::PreWriteKey)),
        ] {
            gateway.add_product(code.parse().unwrap(), check_digit, profile);
        }
        for number in planned {
            gateway.plan(number.parse().unwrap(), Planned::default());
        }
        let link = Link::start(gateway.address()).await.unwrap();
        Self { link, gateway, authority }
    }

    /// What the gateway keeps.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.gateway.books()
    }

    /// Lets the gateway owe the certificate of this number.
    pub fn owe(&self, number: &str) {
        let planned = Planned { is_owing: true, ..Planned::default() };
        self.gateway.plan(number.parse().unwrap(), planned);
    }

    /// Hands out packs whose key is another certificate's.
    pub fn mix_keys(&self) {
        let authority = Arc::clone(&self.authority);
        let mix = move |pack: &mut CredentialPack| {
            let chip = "00112233".parse().unwrap();
            let receiver = Receiver { hardware_uid: &chip, chip_key: None, signing_request: None };
            let number = "3012-999999".parse().unwrap();
            let other = authority.make(&number, &CredentialProfile::PLAIN_CERTIFICATE, receiver).unwrap();
            let PackKey::Plain(key) = other.pack.certificate.unwrap().key else { panic!("it is plain") };
            pack.certificate.as_mut().unwrap().key = PackKey::Plain(key);
        };
        self.books().alters_packs = Some(Box::new(mix));
    }

    /// A station of this gateway that keeps its files in `directory`.
    pub fn station(&self, directory: &Path) -> station::Station {
        let client = self.gateway.client(self.link.address()).unwrap();
        let limits = station::Limits { device_step: Duration::from_secs(3), gateway: Duration::from_secs(1) };
        station::Station::new(client, directory, Arc::new(SystemRandom), limits).unwrap()
    }
}

/// The key that the firmware of the products with sealed packs is built with.
pub fn pre_write_key() -> PreWriteKey {
    PreWriteKey::new("S000-1".parse().unwrap(), &PRE_WRITE_KEY)
}
