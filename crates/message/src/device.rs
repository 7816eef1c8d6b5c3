//! Writing: a station and the device on its port, source A Figs. 17 and 23.
//!
//! Over a serial line or plain TCP these are the frames of [`identity::line`]; over HTTP they are
//! SOAP ([`crate::soap`]), and the device calls the station back with its write result.

use identity::line::{Refusal, Session};
use identity::{DeviceNumber, HardwareUid, KeyIdentifier, ProductCode};

use crate::bytes::Bytes;
use crate::pack::CredentialPack;
use crate::result::Proof;

/// Station to device: who is there?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceIdentificationRequest;

/// Device to station: what it is, and what it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceIdentification {
    /// The session that the device has just opened.
    pub session: Session,
    /// The product that the device is.
    pub product: ProductCode,
    /// Its chip.
    pub hardware_uid: HardwareUid,
    /// The number whose pack it has stored.
    pub holding: Option<DeviceNumber>,
    /// Whether a station has confirmed that pack; the device then takes no other.
    pub confirmed: bool,
    /// The pre-write key that its firmware was built with, if any.
    pub key_identifier: Option<KeyIdentifier>,
    /// The public key of its chip, if it has one: an uncompressed point on P-256.
    pub chip_key: Option<Bytes>,
}

/// Station to device: make a key for this number, or say again which one you made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRequest {
    /// The device's session.
    pub session: Session,
    /// The number that the certificate is to name.
    pub device_number: DeviceNumber,
}

/// Device to station: the signing request for the key that it made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SigningRequestTransmission {
    /// The request (RFC 2986 DER), or why there is none.
    pub outcome: Result<Bytes, Refusal>,
}

/// Station to device: the pack to store, and where to send the write result.
#[derive(Clone, PartialEq, Eq)]
pub struct PackTransmission {
    /// The device's session.
    pub session: Session,
    /// 32 fresh bytes that the proof of possession must cover.
    pub challenge: Bytes,
    /// Where at the station the device delivers its write result, `http://HOST:PORT/soap`.
    pub result_address: String,
    /// The device's number from now on.
    pub device_number: DeviceNumber,
    /// What it stores.
    pub pack: CredentialPack,
}

/// Station to device: deliver your write result once more, for the pack that you hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteResultRequest {
    /// The device's session.
    pub session: Session,
    /// 32 fresh bytes that the proof of possession must cover.
    pub challenge: Bytes,
    /// Where at the station the device delivers its write result, `http://HOST:PORT/soap`.
    pub result_address: String,
    /// The number whose pack it holds.
    pub device_number: DeviceNumber,
}

/// Device to station: whether it takes the pack, or holds it, and will deliver its write result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CertificateReceptionResponse {
    /// O.K., or why not.
    pub outcome: Result<(), Refusal>,
}

/// Device to station: what became of the pack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceWriteResult {
    /// The device's session.
    pub session: Session,
    /// The number that was to be written.
    pub device_number: DeviceNumber,
    /// The proof that it is, or why it is not.
    pub outcome: Result<Proof, Refusal>,
}

/// Station to device: the result is filed, and from now on the device takes no other pack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceWriteResultResponse {
    /// The number the result was for.
    pub device_number: DeviceNumber,
}
