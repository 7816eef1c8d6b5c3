//! Whom a member trusts: one root, the CA that signs members, the CAs that sign devices; and, where devices
//! recover, the CA that signs common certificates.
//!
//! The CAs that sign devices follow one another while members serve: [`Trust::check_issuing`] holds new ones
//! against the root, [`Trust::take`] trusts them and nobody else. All else stays for good.

use std::sync::Arc;

use arc_swap::ArcSwap;
use const_oid::db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH};
use identity::Member;
use identity::profile::KeyAlgorithm;

use crate::certificate::{Certificate, CertificateSerial};
use crate::common::{self, CommonIdentity};
use crate::device::{self, DeviceIdentity};
use crate::fingerprint::Fingerprint;
use crate::issuer::{Issuer, Purpose};
use crate::refusal::Refusal;
use crate::verified::Verified;

/// The CAs of one plant, each checked to be what it claims. Cheap to clone; clones share it, so that what one
/// [takes](Trust::take) counts for all, from the next verification on.
#[derive(Clone, Debug)]
pub struct Trust(Arc<Authorities>);

#[derive(Debug)]
struct Authorities {
    root: Issuer,
    plant: Issuer,
    common: Option<Issuer>,
    issuing: ArcSwap<Issuing>,
}

/// The CAs of devices at one time, and the verdicts that rest on them, which end with them.
#[derive(Debug, Default)]
struct Issuing {
    issuers: Vec<Arc<Issuer>>,
    verified: Verified,
}

/// CAs of devices that a plant's root has signed.
#[derive(Debug)]
pub struct CheckedCas(Vec<Arc<Issuer>>);

/// A member by its verified certificate.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MemberIdentity {
    /// Who it is.
    pub member: Member,
    /// The serial number of the certificate it showed, by which it may be revoked.
    pub certificate_serial: CertificateSerial,
}

/// A peer by its verified certificate.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum PeerIdentity {
    /// A member of the plant.
    Member(MemberIdentity),
    /// A device.
    Device(DeviceIdentity),
    /// Some device of a batch, which has nothing but its common certificate.
    Common(CommonIdentity),
}

impl Trust {
    /// Trust in a root, the plant CA and any issuing CAs that it signed, each in DER. Validity in
    /// time is looked at whenever a peer is verified, not here.
    pub fn new<C: AsRef<[u8]>>(root: &[u8], plant: &[u8], issuing: &[C]) -> Result<Self, Refusal> {
        let root = Issuer::root(root)?;
        let plant = root.subordinate(plant)?;
        let trust = Self(Arc::new(Authorities { root, plant, common: None, issuing: ArcSwap::default() }));
        trust.take(trust.check_issuing(issuing)?);
        Ok(trust)
    }

    /// Trust in the same CAs, which also knows common certificates, for what they are, by the CA in DER that
    /// signs them. Without it they are refused as from a stranger. It no longer shares what this one takes.
    pub fn with_common(self, common: &[u8]) -> Result<Self, Refusal> {
        let common = self.0.root.subordinate(common)?;
        let issuing = self.0.issuing.load_full();
        let others = issuing.issuers.iter().map(Arc::as_ref).chain([&self.0.plant]);
        if others.map(spki_of).any(|other| other == spki_of(&common)) {
            return Err(Refusal::NotAuthority("the CA of common certificates has another CA's key"));
        }
        Ok(Self(Arc::new(Authorities {
            root: self.0.root.clone(),
            plant: self.0.plant.clone(),
            common: Some(common),
            issuing: ArcSwap::from_pointee(Issuing {
                issuers: issuing.issuers.clone(),
                verified: Verified::default(),
            }),
        })))
    }

    /// Whether the root signed each of these CAs, in DER, and none is another CA of the plant.
    pub fn check_issuing<C: AsRef<[u8]>>(&self, issuing: &[C]) -> Result<CheckedCas, Refusal> {
        let check = |der: &C| self.0.root.subordinate(der.as_ref()).map(Arc::new);
        let issuers: Vec<_> = issuing.iter().map(check).collect::<Result<_, _>>()?;
        let mut others = [&self.0.plant].into_iter().chain(&self.0.common).map(spki_of);
        if others.any(|other| issuers.iter().any(|issuer| spki_of(issuer) == other)) {
            return Err(Refusal::NotAuthority("an issuing CA has the same key as another CA of the plant"));
        }
        Ok(CheckedCas(issuers))
    }

    /// Trusts these CAs, which this trust has checked, to sign devices, and no others, from now on, in all
    /// clones. No verdict of before is remembered.
    pub fn take(&self, CheckedCas(issuers): CheckedCas) {
        self.0.issuing.store(Arc::new(Issuing { issuers, verified: Verified::default() }));
    }

    /// Whether a CA that signs devices, with a certificate of this SHA-256, is trusted.
    pub fn trusts_issuer(&self, certificate_sha256: &Fingerprint) -> bool {
        let issuing = self.0.issuing.load();
        issuing.issuers.iter().any(|issuer| issuer.certificate().fingerprint() == *certificate_sha256)
    }

    /// The root's certificate.
    pub fn root(&self) -> &Certificate {
        self.0.root.certificate()
    }

    /// The certificate of the CA that signs members.
    pub fn plant(&self) -> &Certificate {
        self.0.plant.certificate()
    }

    /// The certificates of the CAs that sign devices, as they are trusted now.
    pub fn issuing(&self) -> Vec<Certificate> {
        self.0.issuing.load().issuers.iter().map(|issuer| issuer.certificate().clone()).collect()
    }

    /// The certificate of the CA that signs common certificates, where this trust knows it.
    pub fn common(&self) -> Option<&Certificate> {
        self.0.common.as_ref().map(Issuer::certificate)
    }

    /// SHA-256 of the root's certificate, which a join token pins.
    pub fn root_fingerprint(&self) -> Fingerprint {
        self.root().fingerprint()
    }

    /// The member that presents this certificate (DER), if the plant CA signed it and it is valid `now`.
    pub fn verify_member(&self, certificate: &[u8], now: i64) -> Result<MemberIdentity, Refusal> {
        self.verify_member_for(&Certificate::parse(certificate)?, Purpose::Client, now)
    }

    /// The host that presents this certificate (DER), if it is the `expected` one.
    pub fn verify_host(
        &self,
        certificate: &[u8],
        expected: &Member,
        now: i64,
    ) -> Result<MemberIdentity, Refusal> {
        let found = self.verify_member_for(&Certificate::parse(certificate)?, Purpose::Server, now)?;
        if found.member != *expected {
            return Err(Refusal::OtherMember {
                expected: Box::new(expected.clone()),
                found: Box::new(found.member),
            });
        }
        Ok(found)
    }

    /// The member or device that presents this certificate (DER), or some device of a batch. Which of
    /// them it is follows from the CA that signed it, never from what it says of itself. A certificate that
    /// was verified lately is not verified again.
    pub fn verify_peer(&self, certificate: &[u8], now: i64) -> Result<PeerIdentity, Refusal> {
        let fingerprint = Fingerprint::of(certificate);
        let issuing = self.0.issuing.load_full();
        if let Some(identity) = issuing.verified.find(&fingerprint, now) {
            return Ok(identity);
        }
        let certificate = Certificate::parse(certificate)?;
        let common = self.0.common.as_ref().filter(|issuer| issuer.is_named_by(&certificate));
        let (identity, validity) = if self.0.plant.is_named_by(&certificate) {
            let member = self.verify_member_for(&certificate, Purpose::Client, now)?;
            (PeerIdentity::Member(member), self.0.plant.validity_of(&certificate))
        } else if let Some(issuer) = common {
            let common = common::verify(issuer, &certificate, now)?;
            (PeerIdentity::Common(common), issuer.validity_of(&certificate))
        } else {
            let issuer = issuing.issuer_of(&certificate)?;
            let device = device::verify_below(issuer, &certificate, now)?;
            (PeerIdentity::Device(device), issuer.validity_of(&certificate))
        };
        issuing.verified.keep(fingerprint, identity.clone(), validity);
        Ok(identity)
    }

    /// The CA that signs devices and is named as issuer of this certificate.
    pub(crate) fn issuing_authority(&self, certificate: &Certificate) -> Result<Arc<Issuer>, Refusal> {
        self.0.issuing.load().issuer_of(certificate).cloned()
    }

    fn verify_member_for(
        &self,
        certificate: &Certificate,
        purpose: Purpose,
        now: i64,
    ) -> Result<MemberIdentity, Refusal> {
        self.0.plant.verify(certificate, purpose, now)?;
        check_signing_only(certificate, &[KeyAlgorithm::P256])?;
        let purposes = certificate.extended_key_usage()?;
        if !purposes.contains(&ID_KP_CLIENT_AUTH) {
            return Err(Refusal::ExtendedKeyUsage("clientAuth"));
        }
        if !purposes.contains(&ID_KP_SERVER_AUTH) {
            return Err(Refusal::ExtendedKeyUsage("serverAuth"));
        }
        let member = certificate.member().ok_or(Refusal::NoMember)?;
        Ok(MemberIdentity { member, certificate_serial: certificate.serial() })
    }
}

impl CheckedCas {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Issuing {
    /// The CA that is named as issuer of this certificate.
    fn issuer_of(&self, certificate: &Certificate) -> Result<&Arc<Issuer>, Refusal> {
        let named = self.issuers.iter().find(|issuer| issuer.is_named_by(certificate));
        named.ok_or_else(|| Refusal::UnknownIssuer { issuer: certificate.issuer() })
    }
}

fn spki_of(issuer: &Issuer) -> Fingerprint {
    issuer.certificate().spki_fingerprint()
}

/// What members and devices have in common: a key of one of these algorithms that signs and does nothing else.
pub(crate) fn check_signing_only(
    certificate: &Certificate,
    algorithms: &[KeyAlgorithm],
) -> Result<(), Refusal> {
    match certificate.basic_constraints()? {
        Some((_, constraints)) if !constraints.ca && constraints.path_len_constraint.is_none() => {}
        _ => return Err(Refusal::BasicConstraints),
    }
    let only_signs = x509_cert::ext::pkix::KeyUsage(x509_cert::ext::pkix::KeyUsages::DigitalSignature.into());
    if certificate.key_usage()? != Some(only_signs) {
        return Err(Refusal::KeyUsage);
    }
    if !certificate.key_algorithm().is_some_and(|algorithm| algorithms.contains(&algorithm)) {
        return Err(Refusal::Key);
    }
    certificate.subject_key_identifier()?;
    Ok(())
}
