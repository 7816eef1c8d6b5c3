//! The CA of devices, in bulk (IEEE 802.1AR).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use cert::lint::Kind;
use der::Encode;
use identity::profile::KeyAlgorithm;
use identity::{DeviceNumber, Random};
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::Time;
use zeroize::Zeroizing;

use crate::crl::CrlPartition;
use crate::key::{SigningKey, public_key_info};
use crate::name::{self, NameText};
use crate::profile::{self, Extensions, Profile};
use crate::publication::Publication;
use crate::request::SigningRequest;
use crate::serial::CertificateSerial;
use crate::signer::{self, IssueError, Linted, Signer};
use crate::template::{Fields, Template};
use crate::validity::Validity;

/// What the certificates of one product have in common.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DeviceProfile {
    /// The maker that stands in the subject, where one does.
    pub organization: Option<NameText>,
    /// The devices' keys.
    pub key_algorithm: KeyAlgorithm,
}

/// The CA that signs devices.
pub struct IssuingCa {
    pub(crate) signer: Signer,
    publication: Option<Publication>,
    templates: RwLock<HashMap<TemplateKey, Arc<Template>>>,
}

/// Whatever changes the length or the constant part of a device certificate.
#[derive(PartialEq, Eq, Hash)]
struct TemplateKey {
    profile: DeviceProfile,
    /// Where the CA publishes, a certificate names the CRL of its partition.
    partition: Option<CrlPartition>,
    number_length: usize,
    is_not_before_general: bool,
    is_not_after_general: bool,
}

/// The linted certificate of a device, not signed yet.
///
/// [`IssuingCa::certify`] consumes it. Dropped instead, its serial is never used.
pub struct PreparedCertificate {
    linted: Linted,
    number: DeviceNumber,
    serial: CertificateSerial,
    public_key_sha256: [u8; 32],
}

/// A new device key and the linted certificate for it, not signed yet.
///
/// [`IssuingCa::issue`] consumes it. Dropped instead, the key is wiped.
pub struct PreparedDevice {
    certificate: PreparedCertificate,
    secret_key: Zeroizing<Vec<u8>>,
}

/// What makes a device that device.
pub struct DeviceCredential {
    /// The number the certificate names.
    pub number: DeviceNumber,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The certificate's key, PKCS#8 DER.
    pub secret_key: Zeroizing<Vec<u8>>,
}

impl PreparedCertificate {
    /// The number that the certificate will name.
    pub fn number(&self) -> &DeviceNumber {
        &self.number
    }

    /// The certificate's serial.
    pub fn serial(&self) -> CertificateSerial {
        self.serial
    }

    /// SHA-256 of the certificate's public key info.
    pub fn public_key_sha256(&self) -> &[u8; 32] {
        &self.public_key_sha256
    }

    /// The bytes that were linted and will be signed.
    pub fn to_be_signed(&self) -> &[u8] {
        self.linted.to_be_signed()
    }
}

impl PreparedDevice {
    /// The certificate for the key.
    pub fn certificate(&self) -> &PreparedCertificate {
        &self.certificate
    }
}

impl IssuingCa {
    /// The CA of this certificate and key.
    ///
    /// # Errors
    /// Where they do not belong together.
    pub fn open(certificate: Vec<u8>, key: SigningKey) -> Result<Self, IssueError> {
        let signer = Signer::open(certificate, key)?;
        Ok(Self { signer, publication: None, templates: RwLock::default() })
    }

    /// The same CA, whose certificates say where its CRLs and its OCSP responder are.
    pub fn published(self, publication: Publication) -> Self {
        Self { publication: Some(publication), ..self }
    }

    /// Where the CA publishes, if it does.
    pub fn publication(&self) -> Option<&Publication> {
        self.publication.as_ref()
    }

    /// The CA's certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.signer.certificate
    }

    /// Makes a key and a serial for a device, encodes its certificate and lints it.
    ///
    /// # Errors
    /// Where a rule does not hold, or the library fails.
    pub fn prepare(
        &self,
        profile: &DeviceProfile,
        number: &DeviceNumber,
        validity: Validity,
        random: &dyn Random,
    ) -> Result<PreparedDevice, IssueError> {
        let key = SigningKey::generate(profile.key_algorithm)?;
        let certificate = self.fill(profile, number, validity, key.public_point(), random)?;
        Ok(PreparedDevice { certificate, secret_key: key.to_pkcs8()? })
    }

    /// Makes a serial for a device that has made its key itself, encodes its certificate and lints it.
    ///
    /// # Errors
    /// Where the request's key is not of the profile's algorithm, a rule does not hold, or the library fails.
    pub fn prepare_for(
        &self,
        request: &SigningRequest,
        profile: &DeviceProfile,
        number: &DeviceNumber,
        validity: Validity,
        random: &dyn Random,
    ) -> Result<PreparedCertificate, IssueError> {
        if request.algorithm() != profile.key_algorithm {
            return Err(IssueError::OtherAlgorithm);
        }
        self.fill(profile, number, validity, request.public_point(), random)
    }

    /// Signs what was prepared.
    ///
    /// # Errors
    /// Where another CA prepared it, or the library fails.
    pub fn issue(&self, prepared: PreparedDevice) -> Result<DeviceCredential, IssueError> {
        let PreparedDevice { certificate, secret_key } = prepared;
        let number = certificate.number.clone();
        Ok(DeviceCredential { number, certificate: self.certify(certificate)?, secret_key })
    }

    /// Signs what was prepared for a device that has made its key itself: its certificate, DER.
    ///
    /// # Errors
    /// Where another CA prepared it, or the library fails.
    pub fn certify(&self, prepared: PreparedCertificate) -> Result<Vec<u8>, IssueError> {
        self.signer.sign(prepared.linted)
    }

    /// The certificate for the key with this public point, linted.
    fn fill(
        &self,
        profile: &DeviceProfile,
        number: &DeviceNumber,
        validity: Validity,
        point: &[u8],
        random: &dyn Random,
    ) -> Result<PreparedCertificate, IssueError> {
        let serial = CertificateSerial::random(random);
        let template = self.template(profile, number, serial, point, validity)?;
        let to_be_signed = template.fill(&Fields {
            serial: serial.as_bytes(),
            not_before: &time_content(validity.not_before())?,
            not_after: &time_content(validity.not_after())?,
            number: number.text().as_bytes(),
            point,
            key_identifier: &profile::key_identifier(point),
        });
        let mut public_key_sha256 = [0; 32];
        public_key_sha256.copy_from_slice(digest(&SHA256, template.public_key_info(&to_be_signed)).as_ref());
        let linted = self.signer.lint(Kind::Device, to_be_signed)?;
        Ok(PreparedCertificate { linted, number: number.clone(), serial, public_key_sha256 })
    }

    /// The template that fits, made from this very certificate where there is none yet.
    fn template(
        &self,
        profile: &DeviceProfile,
        number: &DeviceNumber,
        serial: CertificateSerial,
        point: &[u8],
        validity: Validity,
    ) -> Result<Arc<Template>, IssueError> {
        let key = TemplateKey {
            profile: profile.clone(),
            partition: self.publication.as_ref().map(|_| CrlPartition::of(serial.as_bytes())),
            number_length: number.text().len(),
            is_not_before_general: matches!(validity.not_before(), Time::GeneralTime(_)),
            is_not_after_general: matches!(validity.not_after(), Time::GeneralTime(_)),
        };
        // A template is only ever inserted whole, so a panic elsewhere leaves the map usable.
        if let Some(template) = self.templates.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(template));
        }
        let public_key = public_key_info(profile.key_algorithm, point)?;
        let bytes = self.build(profile, number, serial, public_key, validity)?;
        let template = Arc::new(Template::new(bytes)?);
        let mut templates = self.templates.write().unwrap_or_else(PoisonError::into_inner);
        templates.insert(key, Arc::clone(&template));
        Ok(template)
    }

    /// The to-be-signed part of a device certificate, by the certificate builder.
    fn build(
        &self,
        profile: &DeviceProfile,
        number: &DeviceNumber,
        serial: CertificateSerial,
        public_key: SubjectPublicKeyInfoOwned,
        validity: Validity,
    ) -> Result<Vec<u8>, IssueError> {
        let profile = Profile {
            issuer: self.signer.name.clone(),
            subject: name::device_name(profile.organization.as_ref(), number)?,
            extensions: Extensions::Device(
                self.publication
                    .clone()
                    .map(|publication| (publication, CrlPartition::of(serial.as_bytes()))),
            ),
        };
        signer::encode(&self.signer.key, profile, serial, public_key, validity)
    }
}

/// A time's content octets: its DER without tag and length.
fn time_content(time: Time) -> der::Result<Vec<u8>> {
    Ok(time.to_der()?.split_off(2))
}

#[cfg(test)]
mod tests {
    use cert::lint::reading::ToBeSigned;
    use der::referenced::RefToOwned;
    use proptest::prelude::*;

    use super::*;
    use crate::{NO_EXPIRY, Root};

    struct SystemRandom;

    impl Random for SystemRandom {
        fn fill(&self, bytes: &mut [u8]) {
            aws_lc_rs::rand::fill(bytes).unwrap();
        }
    }

    fn issuing_ca() -> IssuingCa {
        let validity = Validity::new(1_700_000_000, NO_EXPIRY).unwrap();
        let root = Root::create(None, &"root".parse().unwrap(), validity, &SystemRandom).unwrap();
        let ca = root.issue_ca(None, &"issuing".parse().unwrap(), validity, &SystemRandom).unwrap();
        IssuingCa::open(ca.certificate, ca.key).unwrap()
    }

    /// Before 2050 a time has two digits of the year, afterwards four.
    fn time() -> impl Strategy<Value = i64> {
        prop_oneof![0..2_524_608_000i64, 0..=NO_EXPIRY]
    }

    fn profile() -> impl Strategy<Value = DeviceProfile> {
        let organization = proptest::option::of("[ -~äöüß日本]{1,64}");
        (organization, proptest::sample::select(KeyAlgorithm::ALL)).prop_map(
            |(organization, key_algorithm)| DeviceProfile {
                organization: organization.map(|text| text.parse().unwrap()),
                key_algorithm,
            },
        )
    }

    const NAMELESS: DeviceProfile = DeviceProfile { organization: None, key_algorithm: KeyAlgorithm::P256 };

    #[test]
    fn a_filled_template_is_what_the_builder_makes() {
        let unpublished = issuing_ca();
        let publication = Publication::new("http://pki.example".parse().unwrap(), "issuing");
        let published = issuing_ca().published(publication);
        let inputs = (any::<bool>(), profile(), "[A-Z0-9]{4,8}-[0-9]{6,12}", time(), time());
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        proptest!(config, |((is_published, profile, number, one, other) in inputs)| {
            prop_assume!(one != other);
            let ca = if is_published { &published } else { &unpublished };
            let number: DeviceNumber = number.parse().unwrap();
            let validity = Validity::new(one.min(other), one.max(other)).unwrap();
            let prepared = ca.prepare(&profile, &number, validity, &SystemRandom).unwrap().certificate;
            let fields = ToBeSigned::read(prepared.to_be_signed()).unwrap();
            let built = ca.build(&profile, &number, prepared.serial(), fields.public_key.ref_to_owned(), validity);
            prop_assert_eq!(prepared.to_be_signed(), built.unwrap());
        });
    }

    #[test]
    fn what_was_linted_is_what_is_signed() {
        let ca = issuing_ca();
        let validity = Validity::new(1_800_000_000, NO_EXPIRY).unwrap();
        let number = "3012-123456".parse().unwrap();
        let prepared = ca.prepare(&NAMELESS, &number, validity, &SystemRandom).unwrap();
        let linted = prepared.certificate().to_be_signed().to_vec();
        let issued = ca.issue(prepared).unwrap();
        let signed = <cert::lint::reading::Signed<'_> as der::Decode>::from_der(&issued.certificate).unwrap();
        assert_eq!(signed.to_be_signed.to_der().unwrap(), linted);
    }

    #[test]
    fn another_ca_does_not_sign_what_was_prepared() {
        let (one, other) = (issuing_ca(), issuing_ca());
        let validity = Validity::new(1_800_000_000, NO_EXPIRY).unwrap();
        let number = "3012-123456".parse().unwrap();
        let prepared = one.prepare(&NAMELESS, &number, validity, &SystemRandom).unwrap();
        assert!(matches!(other.issue(prepared), Err(IssueError::OtherCa)));
    }
}
