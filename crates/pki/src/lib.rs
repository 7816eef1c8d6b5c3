//! The private half of PKI: the keys of the CAs, the profiles of what they sign, and issuing.
//!
//! Four CAs, a type each, and each signs only what it is for:
//!
//! | CA | key | signs | room |
//! | --- | --- | --- | --- |
//! | [`Root`] | P-384, in an encrypted file that is kept apart | those below | [`root`] |
//! | [`IssuingCa`] | P-256 | devices, with keys on P-256 or P-384 | [`device`] |
//! | [`PlantCa`] | P-256 | members: authority, gateways, stations | [`member`] |
//! | [`CommonCa`] | P-256 | what the devices of a batch have in common | [`common`] |
//!
//! Whatever is signed was linted first: a CA makes a `Linted`, and signing consumes it, so that the
//! bytes that were looked at are the bytes that are signed. An issuing CA also signs CRLs (`crl`) and the
//! certificates of its OCSP responders (`ocsp`). A new kind of certificate is a new
//! `Extensions` in `profile`, a rule set in `cert::lint`, and a method of the CA that may sign it.

mod crl;
mod key;
mod key_file;
mod name;
mod ocsp;
mod profile;
mod publication;
mod request;
mod serial;
mod signer;
mod template;
mod validity;

pub mod common;
pub mod device;
pub mod est;
pub mod member;
pub mod root;

pub use common::CommonCa;
pub use crl::{CrlContent, CrlPartition, ParsePartitionError, RevokedCertificate};
pub use device::{DeviceCredential, DeviceProfile, IssuingCa, PreparedCertificate, PreparedDevice};
pub use key::{KeyError, SigningKey};
pub use key_file::{KeyFileError, decrypt_key, encrypt_key};
pub use member::PlantCa;
pub use name::{NameText, ParseNameTextError};
pub use ocsp::{
    ASKED_MAX, CertificateId, CertificateStatus, OcspRefusal, OcspRequest, OcspResponder, PreparedResponder,
};
pub use publication::{ParsePublishedUrlError, Publication, PublishedUrl};
pub use request::{RequestError, RequestedSubject, SigningRequest};
pub use root::{IssuedCa, Root};
pub use serial::CertificateSerial;
pub use signer::IssueError;
pub use validity::{NO_EXPIRY, Validity, ValidityError};

/// A certificate's text form (RFC 7468).
///
/// ```
/// assert!(pki::certificate_pem(&[0x30, 0x00]).starts_with("-----BEGIN CERTIFICATE-----\nMAA=\n"));
/// ```
pub fn certificate_pem(der: &[u8]) -> String {
    der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, der)
        .expect("a certificate is far shorter than the length that PEM cannot count")
}
