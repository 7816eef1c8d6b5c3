//! Signing requests of members, and of devices that make their keys themselves (PKCS#10, RFC 2986).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use cert::Fingerprint;
use const_oid::db::rfc4519::SERIAL_NUMBER;
use const_oid::db::rfc5280::ID_CE_SUBJECT_ALT_NAME;
use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{Any, OctetString, PrintableStringRef};
use der::{Decode, Encode, Sequence};
use identity::profile::KeyAlgorithm;
use identity::{DeviceNumber, HardwareUid};
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::request::{CertReq, ExtensionReq};

use crate::key::{public_key_info, signature_algorithm};

/// A signing request whose sender has shown that it holds the key. Of all that it says, only the
/// key counts.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    algorithm: KeyAlgorithm,
    public_key: SubjectPublicKeyInfoOwned,
}

/// Whom a signing request is for, as it says itself. It goes into no certificate; EST (RFC 7030) demands
/// that it is compared with what the device is known as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestedSubject {
    subject: Name,
    /// The value of the subject alternative name, DER.
    alternative_name: Option<Vec<u8>>,
}

impl RequestedSubject {
    /// What the request in `der` says. Neither its key nor its signature is looked at.
    ///
    /// # Errors
    /// It is no request.
    pub fn read(der: &[u8]) -> Result<Self, RequestError> {
        let request = CertReq::from_der(der).map_err(|_| RequestError::Malformed)?;
        let mut extensions = Vec::new();
        for attribute in request.info.attributes.iter().filter(|found| found.oid == ExtensionReq::OID) {
            for value in attribute.values.iter() {
                let asked: Vec<Extension> = value.decode_as().map_err(|_| RequestError::Malformed)?;
                extensions.extend(asked);
            }
        }
        Ok(Self { subject: request.info.subject, alternative_name: alternative_name(&extensions) })
    }

    /// Whether subject and subject alternative name are those of this certificate (DER).
    pub fn is_that_of(&self, certificate: &[u8]) -> bool {
        let Ok(certificate) = x509_cert::Certificate::from_der(certificate) else { return false };
        let certificate = certificate.tbs_certificate();
        let extensions = certificate.extensions().map_or(&[][..], |extensions| extensions);
        self.subject == *certificate.subject() && self.alternative_name == alternative_name(extensions)
    }

    /// The device number, where the subject states exactly one.
    pub fn device_number(&self) -> Option<DeviceNumber> {
        let mut stated = self.subject.iter().filter(|attribute| attribute.oid == SERIAL_NUMBER);
        let (only, None) = (stated.next()?, stated.next()) else { return None };
        only.value.decode_as::<PrintableStringRef<'_>>().ok()?.as_str().parse().ok()
    }

    /// The chip, where the subject alternative name is exactly one hardware module name (RFC 4108 clause 5), which IEEE
    /// 802.1AR has for this. Of what type the module is makes no difference.
    pub fn hardware_uid(&self) -> Option<HardwareUid> {
        let SubjectAltName(names) = SubjectAltName::from_der(self.alternative_name.as_deref()?).ok()?;
        let [GeneralName::OtherName(name)] = names.as_slice() else { return None };
        if name.type_id != HARDWARE_MODULE_NAME {
            return None;
        }
        let module: HardwareModuleName = name.value.decode_as().ok()?;
        HardwareUid::new(module.serial_number.as_bytes()).ok()
    }

    /// Whether it names this device, or nobody.
    pub fn is_of(&self, number: &DeviceNumber) -> bool {
        let mut serial_numbers = self.subject.iter().filter(|attribute| attribute.oid == SERIAL_NUMBER);
        let is_its = |text: &PrintableStringRef<'_>| text.as_str() == number.text().as_str();
        self.alternative_name.is_none()
            && serial_numbers.all(|attribute| attribute.value.decode_as().is_ok_and(|text| is_its(&text)))
    }
}

/// `id-on-hardwareModuleName`.
const HARDWARE_MODULE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.4");

#[derive(Sequence)]
struct HardwareModuleName {
    /// An object identifier.
    _kind: Any,
    serial_number: OctetString,
}

fn alternative_name(extensions: &[Extension]) -> Option<Vec<u8>> {
    let mut found = extensions.iter().filter(|extension| extension.extn_id == ID_CE_SUBJECT_ALT_NAME);
    found.next().map(|extension| extension.extn_value.as_bytes().to_vec())
}

/// Why a signing request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    /// The bytes are not a PKCS#10 request.
    #[error("not a PKCS#10 signing request in DER")]
    Malformed,
    /// The key is on neither curve, or the signature not of the curve's algorithm.
    #[error("a key is on P-256 or P-384, and its request signed by ECDSA with SHA-256 or SHA-384")]
    WrongKey,
    /// The key is of another algorithm than is demanded here.
    #[error("the signing request's key is not of the algorithm {0}")]
    OtherAlgorithm(KeyAlgorithm),
    /// The signature does not hold: the sender has not shown that it holds the key.
    #[error("the signing request's signature does not hold")]
    WrongSignature,
}

impl SigningRequest {
    /// The request in `der`, its signature verified.
    ///
    /// # Errors
    /// Where it is no request, of another kind of key, or not signed by that key.
    pub fn verify(der: &[u8]) -> Result<Self, RequestError> {
        let request = CertReq::from_der(der).map_err(|_| RequestError::Malformed)?;
        let public_key = request.info.public_key.clone();
        let point = public_key.subject_public_key.as_bytes().ok_or(RequestError::WrongKey)?;
        let is_of = |algorithm: &KeyAlgorithm| {
            public_key_info(*algorithm, point).is_ok_and(|expected| expected == public_key)
                && request.algorithm == signature_algorithm(*algorithm)
        };
        let algorithm = KeyAlgorithm::ALL.iter().copied().find(is_of).ok_or(RequestError::WrongKey)?;
        let signed = request.info.to_der().map_err(|_| RequestError::Malformed)?;
        let signature = request.signature.as_bytes().ok_or(RequestError::Malformed)?;
        let verification = match algorithm {
            KeyAlgorithm::P256 => &ECDSA_P256_SHA256_ASN1,
            KeyAlgorithm::P384 => &ECDSA_P384_SHA384_ASN1,
        };
        UnparsedPublicKey::new(verification, point)
            .verify(&signed, signature)
            .map_err(|_| RequestError::WrongSignature)?;
        Ok(Self { algorithm, public_key })
    }

    /// The request, where its key is of this algorithm.
    ///
    /// # Errors
    /// Where it is of another.
    pub fn of(self, algorithm: KeyAlgorithm) -> Result<Self, RequestError> {
        if self.algorithm == algorithm { Ok(self) } else { Err(RequestError::OtherAlgorithm(algorithm)) }
    }

    /// SHA-256 of the public key info: the same key has the same, whatever else the request says.
    pub fn public_key_sha256(&self) -> Fingerprint {
        Fingerprint::of(&self.public_key.to_der().expect("what was read from DER is written again"))
    }

    pub(crate) fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The key as an uncompressed point (SEC 1).
    pub(crate) fn public_point(&self) -> &[u8] {
        self.public_key.subject_public_key.raw_bytes()
    }

    pub(crate) fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        &self.public_key
    }
}
