//! How a device shows outside of an exchange that it holds its pass phrase: one-way values of it, two while it
//! is made, and one when it has lost its certificate.
//!
//! The factory gets the first with the sealed credential, so the station can compare on the spot and
//! without a link. The second is bound to where the credential went and to a challenge of the
//! authority, so only who holds the pass phrase can make or check it: a factory cannot claim a write that did
//! not happen, nor one into another device.

use identity::{ApparatusId, DeviceNumber, HardwareUid};
use subtle::ConstantTimeEq;

use crate::framing::mac;
use crate::key::PassPhrase;
use crate::transcript::ChannelBinding;

/// A one-way value of a pass phrase. Compared in constant time.
#[derive(Clone, Copy, Debug)]
pub struct Confirmation([u8; Confirmation::BYTES]);

const STATION_LABEL: &[u8] = b"touchmark station confirmation 1";
const AUTHORITY_LABEL: &[u8] = b"touchmark authority confirmation 1";
const RECOVERY_LABEL: &[u8] = b"touchmark recovery confirmation 1";

/// The value that the station knows beforehand.
pub fn station_confirmation(pass_phrase: &PassPhrase, apparatus_id: ApparatusId) -> Confirmation {
    Confirmation(mac(pass_phrase, &[STATION_LABEL, apparatus_id.as_bytes()]))
}

/// The value that only the authority can check: for this device, and for the challenge that came with
/// the credential's batch.
pub fn authority_confirmation(
    pass_phrase: &PassPhrase,
    apparatus_id: ApparatusId,
    device_number: &DeviceNumber,
    hardware_uid: &HardwareUid,
    challenge: &[u8; 32],
) -> Confirmation {
    let device_number = device_number.text();
    let fields = [
        AUTHORITY_LABEL,
        apparatus_id.as_bytes(),
        device_number.as_bytes(),
        hardware_uid.as_bytes(),
        challenge,
    ];
    Confirmation(mac(pass_phrase, &fields))
}

/// The value by which a device that asks for another certificate shows that it is the device of that
/// number: for this chip and this new key, by SHA-256 of its public key info, and over this connection only
/// (RFC 9266).
pub fn recovery_confirmation(
    pass_phrase: &PassPhrase,
    apparatus_id: ApparatusId,
    device_number: &DeviceNumber,
    hardware_uid: &HardwareUid,
    public_key_sha256: &[u8; 32],
    channel: &ChannelBinding,
) -> Confirmation {
    let device_number = device_number.text();
    let fields = [
        RECOVERY_LABEL,
        apparatus_id.as_bytes(),
        device_number.as_bytes(),
        hardware_uid.as_bytes(),
        public_key_sha256,
        channel.as_bytes(),
    ];
    Confirmation(mac(pass_phrase, &fields))
}

impl Confirmation {
    /// How many bytes a confirmation has.
    pub const BYTES: usize = 32;

    /// The confirmation of these bytes.
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The confirmation as bytes.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl PartialEq for Confirmation {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Confirmation {}
