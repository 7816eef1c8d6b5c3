//! The requests and answers, and their CBOR.

use core::fmt;
use core::str::FromStr;

use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};

use super::VersionRange;
use crate::{DeviceNumber, HardwareUid, ProductCode};

/// The longest certificate in a pack.
pub const CERTIFICATE_BYTES_MAX: usize = 1_536;
/// The longest secret key in a pack. A P-256 key in PKCS#8 takes 138 bytes.
pub const SECRET_KEY_BYTES_MAX: usize = 256;
/// The longest frame that holds an [`Answer`].
pub const ANSWER_FRAME_BYTES_MAX: usize = 256;

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

/// A credential pack: device number, certificates and secret key.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Pack<'a> {
    /// The number that the client certificate names.
    #[n(0)]
    pub device_number: DeviceNumber,
    /// The root certificate, X.509 DER.
    #[cbor(b(1), with = "minicbor::bytes")]
    pub root_certificate: &'a [u8],
    /// The certificate of the CA that signed the client certificate, X.509 DER.
    #[cbor(b(2), with = "minicbor::bytes")]
    pub issuing_certificate: &'a [u8],
    /// The device's own certificate, X.509 DER.
    #[cbor(b(3), with = "minicbor::bytes")]
    pub client_certificate: &'a [u8],
    /// The key of the client certificate, PKCS#8 DER.
    #[cbor(b(4), with = "minicbor::bytes")]
    pub secret_key: &'a [u8],
}

impl Pack<'_> {
    /// The most bytes that a pack takes in CBOR.
    pub const BYTES_MAX: usize = 3 * CERTIFICATE_BYTES_MAX + SECRET_KEY_BYTES_MAX + 64;

    /// Whether every part is within its limit.
    pub fn is_within_limits(&self) -> bool {
        let certificates = [self.root_certificate, self.issuing_certificate, self.client_certificate];
        certificates.iter().all(|certificate| certificate.len() <= CERTIFICATE_BYTES_MAX)
            && self.secret_key.len() <= SECRET_KEY_BYTES_MAX
    }
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
    /// ECDSA P-256 with SHA-256 over [`proof_message`](super::proof_message): `r` and `s`, 32 bytes each.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

/// Why a device answers N.G.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    /// The request cannot be read.
    #[n(0)]
    Malformed,
    /// The request's version is not one that the device speaks.
    #[n(1)]
    UnsupportedVersion,
    /// The session is not the one that the device opened last.
    #[n(2)]
    Replayed,
    /// The pack is for another product.
    #[n(3)]
    WrongProduct,
    /// The device holds another pack, confirmed.
    #[n(4)]
    HoldsAnother,
    /// A part of the pack is longer than the device can store.
    #[n(5)]
    TooLong,
    /// The secret key is not a P-256 key in PKCS#8.
    #[n(6)]
    UnusableKey,
    /// The memory could not be read, or did not keep what was written to it.
    #[n(7)]
    StorageFailed,
    /// A result was asked of a device that holds no pack.
    #[n(8)]
    NothingStored,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::UnsupportedVersion,
        Self::Replayed,
        Self::WrongProduct,
        Self::HoldsAnother,
        Self::TooLong,
        Self::UnusableKey,
        Self::StorageFailed,
        Self::NothingStored,
    ];

    /// The refusal as a word: `wrong-product`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnsupportedVersion => "unsupported-version",
            Self::Replayed => "replayed",
            Self::WrongProduct => "wrong-product",
            Self::HoldsAnother => "holds-another",
            Self::TooLong => "too-long",
            Self::UnusableKey => "unusable-key",
            Self::StorageFailed => "storage-failed",
            Self::NothingStored => "nothing-stored",
        }
    }

    /// Whether the device certainly stored nothing of the pack it was sent.
    pub fn is_untouched(self) -> bool {
        self != Self::StorageFailed
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl core::error::Error for Refusal {}

/// The text is not a refusal's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownRefusal;

impl fmt::Display for UnknownRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a reason that a device gives")
    }
}

impl core::error::Error for UnknownRefusal {}

impl FromStr for Refusal {
    type Err = UnknownRefusal;

    fn from_str(text: &str) -> Result<Self, UnknownRefusal> {
        Self::ALL.into_iter().find(|refusal| refusal.as_str() == text).ok_or(UnknownRefusal)
    }
}

impl<C> Encode<C> for DeviceNumber {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        to.str(&self.text())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for DeviceNumber {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        from.str()?.parse().map_err(|_| decode::Error::message("not a device number"))
    }
}

impl<C> Encode<C> for ProductCode {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        to.str(self.as_str())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for ProductCode {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        from.str()?.parse().map_err(|_| decode::Error::message("not a product code"))
    }
}

impl<C> Encode<C> for HardwareUid {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        to.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for HardwareUid {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::new(from.bytes()?).map_err(|_| decode::Error::message("not a hardware UID"))
    }
}
