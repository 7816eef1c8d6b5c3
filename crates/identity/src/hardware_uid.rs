//! The number that a chip maker burned into a chip.

use core::fmt;
use core::str::FromStr;

use heapless::Vec;

use crate::text::serde_as_text;

/// A chip's own unique number, 4 to 16 bytes, written in lower-case hexadecimal.
///
/// It is what tells two boards with the same rating plate apart, so a credential is leased to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HardwareUid(Vec<u8, { HardwareUid::LENGTH_MAX }>);

impl HardwareUid {
    /// The fewest bytes of a hardware UID.
    pub const LENGTH_MIN: usize = 4;
    /// The most bytes of a hardware UID.
    pub const LENGTH_MAX: usize = 16;

    /// The UID of the given bytes, or an error where there are too few or too many.
    pub fn new(bytes: &[u8]) -> Result<Self, ParseHardwareUidError> {
        if bytes.len() < Self::LENGTH_MIN {
            return Err(ParseHardwareUidError);
        }
        Vec::from_slice(bytes).map(Self).map_err(|_| ParseHardwareUidError)
    }

    /// The bytes as the chip gives them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The text or bytes are not a hardware UID: 4 to 16 bytes, as pairs of hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseHardwareUidError;

impl fmt::Display for ParseHardwareUidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hardware UID is 4 to 16 bytes, as pairs of hexadecimal digits")
    }
}

impl core::error::Error for ParseHardwareUidError {}

impl FromStr for HardwareUid {
    type Err = ParseHardwareUidError;

    fn from_str(text: &str) -> Result<Self, ParseHardwareUidError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() || pairs.len() > Self::LENGTH_MAX {
            return Err(ParseHardwareUidError);
        }
        let digit = |c: u8| char::from(c).to_digit(16).ok_or(ParseHardwareUidError);
        let mut bytes = [0; Self::LENGTH_MAX];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
        }
        Self::new(&bytes[..pairs.len()])
    }
}

impl fmt::Display for HardwareUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

serde_as_text!(HardwareUid, "a hardware UID of 4 to 16 bytes in hexadecimal");

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let uid = HardwareUid::new(&[0x00, 0x1f, 0xa0, 0xff]).unwrap();
        assert_eq!(uid.to_string(), "001fa0ff");
        assert_eq!("001FA0FF".parse(), Ok(uid));
    }

    #[test]
    fn refuses_what_is_no_uid() {
        for text in ["", "00", "001fa0f", "001fa0fg", "000102030405060708090a0b0c0d0e0f10"] {
            assert_eq!(text.parse::<HardwareUid>(), Err(ParseHardwareUidError), "{text}");
        }
    }
}
