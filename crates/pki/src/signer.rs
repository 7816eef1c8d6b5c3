//! A CA's certificate and key, and the one way to a signature: lint, then sign what was linted.

use std::sync::Arc;

use cert::lint::reading::Signed;
use cert::lint::{self, Finding, Kind};
use der::asn1::{AnyRef, BitStringRef};
use der::referenced::OwnedToRef;
use der::{Decode, Encode};
use identity::Random;
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::builder::{Builder, CertificateBuilder};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;

use crate::key::{KeyError, SigningKey};
use crate::profile::Profile;
use crate::serial::CertificateSerial;
use crate::validity::{Validity, ValidityError};

/// Why a certificate is not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// What would be signed breaks a rule. Nothing was signed.
    #[error("the certificate would break {} of our rules, first: {}", .0.len(), .0[0])]
    Lint(Vec<Finding>),
    /// The key does not belong to the CA certificate.
    #[error("the key does not belong to the CA's certificate")]
    WrongKey,
    /// The certificate is not that of a CA, or cannot be read.
    #[error("the CA's certificate cannot be used")]
    WrongCertificate,
    /// A device's key is not of the algorithm that its product demands.
    #[error("the device's key is not of its product's algorithm")]
    OtherAlgorithm,
    /// What was prepared by one CA was handed to another.
    #[error("prepared for another CA")]
    OtherCa,
    /// A CRL names the address where it is published, and its CA has none.
    #[error("the CA publishes nothing: it was given no address")]
    NotPublished,
    /// The fields could not be encoded.
    #[error("the certificate could not be encoded")]
    Encoding(#[source] x509_cert::builder::Error),
    /// The validity is none.
    #[error(transparent)]
    Validity(#[from] ValidityError),
    /// The cryptographic library failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<der::Error> for IssueError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.into())
    }
}

/// The bytes of a certificate that every rule allows, ready for one signature by one CA.
///
/// It is made by [`Signer::lint`] only and consumed by [`Signer::sign`], so what was linted is what
/// is signed.
pub(crate) struct Linted {
    to_be_signed: Vec<u8>,
    issuer: Arc<lint::Issuer>,
}

impl Linted {
    pub(crate) fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }
}

/// A CA that signs.
pub(crate) struct Signer {
    pub(crate) certificate: Vec<u8>,
    pub(crate) name: Name,
    pub(crate) key: SigningKey,
    facts: Arc<lint::Issuer>,
}

impl Signer {
    /// The CA of this certificate, a CA certificate of this kind, and its key.
    pub(crate) fn open(certificate: Vec<u8>, key: SigningKey) -> Result<Self, IssueError> {
        let parsed =
            x509_cert::Certificate::from_der(&certificate).map_err(|_| IssueError::WrongCertificate)?;
        let fields = parsed.tbs_certificate();
        if fields.subject_public_key_info() != &key.public_key_info()? {
            return Err(IssueError::WrongKey);
        }
        let name = fields.subject().clone();
        let facts = lint::Issuer::of(&certificate).map_err(|_| IssueError::WrongCertificate)?;
        Ok(Self { certificate, name, key, facts: Arc::new(facts) })
    }

    /// Encodes a certificate and looks whether every rule for its kind holds.
    pub(crate) fn prepare(
        &self,
        kind: Kind,
        profile: Profile,
        public_key: SubjectPublicKeyInfoOwned,
        validity: Validity,
        random: &dyn Random,
    ) -> Result<Linted, IssueError> {
        let serial = CertificateSerial::random(random);
        self.lint(kind, encode(&self.key, profile, serial, public_key, validity)?)
    }

    /// The token for bytes that every rule for their kind allows.
    pub(crate) fn lint(&self, kind: Kind, to_be_signed: Vec<u8>) -> Result<Linted, IssueError> {
        let findings = lint::findings(&to_be_signed, kind, Some(&self.facts));
        if !findings.is_empty() {
            return Err(IssueError::Lint(findings));
        }
        Ok(Linted { to_be_signed, issuer: Arc::clone(&self.facts) })
    }

    /// Signs what was linted, once.
    pub(crate) fn sign(&self, linted: Linted) -> Result<Vec<u8>, IssueError> {
        if !Arc::ptr_eq(&linted.issuer, &self.facts) {
            return Err(IssueError::OtherCa);
        }
        sign(&self.key, &linted.to_be_signed)
    }
}

/// A self-signed certificate: linted, then signed with its own key.
pub(crate) fn self_sign(
    key: &SigningKey,
    profile: Profile,
    validity: Validity,
    random: &dyn Random,
) -> Result<Vec<u8>, IssueError> {
    let serial = CertificateSerial::random(random);
    let to_be_signed = encode(key, profile, serial, key.public_key_info()?, validity)?;
    let findings = lint::findings(&to_be_signed, Kind::Root, None);
    if !findings.is_empty() {
        return Err(IssueError::Lint(findings));
    }
    sign(key, &to_be_signed)
}

/// The bytes to be signed of a certificate, by the certificate builder.
pub(crate) fn encode(
    key: &SigningKey,
    profile: Profile,
    serial: CertificateSerial,
    public_key: SubjectPublicKeyInfoOwned,
    validity: Validity,
) -> Result<Vec<u8>, IssueError> {
    let serial = SerialNumber::new(serial.as_bytes())?;
    let mut builder = CertificateBuilder::new(profile, serial, validity.to_x509(), public_key)
        .map_err(IssueError::Encoding)?;
    builder.finalize(key).map_err(IssueError::Encoding)
}

/// What was to be signed, with its signature: a certificate, or a CRL.
pub(crate) fn sign(key: &SigningKey, to_be_signed: &[u8]) -> Result<Vec<u8>, IssueError> {
    let signature = key.sign(to_be_signed)?;
    let algorithm = key.signature_algorithm();
    let signed = Signed {
        to_be_signed: AnyRef::from_der(to_be_signed)?,
        algorithm: algorithm.owned_to_ref(),
        signature: BitStringRef::from_bytes(&signature)?,
    };
    Ok(signed.to_der()?)
}
