//! CRLs: the revoked certificates of a CA, in partitions of a bounded size, complete and as deltas
//! (RFC 5280 clause 5).
//!
//! A serial number is random, so its second octet spreads a CA's certificates evenly over 256 CRLs. Each
//! names its partition in its issuing distribution point, as each certificate names it in its own: nobody
//! can take one partition for the whole. So a CA without a published address has no CRLs.

use std::fmt;
use std::str::FromStr;

use const_oid::db::rfc5280::ID_CE_ISSUING_DISTRIBUTION_POINT;
use der::Encode;
use der::asn1::{OctetString, Uint};
use identity::RevocationReason;
use x509_cert::Version;
use x509_cert::crl::{RevokedCert, TbsCertList};
use x509_cert::ext::pkix::crl::{BaseCrlNumber, FreshestCrl};
use x509_cert::ext::pkix::name::DistributionPointName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber, CrlReason, IssuingDistributionPoint};
use x509_cert::ext::{Extension, Extensions, ToExtension};
use x509_cert::serial_number::SerialNumber;

use crate::device::IssuingCa;
use crate::profile::key_identifier;
use crate::publication::{Publication, distribution_points, uri};
use crate::signer::{IssueError, sign};
use crate::validity::{ValidityError, time};

/// Which of its CA's CRLs would list a certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CrlPartition(u8);

/// The text is not two hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a partition is two hexadecimal digits")]
pub struct ParsePartitionError;

/// A certificate that was revoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevokedCertificate {
    /// Its serial number's content octets.
    pub serial: Vec<u8>,
    /// When it was revoked, in seconds since 1970.
    pub revoked: i64,
    /// Why.
    pub reason: RevocationReason,
}

/// What a CRL says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CrlContent {
    /// The partition it is about.
    pub partition: CrlPartition,
    /// Its number, higher than that of every CRL of this partition before it, complete or delta.
    pub number: u64,
    /// For a delta, the number of the complete CRL that it adds to.
    pub base: Option<u64>,
    /// When it is true, in seconds since 1970.
    pub this_update: i64,
    /// When the next one is there at the latest.
    pub next_update: i64,
    /// The certificates that are revoked, for a delta since its base.
    pub revoked: Vec<RevokedCertificate>,
}

impl CrlPartition {
    /// The partition of the certificate with this serial number's content octets.
    pub fn of(serial: &[u8]) -> Self {
        Self(serial.get(1).copied().unwrap_or_default())
    }

    /// The second octet of its certificates' serial numbers.
    pub fn octet(self) -> u8 {
        self.0
    }
}

impl fmt::Display for CrlPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}", self.0)
    }
}

impl FromStr for CrlPartition {
    type Err = ParsePartitionError;

    fn from_str(text: &str) -> Result<Self, ParsePartitionError> {
        match text.as_bytes() {
            [b'0'..=b'9' | b'a'..=b'f', b'0'..=b'9' | b'a'..=b'f'] => {
                u8::from_str_radix(text, 16).map(Self).map_err(|_| ParsePartitionError)
            }
            _ => Err(ParsePartitionError),
        }
    }
}

impl IssuingCa {
    /// Signs a CRL: its DER.
    ///
    /// # Errors
    /// The CA has no published address, a time is impossible, or the library fails.
    pub fn sign_crl(&self, content: &CrlContent) -> Result<Vec<u8>, IssueError> {
        let publication = self.publication().ok_or(IssueError::NotPublished)?;
        let revoked = content.revoked.iter().map(listed).collect::<Result<Vec<_>, _>>()?;
        let list: TbsCertList = TbsCertList {
            version: Version::V2,
            signature: self.signer.key.signature_algorithm(),
            issuer: self.signer.name.clone(),
            this_update: time(content.this_update)?,
            next_update: Some(time(content.next_update)?),
            // An empty list is left out (RFC 5280 clause 5.1.2.6).
            revoked_certificates: Some(revoked).filter(|revoked| !revoked.is_empty()),
            crl_extensions: Some(self.crl_extensions(publication, content)?),
        };
        sign(&self.signer.key, &list.to_der()?)
    }

    fn crl_extensions(&self, publication: &Publication, content: &CrlContent) -> der::Result<Extensions> {
        let (name, address) = (&self.signer.name, publication.crl(content.partition));
        let key_identifier = OctetString::new(key_identifier(self.signer.key.public_point()))?;
        let issuer_key =
            AuthorityKeyIdentifier { key_identifier: Some(key_identifier), ..Default::default() };
        let mut extensions = vec![
            issuer_key.to_extension(name, &[])?,
            CrlNumber(Uint::new(&content.number.to_be_bytes())?).to_extension(name, &[])?,
            issuing_distribution_point(&address)?,
        ];
        match content.base {
            Some(base) => {
                extensions.push(BaseCrlNumber(Uint::new(&base.to_be_bytes())?).to_extension(name, &[])?);
            }
            None => {
                let points = distribution_points(&publication.delta_crl(content.partition))?;
                extensions.push(FreshestCrl(points.0).to_extension(name, &[])?);
            }
        }
        Ok(extensions)
    }
}

/// It is encoded here, because the library would give the extension another's name.
fn issuing_distribution_point(address: &str) -> der::Result<Extension> {
    let point = IssuingDistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![uri(address)?])),
        only_contains_user_certs: true,
        only_contains_ca_certs: false,
        only_some_reasons: None,
        indirect_crl: false,
        only_contains_attribute_certs: false,
    };
    let extn_value = OctetString::new(point.to_der()?)?;
    Ok(Extension { extn_id: ID_CE_ISSUING_DISTRIBUTION_POINT, critical: true, extn_value })
}

fn listed(revoked: &RevokedCertificate) -> Result<RevokedCert, IssueError> {
    let reason = crl_reason(revoked.reason).map(|reason| -> der::Result<Extensions> {
        Ok(vec![reason.to_extension(&Default::default(), &[])?])
    });
    Ok(RevokedCert {
        serial_number: SerialNumber::new(&revoked.serial)?,
        revocation_date: time(revoked.revoked)
            .map_err(|ValidityError| IssueError::Validity(ValidityError))?,
        crl_entry_extensions: reason.transpose()?,
    })
}

/// The reason, which is left out where nobody said it (RFC 5280 clause 5.3.1).
pub(crate) fn crl_reason(reason: RevocationReason) -> Option<CrlReason> {
    match reason {
        RevocationReason::Unspecified => None,
        RevocationReason::KeyCompromise => Some(CrlReason::KeyCompromise),
        RevocationReason::CaCompromise => Some(CrlReason::CaCompromise),
        RevocationReason::AffiliationChanged => Some(CrlReason::AffiliationChanged),
        RevocationReason::Superseded => Some(CrlReason::Superseded),
        RevocationReason::CessationOfOperation => Some(CrlReason::CessationOfOperation),
        RevocationReason::PrivilegeWithdrawn => Some(CrlReason::PrivilegeWithdrawn),
    }
}
