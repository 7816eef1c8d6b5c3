//! Signing requests of members (PKCS#10, RFC 2986).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use cert::Fingerprint;
use const_oid::db::rfc5912::ECDSA_WITH_SHA_256;
use der::{Decode, Encode};
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::request::CertReq;

use crate::key::{Curve, public_key_info};

/// A signing request whose sender has shown that it holds the key. Of all that it says, only the
/// key counts.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    public_key: SubjectPublicKeyInfoOwned,
}

/// Why a signing request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestError {
    /// The bytes are not a PKCS#10 request.
    #[error("not a PKCS#10 signing request in DER")]
    Malformed,
    /// The key is not on P-256, or the signature not ECDSA with SHA-256.
    #[error("a member's key is on P-256, and its request signed by ECDSA with SHA-256")]
    WrongKey,
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
        let expected = public_key_info(Curve::P256, point).map_err(|_| RequestError::WrongKey)?;
        let is_ecdsa = request.algorithm.oid == ECDSA_WITH_SHA_256 && request.algorithm.parameters.is_none();
        if public_key != expected || !is_ecdsa {
            return Err(RequestError::WrongKey);
        }
        let signed = request.info.to_der().map_err(|_| RequestError::Malformed)?;
        let signature = request.signature.as_bytes().ok_or(RequestError::Malformed)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
            .verify(&signed, signature)
            .map_err(|_| RequestError::WrongSignature)?;
        Ok(Self { public_key })
    }

    /// SHA-256 of the public key info: the same key has the same, whatever else the request says.
    pub fn public_key_sha256(&self) -> Fingerprint {
        Fingerprint::of(&self.public_key.to_der().expect("what was read from DER is written again"))
    }

    pub(crate) fn public_key(&self) -> &SubjectPublicKeyInfoOwned {
        &self.public_key
    }
}
