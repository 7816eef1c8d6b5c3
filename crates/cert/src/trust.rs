//! Whom a member trusts: one root, the CA that signs members, the CAs that sign devices; and, where devices
//! recover, the CA that signs common certificates.

use std::sync::Arc;

use const_oid::db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH};
use identity::Member;
use identity::profile::KeyAlgorithm;

use crate::certificate::{Certificate, CertificateSerial};
use crate::common::{self, CommonIdentity};
use crate::device::{DeviceIdentity, DeviceVerifier};
use crate::fingerprint::Fingerprint;
use crate::issuer::{Issuer, Purpose};
use crate::refusal::Refusal;
use crate::verified::Verified;

/// The CAs of one plant, each checked to be what it claims. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trust(Arc<Authorities>);

#[derive(Debug)]
struct Authorities {
    root: Issuer,
    plant: Issuer,
    issuing: Vec<Issuer>,
    common: Option<Issuer>,
    verified: Verified,
}

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
        let issuing: Vec<Issuer> =
            issuing.iter().map(|der| root.subordinate(der.as_ref())).collect::<Result<_, _>>()?;
        let plant_key = plant.certificate().spki_fingerprint();
        if issuing.iter().any(|issuer| issuer.certificate().spki_fingerprint() == plant_key) {
            return Err(Refusal::NotAuthority("the plant CA and an issuing CA have the same key"));
        }
        Ok(Self(Arc::new(Authorities { root, plant, issuing, common: None, verified: Verified::default() })))
    }

    /// The same trust, which also knows common certificates, for what they are, by the CA in DER that
    /// signs them. Without it they are refused as from a stranger.
    pub fn with_common(self, common: &[u8]) -> Result<Self, Refusal> {
        let common = self.0.root.subordinate(common)?;
        let key = common.certificate().spki_fingerprint();
        let others = self.0.issuing.iter().chain([&self.0.plant]);
        if others.map(|issuer| issuer.certificate().spki_fingerprint()).any(|other| other == key) {
            return Err(Refusal::NotAuthority("the CA of common certificates has another CA's key"));
        }
        let Authorities { root, plant, issuing, .. } = &*self.0;
        Ok(Self(Arc::new(Authorities {
            root: root.clone(),
            plant: plant.clone(),
            issuing: issuing.clone(),
            common: Some(common),
            verified: Verified::default(),
        })))
    }

    /// The root's certificate.
    pub fn root(&self) -> &Certificate {
        self.0.root.certificate()
    }

    /// The certificate of the CA that signs members.
    pub fn plant(&self) -> &Certificate {
        self.0.plant.certificate()
    }

    /// The certificates of the CAs that sign devices.
    pub fn issuing(&self) -> impl Iterator<Item = &Certificate> {
        self.0.issuing.iter().map(Issuer::certificate)
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
        if let Some(identity) = self.0.verified.find(&fingerprint, now) {
            return Ok(identity);
        }
        let certificate = Certificate::parse(certificate)?;
        let common = self.0.common.as_ref().filter(|issuer| issuer.is_named_by(&certificate));
        let (identity, issuer) = if self.0.plant.is_named_by(&certificate) {
            let member = self.verify_member_for(&certificate, Purpose::Client, now)?;
            (PeerIdentity::Member(member), &self.0.plant)
        } else if let Some(issuer) = common {
            (PeerIdentity::Common(common::verify(issuer, &certificate, now)?), issuer)
        } else {
            let device = DeviceVerifier::new(self.clone()).verify_parsed(&certificate, now)?;
            (PeerIdentity::Device(device), self.issuing_authority(&certificate)?)
        };
        self.0.verified.keep(fingerprint, identity.clone(), issuer.validity_of(&certificate));
        Ok(identity)
    }

    /// The CA that signs devices and is named as issuer of this certificate.
    pub(crate) fn issuing_authority(&self, certificate: &Certificate) -> Result<&Issuer, Refusal> {
        let named = self.0.issuing.iter().find(|issuer| issuer.is_named_by(certificate));
        named.ok_or_else(|| Refusal::UnknownIssuer { issuer: certificate.issuer() })
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
