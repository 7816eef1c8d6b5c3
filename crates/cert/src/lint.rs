//! The lint: what a certificate of ours must look like, looked up before it is signed.
//!
//! Rules are filed by the document that demands them, a file each, and cite the clause:
//!
//! | file | document |
//! | --- | --- |
//! | `rfc5280` | RFC 5280, what every certificate on the internet keeps |
//! | `elliptic` | RFC 5480 and RFC 5758, keys and signatures on elliptic curves |
//! | `ieee8021ar` | IEEE Std 802.1AR-2018, device identities |
//! | `profile` | this product's own, narrower profile |
//!
//! To add a rule, write it into the `RULES` of its document's file, and a broken certificate that
//! only it refuses into the corpus in
//! `crates/pki/tests/certificates/lint.rs`,
//! which has one for every rule.

mod case;
mod elliptic;
mod ieee8021ar;
mod profile;
pub mod reading;
mod rfc5280;

use std::fmt;

use der::{Decode, Encode};
use identity::profile::KeyAlgorithm;

use case::Case;
use reading::{Signed, ToBeSigned};

use crate::key;

/// What a certificate is for; it decides which rules apply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The root, which signs the CAs below it and itself.
    Root,
    /// A CA below the root: it signs devices, or members, or common certificates.
    Ca,
    /// A member: authority, gateway or station.
    Member,
    /// A device.
    Device,
    /// What the devices of a batch have in common.
    Common,
    /// An OCSP responder of an issuing CA.
    OcspResponder,
}

/// A rule that a certificate breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The document and clause that demand it: `RFC 5280 clause 4.1.2.2`.
    pub clause: &'static str,
    /// What is demanded, in one sentence.
    pub sentence: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.clause, self.sentence)
    }
}

/// What the rules need to know about the CA that signs: taken from its certificate once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issuer {
    name: Vec<u8>,
    key_identifier: Vec<u8>,
    key_algorithm: Option<KeyAlgorithm>,
}

/// The CA certificate cannot be read, or lacks a subject key identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the issuer's certificate cannot be read, or names no key")]
pub struct UnreadableIssuer;

impl Issuer {
    /// The facts of a CA certificate, DER.
    ///
    /// # Errors
    /// Where it cannot be read or has no subject key identifier.
    pub fn of(certificate: &[u8]) -> Result<Self, UnreadableIssuer> {
        let signed = Signed::from_der(certificate).map_err(|_| UnreadableIssuer)?;
        let der = signed.to_be_signed.to_der().map_err(|_| UnreadableIssuer)?;
        let fields = ToBeSigned::read(&der).map_err(|_| UnreadableIssuer)?;
        let key_identifier = case::subject_key_identifier(&fields).ok_or(UnreadableIssuer)?;
        Ok(Self {
            name: fields.subject.to_vec(),
            key_identifier: key_identifier.to_vec(),
            key_algorithm: key::algorithm(&fields.public_key),
        })
    }
}

/// What is wrong with a certificate that is about to be signed by `issuer` (itself, for a root).
///
/// Nothing found means that every rule holds.
pub fn findings(to_be_signed: &[u8], kind: Kind, issuer: Option<&Issuer>) -> Vec<Finding> {
    let Ok(fields) = ToBeSigned::read(to_be_signed) else { return vec![UNREADABLE] };
    let case = Case::new(&fields, kind, issuer);
    all_rules().filter(|rule| rule.kinds.contains(&kind) && !(rule.holds)(&case)).map(Rule::finding).collect()
}

/// What is wrong with a certificate as signed: as [`findings`], and what the signature adds.
pub fn findings_of_certificate(certificate: &[u8], kind: Kind, issuer: Option<&Issuer>) -> Vec<Finding> {
    let Ok(signed) = Signed::from_der(certificate) else { return vec![UNREADABLE] };
    let Ok(to_be_signed) = signed.to_be_signed.to_der() else { return vec![UNREADABLE] };
    let mut findings = findings(&to_be_signed, kind, issuer);
    let inner = ToBeSigned::read(&to_be_signed).map(|fields| fields.signature);
    if inner.is_ok_and(|inner| inner != signed.algorithm) {
        findings.push(OTHER_ALGORITHM);
    }
    findings
}

/// Every rule there is, as what is found where it is broken.
pub fn rules() -> impl Iterator<Item = Finding> {
    all_rules().map(Rule::finding).chain([UNREADABLE, OTHER_ALGORITHM])
}

const UNREADABLE: Finding = Finding {
    clause: "RFC 5280 clause 4.1",
    sentence: "a certificate is DER of its ASN.1 type, nothing left over",
};

const OTHER_ALGORITHM: Finding = Finding {
    clause: "RFC 5280 clause 4.1.1.2",
    sentence: "the signature is of the algorithm that the signed part names",
};

fn all_rules() -> impl Iterator<Item = &'static Rule> {
    [rfc5280::RULES, elliptic::RULES, ieee8021ar::RULES, profile::RULES].into_iter().flatten()
}

/// One demand of one clause.
struct Rule {
    clause: &'static str,
    sentence: &'static str,
    kinds: &'static [Kind],
    holds: fn(&Case<'_>) -> bool,
}

impl Rule {
    fn finding(&self) -> Finding {
        Finding { clause: self.clause, sentence: self.sentence }
    }
}

const ALL: &[Kind] = &[Kind::Root, Kind::Ca, Kind::Member, Kind::Device, Kind::Common, Kind::OcspResponder];
const CAS: &[Kind] = &[Kind::Root, Kind::Ca];
const END_ENTITIES: &[Kind] = &[Kind::Member, Kind::Device, Kind::Common, Kind::OcspResponder];
const BELOW_ROOT: &[Kind] = &[Kind::Ca, Kind::Member, Kind::Device, Kind::Common, Kind::OcspResponder];
