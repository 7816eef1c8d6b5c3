//! What a device signs to prove that it holds a pack.

use heapless::Vec;
use sha2::{Digest, Sha256};

use crate::{DeviceNumber, HardwareUid};

/// Tells these signatures from any other that the same key makes.
const LABEL: &[u8] = b"touchmark possession 1";

/// The longest proof message.
pub const PROOF_MESSAGE_BYTES_MAX: usize =
    LABEL.len() + DeviceNumber::LENGTH_MAX + HardwareUid::LENGTH_MAX + 32 + 32 + 5 * LENGTH_BYTES;

const LENGTH_BYTES: usize = 4;

/// SHA-256 over all parts of a pack, each behind its length in four bytes, highest first.
pub fn pack_digest(
    device_number: &DeviceNumber,
    root_certificate: &[u8],
    issuing_certificate: &[u8],
    client_certificate: &[u8],
    secret_key: &[u8],
) -> [u8; 32] {
    let number = device_number.text();
    let parts = [number.as_bytes(), root_certificate, issuing_certificate, client_certificate, secret_key];
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(length(part));
        digest.update(part);
    }
    digest.finalize().into()
}

/// What the device signs: a label, its number, its chip, the station's challenge and the digest of
/// the pack as it stands in flash, each behind its length in four bytes, highest first.
pub fn proof_message(
    device_number: &DeviceNumber,
    hardware_uid: &HardwareUid,
    challenge: &[u8; 32],
    pack_digest: &[u8; 32],
) -> Vec<u8, PROOF_MESSAGE_BYTES_MAX> {
    let number = device_number.text();
    let parts = [LABEL, number.as_bytes(), hardware_uid.as_bytes(), challenge, pack_digest];
    let mut message = Vec::new();
    for part in parts {
        message
            .extend_from_slice(&length(part))
            .and_then(|()| message.extend_from_slice(part))
            .expect("the longest proof message fits");
    }
    message
}

/// Every part is a slice in a chip's memory or a message within its limit, far below 4 GiB.
fn length(part: &[u8]) -> [u8; LENGTH_BYTES] {
    u32::try_from(part.len()).expect("a part of a pack is shorter than 4 GiB").to_be_bytes()
}
