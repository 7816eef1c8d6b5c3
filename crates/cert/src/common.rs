//! The common certificate (source A Figs. 5 and 6): one for all devices of a batch, good for asking for an
//! individual certificate and for nothing else.
//!
//! Four things keep it from passing as a device, each enough by itself: a CA of its own signs it, its
//! only purpose is our own ([`RECOVERY_PURPOSE`]), it states a batch in place of a device number, and
//! whom it admits is a peer of its own kind ([`PeerIdentity::Common`](crate::PeerIdentity::Common)).

use const_oid::ObjectIdentifier;
use identity::CommonBatch;
use identity::profile::KeyAlgorithm;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::certificate::{Certificate, CertificateSerial};
use crate::issuer::{Issuer, Purpose};
use crate::refusal::Refusal;
use crate::trust::check_signing_only;

/// The extended key usage of common certificates: to ask for an individual certificate. Its arcs are
/// a random UUID (ab54573f-5e54-4a40-b678-046f9f2563d9), so it is nobody else's.
pub const RECOVERY_PURPOSE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113556.1.8000.2554.43860.22335.24148.19008.46712.290719.2450393");

const URN_PREFIX: &str = "urn:touchmark:common:";

/// Some device of a batch, by its verified common certificate. Which device, nobody knows.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CommonIdentity {
    /// The batch that the certificate states.
    pub batch: CommonBatch,
    /// The certificate's serial number.
    pub certificate_serial: CertificateSerial,
}

/// How a certificate states this batch: a URI as subject alternative name.
pub fn batch_urn(batch: &CommonBatch) -> String {
    format!("{URN_PREFIX}{batch}")
}

/// The batch, where the names are exactly one URI and it states one.
pub(crate) fn batch_of(SubjectAltName(names): &SubjectAltName) -> Option<CommonBatch> {
    match names.as_slice() {
        [GeneralName::UniformResourceIdentifier(uri)] => uri.as_str().strip_prefix(URN_PREFIX)?.parse().ok(),
        _ => None,
    }
}

/// The batch whose common certificate this is: signed by `issuer`, valid `now`, for recovery alone,
/// naming no device.
pub(crate) fn verify(
    issuer: &Issuer,
    certificate: &Certificate,
    now: i64,
) -> Result<CommonIdentity, Refusal> {
    issuer.verify(certificate, Purpose::Recovery, now)?;
    check_signing_only(certificate, &[KeyAlgorithm::P256])?;
    if certificate.extended_key_usage()? != [RECOVERY_PURPOSE] {
        return Err(Refusal::ExtendedKeyUsage("recovery as its only purpose"));
    }
    let names = certificate.extension::<SubjectAltName>()?;
    let batch = names.as_ref().and_then(|(_, names)| batch_of(names)).ok_or(Refusal::NoBatch)?;
    if certificate.device_number().is_some() {
        return Err(Refusal::NoBatch);
    }
    Ok(CommonIdentity { batch, certificate_serial: certificate.serial() })
}
