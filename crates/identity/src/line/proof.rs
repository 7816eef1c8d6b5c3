//! What a device signs to prove that it holds a pack.

use heapless::Vec;
use sha2::{Digest, Sha256};

use super::{Key, Pack};
use crate::{DeviceNumber, HardwareUid};

/// Tells these signatures from any other that the same key makes.
const LABEL: &[u8] = b"touchmark possession 1";

/// The longest proof message.
pub const PROOF_MESSAGE_BYTES_MAX: usize =
    LABEL.len() + DeviceNumber::LENGTH_MAX + HardwareUid::LENGTH_MAX + 32 + 32 + 5 * LENGTH_BYTES;

const LENGTH_BYTES: usize = 4;

/// SHA-256 over all parts of a pack, each behind its length in four bytes, highest first: number, three
/// certificates and plain key, each empty where the pack has none; then, only where it has them, the
/// sealed key, and the symmetric credential's four fields.
pub fn pack_digest(pack: &Pack<'_>) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut take = |part: &[u8]| {
        digest.update(length(part));
        digest.update(part);
    };
    take(pack.device_number.text().as_bytes());
    let (certificates, key) = match &pack.certificate {
        Some(part) => ([part.root, part.issuing, part.client], part.key),
        None => ([&[][..]; 3], Key::Own),
    };
    certificates.into_iter().for_each(&mut take);
    take(if let Key::Plain(key) = key { key } else { &[] });
    if let Key::Sealed(sealed) = key {
        take(sealed);
    }
    if let Some(symmetric) = &pack.symmetric {
        take(symmetric.apparatus_id.as_bytes());
        take(symmetric.sealed);
        take(symmetric.form.as_str().as_bytes());
        take(&symmetric.challenge);
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
