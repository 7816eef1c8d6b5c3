//! A certificate under the lint: its fields, and what several rules would otherwise each parse again.

use const_oid::db::rfc5280::{
    ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_BASIC_CONSTRAINTS, ID_CE_CRL_DISTRIBUTION_POINTS,
    ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE, ID_CE_SUBJECT_ALT_NAME, ID_CE_SUBJECT_KEY_IDENTIFIER,
    ID_PE_AUTHORITY_INFO_ACCESS,
};
use der::asn1::{GeneralizedTime, OctetStringRef, UtcTime};
use der::{DateTime, Decode, Tag, Tagged};
use identity::profile::KeyAlgorithm;
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, SubjectAltName,
};

use super::reading::{Attribute, ToBeSigned};
use super::{Issuer, Kind};
use crate::key;

/// A certificate with everything the rules ask about, parsed once.
pub(super) struct Case<'a> {
    pub(super) kind: Kind,
    pub(super) fields: &'a ToBeSigned<'a>,
    pub(super) issuer: Option<&'a Issuer>,
    pub(super) not_before: Option<DateTime>,
    pub(super) not_after: Option<DateTime>,
    /// None where the subject is not a well-formed name.
    pub(super) subject: Option<Vec<Attribute<'a>>>,
    pub(super) key_algorithm: Option<KeyAlgorithm>,
    pub(super) authority_key: Known<AuthorityKeyIdentifier>,
    pub(super) subject_key: Known<&'a OctetStringRef>,
    pub(super) key_usage: Known<KeyUsage>,
    pub(super) constraints: Known<BasicConstraints>,
    pub(super) purposes: Known<ExtendedKeyUsage>,
    pub(super) alternative_names: Known<SubjectAltName>,
    pub(super) crl: Known<CrlDistributionPoints>,
    pub(super) access: Known<AuthorityInfoAccessSyntax>,
}

/// An extension that the rules know.
pub(super) enum Known<T> {
    Absent,
    Unreadable,
    Present { critical: bool, value: T },
}

impl<T> Known<T> {
    pub(super) fn value(&self) -> Option<&T> {
        match self {
            Self::Present { value, .. } => Some(value),
            Self::Absent | Self::Unreadable => None,
        }
    }

    pub(super) fn is_readable(&self) -> bool {
        !matches!(self, Self::Unreadable)
    }

    /// Whether the extension, where it is there, is critical or not as asked.
    pub(super) fn has_criticality(&self, wanted: bool) -> bool {
        match self {
            Self::Present { critical, .. } => *critical == wanted,
            Self::Absent | Self::Unreadable => true,
        }
    }
}

impl<'a> Case<'a> {
    pub(super) fn new(fields: &'a ToBeSigned<'a>, kind: Kind, issuer: Option<&'a Issuer>) -> Self {
        Self {
            kind,
            fields,
            issuer,
            not_before: date_time(fields.not_before),
            not_after: date_time(fields.not_after),
            subject: fields.subject_attributes().ok(),
            key_algorithm: key::algorithm(&fields.public_key),
            authority_key: known(fields, ID_CE_AUTHORITY_KEY_IDENTIFIER),
            subject_key: known(fields, ID_CE_SUBJECT_KEY_IDENTIFIER),
            key_usage: known(fields, ID_CE_KEY_USAGE),
            constraints: known(fields, ID_CE_BASIC_CONSTRAINTS),
            purposes: known(fields, ID_CE_EXT_KEY_USAGE),
            alternative_names: known(fields, ID_CE_SUBJECT_ALT_NAME),
            crl: known(fields, ID_CE_CRL_DISTRIBUTION_POINTS),
            access: known(fields, ID_PE_AUTHORITY_INFO_ACCESS),
        }
    }

    /// The subject's attributes of this kind.
    pub(super) fn attributes(
        &self,
        kind: const_oid::ObjectIdentifier,
    ) -> impl Iterator<Item = &Attribute<'a>> {
        self.subject.iter().flatten().filter(move |attribute| attribute.kind == kind)
    }
}

/// The key identifier that a CA's certificate gives its key.
pub(super) fn subject_key_identifier<'a>(fields: &ToBeSigned<'a>) -> Option<&'a [u8]> {
    match known::<&OctetStringRef>(fields, ID_CE_SUBJECT_KEY_IDENTIFIER) {
        Known::Present { value, .. } => Some(value.as_bytes()),
        Known::Absent | Known::Unreadable => None,
    }
}

fn known<'a, T: Decode<'a>>(fields: &ToBeSigned<'a>, kind: const_oid::ObjectIdentifier) -> Known<T> {
    match fields.extension(kind).map(|extension| (extension.is_critical(), T::from_der(extension.value()))) {
        None => Known::Absent,
        Some((_, Err(_))) => Known::Unreadable,
        Some((critical, Ok(value))) => Known::Present { critical, value },
    }
}

/// The moment that a time field states, where it is written as RFC 5280 clause 4.1.2.5 wants it.
fn date_time(time: der::asn1::AnyRef<'_>) -> Option<DateTime> {
    match time.tag() {
        Tag::UtcTime => time.decode_as::<UtcTime>().ok().map(|time| time.to_date_time()),
        Tag::GeneralizedTime => time.decode_as::<GeneralizedTime>().ok().map(|time| time.to_date_time()),
        _ => None,
    }
}
