//! Signing requests of members, and of devices that make their keys themselves (PKCS#10, RFC 2986).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use cert::Fingerprint;
use der::{Decode, Encode};
use identity::profile::KeyAlgorithm;
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::request::CertReq;

use crate::key::{public_key_info, signature_algorithm};

/// A signing request whose sender has shown that it holds the key. Of all that it says, only the
/// key counts.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    algorithm: KeyAlgorithm,
    public_key: SubjectPublicKeyInfoOwned,
}

/// Why a signing request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    /// The bytes are not a PKCS#10 request.
    #[error("not a PKCS#10 signing request in DER")]
    Malformed,
    /// The key is on neither curve, or the signature not of the curve's algorithm.
    #[error("a key is on P-256 or P-384, and its request signed by ECDSA with SHA-256 or SHA-384")]
    WrongKey,
    /// The key is of another algorithm than is demanded here.
    #[error("the signing request's key is not of the algorithm {0}")]
    OtherAlgorithm(KeyAlgorithm),
    /// The signature does not hold: the sender has not shown that it holds the key.
    #[error("the signing request's signature does not hold")]
    WrongSignature,
}

impl SigningRequest {
    /// The request in `der`, its signature verified.
    ///
    /// # Errors
    /// Where it is no request, of another kind of key, or not signed by that key.
    pub fn verify(der: &[u8]) -> Result<Self, RequestError> {
        let request = CertReq::from_der(der).map_err(|_| RequestError::Malformed)?;
        let public_key = request.info.public_key.clone();
        let point = public_key.subject_public_key.as_bytes().ok_or(RequestError::WrongKey)?;
        let is_of = |algorithm: &KeyAlgorithm| {
            public_key_info(*algorithm, point).is_ok_and(|expected| expected == public_key)
                && request.algorithm == signature_algorithm(*algorithm)
        };
        let algorithm = KeyAlgorithm::ALL.iter().copied().find(is_of).ok_or(RequestError::WrongKey)?;
        let signed = request.info.to_der().map_err(|_| RequestError::Malformed)?;
        let signature = request.signature.as_bytes().ok_or(RequestError::Malformed)?;
        let verification = match algorithm {
            KeyAlgorithm::P256 => &ECDSA_P256_SHA256_ASN1,
            KeyAlgorithm::P384 => &ECDSA_P384_SHA384_ASN1,
        };
        UnparsedPublicKey::new(verification, point)
            .verify(&signed, signature)
            .map_err(|_| RequestError::WrongSignature)?;
        Ok(Self { algorithm, public_key })
    }

    /// The request, where its key is of this algorithm.
    ///
    /// # Errors
    /// Where it is of another.
    pub fn of(self, algorithm: KeyAlgorithm) -> Result<Self, RequestError> {
        if self.algorithm == algorithm { Ok(self) } else { Err(RequestError::OtherAlgorithm(algorithm)) }
    }

    /// SHA-256 of the public key info: the same key has the same, whatever else the request says.
    pub fn public_key_sha256(&self) -> Fingerprint {
        Fingerprint::of(&self.public_key.to_der().expect("what was read from DER is written again"))
    }

    pub(crate) fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The key as an uncompressed point (SEC 1).
    pub(crate) fn public_point(&self) -> &[u8] {
        self.public_key.subject_public_key.raw_bytes()
    }

    pub(crate) fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        &self.public_key
    }
}
