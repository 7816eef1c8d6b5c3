//! The requests and answers, and their CBOR.

use heapless::Vec;
use minicbor::{Decode, Encode};

use super::{Pack, Refusal, Version, VersionRange};
use crate::{ApparatusId, DeviceNumber, HardwareUid, KeyIdentifier, ProductCode};

/// The longest signature: ECDSA P-384.
pub const SIGNATURE_BYTES_MAX: usize = 96;
/// The longest [`SigningRequest`]. That for a P-384 key and the longest number takes 285 bytes.
pub const SIGNING_REQUEST_BYTES_MAX: usize = 384;
/// The bytes of a chip's public key.
pub const CHIP_KEY_BYTES: usize = 65;
/// The longest frame that holds an [`Answer`].
pub const ANSWER_FRAME_BYTES_MAX: usize = 416;

/// What a station asks of the device on its port.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Request<'a> {
    /// Who are you? Opens a session and ends the one before.
    #[n(0)]
    Identify,
    /// Certificate transmission: store this pack.
    #[n(1)]
    Transmission(#[b(0)] Transmission<'a>),
    /// What became of the pack? Prove it.
    #[n(2)]
    ResultRequest {
        /// The session.
        #[n(0)]
        session: Session,
        /// Fresh random bytes of the station, to be signed.
        #[cbor(n(1), with = "minicbor::bytes")]
        challenge: [u8; 32],
    },
    /// The result is filed: keep this pack for good.
    #[n(3)]
    ResultResponse {
        /// The session.
        #[n(0)]
        session: Session,
    },
    /// Make a key for this number, or say again which one you made.
    #[n(4)]
    KeyRequest {
        /// The session.
        #[n(0)]
        session: Session,
        /// The number that the certificate is to name.
        #[n(1)]
        device_number: DeviceNumber,
    },
}

impl Request<'_> {
    /// The oldest version of the protocol that this request can travel in.
    pub fn oldest_version(&self) -> Version {
        match self {
            Self::Transmission(transmission) => transmission.pack.oldest_version(),
            Self::KeyRequest { .. } => Version::SECOND,
            Self::Identify | Self::ResultRequest { .. } | Self::ResultResponse { .. } => Version::MIN,
        }
    }
}

/// What the device answers.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Answer {
    /// To [`Request::Identify`].
    #[n(0)]
    Identity(#[n(0)] Identity),
    /// To [`Request::Transmission`]: the pack is stored and was read back. O.K.
    #[n(1)]
    Reception,
    /// To [`Request::ResultRequest`]: O.K. with the proof.
    #[n(2)]
    WriteResult(#[n(0)] WriteResult),
    /// To [`Request::ResultResponse`].
    #[n(3)]
    Done,
    /// To any request: N.G.
    #[n(4)]
    Refused(#[n(0)] Refusal),
    /// To [`Request::KeyRequest`].
    #[n(5)]
    SigningRequest(#[n(0)] SigningRequest),
}

/// One connection of a station with a device: a random number that the device makes.
///
/// It keeps a recorded exchange from being played to a device again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Session(#[cbor(n(0), with = "minicbor::bytes")] [u8; Session::LENGTH]);

impl Session {
    /// The bytes of a session.
    pub const LENGTH: usize = 16;

    /// The session of these bytes.
    pub const fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The session's bytes.
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

/// Who a device is.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Identity {
    /// The protocol versions that the device speaks.
    #[n(0)]
    pub versions: VersionRange,
    /// What it was built as.
    #[n(1)]
    pub product: ProductCode,
    /// Its chip.
    #[n(2)]
    pub hardware_uid: HardwareUid,
    /// The session that now begins.
    #[n(3)]
    pub session: Session,
    /// The number of the pack it holds, if any.
    #[n(4)]
    pub holding: Option<DeviceNumber>,
    /// Whether that pack is confirmed, so that the device takes no other.
    #[n(5)]
    pub confirmed: bool,
    /// The pre-write key that its firmware was built with, if any.
    #[n(6)]
    pub key_identifier: Option<KeyIdentifier>,
    /// The public key of its chip, if it has one: a point on P-256, uncompressed (SEC 1).
    #[cbor(n(7), with = "minicbor::bytes")]
    pub chip_key: Option<[u8; CHIP_KEY_BYTES]>,
}

/// A pack for the device of a session.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Transmission<'a> {
    /// The session that the device opened.
    #[n(0)]
    pub session: Session,
    /// What to store.
    #[b(1)]
    pub pack: Pack<'a>,
}

/// The device holds the pack, and proves it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct WriteResult {
    /// The number of the pack.
    #[n(0)]
    pub device_number: DeviceNumber,
    /// [`pack_digest`](super::pack_digest) of the pack as read back from flash.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub pack_digest: [u8; 32],
    /// ECDSA with the key of the certificate, or with the key that the device made and has no
    /// certificate for yet, over [`proof_message`](super::proof_message): `r` and `s`, on P-256 with
    /// SHA-256 of 32 bytes each, on P-384 with SHA-384 of 48. Empty where the device has no such key.
    #[cbor(n(2), with = "bounded_bytes")]
    pub signature: Vec<u8, SIGNATURE_BYTES_MAX>,
    /// What only the holder of the pass phrase can say, where the pack has a symmetric credential.
    #[n(3)]
    pub confirmation: Option<Confirmation>,
}

/// Two one-way values of the pass phrase that a device holds: each shows another reader that the device
/// holds it, and neither gives it away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Confirmation {
    /// Whose pass phrase.
    #[n(0)]
    pub apparatus_id: ApparatusId,
    /// For the station, which was given what to expect.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub station: [u8; 32],
    /// For the authority alone.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub authority: [u8; 32],
}

/// A signing request (PKCS#10, DER) for a key that the device made and keeps.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct SigningRequest(
    /// The request.
    #[cbor(n(0), with = "bounded_bytes")]
    pub Vec<u8, SIGNING_REQUEST_BYTES_MAX>,
);

/// A byte string with a greatest length.
mod bounded_bytes {
    use heapless::Vec;
    use minicbor::decode::{self, Decoder};
    use minicbor::encode::{self, Encoder, Write};

    pub fn encode<C, W: Write, const N: usize>(
        bytes: &Vec<u8, N>,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        to.bytes(bytes)?.ok()
    }

    pub fn decode<C, const N: usize>(from: &mut Decoder<'_>, _: &mut C) -> Result<Vec<u8, N>, decode::Error> {
        Vec::from_slice(from.bytes()?).map_err(|_| decode::Error::message("more bytes than there may be"))
    }
}
