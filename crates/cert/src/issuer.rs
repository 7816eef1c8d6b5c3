//! A CA of ours, and whether a certificate was issued by it.
//!
//! Chains are never built from what a peer sends: every CA is known beforehand and checked once,
//! when it becomes an [`Issuer`]; a peer's certificate must then be signed by one of them directly.
//! So the depth of a path is fixed, and verifying a peer costs one signature check.

use std::ops::RangeInclusive;
use std::time::Duration;

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5280, rfc5912};
use der::Encode;
use der::asn1::BitString;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use spki::AlgorithmIdentifierOwned;
use webpki::aws_lc_rs::{ECDSA_P256_SHA256, ECDSA_P384_SHA384};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::SubjectAltName;

use crate::certificate::Certificate;
use crate::common::RECOVERY_PURPOSE;
use crate::refusal::Refusal;

/// What a peer uses its certificate for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To answer connections.
    Server,
    /// To open connections.
    Client,
    /// To ask for an individual certificate.
    Recovery,
}

/// A CA whose certificate is known and checked.
#[derive(Clone, Debug)]
pub struct Issuer {
    certificate: Certificate,
    key_identifier: Vec<u8>,
    anchor: TrustAnchor<'static>,
    /// The CAs above it, whose validity its own depends on.
    above: Vec<Certificate>,
}

impl Issuer {
    /// A root: a CA certificate that is signed by its own key.
    pub fn root(der: &[u8]) -> Result<Self, Refusal> {
        let certificate = authority_certificate(der)?;
        check_issued(&certificate, &certificate)?;
        let own_key = certificate.subject_key_identifier()?;
        if certificate.stated_authority_key_identifier()?.is_some_and(|stated| stated != own_key) {
            return Err(Refusal::Extension("a root's authority key identifier names another key"));
        }
        Self::new(certificate, Vec::new())
    }

    /// A CA that this CA has signed.
    pub fn subordinate(&self, der: &[u8]) -> Result<Self, Refusal> {
        let certificate = authority_certificate(der)?;
        check_issued(&certificate, &self.certificate)?;
        if certificate.authority_key_identifier()? != self.key_identifier {
            return Err(Refusal::Extension("its authority key identifier is not that of its issuer"));
        }
        let above: Vec<Certificate> = self.above.iter().chain([&self.certificate]).cloned().collect();
        check_room_below(&above)?;
        Self::new(certificate, above)
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The certificates of the CAs above it, the root first.
    pub(crate) fn above(&self) -> &[Certificate] {
        &self.above
    }

    /// When a certificate that this CA signed and all CAs above it are valid, in seconds since 1970.
    pub(crate) fn validity_of(&self, certificate: &Certificate) -> RangeInclusive<i64> {
        let all = || self.above.iter().chain([&self.certificate, certificate]);
        let first = all().map(Certificate::not_before).max().unwrap_or(i64::MAX);
        let last = all().map(Certificate::not_after).min().unwrap_or(i64::MIN);
        first..=last
    }

    /// Whether the certificate names this CA as its issuer, by name and key identifier. Nothing is verified.
    pub fn is_named_by(&self, certificate: &Certificate) -> bool {
        certificate.tbs().issuer() == self.certificate.tbs().subject()
            && certificate
                .authority_key_identifier()
                .is_ok_and(|identifier| identifier == self.key_identifier)
    }

    /// Verifies that this CA signed the end-entity certificate, that it and all CAs above it are
    /// valid `now`, and that it may be used for `purpose`.
    pub fn verify(&self, certificate: &Certificate, purpose: Purpose, now: i64) -> Result<(), Refusal> {
        if !self.is_named_by(certificate) {
            return Err(Refusal::UnknownIssuer { issuer: certificate.issuer() });
        }
        if !self.above.iter().chain([&self.certificate]).all(|authority| authority.is_current(now)) {
            return Err(Refusal::IssuerNotCurrent { issuer: self.certificate.subject() });
        }
        if !certificate.is_current(now) {
            return Err(Refusal::NotCurrent);
        }
        let usage = match purpose {
            Purpose::Server => webpki::KeyUsage::server_auth(),
            Purpose::Client => webpki::KeyUsage::client_auth(),
            Purpose::Recovery => webpki::KeyUsage::required(RECOVERY_OID),
        };
        let der = CertificateDer::from(certificate.der());
        let end_entity = webpki::EndEntityCert::try_from(&der).map_err(Refusal::Path)?;
        end_entity
            .verify_for_usage(
                &SIGNATURE_ALGORITHMS,
                std::slice::from_ref(&self.anchor),
                &[],
                unix_time(now),
                usage,
                None,
                None,
            )
            .map_err(Refusal::Path)?;
        check_end_entity(certificate)
    }

    fn new(certificate: Certificate, above: Vec<Certificate>) -> Result<Self, Refusal> {
        let key_identifier = certificate.subject_key_identifier()?;
        let der = CertificateDer::from(certificate.der());
        let anchor = webpki::anchor_from_trusted_cert(&der).map_err(Refusal::Path)?.to_owned();
        Ok(Self { certificate, key_identifier, anchor, above })
    }
}

const RECOVERY_OID: &[u8] = RECOVERY_PURPOSE.as_bytes();

const SIGNATURE_ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 2] = [ECDSA_P256_SHA256, ECDSA_P384_SHA384];

/// Extensions that this room understands, so that they may be critical in a CA certificate.
const CRITICAL_UNDERSTOOD: [ObjectIdentifier; 2] =
    [rfc5280::ID_CE_BASIC_CONSTRAINTS, rfc5280::ID_CE_KEY_USAGE];

/// The rules of RFC 5280 clause 4 for end entities that the library leaves to its caller.
fn check_end_entity(certificate: &Certificate) -> Result<(), Refusal> {
    let serial = certificate.serial();
    let serial = serial.as_bytes();
    let is_positive =
        serial.first().is_some_and(|first| *first < 0x80) && serial.iter().any(|byte| *byte != 0);
    if !is_positive || serial.len() > SERIAL_BYTES_MAX {
        return Err(Refusal::Serial);
    }
    if certificate.has_extension(rfc5280::ID_CE_NAME_CONSTRAINTS) {
        return Err(Refusal::Extension("name constraints belong into certificates of CAs"));
    }
    match certificate.extension::<SubjectAltName>()? {
        Some((critical, _)) if critical != certificate.tbs().subject().is_empty() => Err(Refusal::Extension(
            "its subject alternative name is critical beside a subject, or not without one",
        )),
        _ => Ok(()),
    }
}

/// RFC 5280 clause 4.1.2.2; as the highest bit is the sign, this is up to 2^159.
const SERIAL_BYTES_MAX: usize = 20;

fn authority_certificate(der: &[u8]) -> Result<Certificate, Refusal> {
    let certificate = Certificate::parse(der)?;
    match certificate.basic_constraints()? {
        Some((true, constraints)) if constraints.ca => {}
        _ => return Err(Refusal::NotAuthority("its basic constraints do not say CA:TRUE, critically")),
    }
    if !certificate.key_usage()?.is_some_and(|usage| usage.key_cert_sign()) {
        return Err(Refusal::NotAuthority("its key usage does not have keyCertSign"));
    }
    let extensions = certificate.tbs().extensions().map_or(&[][..], Vec::as_slice);
    let is_strange = |extension: &Extension| {
        (extension.critical && !CRITICAL_UNDERSTOOD.contains(&extension.extn_id))
            || extension.extn_id == rfc5280::ID_CE_POLICY_CONSTRAINTS
    };
    if extensions.iter().any(is_strange) {
        return Err(Refusal::NotAuthority("it has an extension that is not understood here"));
    }
    Ok(certificate)
}

/// Whether the path length constraints of the CAs above a new one, the root first, leave room for it.
fn check_room_below(above: &[Certificate]) -> Result<(), Refusal> {
    for (below, authority) in (1..).zip(above.iter().rev()) {
        let constraint =
            authority.basic_constraints()?.and_then(|(_, constraints)| constraints.path_len_constraint);
        if constraint.is_some_and(|most| u32::from(most) < below) {
            return Err(Refusal::NotAuthority("a CA above may not have it below: path length constraint"));
        }
    }
    Ok(())
}

/// Whether `issuer`'s name and key signed the certificate of a CA.
fn check_issued(certificate: &Certificate, issuer: &Certificate) -> Result<(), Refusal> {
    if certificate.tbs().issuer() != issuer.tbs().subject() {
        return Err(Refusal::UnknownIssuer { issuer: certificate.issuer() });
    }
    let algorithm = certificate.signed().signature_algorithm();
    if certificate.tbs().signature() != algorithm {
        return Err(Refusal::Malformed);
    }
    let message = certificate.tbs().to_der().map_err(|_| Refusal::Malformed)?;
    verify_signature(issuer, algorithm, &message, certificate.signed().signature())
}

/// Whether `issuer`'s key signed the message. Only our two pairs of curve and hash count.
pub(crate) fn verify_signature(
    issuer: &Certificate,
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &BitString,
) -> Result<(), Refusal> {
    let key = issuer.tbs().subject_public_key_info();
    let curve =
        key.algorithm.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
    let algorithm = match (curve, algorithm.oid) {
        (Some(rfc5912::SECP_256_R_1), rfc5912::ECDSA_WITH_SHA_256) => ECDSA_P256_SHA256,
        (Some(rfc5912::SECP_384_R_1), rfc5912::ECDSA_WITH_SHA_384) => ECDSA_P384_SHA384,
        _ => {
            return Err(Refusal::NotAuthority("neither P-256 with SHA-256 nor P-384 with SHA-384 signed it"));
        }
    };
    let signature = signature.as_bytes().ok_or(Refusal::Malformed)?;
    let key = key.subject_public_key.as_bytes().ok_or(Refusal::Malformed)?;
    algorithm
        .verify_signature(key, message, signature)
        .map_err(|_| Refusal::Path(webpki::Error::InvalidSignatureForPublicKey))
}

pub(crate) fn unix_time(epoch_seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(epoch_seconds).unwrap_or(0)))
}
