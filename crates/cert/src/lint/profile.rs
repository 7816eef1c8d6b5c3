//! This product's own profile: of what the standards leave open, one choice each.

use std::time::Duration;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519::{COMMON_NAME, ORGANIZATION_NAME, SERIAL_NUMBER};
use const_oid::db::rfc5280::{
    ID_AD_CA_ISSUERS, ID_AD_OCSP, ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_BASIC_CONSTRAINTS,
    ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE, ID_CE_SUBJECT_ALT_NAME,
    ID_CE_SUBJECT_KEY_IDENTIFIER, ID_KP_CLIENT_AUTH, ID_KP_OCSP_SIGNING, ID_KP_SERVER_AUTH,
    ID_PE_AUTHORITY_INFO_ACCESS,
};
use const_oid::db::rfc6960::ID_PKIX_OCSP_NOCHECK;
use der::asn1::{PrintableStringRef, Utf8StringRef};
use identity::profile::KeyAlgorithm;
use identity::{CommonBatch, DeviceNumber, Member};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, CrlDistributionPoints, KeyUsages};

use super::case::{Case, Known};
use super::reading::Attribute;
use super::{ALL, CAS, END_ENTITIES, Kind, Rule};
use crate::common::{self, RECOVERY_PURPOSE};

/// The longest that a member's certificate is valid.
const MEMBER_VALIDITY_MAX: Duration = Duration::from_secs(398 * 86_400);

/// The longest that an OCSP responder's certificate is valid.
const RESPONDER_VALIDITY_MAX: Duration = Duration::from_secs(30 * 86_400);

/// A random serial of 159 bits is shorter than this once in four thousand million.
const SERIAL_OCTETS_MIN: usize = 16;

pub(super) const RULES: &[Rule] = &[
    Rule {
        clause: "touchmark profile, serial number",
        sentence: "a serial number is drawn from 159 random bits, so it is at least 16 octets long",
        kinds: ALL,
        holds: |case| case.fields.serial.len() >= SERIAL_OCTETS_MIN,
    },
    Rule {
        clause: "touchmark profile, public key",
        sentence: "the root has a key on P-384, a device on either curve, all others on P-256",
        kinds: ALL,
        holds: |case| {
            case.key_algorithm.is_none_or(|algorithm| match case.kind {
                Kind::Root => algorithm == KeyAlgorithm::P384,
                Kind::Ca | Kind::Member | Kind::Common | Kind::OcspResponder => {
                    algorithm == KeyAlgorithm::P256
                }
                Kind::Device => true,
            })
        },
    },
    Rule {
        clause: "touchmark profile, subject of a device",
        sentence: "the serialNumber is a device number as PrintableString",
        kinds: &[Kind::Device],
        holds: |case| {
            case.attributes(SERIAL_NUMBER).all(|attribute| {
                let text = attribute.value.decode_as::<PrintableStringRef<'_>>();
                text.is_ok_and(|text| text.as_str().parse::<DeviceNumber>().is_ok())
            })
        },
    },
    Rule {
        clause: "touchmark profile, subject of a device",
        sentence: "besides the serialNumber there is at most the maker's organizationName",
        kinds: &[Kind::Device],
        holds: |case| {
            let makers = case.attributes(ORGANIZATION_NAME).count();
            makers <= 1
                && case
                    .subject
                    .iter()
                    .flatten()
                    .all(|attribute| attribute.kind == SERIAL_NUMBER || attribute.kind == ORGANIZATION_NAME)
        },
    },
    Rule {
        clause: "touchmark profile, subject of a member",
        sentence: "the subject is the member's name as commonName, the alternative name its one URI",
        kinds: &[Kind::Member],
        holds: |case| {
            let is_alone = case.subject.as_ref().is_some_and(|attributes| attributes.len() == 1);
            is_alone && member(case).is_some_and(|member| common_name(case) == Some(member.name().as_str()))
        },
    },
    Rule {
        clause: "touchmark profile, subject of a common certificate",
        sentence: "it names its batch as commonName beside at most the maker, and in its one URI, and no device",
        kinds: &[Kind::Common],
        holds: |case| {
            let known =
                |attribute: &Attribute<'_>| [COMMON_NAME, ORGANIZATION_NAME].contains(&attribute.kind);
            let batch = batch(case).map(|batch| batch.to_string());
            case.subject.iter().flatten().all(known)
                && case.attributes(ORGANIZATION_NAME).count() <= 1
                && batch.is_some()
                && common_name(case) == batch.as_deref()
        },
    },
    Rule {
        clause: "touchmark profile, validity",
        sentence: "a member's certificate is valid for at most 398 days",
        kinds: &[Kind::Member],
        holds: |case| is_valid_for_at_most(case, MEMBER_VALIDITY_MAX),
    },
    Rule {
        clause: "touchmark profile, key usage",
        sentence: "a CA's key usage is keyCertSign and cRLSign, exactly",
        kinds: CAS,
        holds: |case| has_usage(case, KeyUsages::KeyCertSign | KeyUsages::CRLSign),
    },
    Rule {
        clause: "touchmark profile, key usage",
        sentence: "who is not a CA has the key usage digitalSignature, exactly",
        kinds: END_ENTITIES,
        holds: |case| has_usage(case, KeyUsages::DigitalSignature.into()),
    },
    Rule {
        clause: "touchmark profile, purposes",
        sentence: "a device's extended key usage is clientAuth, exactly",
        kinds: &[Kind::Device],
        holds: |case| has_purposes(case, &[ID_KP_CLIENT_AUTH]),
    },
    Rule {
        clause: "touchmark profile, purposes",
        sentence: "a member's extended key usage is serverAuth and clientAuth, exactly",
        kinds: &[Kind::Member],
        holds: |case| has_purposes(case, &[ID_KP_SERVER_AUTH, ID_KP_CLIENT_AUTH]),
    },
    Rule {
        clause: "touchmark profile, purposes",
        sentence: "a common certificate's extended key usage is our own for recovery, exactly",
        kinds: &[Kind::Common],
        holds: |case| has_purposes(case, &[RECOVERY_PURPOSE]),
    },
    Rule {
        clause: "touchmark profile, purposes",
        sentence: "an OCSP responder's extended key usage is OCSPSigning, exactly",
        kinds: &[Kind::OcspResponder],
        holds: |case| has_purposes(case, &[ID_KP_OCSP_SIGNING]),
    },
    Rule {
        clause: "touchmark profile, subject of an OCSP responder",
        sentence: "the subject is one commonName",
        kinds: &[Kind::OcspResponder],
        holds: |case| case.subject.iter().flatten().map(|attribute| attribute.kind).eq([COMMON_NAME]),
    },
    Rule {
        clause: "touchmark profile, validity",
        sentence: "an OCSP responder's certificate is valid for at most 30 days, and says that nobody need check it",
        kinds: &[Kind::OcspResponder],
        holds: |case| {
            is_valid_for_at_most(case, RESPONDER_VALIDITY_MAX)
                && case.fields.extension(ID_PKIX_OCSP_NOCHECK).is_some()
        },
    },
    Rule {
        clause: "touchmark profile, publication",
        sentence: "a device's certificate names one CRL, one OCSP responder and its CA's certificate, by http, or none",
        kinds: &[Kind::Device],
        holds: |case| match (&case.crl, &case.access) {
            (Known::Absent, Known::Absent) => true,
            (Known::Present { value: crl, .. }, Known::Present { value: access, .. }) => {
                names_one_crl(crl) && names_responder_and_ca(access)
            }
            _ => false,
        },
    },
    Rule {
        clause: "touchmark profile, path length",
        sentence: "the root allows one CA below it, that CA none",
        kinds: CAS,
        holds: |case| {
            let allowed = if case.kind == Kind::Root { 1 } else { 0 };
            case.constraints.value().is_some_and(|value| value.path_len_constraint == Some(allowed))
        },
    },
    Rule {
        clause: "touchmark profile, basic constraints",
        sentence: "who is not a CA says so in critical basic constraints",
        kinds: END_ENTITIES,
        holds: |case| case.constraints.value().is_some() && case.constraints.has_criticality(true),
    },
    Rule {
        clause: "touchmark profile, extensions",
        sentence: "there is no extension beyond those of the profile",
        kinds: ALL,
        holds: |case| {
            let known = extensions(case.kind);
            case.fields.extensions.iter().all(|extension| known.contains(&extension.kind))
        },
    },
];

fn extensions(kind: Kind) -> &'static [ObjectIdentifier] {
    match kind {
        Kind::Root => &[ID_CE_BASIC_CONSTRAINTS, ID_CE_KEY_USAGE, ID_CE_SUBJECT_KEY_IDENTIFIER],
        Kind::Ca => &[
            ID_CE_BASIC_CONSTRAINTS,
            ID_CE_KEY_USAGE,
            ID_CE_SUBJECT_KEY_IDENTIFIER,
            ID_CE_AUTHORITY_KEY_IDENTIFIER,
        ],
        Kind::Device => &[
            ID_CE_BASIC_CONSTRAINTS,
            ID_CE_KEY_USAGE,
            ID_CE_EXT_KEY_USAGE,
            ID_CE_SUBJECT_KEY_IDENTIFIER,
            ID_CE_AUTHORITY_KEY_IDENTIFIER,
            ID_CE_CRL_DISTRIBUTION_POINTS,
            ID_PE_AUTHORITY_INFO_ACCESS,
        ],
        Kind::OcspResponder => &[
            ID_CE_BASIC_CONSTRAINTS,
            ID_CE_KEY_USAGE,
            ID_CE_EXT_KEY_USAGE,
            ID_CE_SUBJECT_KEY_IDENTIFIER,
            ID_CE_AUTHORITY_KEY_IDENTIFIER,
            ID_PKIX_OCSP_NOCHECK,
        ],
        Kind::Member | Kind::Common => &[
            ID_CE_BASIC_CONSTRAINTS,
            ID_CE_KEY_USAGE,
            ID_CE_EXT_KEY_USAGE,
            ID_CE_SUBJECT_KEY_IDENTIFIER,
            ID_CE_AUTHORITY_KEY_IDENTIFIER,
            ID_CE_SUBJECT_ALT_NAME,
        ],
    }
}

fn has_usage(case: &Case<'_>, demanded: der::flagset::FlagSet<KeyUsages>) -> bool {
    case.key_usage.value().is_some_and(|usage| usage.0 == demanded)
}

fn has_purposes(case: &Case<'_>, demanded: &[ObjectIdentifier]) -> bool {
    case.purposes.value().is_some_and(|purposes| purposes.0 == demanded)
}

fn is_valid_for_at_most(case: &Case<'_>, longest: Duration) -> bool {
    match (case.not_before, case.not_after) {
        (Some(begin), Some(end)) => end.unix_duration().saturating_sub(begin.unix_duration()) <= longest,
        _ => true,
    }
}

fn names_one_crl(crl: &CrlDistributionPoints) -> bool {
    let [point] = crl.0.as_slice() else { return false };
    match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => {
            matches!(names.as_slice(), [name] if is_http(name))
                && point.reasons.is_none()
                && point.crl_issuer.is_none()
        }
        _ => false,
    }
}

fn names_responder_and_ca(access: &AuthorityInfoAccessSyntax) -> bool {
    let methods = access.0.iter().map(|access| access.access_method);
    methods.eq([ID_AD_OCSP, ID_AD_CA_ISSUERS])
        && access.0.iter().all(|access| is_http(&access.access_location))
}

fn is_http(name: &GeneralName) -> bool {
    matches!(name, GeneralName::UniformResourceIdentifier(uri) if uri.as_str().starts_with("http://"))
}

fn member(case: &Case<'_>) -> Option<Member> {
    match case.alternative_names.value()?.0.as_slice() {
        [GeneralName::UniformResourceIdentifier(uri)] => uri.as_str().parse().ok(),
        _ => None,
    }
}

fn batch(case: &Case<'_>) -> Option<CommonBatch> {
    common::batch_of(case.alternative_names.value()?)
}

/// The one commonName that the subject has.
fn common_name<'a>(case: &'a Case<'_>) -> Option<&'a str> {
    let mut names = case.attributes(COMMON_NAME);
    let (only, None) = (names.next()?, names.next()) else { return None };
    only.value.decode_as::<Utf8StringRef<'_>>().ok().map(|text| text.as_str())
}
