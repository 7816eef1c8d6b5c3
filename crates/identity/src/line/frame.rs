//! Frames: how a message is cut out of a stream of bytes, and how damage is found.

use core::fmt;

use cobs::{CobsEncoder, DestBufTooSmallError};
use crc::{CRC_32_ISO_HDLC, Crc, Digest};
use minicbor::{Decode, Encode};

use super::Pack;

/// The longest frame, its closing zero byte included: a transmission of the largest pack.
pub const FRAME_BYTES_MAX: usize = cobs::max_encoding_length(1 + 32 + Pack::BYTES_MAX + CRC_BYTES) + 1;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const CRC_BYTES: usize = 4;

/// A version of the line protocol that this program speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version(u8);

impl Version {
    /// The oldest version spoken; a station asks a device's identity in it.
    pub const MIN: Self = Self(1);
    /// The newest version spoken.
    pub const CURRENT: Self = Self::SECOND;
    /// The version with sealed packs, symmetric credentials and keys that the device makes.
    pub(super) const SECOND: Self = Self(2);

    /// The version with this number, where it is spoken here.
    pub fn new(number: u8) -> Option<Self> {
        (Self::MIN.0..=Self::CURRENT.0).contains(&number).then_some(Self(number))
    }

    /// The version's number.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// The versions that a device speaks, which may be newer than any known here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct VersionRange {
    /// The number of the oldest.
    #[n(0)]
    pub min: u8,
    /// The number of the newest.
    #[n(1)]
    pub current: u8,
}

impl VersionRange {
    /// What is spoken here.
    pub const OURS: Self = Self { min: Version::MIN.0, current: Version::CURRENT.0 };

    /// The newest version that is spoken there and here.
    pub fn newest_common(self) -> Option<Version> {
        Version::new(self.current.min(Version::CURRENT.0)).filter(|version| version.0 >= self.min)
    }
}

/// Why bytes are not a frame with the expected message, or a message does not fit a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// More bytes than the receiver has room for.
    TooLong,
    /// The bytes are not COBS, or too few.
    Damaged,
    /// The check sum does not fit: bytes were changed on the line.
    CheckSum,
    /// The frame's version is not spoken here.
    Version(u8),
    /// The frame is whole, but holds no message of the expected kind; or the message cannot be written.
    Message,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the frame is too long"),
            Self::Damaged => f.write_str("the frame is incomplete or damaged"),
            Self::CheckSum => f.write_str("the frame's check sum does not fit"),
            Self::Version(number) => write!(f, "the frame has version {number} of the line protocol"),
            Self::Message => f.write_str("the frame holds no known message"),
        }
    }
}

impl core::error::Error for FrameError {}

/// Writes `message` into `output` as one frame and returns the frame's length.
///
/// # Errors
/// [`FrameError::TooLong`] where `output` is too short, [`FrameError::Message`] where the message says
/// what cannot be written.
pub fn encode<M: Encode<()>>(version: Version, message: &M, output: &mut [u8]) -> Result<usize, FrameError> {
    let length_max = output.len();
    let mut writer = FrameWriter { cobs: CobsEncoder::new(output), digest: CRC.digest() };
    minicbor::encode::Write::write_all(&mut writer, &[version.0]).map_err(|_| FrameError::TooLong)?;
    minicbor::encode(message, &mut writer)
        .map_err(|error| if error.is_write() { FrameError::TooLong } else { FrameError::Message })?;
    let FrameWriter { mut cobs, digest } = writer;
    cobs.push(&digest.finalize().to_le_bytes()).map_err(|_| FrameError::TooLong)?;
    let end = cobs.finalize();
    if end >= length_max {
        return Err(FrameError::TooLong);
    }
    output[end] = 0;
    Ok(end + 1)
}

/// Reads the message in `frame`, with or without the closing zero byte, in place.
///
/// # Errors
/// What is wrong with the frame.
pub fn decode<'b, M: Decode<'b, ()>>(frame: &'b mut [u8]) -> Result<(Version, M), FrameError> {
    let length = cobs::decode_in_place(frame).map_err(|_| FrameError::Damaged)?;
    let (content, check_sum) = frame[..length].split_last_chunk::<CRC_BYTES>().ok_or(FrameError::Damaged)?;
    if CRC.checksum(content) != u32::from_le_bytes(*check_sum) {
        return Err(FrameError::CheckSum);
    }
    let (&number, body) = content.split_first().ok_or(FrameError::Damaged)?;
    let version = Version::new(number).ok_or(FrameError::Version(number))?;
    let mut decoder = minicbor::Decoder::new(body);
    let message = decoder.decode().map_err(|_| FrameError::Message)?;
    if decoder.position() != body.len() {
        return Err(FrameError::Message);
    }
    Ok((version, message))
}

/// Gathers the bytes of a stream into frames of at most `N` bytes.
pub struct FrameCollector<const N: usize> {
    bytes: [u8; N],
    length: usize,
    /// The frame has more than `N` bytes; the rest is passed over until its end.
    is_too_long: bool,
}

impl<const N: usize> FrameCollector<N> {
    /// An empty collector.
    pub const fn new() -> Self {
        Self { bytes: [0; N], length: 0, is_too_long: false }
    }

    /// Takes the next byte; with a frame's last byte, returns the frame for [`decode`], or
    /// [`FrameError::TooLong`].
    pub fn push(&mut self, byte: u8) -> Option<Result<&mut [u8], FrameError>> {
        if byte != 0 {
            match self.bytes.get_mut(self.length) {
                Some(place) => {
                    *place = byte;
                    self.length += 1;
                }
                None => self.is_too_long = true,
            }
            return None;
        }
        let length = core::mem::take(&mut self.length);
        if core::mem::take(&mut self.is_too_long) {
            return Some(Err(FrameError::TooLong));
        }
        (length > 0).then(|| Ok(&mut self.bytes[..length]))
    }
}

impl<const N: usize> Default for FrameCollector<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Passes what is written through the check sum into COBS.
struct FrameWriter<'a> {
    cobs: CobsEncoder<'a>,
    digest: Digest<'static, u32>,
}

impl minicbor::encode::Write for FrameWriter<'_> {
    type Error = DestBufTooSmallError;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.digest.update(bytes);
        self.cobs.push(bytes)
    }
}
