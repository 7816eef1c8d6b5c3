//! Revocation lists, for whoever cannot ask the register: what a CA has revoked by its own word (RFC 5280 clauses 5
//! and 6.3).
//!
//! A certificate passes only where a list says that it was not revoked: a complete one, of the CA that signed it,
//! signed with the same key, current, and with this certificate in its scope. Deltas to that list count on top. A list that
//! cannot be judged (indirect, about some reasons only, with an extension that is not understood) counts for
//! nothing, so that what it might have said is unknown, and unknown is refused.

use std::collections::BTreeMap;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use der::asn1::Uint;
use der::{Decode, Encode};
use x509_cert::Version;
use x509_cert::crl::{CertificateList, RevokedCert};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{CrlDistributionPoints, CrlReason, IssuingDistributionPoint};
use x509_cert::time::Time;

use crate::certificate::{Certificate, epoch_seconds};
use crate::issuer::{Issuer, verify_signature};
use crate::refusal::Refusal;

/// A CRL, read whole. Whose it is, and whether it holds, is looked at when a certificate is held against it.
#[derive(Clone, Debug)]
pub struct RevocationList {
    list: CertificateList,
    number: Uint,
    /// For a delta, the number of the complete list that it adds to.
    base: Option<Uint>,
    scope: Option<IssuingDistributionPoint>,
    revoked: BTreeMap<Vec<u8>, Option<CrlReason>>,
}

/// For which certificates of a path the lists must answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RevocationDepth {
    /// For the last one.
    EndEntity,
    /// For the last one and all CAs between it and the root.
    Path,
}

impl RevocationList {
    /// Reads one CRL in DER.
    ///
    /// # Errors
    /// It is none, or one that cannot be judged here.
    pub fn parse(der: &[u8]) -> Result<Self, Refusal> {
        let list = CertificateList::from_der(der).map_err(|_| Refusal::Malformed)?;
        if list.to_der().map_err(|_| Refusal::Malformed)? != der {
            return Err(Refusal::Malformed);
        }
        let tbs = &list.tbs_cert_list;
        if tbs.version != Version::V2 || tbs.signature != list.signature_algorithm {
            return Err(Refusal::Malformed);
        }
        let extensions = tbs.crl_extensions.as_deref().unwrap_or_default();
        check_understood(extensions, &LIST_UNDERSTOOD)?;
        let number = extension(extensions, rfc5280::ID_CE_CRL_NUMBER)?;
        let scope = extension(extensions, rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT)?;
        if scope.as_ref().is_some_and(is_partial) {
            return Err(Refusal::RevocationList("it is indirect, or not about all reasons"));
        }
        Ok(Self {
            number: number.ok_or(Refusal::RevocationList("it has no number"))?,
            base: extension(extensions, rfc5280::ID_CE_DELTA_CRL_INDICATOR)?,
            scope,
            revoked: tbs.revoked_certificates.iter().flatten().map(entry).collect::<Result<_, _>>()?,
            list,
        })
    }

    /// Whether it is a list that `issuer` signed, current, and about this certificate.
    fn is_about(&self, certificate: &Certificate, issuer: &Certificate, now: i64) -> bool {
        self.list.tbs_cert_list.issuer == *issuer.tbs().subject()
            && self.is_current(now)
            && self.is_in_scope(certificate)
            && self.is_signed_by(issuer)
    }

    fn is_current(&self, now: i64) -> bool {
        let tbs = &self.list.tbs_cert_list;
        let next: Option<&Time> = tbs.next_update.as_ref();
        epoch_seconds(&tbs.this_update) <= now && next.is_some_and(|next| now < epoch_seconds(next))
    }

    /// Whether the list would name the certificate, were it revoked. A part of a CA's lists is for the certificates
    /// that name it.
    fn is_in_scope(&self, certificate: &Certificate) -> bool {
        let Some(scope) = &self.scope else { return true };
        let Ok(constraints) = certificate.basic_constraints() else { return false };
        let is_authority = constraints.is_some_and(|(_, constraints)| constraints.ca);
        if scope.only_contains_user_certs && is_authority || scope.only_contains_ca_certs && !is_authority {
            return false;
        }
        match &scope.distribution_point {
            None => true,
            Some(DistributionPointName::FullName(names)) => {
                names_of_lists(certificate).is_ok_and(|named| named.iter().any(|name| names.contains(name)))
            }
            Some(DistributionPointName::NameRelativeToCRLIssuer(_)) => false,
        }
    }

    fn is_signed_by(&self, issuer: &Certificate) -> bool {
        let may_sign = issuer.key_usage().is_ok_and(|usage| usage.is_some_and(|usage| usage.crl_sign()));
        let message = self.list.tbs_cert_list.to_der();
        may_sign
            && message.is_ok_and(|message| {
                verify_signature(issuer, &self.list.signature_algorithm, &message, &self.list.signature)
                    .is_ok()
            })
    }

    /// Whether this is a delta to that complete list, and newer than it.
    fn adds_to(&self, complete: &Self) -> bool {
        let adds = |base: &Uint| *base <= complete.number && complete.number < self.number;
        self.base.as_ref().is_some_and(adds) && self.scope == complete.scope
    }
}

/// Whether `lists` say of a certificate that `issuer` signed, or of all on its path below the root, that it was not revoked.
/// All else about the path is for [`Issuer::verify`].
///
/// # Errors
/// One was revoked, or no list says that it was not.
pub fn check_revocation(
    issuer: &Issuer,
    certificate: &Certificate,
    now: i64,
    lists: &[RevocationList],
    depth: RevocationDepth,
) -> Result<(), Refusal> {
    check_not_revoked(certificate, issuer.certificate(), now, lists)?;
    if depth == RevocationDepth::Path {
        let path: Vec<&Certificate> = issuer.above().iter().chain([issuer.certificate()]).collect();
        for pair in path.windows(2) {
            check_not_revoked(pair[1], pair[0], now, lists)?;
        }
    }
    Ok(())
}

/// Whether the newest list of its issuer, and the newest delta to that, let the certificate pass.
fn check_not_revoked(
    certificate: &Certificate,
    issuer: &Certificate,
    now: i64,
    lists: &[RevocationList],
) -> Result<(), Refusal> {
    let about: Vec<_> = lists.iter().filter(|list| list.is_about(certificate, issuer, now)).collect();
    let newest = |lists: &mut dyn Iterator<Item = &RevocationList>| -> Option<RevocationList> {
        lists.max_by(|one, other| one.number.cmp(&other.number)).cloned()
    };
    let complete = newest(&mut about.iter().copied().filter(|list| list.base.is_none()))
        .ok_or_else(|| Refusal::RevocationUnknown { subject: certificate.subject() })?;
    let delta = newest(&mut about.iter().copied().filter(|list| list.adds_to(&complete)));
    let serial = certificate.serial();
    let said = delta.iter().chain([&complete]).find_map(|list| list.revoked.get(serial.as_bytes()));
    match said {
        None | Some(Some(CrlReason::RemoveFromCRL)) => Ok(()),
        Some(_) => Err(Refusal::Revoked { subject: certificate.subject() }),
    }
}

/// Extensions that this room understands, so that they may be critical in a list.
const LIST_UNDERSTOOD: [ObjectIdentifier; 2] =
    [rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT, rfc5280::ID_CE_DELTA_CRL_INDICATOR];

fn check_understood(extensions: &[Extension], understood: &[ObjectIdentifier]) -> Result<(), Refusal> {
    let is_strange = |extension: &Extension| extension.critical && !understood.contains(&extension.extn_id);
    if extensions.iter().any(is_strange) {
        return Err(Refusal::RevocationList("it has an extension that is not understood here"));
    }
    Ok(())
}

/// An extension by its OID, which for some of them the library has wrong.
fn extension<T>(extensions: &[Extension], kind: ObjectIdentifier) -> Result<Option<T>, Refusal>
where
    T: for<'a> Decode<'a, Error = der::Error>,
{
    let mut found = extensions.iter().filter(|extension| extension.extn_id == kind);
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => T::from_der(one.extn_value.as_bytes()).map(Some).map_err(|_| Refusal::Malformed),
        (Some(_), Some(_)) => Err(Refusal::Malformed),
    }
}

/// Whether a list needs others beside it to say of a certificate that it was not revoked, or is about other things.
fn is_partial(scope: &IssuingDistributionPoint) -> bool {
    scope.indirect_crl || scope.only_some_reasons.is_some() || scope.only_contains_attribute_certs
}

fn entry(revoked: &RevokedCert) -> Result<(Vec<u8>, Option<CrlReason>), Refusal> {
    let extensions = revoked.crl_entry_extensions.as_deref().unwrap_or_default();
    check_understood(extensions, &[])?;
    Ok((revoked.serial_number.as_bytes().to_vec(), extension(extensions, rfc5280::ID_CE_CRL_REASONS)?))
}

/// The names by which a certificate says where all of its CA's word on it is.
fn names_of_lists(certificate: &Certificate) -> Result<Vec<GeneralName>, Refusal> {
    let Some((_, CrlDistributionPoints(points))) = certificate.extension()? else { return Ok(Vec::new()) };
    let whole = points.into_iter().filter(|point| point.reasons.is_none() && point.crl_issuer.is_none());
    Ok(whole
        .filter_map(|point| match point.distribution_point {
            Some(DistributionPointName::FullName(names)) => Some(names),
            _ => None,
        })
        .flatten()
        .collect())
}
