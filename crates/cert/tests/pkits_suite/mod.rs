//! The suite's certificates and revocation lists as PyPI's `cryptography_vectors` has them, and the same for keys of
//! our kind.

// A test may fail where it is wrong.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use const_oid::AssociatedOid;
use const_oid::db::{rfc5280, rfc5912};
use der::asn1::{Any, BitString};
use der::pem::{self, LineEnding};
use der::{Decode, Encode};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::name::RdnSequence;

use crate::plant::{Key, NOW, printable, serial_numbers, true_extension};

/// Certificates and revocation lists (DER), each by the names that the suite gives their files.
pub struct Suite {
    certificates: BTreeMap<String, Vec<u8>>,
    lists: BTreeMap<String, Vec<u8>>,
}

impl Suite {
    /// The suite as it was published.
    pub fn read() -> Self {
        let data = directory();
        Self { certificates: files(&data.join("certs")), lists: files(&data.join("crls")) }
    }

    /// The same with keys on P-256 where they were RSA, and with end entities that say what a device's certificate does.
    pub fn carried_over(&self) -> Self {
        let read = |(name, der): (&String, &Vec<u8>)| (name.clone(), Parts::read(der));
        let certificates: BTreeMap<String, Parts> = self.certificates.iter().map(read).collect();
        let keys: BTreeMap<Vec<u8>, Pair> =
            certificates.values().filter_map(|parts| Some((parts.own_key()?, Pair::of(parts)?))).collect();
        let carry = |(name, parts): (String, Parts)| {
            let is_end_entity = name.ends_with("EE");
            (name, parts.carried_over(&keys, is_end_entity))
        };
        let carry_list = |(name, der): (&String, &Vec<u8>)| (name.clone(), list_carried_over(der, &keys));
        Self {
            certificates: certificates.into_iter().map(carry).collect(),
            lists: self.lists.iter().map(carry_list).collect(),
        }
    }

    /// The end entities that openssl accepts as they are, without looking at revocation lists.
    pub fn accepted_by_openssl(&self) -> BTreeSet<String> {
        let files = tempfile::tempdir().unwrap();
        let path = |name: &str| files.path().join(name);
        let pem = |der: &[u8]| pem::encode_string("CERTIFICATE", LineEnding::LF, der).unwrap();
        fs::write(path("root"), pem(self.root())).unwrap();
        fs::write(path("above"), self.authorities().map(|(_, der)| pem(der)).collect::<String>()).unwrap();
        let end_entities = self.end_entities().map(|(name, der)| {
            fs::write(path(name), pem(der)).unwrap();
            name
        });
        let verified = Command::new("openssl")
            .current_dir(files.path())
            .args(["verify", "-attime", &NOW.to_string(), "-CAfile", "root", "-untrusted", "above"])
            .args(end_entities)
            .output()
            .expect("./check installs openssl");
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        said.lines().filter_map(|line| Some(line.strip_suffix(": OK")?.to_owned())).collect()
    }

    pub fn root(&self) -> &[u8] {
        &self.certificates["TrustAnchorRootCertificate"]
    }

    pub fn end_entities(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.certificates().filter(|(name, _)| name.ends_with("EE"))
    }

    pub fn authorities(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.certificates().filter(|(name, _)| !name.ends_with("EE"))
    }

    /// All revocation lists, as a directory would have them.
    pub fn lists(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lists.iter().map(|(name, der)| (name.as_str(), der.as_slice()))
    }

    fn certificates(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.certificates.iter().map(|(name, der)| (name.as_str(), der.as_slice()))
    }
}

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(directory).expect("./check installs the vectors that this needs");
    let read =
        |path: PathBuf| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap());
    files.map(|file| read(file.unwrap().path())).collect()
}

/// Where `./check` installs the vectors.
fn directory() -> PathBuf {
    let installed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/python/bin/python");
    let python = env::var_os("TOUCHMARK_PYTHON").map_or_else(installed, PathBuf::from);
    let script = "import cryptography_vectors as v; print(v.__path__[0])";
    let found = Command::new(python).args(["-c", script]).output();
    let output = found.expect("./check installs the Python that this test needs").stdout;
    Path::new(String::from_utf8(output).unwrap().trim()).join("x509/PKITS_data")
}

/// A key of the suite and ours in its place.
struct Pair {
    old: Vec<u8>,
    new: Key,
}

impl Pair {
    fn of(parts: &Parts) -> Option<Self> {
        let old = parts.public_key();
        let is_rsa = old.algorithm.oid == rfc5912::RSA_ENCRYPTION;
        is_rsa.then(|| Self { old: old.subject_public_key.raw_bytes().to_vec(), new: Key::p256() })
    }

    /// Whether the old key has.
    fn has_signed(&self, message: &[u8], signature: &BitString) -> bool {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.old);
        key.verify(message, signature.raw_bytes()).is_ok()
    }

    /// The new key's.
    fn algorithm(&self) -> Any {
        let algorithm: AlgorithmIdentifierOwned = self.new.algorithm();
        Any::encode_from(&algorithm).unwrap()
    }

    /// The fields with the new key's signature, which holds or does not.
    fn sign(&self, fields: &Vec<Any>, holds: bool) -> Vec<u8> {
        let tbs = fields.to_der().unwrap();
        let mut signature = self.new.sign(&tbs);
        if !holds {
            *signature.last_mut().unwrap() ^= 1;
        }
        let signature = Any::encode_from(&BitString::from_bytes(&signature).unwrap()).unwrap();
        vec![Any::from_der(&tbs).unwrap(), self.algorithm(), signature].to_der().unwrap()
    }
}

/// A revocation list, signed by the new key of whoever signed it, or should have.
fn list_carried_over(der: &[u8], keys: &BTreeMap<Vec<u8>, Pair>) -> Vec<u8> {
    let [tbs, _, signature] = &Vec::<Any>::from_der(der).unwrap()[..] else { panic!("three parts") };
    let tbs = tbs.to_der().unwrap();
    let mut fields = Vec::<Any>::from_der(&tbs).unwrap();
    let extensions: Vec<Extension> = Vec::from_der(fields.last().unwrap().value()).unwrap_or_default();
    let stated = extensions.iter().find(|extension| extension.extn_id == AuthorityKeyIdentifier::OID);
    let key = stated.and_then(|stated| {
        AuthorityKeyIdentifier::from_der(stated.extn_value.as_bytes()).unwrap().key_identifier
    });
    let Some(issuer) = key.and_then(|key| keys.get(key.as_bytes())) else { return der.to_vec() };
    // In a list of version 2 the first field is its version, the second the algorithm.
    fields[1] = issuer.algorithm();
    issuer.sign(&fields, issuer.has_signed(&tbs, &signature.decode_as().unwrap()))
}

/// A certificate taken apart, whatever is in the parts: `tbsCertificate` by its fields, and the signature.
struct Parts {
    tbs: Vec<u8>,
    fields: Vec<Any>,
    extensions: Vec<Extension>,
    whole: Vec<u8>,
    signature: BitString,
}

// Fields of a `tbsCertificate` of version 3.
const SIGNATURE: usize = 2;
const SUBJECT: usize = 5;
const PUBLIC_KEY: usize = 6;

impl Parts {
    fn read(der: &[u8]) -> Self {
        let [tbs, _, signature] = &Vec::<Any>::from_der(der).unwrap()[..] else { panic!("three parts") };
        let tbs = tbs.to_der().unwrap();
        let fields = Vec::<Any>::from_der(&tbs).unwrap();
        Self {
            extensions: Vec::from_der(fields.last().unwrap().value()).unwrap(),
            signature: signature.decode_as().unwrap(),
            whole: der.to_vec(),
            fields,
            tbs,
        }
    }

    fn public_key(&self) -> SubjectPublicKeyInfoOwned {
        self.fields[PUBLIC_KEY].decode_as().unwrap()
    }

    fn own_key(&self) -> Option<Vec<u8>> {
        Some(self.extension::<SubjectKeyIdentifier>()?.0.into_bytes().into())
    }

    /// The key that signed it, or should have; the suite's root names none, being signed by its own.
    fn issuers_key(&self) -> Option<Vec<u8>> {
        match self.extension::<AuthorityKeyIdentifier>() {
            Some(authority) => Some(authority.key_identifier?.into_bytes().into()),
            None => self.own_key(),
        }
    }

    fn extension<T: AssociatedOid + for<'a> Decode<'a, Error = der::Error>>(&self) -> Option<T> {
        let found = self.extensions.iter().find(|extension| extension.extn_id == T::OID)?;
        Some(T::from_der(found.extn_value.as_bytes()).unwrap())
    }

    fn carried_over(mut self, keys: &BTreeMap<Vec<u8>, Pair>, is_end_entity: bool) -> Vec<u8> {
        let Some(issuer) = self.issuers_key().and_then(|key| keys.get(&key)) else { return self.whole };
        let holds = issuer.has_signed(&self.tbs, &self.signature);
        if let Some(own) = self.own_key().and_then(|key| keys.get(&key)) {
            self.fields[PUBLIC_KEY] = Any::encode_from(&own.new.spki()).unwrap();
        }
        self.fields[SIGNATURE] = issuer.algorithm();
        if is_end_entity {
            self.state_what_a_device_does();
        }
        issuer.sign(&self.fields, holds)
    }

    /// Adds a device number, and the extensions of a device's certificate. What the suite says in basic
    /// constraints stays: some of its paths end with a CA.
    fn state_what_a_device_does(&mut self) {
        let mut subject: RdnSequence = self.fields[SUBJECT].decode_as().unwrap();
        for name in serial_numbers(&[printable("3012-123456")]).iter() {
            subject.push(name.clone());
        }
        self.fields[SUBJECT] = Any::encode_from(&subject).unwrap();
        if self.extensions.iter().all(|extension| extension.extn_id != BasicConstraints::OID) {
            let constraints = BasicConstraints { ca: false, path_len_constraint: None };
            self.extensions.push(true_extension(true, constraints));
            self.extensions.retain(|extension| extension.extn_id != KeyUsage::OID);
            self.extensions.push(true_extension(true, KeyUsage(KeyUsages::DigitalSignature.into())));
        }
        self.extensions.push(true_extension(false, ExtendedKeyUsage(vec![rfc5280::ID_KP_CLIENT_AUTH])));
        let extensions = self.fields.last_mut().unwrap();
        *extensions = Any::new(der::Tagged::tag(extensions), self.extensions.to_der().unwrap()).unwrap();
    }
}
