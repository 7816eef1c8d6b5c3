//! A plant's CAs and certificates, good ones and any kind of broken ones, made for tests.
//!
//! A certificate starts as a good [`Draft`]; a test breaks what it is about and signs the draft.

// Each test binary uses its own part of this room, and a test may fail where it is wrong.
#![allow(dead_code, clippy::unwrap_used)]

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
};
use cert::common::RECOVERY_PURPOSE;
use cert::tls::Credential;
use cert::{Fingerprint, Trust};
use const_oid::db::{rfc4519, rfc5280, rfc5912};
use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{Any, BitString, Ia5String, Int, OctetString, PrintableString, SetOfVec, Utf8StringRef};
use der::{DateTime, Encode, Sequence};
use identity::Member;
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::request::{self, CertReq, CertReqInfo};
use x509_cert::time::{Time, Validity};
use zeroize::Zeroizing;

/// The time of all tests: 2027-01-15.
pub const NOW: i64 = 1_800_000_000;
/// The last second that X.509 can state.
pub const FOREVER: i64 = 253_402_300_799;
const DAY: i64 = 86_400;

/// A key on P-256 or P-384.
pub struct Key {
    pair: EcdsaKeyPair,
    curve: ObjectIdentifier,
    signature: ObjectIdentifier,
}

impl Key {
    pub fn p256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { pair, curve: rfc5912::SECP_256_R_1, signature: rfc5912::ECDSA_WITH_SHA_256 }
    }

    pub fn p384() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        Self { pair, curve: rfc5912::SECP_384_R_1, signature: rfc5912::ECDSA_WITH_SHA_384 }
    }

    pub fn pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.pair.to_pkcs8v1().unwrap().as_ref().to_vec())
    }

    /// The signature that a device makes: `r` and `s` of equal length.
    pub fn sign_fixed(&self, message: &[u8]) -> Vec<u8> {
        let form = match self.curve {
            rfc5912::SECP_256_R_1 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            _ => &ECDSA_P384_SHA384_FIXED_SIGNING,
        };
        let pair = EcdsaKeyPair::from_pkcs8(form, &self.pkcs8()).unwrap();
        pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// A signing request for this key, DER.
    pub fn signing_request(&self) -> Vec<u8> {
        let info = CertReqInfo {
            version: request::Version::V1,
            subject: Name::default(),
            public_key: self.spki(),
            attributes: SetOfVec::new(),
        };
        let signature = BitString::from_bytes(&self.sign(&info.to_der().unwrap())).unwrap();
        CertReq { info, algorithm: self.algorithm(), signature }.to_der().unwrap()
    }

    /// The signature of an X.509 certificate.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    pub fn spki(&self) -> SubjectPublicKeyInfoOwned {
        let algorithm = AlgorithmIdentifierOwned {
            oid: rfc5912::ID_EC_PUBLIC_KEY,
            parameters: Some(Any::from(&self.curve)),
        };
        let key = BitString::from_bytes(self.pair.public_key().as_ref()).unwrap();
        SubjectPublicKeyInfoOwned { algorithm, subject_public_key: key }
    }

    fn identifier(&self) -> OctetString {
        let fingerprint = Fingerprint::of(self.pair.public_key().as_ref());
        OctetString::new(fingerprint.as_bytes()[..20].to_vec()).unwrap()
    }

    pub fn algorithm(&self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: self.signature, parameters: None }
    }
}

/// A CA with its key.
pub struct Ca {
    pub key: Key,
    pub der: Vec<u8>,
    subject: RdnSequence,
}

impl Ca {
    /// A CA signed by itself.
    pub fn root(name: &str) -> Self {
        Self::root_valid(name, (NOW - DAY, FOREVER))
    }

    pub fn root_valid(name: &str, validity: (i64, i64)) -> Self {
        let key = Key::p384();
        let draft = Draft { validity, ..Draft::authority(name, &key) };
        let issuer = Self { key, der: Vec::new(), subject: common_name(name) };
        let der = draft.sign(&issuer);
        Self { der, ..issuer }
    }

    /// A CA signed by this one.
    pub fn subordinate(&self, name: &str) -> Self {
        let key = Key::p256();
        let draft = Draft::authority(name, &key);
        let der = draft.sign(self);
        Self { key, der, subject: common_name(name) }
    }
}

/// The CAs of one plant.
pub struct Plant {
    pub root: Ca,
    pub plant: Ca,
    pub issuing: Ca,
    pub common: Ca,
}

impl Plant {
    pub fn new() -> Self {
        let root = Ca::root("root");
        Self {
            plant: root.subordinate("plant"),
            issuing: root.subordinate("issuing"),
            common: root.subordinate("common"),
            root,
        }
    }

    pub fn trust(&self) -> Trust {
        Trust::new(&self.root.der, &self.plant.der, &[&self.issuing.der]).unwrap()
    }

    /// The same trust, which also knows common certificates.
    pub fn trust_with_common(&self) -> Trust {
        self.trust().with_common(&self.common.der).unwrap()
    }

    /// A new member's credential.
    pub fn member(&self, member: &Member) -> Credential {
        let key = Key::p256();
        let certificate = Draft::member(member, &key).sign(&self.plant);
        Credential::member(&self.trust(), certificate, key.pkcs8())
    }

    /// A new device's credential.
    pub fn device(&self, number: &str) -> Credential {
        self.device_with(number, &Key::p256())
    }

    /// A device's credential with this key.
    pub fn device_with(&self, number: &str, key: &Key) -> Credential {
        let certificate = Draft::device(number, key).sign(&self.issuing);
        Credential::new(vec![certificate, self.issuing.der.clone()], key.pkcs8())
    }
}

impl Plant {
    /// The common certificate of a batch.
    pub fn common(&self, batch: &str) -> Credential {
        let key = Key::p256();
        Credential::new(vec![Draft::common(batch, &key).sign(&self.common)], key.pkcs8())
    }
}

/// A certificate before it is signed. All is open to be broken.
pub struct Draft {
    pub serial: Vec<u8>,
    pub validity: (i64, i64),
    pub subject: RdnSequence,
    pub spki: SubjectPublicKeyInfoOwned,
    pub subject_key_identifier: Option<OctetString>,
    pub extensions: Vec<Extension>,
    pub names_key_of_issuer: bool,
}

impl Draft {
    /// A good device certificate.
    pub fn device(number: &str, key: &Key) -> Self {
        let mut draft = Self::signing_only(key, vec![rfc5280::ID_KP_CLIENT_AUTH]);
        draft.subject = serial_numbers(&[printable(number)]);
        draft
    }

    /// A good member certificate.
    pub fn member(member: &Member, key: &Key) -> Self {
        let purposes = vec![rfc5280::ID_KP_SERVER_AUTH, rfc5280::ID_KP_CLIENT_AUTH];
        let mut draft = Self::signing_only(key, purposes);
        draft.subject = common_name(member.name().as_str());
        draft.set(true_extension(false, uris(&[&member.to_string()])));
        draft
    }

    /// A good common certificate.
    pub fn common(batch: &str, key: &Key) -> Self {
        let mut draft = Self::signing_only(key, vec![RECOVERY_PURPOSE]);
        draft.subject = common_name(batch);
        draft.set(true_extension(false, uris(&[&format!("urn:touchmark:common:{batch}")])));
        draft
    }

    /// A good CA certificate.
    pub fn authority(name: &str, key: &Key) -> Self {
        let mut draft = Self::bare(key);
        draft.subject = common_name(name);
        draft.validity.1 = FOREVER;
        draft.set(true_extension(true, BasicConstraints { ca: true, path_len_constraint: None }));
        draft.set(true_extension(true, KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)));
        draft
    }

    fn signing_only(key: &Key, purposes: Vec<ObjectIdentifier>) -> Self {
        let mut draft = Self::bare(key);
        draft.set(true_extension(true, BasicConstraints { ca: false, path_len_constraint: None }));
        draft.set(true_extension(true, KeyUsage(KeyUsages::DigitalSignature.into())));
        draft.set(true_extension(false, ExtendedKeyUsage(purposes)));
        draft
    }

    fn bare(key: &Key) -> Self {
        Self {
            serial: vec![0x5b; 20],
            validity: (NOW - DAY, NOW + 398 * DAY),
            subject: RdnSequence::default(),
            spki: key.spki(),
            subject_key_identifier: Some(key.identifier()),
            extensions: Vec::new(),
            names_key_of_issuer: true,
        }
    }

    /// Sets an extension in place of the one of its kind.
    pub fn set(&mut self, extension: Extension) {
        self.extensions.retain(|old| old.extn_id != extension.extn_id);
        self.extensions.push(extension);
    }

    /// Takes out the extension of a kind.
    pub fn remove<T: AssociatedOid>(&mut self) {
        self.extensions.retain(|extension| extension.extn_id != T::OID);
    }

    pub fn sign(&self, issuer: &Ca) -> Vec<u8> {
        let mut extensions = self.extensions.clone();
        if let Some(identifier) = &self.subject_key_identifier {
            extensions.push(true_extension(false, SubjectKeyIdentifier(identifier.clone())));
        }
        if self.names_key_of_issuer {
            let key_identifier = Some(issuer.key.identifier());
            extensions
                .push(true_extension(false, AuthorityKeyIdentifier { key_identifier, ..Default::default() }));
        }
        let (not_before, not_after) = self.validity;
        let tbs = ToBeSigned {
            version: 2,
            serial: Int::new(&self.serial).unwrap(),
            signature: issuer.key.algorithm(),
            issuer: issuer.subject.clone(),
            validity: Validity::new(time(not_before), time(not_after)),
            subject: self.subject.clone(),
            spki: self.spki.clone(),
            extensions,
        };
        let signature = BitString::from_bytes(&issuer.key.sign(&tbs.to_der().unwrap())).unwrap();
        Signed { tbs, algorithm: issuer.key.algorithm(), signature }.to_der().unwrap()
    }
}

/// An extension as it stands in a certificate.
pub fn true_extension<T: AssociatedOid + Encode>(critical: bool, value: T) -> Extension {
    let extn_value = OctetString::new(value.to_der().unwrap()).unwrap();
    Extension { extn_id: T::OID, critical, extn_value }
}

/// A subject alternative name of these URIs.
pub fn uris(uris: &[&str]) -> SubjectAltName {
    let uri = |text: &&str| GeneralName::UniformResourceIdentifier(Ia5String::new(*text).unwrap());
    SubjectAltName(uris.iter().map(uri).collect())
}

/// A subject of these serialNumber attributes.
pub fn serial_numbers(values: &[Any]) -> RdnSequence {
    let attributes = values.iter().map(|value| (rfc4519::SERIAL_NUMBER, value.clone()));
    name(attributes)
}

/// A subject of one common name.
pub fn common_name(text: &str) -> RdnSequence {
    name([(rfc4519::CN, utf8(text))].into_iter())
}

pub fn printable(text: &str) -> Any {
    Any::encode_from(&PrintableString::new(text).unwrap()).unwrap()
}

pub fn utf8(text: &str) -> Any {
    Any::encode_from(&Utf8StringRef::new(text).unwrap()).unwrap()
}

fn name(attributes: impl Iterator<Item = (ObjectIdentifier, Any)>) -> RdnSequence {
    let mut name = RdnSequence::default();
    for (oid, value) in attributes {
        let set = SetOfVec::try_from(vec![AttributeTypeAndValue { oid, value }]).unwrap();
        name.push(RelativeDistinguishedName::from(set));
    }
    name
}

fn time(epoch_seconds: i64) -> Time {
    let since_1970 = Duration::from_secs(epoch_seconds.try_into().unwrap());
    Time::from(DateTime::from_unix_duration(since_1970).unwrap())
}

#[derive(Sequence)]
struct ToBeSigned {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial: Int,
    signature: AlgorithmIdentifierOwned,
    issuer: RdnSequence,
    validity: Validity,
    subject: RdnSequence,
    spki: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

#[derive(Sequence)]
struct Signed {
    tbs: ToBeSigned,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}
