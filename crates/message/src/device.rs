//! Writing: a station and the device on its port, source A Figs. 17 and 23.
//!
//! Over a serial line or plain TCP these are the frames of [`identity::line`]; over HTTP they are
//! SOAP ([`crate::soap`]), and the device calls the station back with its write result.

use std::fmt;
use std::str::FromStr;

use identity::{DeviceNumber, HardwareUid, ProductCode};

use crate::bytes::Bytes;
use crate::issue::CertificatePack;
use crate::result::WriteOutcome;

/// One conversation of a device with a station: 16 random bytes that the device makes afresh for
/// each identification, so that nothing recorded earlier can be played to it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// The session of the given random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// The session's bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Station to device: who is there?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceIdentificationRequest;

/// Device to station: what it is, and what it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceIdentification {
    /// The session that the device has just opened.
    pub session: SessionId,
    /// The product that the device is.
    pub product: ProductCode,
    /// Its chip.
    pub hardware_uid: HardwareUid,
    /// The number whose pack it has stored.
    pub holding: Option<DeviceNumber>,
    /// Whether a station has confirmed that pack; the device then takes no other.
    pub confirmed: bool,
}

/// Station to device: the pack to store, and where to send the write result.
#[derive(Clone, PartialEq, Eq)]
pub struct PackTransmission {
    /// The device's session.
    pub session: SessionId,
    /// 32 fresh bytes that the proof of possession must cover.
    pub challenge: Bytes,
    /// Where at the station the device delivers its write result, `http://HOST:PORT/soap`.
    pub result_address: String,
    /// The device's number from now on.
    pub device_number: DeviceNumber,
    /// What it stores.
    pub pack: CertificatePack,
}

/// Device to station: whether it takes the pack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CertificateReceptionResponse {
    /// It does, and will deliver its write result.
    Ok,
    /// It does not, and has written nothing.
    NoGood {
        /// Why.
        reason: String,
    },
}

/// Device to station: what became of the pack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceWriteResult {
    /// The device's session.
    pub session: SessionId,
    /// The number that was to be written.
    pub device_number: DeviceNumber,
    /// How it ended.
    pub outcome: WriteOutcome,
}

/// Station to device: the result is filed, and from now on the device takes no other pack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceWriteResultResponse {
    /// The number the result was for.
    pub device_number: DeviceNumber,
}

/// The text is not 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a session is 32 hexadecimal digits")]
pub struct ParseSessionError;

impl FromStr for SessionId {
    type Err = ParseSessionError;

    fn from_str(text: &str) -> Result<Self, ParseSessionError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseSessionError)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
