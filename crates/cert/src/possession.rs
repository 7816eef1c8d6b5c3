//! Whether a device holds the key of its certificate.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm, UnparsedPublicKey,
};
use der::referenced::OwnedToRef;
use der::{Decode, Encode};
use identity::profile::KeyAlgorithm;
use identity::{DeviceNumber, HardwareUid, line};
use x509_cert::request::CertReq;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::certificate::Certificate;
use crate::fingerprint::Fingerprint;
use crate::key;

/// What a device signed, and what it signed it with.
#[derive(Clone, Copy)]
pub struct Proof<'a> {
    /// The number it was given.
    pub device_number: &'a DeviceNumber,
    /// The chip it is.
    pub hardware_uid: &'a HardwareUid,
    /// The challenge, 32 bytes.
    pub challenge: &'a [u8],
    /// The digest of the pack as the device read it back, 32 bytes.
    pub pack_digest: &'a [u8],
    /// ECDSA over [`line::proof_message`]: `r` and `s`, on P-256 with SHA-256 of 32 bytes each, on P-384
    /// with SHA-384 of 48.
    pub signature: &'a [u8],
}

/// Why a proof does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PossessionError {
    /// The certificate cannot be read, or its key is neither on P-256 nor on P-384.
    #[error("the certificate that the proof is for cannot be read")]
    Certificate,
    /// The signing request cannot be read, or its key is neither on P-256 nor on P-384.
    #[error("the signing request that the proof is for cannot be read")]
    SigningRequest,
    /// The certificate states another device number.
    #[error("the certificate is another device number's")]
    OtherNumber,
    /// The challenge or the digest does not have 32 bytes.
    #[error("a challenge and a pack digest have 32 bytes each")]
    Length,
    /// The signature was not made with the device's key over this message.
    #[error("the signature was not made with the device's key over this challenge and pack")]
    Signature,
}

/// Verifies that the key of the client certificate (DER) signed this device's proof. Whether the
/// certificate is to be trusted is another question.
pub fn verify(client_certificate: &[u8], proof: Proof<'_>) -> Result<(), PossessionError> {
    let certificate = Certificate::parse(client_certificate).map_err(|_| PossessionError::Certificate)?;
    let (algorithm, key) =
        ecdsa(certificate.tbs().subject_public_key_info()).ok_or(PossessionError::Certificate)?;
    if certificate.device_number().as_ref() != Some(proof.device_number) {
        return Err(PossessionError::OtherNumber);
    }
    verify_signature(algorithm, key, proof)
}

/// Verifies that the key of a certificate (DER) signed this message by ECDSA, `r` and `s`. Whether the
/// certificate is to be trusted, and what the message says, are other questions.
pub fn verify_message(certificate: &[u8], message: &[u8], signature: &[u8]) -> Result<(), PossessionError> {
    let certificate = Certificate::parse(certificate).map_err(|_| PossessionError::Certificate)?;
    let (algorithm, key) =
        ecdsa(certificate.tbs().subject_public_key_info()).ok_or(PossessionError::Certificate)?;
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_| PossessionError::Signature)
}

/// Verifies that the key of a signing request (RFC 2986 DER) signed this device's proof: the device made
/// its key itself, and the certificate is still owed to it. Of all that the request says, only the key counts.
pub fn verify_requested(signing_request: &[u8], proof: Proof<'_>) -> Result<(), PossessionError> {
    let request = CertReq::from_der(signing_request).map_err(|_| PossessionError::SigningRequest)?;
    let (algorithm, key) = ecdsa(&request.info.public_key).ok_or(PossessionError::SigningRequest)?;
    verify_signature(algorithm, key, proof)
}

/// The key that a signing request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestedKey {
    /// Which kind of key it is.
    pub algorithm: KeyAlgorithm,
    /// SHA-256 of its public key info.
    pub sha256: Fingerprint,
}

/// The key that a signing request (RFC 2986 DER) is for.
///
/// # Errors
/// It cannot be read, or no proof could be verified by its key.
pub fn requested_key(signing_request: &[u8]) -> Result<RequestedKey, PossessionError> {
    let request = CertReq::from_der(signing_request).map_err(|_| PossessionError::SigningRequest)?;
    let public_key = request.info.public_key;
    let algorithm = key::algorithm(&public_key.owned_to_ref()).ok_or(PossessionError::SigningRequest)?;
    let der = public_key.to_der().map_err(|_| PossessionError::SigningRequest)?;
    Ok(RequestedKey { algorithm, sha256: Fingerprint::of(&der) })
}

/// How signatures by this key are verified, and its point; nothing for a key of another kind.
fn ecdsa(spki: &SubjectPublicKeyInfoOwned) -> Option<(&'static EcdsaVerificationAlgorithm, &[u8])> {
    let algorithm = match key::algorithm(&spki.owned_to_ref())? {
        KeyAlgorithm::P256 => &ECDSA_P256_SHA256_FIXED,
        KeyAlgorithm::P384 => &ECDSA_P384_SHA384_FIXED,
    };
    Some((algorithm, spki.subject_public_key.as_bytes()?))
}

fn verify_signature(
    algorithm: &'static EcdsaVerificationAlgorithm,
    key: &[u8],
    proof: Proof<'_>,
) -> Result<(), PossessionError> {
    let challenge = proof.challenge.try_into().map_err(|_| PossessionError::Length)?;
    let pack_digest = proof.pack_digest.try_into().map_err(|_| PossessionError::Length)?;
    let message = line::proof_message(proof.device_number, proof.hardware_uid, challenge, pack_digest);
    UnparsedPublicKey::new(algorithm, key)
        .verify(&message, proof.signature)
        .map_err(|_| PossessionError::Signature)
}
