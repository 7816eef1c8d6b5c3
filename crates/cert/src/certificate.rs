//! One certificate and the facts in it.

use std::fmt;

use der::asn1::PrintableStringRef;
use der::referenced::OwnedToRef;
use der::{Decode, Encode};
use identity::profile::KeyAlgorithm;
use identity::{DeviceNumber, Member};
use x509_cert::certificate::Version;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName,
    SubjectKeyIdentifier,
};

use crate::fingerprint::Fingerprint;
use crate::key;
use crate::refusal::Refusal;

/// An X.509 certificate, read whole. It says nothing of whether the certificate is to be trusted.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
}

/// A certificate's serial number, in hexadecimal as text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateSerial(Vec<u8>);

impl CertificateSerial {
    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The number's bytes, highest first, as DER has them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Certificate {
    /// Reads one certificate in DER, and refuses any other bytes, also trailing or non-canonical ones.
    pub fn parse(der: &[u8]) -> Result<Self, Refusal> {
        let parsed = x509_cert::Certificate::from_der(der).map_err(|_| Refusal::Malformed)?;
        let canonical = parsed.to_der().map_err(|_| Refusal::Malformed)?;
        if canonical != der || parsed.tbs_certificate().version() != Version::V3 {
            return Err(Refusal::Malformed);
        }
        Ok(Self { der: der.to_vec(), parsed })
    }

    /// The certificate as it travels.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the whole certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.der)
    }

    /// SHA-256 of the subject public key info.
    pub fn spki_fingerprint(&self) -> Fingerprint {
        let spki = self.parsed.tbs_certificate().subject_public_key_info();
        Fingerprint::of(&spki.to_der().expect("what was read from DER is written as it was"))
    }

    /// The serial number.
    pub fn serial(&self) -> CertificateSerial {
        CertificateSerial(self.parsed.tbs_certificate().serial_number().as_bytes().to_vec())
    }

    /// The first second of validity, in seconds since 1970.
    pub fn not_before(&self) -> i64 {
        epoch_seconds(&self.parsed.tbs_certificate().validity().not_before)
    }

    /// The last second of validity, in seconds since 1970; 253402300799 is "no well-defined
    /// expiration" (RFC 5280 clause 4.1.2.5).
    pub fn not_after(&self) -> i64 {
        epoch_seconds(&self.parsed.tbs_certificate().validity().not_after)
    }

    /// Whether `now` lies within the validity.
    pub fn is_current(&self, now: i64) -> bool {
        (self.not_before()..=self.not_after()).contains(&now)
    }

    /// The subject's name for people (RFC 4514).
    pub fn subject(&self) -> String {
        self.parsed.tbs_certificate().subject().to_string()
    }

    /// The issuer's name for people (RFC 4514).
    pub fn issuer(&self) -> String {
        self.parsed.tbs_certificate().issuer().to_string()
    }

    /// The device number, where the subject has exactly one serialNumber attribute, a
    /// PrintableString, and it is one (IEEE 802.1AR clause 8.6).
    pub fn device_number(&self) -> Option<DeviceNumber> {
        let subject = self.parsed.tbs_certificate().subject();
        let mut serial_numbers =
            subject.iter().filter(|attribute| attribute.oid == const_oid::db::rfc4519::SERIAL_NUMBER);
        let only = serial_numbers.next()?;
        if serial_numbers.next().is_some() {
            return None;
        }
        only.value.decode_as::<PrintableStringRef<'_>>().ok()?.as_str().parse().ok()
    }

    /// The member, where the subject alternative name is exactly one URI and it is a member URN.
    pub fn member(&self) -> Option<Member> {
        let (_, SubjectAltName(names)) = self.extension::<SubjectAltName>().ok()??;
        match names.as_slice() {
            [GeneralName::UniformResourceIdentifier(uri)] => uri.as_str().parse().ok(),
            _ => None,
        }
    }

    /// The subject's public key as a point on the curve P-256 (SEC 1, uncompressed), if it is one.
    pub fn p256_public_key(&self) -> Option<&[u8]> {
        let is_p256 = self.key_algorithm() == Some(KeyAlgorithm::P256);
        is_p256.then(|| self.tbs().subject_public_key_info().subject_public_key.as_bytes())?
    }

    /// The algorithm of the subject's key, where it is one of ours.
    pub fn key_algorithm(&self) -> Option<KeyAlgorithm> {
        key::algorithm(&self.tbs().subject_public_key_info().owned_to_ref())
    }

    pub(crate) fn tbs(&self) -> &x509_cert::TbsCertificate {
        self.parsed.tbs_certificate()
    }

    /// The whole of it with the signature.
    pub(crate) fn signed(&self) -> &x509_cert::Certificate {
        &self.parsed
    }

    pub(crate) fn basic_constraints(&self) -> Result<Option<(bool, BasicConstraints)>, Refusal> {
        self.extension()
    }

    pub(crate) fn key_usage(&self) -> Result<Option<KeyUsage>, Refusal> {
        Ok(self.extension()?.map(|(_, usage)| usage))
    }

    pub(crate) fn extended_key_usage(&self) -> Result<Vec<const_oid::ObjectIdentifier>, Refusal> {
        Ok(self.extension()?.map_or_else(Vec::new, |(_, ExtendedKeyUsage(purposes))| purposes))
    }

    pub(crate) fn subject_key_identifier(&self) -> Result<Vec<u8>, Refusal> {
        match self.extension()? {
            Some((false, SubjectKeyIdentifier(identifier))) => Ok(identifier.into_bytes().into_vec()),
            Some((true, _)) => Err(Refusal::Extension("its subject key identifier is marked critical")),
            None => Err(Refusal::Extension("it has no subject key identifier")),
        }
    }

    pub(crate) fn authority_key_identifier(&self) -> Result<Vec<u8>, Refusal> {
        let identifier = self.stated_authority_key_identifier()?;
        identifier.ok_or(Refusal::Extension("it has no authority key identifier"))
    }

    /// The authority key identifier, which a root need not have (RFC 5280 clause 4.2.1.1). Where the
    /// extension is there, it names the key by its identifier alone.
    pub(crate) fn stated_authority_key_identifier(&self) -> Result<Option<Vec<u8>>, Refusal> {
        match self.extension::<AuthorityKeyIdentifier>()? {
            None => Ok(None),
            Some((
                false,
                AuthorityKeyIdentifier {
                    key_identifier: Some(identifier),
                    authority_cert_issuer: None,
                    authority_cert_serial_number: None,
                },
            )) => Ok(Some(identifier.into_bytes().into_vec())),
            Some(_) => {
                Err(Refusal::Extension("its authority key identifier is critical or not by key alone"))
            }
        }
    }

    pub(crate) fn has_extension(&self, kind: const_oid::ObjectIdentifier) -> bool {
        self.tbs().extensions().is_some_and(|list| list.iter().any(|extension| extension.extn_id == kind))
    }

    /// An extension with its critical flag; refused where it is there twice or cannot be read.
    pub(crate) fn extension<T>(&self) -> Result<Option<(bool, T)>, Refusal>
    where
        T: for<'a> Decode<'a, Error = der::Error> + const_oid::AssociatedOid,
    {
        let unreadable = Refusal::Extension("an extension is there twice or cannot be read");
        self.parsed.tbs_certificate().get_extension::<T>().map_err(|_| unreadable)
    }
}

pub(crate) fn epoch_seconds(time: &x509_cert::time::Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).expect("the last year of X.509 is 9999")
}

impl fmt::Display for CertificateSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for CertificateSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {} of {}", self.serial(), self.subject())
    }
}
