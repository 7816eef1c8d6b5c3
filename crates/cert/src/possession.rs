//! Whether a device holds the key of its certificate.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use identity::{DeviceNumber, HardwareUid, line};

use crate::certificate::Certificate;

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
    /// ECDSA P-256 with SHA-256 over [`line::proof_message`], `r` and `s` of 32 bytes each.
    pub signature: &'a [u8],
}

/// Why a proof does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PossessionError {
    /// The certificate cannot be read, or its key is not on P-256.
    #[error("the certificate that the proof is for cannot be read")]
    Certificate,
    /// The certificate states another device number.
    #[error("the certificate is another device number's")]
    OtherNumber,
    /// The challenge or the digest does not have 32 bytes.
    #[error("a challenge and a pack digest have 32 bytes each")]
    Length,
    /// The signature was not made with the certificate's key over this message.
    #[error("the signature was not made with the certificate's key over this challenge and pack")]
    Signature,
}

/// Verifies that the key of the client certificate (DER) signed this device's proof. Whether the
/// certificate is to be trusted is another question.
pub fn verify(client_certificate: &[u8], proof: Proof<'_>) -> Result<(), PossessionError> {
    let certificate = Certificate::parse(client_certificate).map_err(|_| PossessionError::Certificate)?;
    let key = certificate.p256_public_key().ok_or(PossessionError::Certificate)?;
    if certificate.device_number().as_ref() != Some(proof.device_number) {
        return Err(PossessionError::OtherNumber);
    }
    let challenge = proof.challenge.try_into().map_err(|_| PossessionError::Length)?;
    let pack_digest = proof.pack_digest.try_into().map_err(|_| PossessionError::Length)?;
    let message = line::proof_message(proof.device_number, proof.hardware_uid, challenge, pack_digest);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
        .verify(&message, proof.signature)
        .map_err(|_| PossessionError::Signature)
}
