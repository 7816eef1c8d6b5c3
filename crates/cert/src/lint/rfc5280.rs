//! RFC 5280: Internet X.509 Public Key Infrastructure Certificate and CRL Profile.

use der::{DateTime, Tag, Tagged};
use x509_cert::ext::pkix::KeyUsages;

use super::case::Case;
use super::{ALL, BELOW_ROOT, CAS, END_ENTITIES, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        clause: "RFC 5280 clause 4.1.2.1",
        sentence: "a certificate with extensions is of version 3",
        kinds: ALL,
        holds: |case| case.fields.version == 2,
    },
    Rule {
        clause: "RFC 5280 clause 4.1.2.2",
        sentence: "a serial number is positive",
        kinds: ALL,
        holds: |case| {
            let serial = case.fields.serial;
            serial.first().is_some_and(|first| *first < 0x80) && serial.iter().any(|octet| *octet != 0)
        },
    },
    Rule {
        clause: "RFC 5280 clause 4.1.2.2",
        sentence: "a serial number is at most 20 octets long",
        kinds: ALL,
        holds: |case| case.fields.serial.len() <= 20,
    },
    Rule {
        clause: "RFC 5280 clause 4.1.2.4",
        sentence: "the issuer has a name, and it is the subject of the certificate that signs",
        kinds: ALL,
        holds: |case| {
            let signer = case.issuer.map_or(case.fields.subject, |issuer| &issuer.name);
            !case.fields.issuer.is_empty() && case.fields.issuer == signer
        },
    },
    Rule {
        clause: "RFC 5280 clause 4.1.2.5",
        sentence: "a time is UTCTime through 2049 and GeneralizedTime from 2050, in whole seconds and Zulu",
        kinds: ALL,
        holds: |case| {
            is_written_as_its_year_demands(case.not_before, case.fields.not_before.tag())
                && is_written_as_its_year_demands(case.not_after, case.fields.not_after.tag())
        },
    },
    Rule {
        clause: "RFC 5280 clause 4.1.2.5",
        sentence: "validity ends after it begins",
        kinds: ALL,
        holds: |case| match (case.not_before, case.not_after) {
            (Some(begin), Some(end)) => begin < end,
            _ => true,
        },
    },
    Rule {
        clause: "RFC 5280 clause 4.1.2.6",
        sentence: "the subject is a well-formed name that is not empty",
        kinds: ALL,
        holds: |case| case.subject.as_ref().is_some_and(|attributes| !attributes.is_empty()),
    },
    Rule {
        clause: "RFC 5280 clause 4.1.2.8",
        sentence: "there are no unique identifiers",
        kinds: ALL,
        holds: |case| !case.fields.has_unique_identifiers,
    },
    Rule {
        clause: "RFC 5280 clause 4.2",
        sentence: "no extension comes twice",
        kinds: ALL,
        holds: |case| {
            let extensions = &case.fields.extensions;
            extensions.iter().enumerate().all(|(index, extension)| {
                extensions[..index].iter().all(|earlier| earlier.kind != extension.kind)
            })
        },
    },
    Rule {
        clause: "RFC 5280 clause 4.2.1",
        sentence: "each standard extension is of its ASN.1 type",
        kinds: ALL,
        holds: |case| {
            case.authority_key.is_readable()
                && case.subject_key.is_readable()
                && case.key_usage.is_readable()
                && case.constraints.is_readable()
                && case.purposes.is_readable()
                && case.alternative_names.is_readable()
                && case.crl.is_readable()
                && case.access.is_readable()
        },
    },
    Rule {
        clause: "RFC 5280 clause 4.2.1.1",
        sentence: "the authority key identifier names the key of the CA that signs",
        kinds: BELOW_ROOT,
        holds: |case| {
            let stated = case.authority_key.value().and_then(|extension| extension.key_identifier.as_ref());
            stated.map(|stated| stated.as_bytes())
                == case.issuer.map(|issuer| issuer.key_identifier.as_slice())
        },
    },
    Rule {
        clause: "RFC 5280 clause 4.2.1.1",
        sentence: "the authority key identifier is not critical",
        kinds: ALL,
        holds: |case| case.authority_key.has_criticality(false),
    },
    Rule {
        clause: "RFC 5280 clause 4.2.1.2",
        sentence: "there is a subject key identifier",
        kinds: ALL,
        holds: |case| case.subject_key.value().is_some_and(|identifier| !identifier.is_empty()),
    },
    Rule {
        clause: "RFC 5280 clause 4.2.1.2",
        sentence: "the subject key identifier is not critical",
        kinds: ALL,
        holds: |case| case.subject_key.has_criticality(false),
    },
    Rule {
        clause: "RFC 5280 clause 4.2.1.3",
        sentence: "the key usage is critical",
        kinds: ALL,
        holds: |case| case.key_usage.has_criticality(true),
    },
    Rule {
        clause: "RFC 5280 clause 4.2.1.3",
        sentence: "a CA's key usage has keyCertSign",
        kinds: CAS,
        holds: |case| signs_certificates(case) == Some(true),
    },
    Rule {
        clause: "RFC 5280 clause 4.2.1.9",
        sentence: "who is not a CA has no keyCertSign",
        kinds: END_ENTITIES,
        holds: |case| signs_certificates(case) != Some(true),
    },
    Rule {
        clause: "RFC 5280 clause 4.2.1.9",
        sentence: "a CA has critical basic constraints that say cA",
        kinds: CAS,
        holds: |case| {
            case.constraints.has_criticality(true) && case.constraints.value().is_some_and(|value| value.ca)
        },
    },
    Rule {
        clause: "RFC 5280 clause 4.2.1.9",
        sentence: "who is not a CA states neither cA nor a path length",
        kinds: END_ENTITIES,
        holds: |case| {
            let value = case.constraints.value();
            value.is_none_or(|value| !value.ca && value.path_len_constraint.is_none())
        },
    },
    Rule {
        clause: "RFC 5280 clause 4.2.1.12",
        sentence: "the extended key usage, where there is one, names a purpose",
        kinds: ALL,
        holds: |case| case.purposes.value().is_none_or(|purposes| !purposes.0.is_empty()),
    },
    Rule {
        clause: "RFC 5280 clause 4.2.1.13",
        sentence: "the CRL distribution points are not critical",
        kinds: ALL,
        holds: |case| case.crl.has_criticality(false),
    },
    Rule {
        clause: "RFC 5280 clause 4.2.2.1",
        sentence: "the authority information access is not critical",
        kinds: ALL,
        holds: |case| case.access.has_criticality(false),
    },
];

fn signs_certificates(case: &Case<'_>) -> Option<bool> {
    case.key_usage.value().map(|usage| usage.0.contains(KeyUsages::KeyCertSign))
}

fn is_written_as_its_year_demands(time: Option<DateTime>, tag: Tag) -> bool {
    let demanded = |time: DateTime| if time.year() < 2050 { Tag::UtcTime } else { Tag::GeneralizedTime };
    time.is_some_and(|time| demanded(time) == tag)
}
