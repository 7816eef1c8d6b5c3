//! Signing keys in software.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair,
};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ID_EC_PUBLIC_KEY, SECP_256_R_1, SECP_384_R_1,
};
use der::asn1::{Any, BitString};
use der::{Document, Encode};
use identity::profile::KeyAlgorithm;
use signature::Keypair;
use spki::{
    AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey, SubjectPublicKeyInfoOwned,
};
use zeroize::Zeroizing;

/// A private key that signs. It has no Debug and no copy.
pub struct SigningKey {
    algorithm: KeyAlgorithm,
    pair: EcdsaKeyPair,
}

/// Why a key cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// The cryptographic library gave no key; it says no more than that.
    #[error("the cryptographic library could not make a key")]
    Generation,
    /// The bytes are no PKCS#8 private key of this algorithm.
    #[error("not a PKCS#8 private key of the expected algorithm")]
    NotAKey,
    /// The cryptographic library did not sign; it says no more than that.
    #[error("the cryptographic library could not sign")]
    Signing,
}

impl SigningKey {
    /// A new key, from the operating system's generator.
    ///
    /// # Errors
    /// Where the library fails.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(signing(algorithm)).map_err(|_| KeyError::Generation)?;
        Ok(Self { algorithm, pair })
    }

    /// A stored key. Fresh keys never take this way: parsing costs more than making one.
    ///
    /// # Errors
    /// Where the bytes are not PKCS#8 with a key of this algorithm.
    pub fn from_pkcs8(algorithm: KeyAlgorithm, der: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(signing(algorithm), der).map_err(|_| KeyError::NotAKey)?;
        Ok(Self { algorithm, pair })
    }

    /// The key as PKCS#8 DER (RFC 5958), for storing or handing over. Wiped on drop.
    ///
    /// # Errors
    /// Where the library fails.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = self.pair.to_pkcs8v1().map_err(|_| KeyError::Generation)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// The public key as an uncompressed point (SEC 1).
    pub fn public_point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The public key info (RFC 5480), DER.
    ///
    /// # Errors
    /// Where the library fails.
    pub fn public_key_der(&self) -> Result<Vec<u8>, KeyError> {
        self.public_key_info().and_then(|info| info.to_der()).map_err(|_| KeyError::Generation)
    }

    /// ECDSA over `message` with the algorithm's hash, DER.
    ///
    /// # Errors
    /// Where the library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Signing)?;
        Ok(signature.as_ref().to_vec())
    }

    /// The algorithm of its signatures.
    pub(crate) fn signature_algorithm(&self) -> AlgorithmIdentifierOwned {
        signature_algorithm(self.algorithm)
    }

    pub(crate) fn public_key_info(&self) -> der::Result<SubjectPublicKeyInfoOwned> {
        public_key_info(self.algorithm, self.public_point())
    }
}

/// The algorithm of signatures by such a key (RFC 5758 clause 3.2: without parameters).
pub(crate) fn signature_algorithm(algorithm: KeyAlgorithm) -> AlgorithmIdentifierOwned {
    let oid = match algorithm {
        KeyAlgorithm::P256 => ECDSA_WITH_SHA_256,
        KeyAlgorithm::P384 => ECDSA_WITH_SHA_384,
    };
    AlgorithmIdentifierOwned { oid, parameters: None }
}

/// The public key info of a point (RFC 5480 clause 2).
pub(crate) fn public_key_info(
    algorithm: KeyAlgorithm,
    point: &[u8],
) -> der::Result<SubjectPublicKeyInfoOwned> {
    Ok(SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifierOwned {
            oid: ID_EC_PUBLIC_KEY,
            parameters: Some(Any::encode_from(&curve(algorithm))?),
        },
        subject_public_key: BitString::from_bytes(point)?,
    })
}

/// The name of the curve of such a key.
pub(crate) fn curve(algorithm: KeyAlgorithm) -> ObjectIdentifier {
    match algorithm {
        KeyAlgorithm::P256 => SECP_256_R_1,
        KeyAlgorithm::P384 => SECP_384_R_1,
    }
}

fn signing(algorithm: KeyAlgorithm) -> &'static EcdsaSigningAlgorithm {
    match algorithm {
        KeyAlgorithm::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        KeyAlgorithm::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
    }
}

/// A public key as the certificate builder takes it.
#[derive(Clone)]
pub struct PublicKey(SubjectPublicKeyInfoOwned);

impl EncodePublicKey for PublicKey {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        Ok(Document::try_from(self.0.to_der()?)?)
    }
}

impl Keypair for SigningKey {
    type VerifyingKey = PublicKey;

    fn verifying_key(&self) -> PublicKey {
        PublicKey(self.public_key_info().expect("a point of a curve fits a public key info"))
    }
}

impl DynSignatureAlgorithmIdentifier for SigningKey {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(self.signature_algorithm())
    }
}
