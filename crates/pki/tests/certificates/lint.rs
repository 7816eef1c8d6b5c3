//! Certificates of this product pass the lint; certificates broken on purpose are each refused by
//! the rule that is meant to refuse them, and there is one for every rule.

use std::collections::BTreeSet;

use cert::lint::{Issuer, Kind, findings, findings_of_certificate, rules};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519::{COMMON_NAME, ORGANIZATION_NAME, SERIAL_NUMBER};
use const_oid::db::rfc5280::{
    ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_BASIC_CONSTRAINTS, ID_CE_CERTIFICATE_POLICIES,
    ID_CE_CRL_DISTRIBUTION_POINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE, ID_CE_SUBJECT_ALT_NAME,
    ID_CE_SUBJECT_KEY_IDENTIFIER, ID_KP_CLIENT_AUTH, ID_KP_CODE_SIGNING, ID_KP_OCSP_SIGNING,
    ID_KP_SERVER_AUTH, ID_PE_AUTHORITY_INFO_ACCESS,
};
use const_oid::db::rfc5912::{ECDSA_WITH_SHA_384, SECP_384_R_1, SECP_521_R_1};
use const_oid::db::rfc6960::ID_PKIX_OCSP_NOCHECK;
use der::asn1::{Any, BitString, OctetString, SetOfVec};
use der::{Decode, Encode, Sequence, Tag};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::plant::{Plant, plant};

/// The to-be-signed part with every field open to change.
#[derive(Clone, Sequence)]
struct Fields {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    version: Option<u8>,
    serial: Any,
    signature: AlgorithmIdentifierOwned,
    issuer: Vec<SetOfVec<Attribute>>,
    validity: Times,
    subject: Vec<SetOfVec<Attribute>>,
    public_key: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer_unique: Option<BitString>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

#[derive(Clone, Sequence)]
struct Times {
    not_before: Any,
    not_after: Any,
}

#[derive(Clone, Sequence, der::ValueOrd)]
struct Attribute {
    kind: ObjectIdentifier,
    value: Any,
}

#[derive(Clone, Sequence)]
struct Extension {
    kind: ObjectIdentifier,
    critical: Option<bool>,
    value: OctetString,
}

#[derive(Clone, Sequence)]
struct Signed {
    to_be_signed: Fields,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

impl Fields {
    fn extension(&mut self, kind: ObjectIdentifier) -> &mut Extension {
        self.extensions.as_mut().unwrap().iter_mut().find(|extension| extension.kind == kind).unwrap()
    }

    fn set(&mut self, kind: ObjectIdentifier, value: &[u8]) {
        self.extension(kind).value = OctetString::new(value).unwrap();
    }

    fn set_critical(&mut self, kind: ObjectIdentifier, critical: bool) {
        self.extension(kind).critical = critical.then_some(true);
    }

    fn remove(&mut self, kind: ObjectIdentifier) {
        self.extensions.as_mut().unwrap().retain(|extension| extension.kind != kind);
    }

    fn add_to_subject(&mut self, kind: ObjectIdentifier, tag: Tag, text: &str) {
        let attribute = Attribute { kind, value: Any::new(tag, text.as_bytes()).unwrap() };
        self.subject.push(SetOfVec::try_from(vec![attribute]).unwrap());
    }

    fn rename_device(&mut self, tag: Tag, text: &str) {
        self.subject.pop();
        self.add_to_subject(SERIAL_NUMBER, tag, text);
    }

    fn set_not_after(&mut self, tag: Tag, text: &str) {
        self.validity.not_after = Any::new(tag, text.as_bytes()).unwrap();
    }

    fn set_serial(&mut self, octets: &[u8]) {
        self.serial = Any::new(Tag::Integer, octets).unwrap();
    }

    fn set_curve(&mut self, curve: ObjectIdentifier, point_octets: usize) {
        self.public_key.algorithm.parameters = Some(Any::encode_from(&curve).unwrap());
        let mut point = vec![7; point_octets];
        point[0] = 4;
        self.public_key.subject_public_key = BitString::from_bytes(&point).unwrap();
    }
}

/// What is broken, in a certificate of which kind, and the rule that must say so.
type Broken = (Kind, &'static str, &'static str, fn(&mut Fields));

const CA: &[u8] = &[0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00];
const CA_WITHOUT_PATH_LENGTH: &[u8] = &[0x30, 0x03, 0x01, 0x01, 0xff];
const KEY_CERT_SIGN: &[u8] = &[0x03, 0x02, 0x02, 0x04];
const CRL_SIGN: &[u8] = &[0x03, 0x02, 0x01, 0x02];
const DIGITAL_SIGNATURE: &[u8] = &[0x03, 0x02, 0x07, 0x80];
const KEY_ENCIPHERMENT: &[u8] = &[0x03, 0x02, 0x05, 0x20];
const DIGITAL_SIGNATURE_AND_KEY_AGREEMENT: &[u8] = &[0x03, 0x02, 0x03, 0x88];
const RFC: &str = "RFC 5280 clause ";

fn purposes(purposes: &[ObjectIdentifier]) -> Vec<u8> {
    purposes.to_vec().to_der().unwrap()
}

fn names(uris: &[&str]) -> Vec<u8> {
    let names: Vec<Any> = uris
        .iter()
        .map(|uri| {
            let tag = Tag::ContextSpecific { constructed: false, number: der::TagNumber(6) };
            Any::new(tag, uri.as_bytes()).unwrap()
        })
        .collect();
    names.to_der().unwrap()
}

const CORPUS: &[Broken] = &[
    (Kind::Device, "4.1.2.1", "of version 3", |fields| fields.version = None),
    (Kind::Device, "4.1.2.2", "positive", |fields| fields.set_serial(&[0])),
    (Kind::Device, "4.1.2.2", "positive", |fields| fields.set_serial(&[0x80; 20])),
    (Kind::Device, "4.1.2.2", "at most 20 octets", |fields| fields.set_serial(&[0x11; 21])),
    (Kind::Device, "4.1.2.4", "subject of the certificate that signs", |fields| fields.issuer.clear()),
    (Kind::Ca, "4.1.2.4", "subject of the certificate that signs", |fields| {
        fields.issuer = fields.subject.clone();
    }),
    (Kind::Root, "4.1.2.4", "subject of the certificate that signs", |fields| {
        fields.issuer.pop();
    }),
    (Kind::Device, "4.1.2.5", "GeneralizedTime from 2050", |fields| {
        fields.set_not_after(Tag::GeneralizedTime, "20490101000000Z");
    }),
    (Kind::Device, "4.1.2.5", "GeneralizedTime from 2050", |fields| {
        fields.set_not_after(Tag::UtcTime, "490101000000+0900");
    }),
    (Kind::Device, "4.1.2.5", "GeneralizedTime from 2050", |fields| {
        fields.set_not_after(Tag::GeneralizedTime, "99991231235959.9Z");
    }),
    (Kind::Device, "4.1.2.5", "ends after it begins", |fields| {
        fields.set_not_after(Tag::UtcTime, "200101000000Z");
    }),
    (Kind::Ca, "4.1.2.6", "not empty", |fields| fields.subject.clear()),
    (Kind::Device, "4.1.2.8", "no unique identifiers", |fields| {
        fields.issuer_unique = Some(BitString::from_bytes(&[1]).unwrap());
    }),
    (Kind::Device, "4.2", "twice", |fields| {
        let again = fields.extension(ID_CE_KEY_USAGE).clone();
        fields.extensions.as_mut().unwrap().push(again);
    }),
    (Kind::Device, "4.2.1", "of its ASN.1 type", |fields| fields.set(ID_CE_KEY_USAGE, &[0x05, 0x00])),
    (Kind::Device, "4.2.1.1", "names the key of the CA that signs", |fields| {
        let mut other = fields.extension(ID_CE_AUTHORITY_KEY_IDENTIFIER).value.as_bytes().to_vec();
        *other.last_mut().unwrap() ^= 1;
        fields.set(ID_CE_AUTHORITY_KEY_IDENTIFIER, &other);
    }),
    (Kind::Member, "4.2.1.1", "not critical", |fields| {
        fields.set_critical(ID_CE_AUTHORITY_KEY_IDENTIFIER, true);
    }),
    (Kind::Ca, "4.2.1.2", "there is a subject key identifier", |fields| {
        fields.remove(ID_CE_SUBJECT_KEY_IDENTIFIER);
    }),
    (Kind::Ca, "4.2.1.2", "not critical", |fields| {
        fields.set_critical(ID_CE_SUBJECT_KEY_IDENTIFIER, true);
    }),
    (Kind::Device, "4.2.1.3", "critical", |fields| fields.set_critical(ID_CE_KEY_USAGE, false)),
    (Kind::Ca, "4.2.1.3", "has keyCertSign", |fields| fields.set(ID_CE_KEY_USAGE, CRL_SIGN)),
    (Kind::Device, "4.2.1.9", "no keyCertSign", |fields| fields.set(ID_CE_KEY_USAGE, KEY_CERT_SIGN)),
    (Kind::Ca, "4.2.1.9", "say cA", |fields| fields.set_critical(ID_CE_BASIC_CONSTRAINTS, false)),
    (Kind::Root, "4.2.1.9", "say cA", |fields| fields.set(ID_CE_BASIC_CONSTRAINTS, &[0x30, 0x00])),
    (Kind::Device, "4.2.1.9", "neither cA nor a path length", |fields| {
        fields.set(ID_CE_BASIC_CONSTRAINTS, CA);
    }),
    (Kind::Member, "4.2.1.12", "names a purpose", |fields| {
        fields.set(ID_CE_EXT_KEY_USAGE, &purposes(&[]));
    }),
    (Kind::Device, "RFC 5480 clause 2.1.1", "named curve", |fields| fields.set_curve(SECP_521_R_1, 133)),
    (Kind::Device, "RFC 5480 clause 2.1.1", "named curve", |fields| {
        fields.public_key.algorithm.parameters = None;
    }),
    (Kind::Device, "RFC 5480 clause 2.2", "uncompressed point", |fields| {
        fields.public_key.subject_public_key = BitString::from_bytes(&[2; 33]).unwrap();
    }),
    (Kind::Device, "RFC 5480 clause 3", "keyEncipherment", |fields| {
        fields.set(ID_CE_KEY_USAGE, KEY_ENCIPHERMENT);
    }),
    (Kind::Device, "RFC 5758 clause 3.2", "the hash that fits", |fields| {
        fields.signature.oid = ECDSA_WITH_SHA_384;
    }),
    (Kind::Device, "RFC 5758 clause 3.2", "without parameters", |fields| {
        fields.signature.parameters = Some(Any::null());
    }),
    (Kind::Device, "IEEE 802.1AR clause 8.6", "one serialNumber", |fields| {
        fields.subject.pop();
    }),
    (Kind::Device, "IEEE 802.1AR clause 8.6", "one serialNumber", |fields| {
        fields.add_to_subject(SERIAL_NUMBER, Tag::PrintableString, "3012-123457");
    }),
    (Kind::Device, "IEEE 802.1AR clause 8.10.1", "authority key identifier", |fields| {
        fields.remove(ID_CE_AUTHORITY_KEY_IDENTIFIER);
    }),
    (Kind::Device, "IEEE 802.1AR clause 8.10.3", "digitalSignature", |fields| {
        fields.remove(ID_CE_KEY_USAGE);
    }),
    (Kind::Device, "touchmark profile, serial number", "159 random bits", |fields| {
        fields.set_serial(&[0x11; 8]);
    }),
    (Kind::Root, "touchmark profile, public key", "P-384", |fields| {
        fields.set_curve(const_oid::db::rfc5912::SECP_256_R_1, 65);
    }),
    (Kind::Common, "touchmark profile, public key", "all others on P-256", |fields| {
        fields.set_curve(SECP_384_R_1, 97)
    }),
    (Kind::Member, "touchmark profile, public key", "all others on P-256", |fields| {
        fields.set_curve(SECP_384_R_1, 97)
    }),
    (Kind::Device, "touchmark profile, subject of a device", "as PrintableString", |fields| {
        fields.rename_device(Tag::Utf8String, "3012-123456");
    }),
    (Kind::Device, "touchmark profile, subject of a device", "as PrintableString", |fields| {
        fields.rename_device(Tag::PrintableString, "3012/123456");
    }),
    (Kind::Device, "touchmark profile, subject of a device", "at most the maker's", |fields| {
        fields.add_to_subject(COMMON_NAME, Tag::Utf8String, "printer");
    }),
    (Kind::Device, "touchmark profile, subject of a device", "at most the maker's", |fields| {
        fields.add_to_subject(ORGANIZATION_NAME, Tag::Utf8String, "another maker");
    }),
    (Kind::Member, "touchmark profile, subject of a member", "its one URI", |fields| {
        fields.set(ID_CE_SUBJECT_ALT_NAME, &names(&["urn:touchmark:gateway:kyoto"]));
    }),
    (Kind::Member, "touchmark profile, subject of a member", "its one URI", |fields| {
        let twice = ["urn:touchmark:gateway:osaka", "urn:touchmark:authority:head-office"];
        fields.set(ID_CE_SUBJECT_ALT_NAME, &names(&twice));
    }),
    (Kind::Common, "touchmark profile, subject of a common certificate", "names its batch", |fields| {
        fields.set(ID_CE_SUBJECT_ALT_NAME, &names(&["urn:touchmark:common:3012-2"]));
    }),
    (Kind::Common, "touchmark profile, subject of a common certificate", "no device", |fields| {
        fields.add_to_subject(SERIAL_NUMBER, Tag::PrintableString, "3012-123456");
    }),
    (Kind::Member, "touchmark profile, validity", "398 days", |fields| {
        fields.set_not_after(Tag::UtcTime, "270301000000Z");
        fields.validity.not_before = Any::new(Tag::UtcTime, *b"260101000000Z").unwrap();
    }),
    (Kind::Ca, "touchmark profile, key usage", "cRLSign", |fields| {
        fields.set(ID_CE_KEY_USAGE, KEY_CERT_SIGN);
    }),
    (Kind::Device, "touchmark profile, key usage", "digitalSignature, exactly", |fields| {
        fields.set(ID_CE_KEY_USAGE, DIGITAL_SIGNATURE_AND_KEY_AGREEMENT);
    }),
    (Kind::Device, "touchmark profile, purposes", "clientAuth, exactly", |fields| {
        fields.set(ID_CE_EXT_KEY_USAGE, &purposes(&[ID_KP_SERVER_AUTH, ID_KP_CLIENT_AUTH]));
    }),
    (Kind::Device, "touchmark profile, purposes", "clientAuth, exactly", |fields| {
        fields.remove(ID_CE_EXT_KEY_USAGE);
    }),
    (Kind::Member, "touchmark profile, purposes", "serverAuth and clientAuth", |fields| {
        fields.set(ID_CE_EXT_KEY_USAGE, &purposes(&[ID_KP_CODE_SIGNING]));
    }),
    (Kind::Common, "touchmark profile, purposes", "our own for recovery", |fields| {
        fields.set(ID_CE_EXT_KEY_USAGE, &purposes(&[ID_KP_CLIENT_AUTH]));
    }),
    (Kind::Ca, "touchmark profile, path length", "one CA below", |fields| {
        fields.set(ID_CE_BASIC_CONSTRAINTS, CA_WITHOUT_PATH_LENGTH);
    }),
    (Kind::Root, "touchmark profile, path length", "one CA below", |fields| {
        fields.set(ID_CE_BASIC_CONSTRAINTS, CA);
    }),
    (Kind::Device, "touchmark profile, basic constraints", "says so", |fields| {
        fields.remove(ID_CE_BASIC_CONSTRAINTS);
    }),
    (Kind::Device, "touchmark profile, extensions", "beyond those of the profile", |fields| {
        let unknown = Extension {
            kind: ID_CE_CERTIFICATE_POLICIES,
            critical: Some(true),
            value: OctetString::new(DIGITAL_SIGNATURE).unwrap(),
        };
        fields.extensions.as_mut().unwrap().push(unknown);
    }),
    (Kind::Device, "4.2.1.13", "not critical", |fields| {
        fields.set_critical(ID_CE_CRL_DISTRIBUTION_POINTS, true);
    }),
    (Kind::Device, "4.2.2.1", "not critical", |fields| {
        fields.set_critical(ID_PE_AUTHORITY_INFO_ACCESS, true);
    }),
    (Kind::OcspResponder, "touchmark profile, purposes", "OCSPSigning, exactly", |fields| {
        fields.set(ID_CE_EXT_KEY_USAGE, &purposes(&[ID_KP_OCSP_SIGNING, ID_KP_CLIENT_AUTH]));
    }),
    (Kind::OcspResponder, "touchmark profile, subject of an OCSP responder", "one commonName", |fields| {
        fields.add_to_subject(ORGANIZATION_NAME, Tag::Utf8String, "another maker");
    }),
    (Kind::OcspResponder, "touchmark profile, validity", "nobody need check", |fields| {
        fields.set_not_after(Tag::UtcTime, "260201000001Z");
    }),
    (Kind::OcspResponder, "touchmark profile, validity", "nobody need check", |fields| {
        fields.remove(ID_PKIX_OCSP_NOCHECK);
    }),
    (Kind::Device, "touchmark profile, publication", "or none", |fields| {
        fields.remove(ID_CE_CRL_DISTRIBUTION_POINTS);
    }),
    (Kind::Device, "touchmark profile, publication", "or none", |fields| {
        let der = fields.extension(ID_PE_AUTHORITY_INFO_ACCESS).value.as_bytes().to_vec();
        let ldap = String::from_utf8_lossy(&der).into_owned().replace("http:", "ldap:");
        assert_ne!(ldap.as_bytes(), der);
        fields.set(ID_PE_AUTHORITY_INFO_ACCESS, ldap.as_bytes());
    }),
    (Kind::Device, "4.1", "is DER", |fields| fields.set_serial(&[0, 0x11])),
    (Kind::Device, "4.1", "is DER", |fields| fields.extension(ID_CE_EXT_KEY_USAGE).critical = Some(false)),
];

fn certificate(plant: &Plant, kind: Kind) -> (&[u8], Option<Issuer>) {
    let issuer = |certificate: &[u8]| Some(Issuer::of(certificate).unwrap());
    match kind {
        Kind::Root => (plant.root.certificate(), None),
        Kind::Ca => (plant.issuing.certificate(), issuer(plant.root.certificate())),
        Kind::Device => (&plant.device.certificate, issuer(plant.issuing.certificate())),
        Kind::Member => (&plant.member, issuer(plant.plant.certificate())),
        Kind::Common => (&plant.common, issuer(&plant.common_ca)),
        Kind::OcspResponder => (plant.responder.certificate(), issuer(plant.issuing.certificate())),
    }
}

#[test]
fn our_certificates_break_no_rule() {
    let plant = plant();
    for kind in [Kind::Root, Kind::Ca, Kind::Device, Kind::Member, Kind::Common, Kind::OcspResponder] {
        let (der, issuer) = certificate(&plant, kind);
        assert_eq!(findings_of_certificate(der, kind, issuer.as_ref()), [], "{kind:?}");
    }
}

#[test]
fn each_broken_certificate_is_refused_by_its_rule_and_each_rule_refuses_one() {
    let plant = plant();
    let mut found = BTreeSet::new();
    for (index, (kind, clause, part, mutate)) in CORPUS.iter().enumerate() {
        let clause = if clause.starts_with('4') { format!("{RFC}{clause}") } else { (*clause).to_owned() };
        let (der, issuer) = certificate(&plant, *kind);
        let mut fields = Signed::from_der(der).unwrap().to_be_signed;
        mutate(&mut fields);
        let findings = findings(&fields.to_der().unwrap(), *kind, issuer.as_ref());
        let intended =
            findings.iter().find(|finding| finding.clause == clause && finding.sentence.contains(part));
        let intended = intended.unwrap_or_else(|| panic!("number {index}, {clause}: {part}: {findings:?}"));
        found.insert((intended.clause, intended.sentence));
    }
    let (der, issuer) = certificate(&plant, Kind::Device);
    let mut other_algorithm = Signed::from_der(der).unwrap();
    other_algorithm.algorithm.oid = ECDSA_WITH_SHA_384;
    let other_algorithm = other_algorithm.to_der().unwrap();
    let findings = findings_of_certificate(&other_algorithm, Kind::Device, issuer.as_ref());
    assert_eq!(findings.len(), 1, "{findings:?}");
    found.insert((findings[0].clause, findings[0].sentence));
    let rules: BTreeSet<_> = rules().map(|rule| (rule.clause, rule.sentence)).collect();
    assert_eq!(rules.difference(&found).collect::<Vec<_>>(), Vec::<&(&str, &str)>::new());
}
