//! Proof of possession: a signature that only the holder of the pack's key can make.

use identity::HardwareUid;
use identity::line::{Pack, Refusal, WriteResult, pack_digest, proof_message};
use p256::SecretKey;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey;

/// Signs the station's challenge with the key of `pack`. The nonce follows from key and message
/// (RFC 6979), so no weak generator can give the key away.
pub fn prove(
    pack: &Pack<'_>,
    hardware_uid: &HardwareUid,
    challenge: &[u8; 32],
) -> Result<WriteResult, Refusal> {
    let digest = pack_digest(
        &pack.device_number,
        pack.root_certificate,
        pack.issuing_certificate,
        pack.client_certificate,
        pack.secret_key,
    );
    let message = proof_message(&pack.device_number, hardware_uid, challenge, &digest);
    let signature: Signature = signing_key(pack)?.sign(&message);
    Ok(WriteResult {
        device_number: pack.device_number.clone(),
        pack_digest: digest,
        signature: signature.to_bytes().into(),
    })
}

/// The key of `pack`, wiped on drop.
pub fn signing_key(pack: &Pack<'_>) -> Result<SigningKey, Refusal> {
    let key = SecretKey::from_pkcs8_der(pack.secret_key).map_err(|_| Refusal::UnusableKey)?;
    Ok(SigningKey::from(&key))
}
