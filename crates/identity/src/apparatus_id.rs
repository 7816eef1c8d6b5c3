//! The name under which a device with a symmetric credential authenticates.

use core::fmt;
use core::str::FromStr;

use heapless::String;

use crate::Random;
use crate::text::serde_as_text;

/// An apparatus ID: 128 random bits, written as 26 characters of Crockford's base32.
///
/// Random, so that knowing one says nothing about the next. A text has exactly one ID and an ID
/// exactly one text: neither small letters nor the look-alikes `I`, `L`, `O` and `U` are taken.
///
/// ```
/// use identity::ApparatusId;
/// let id: ApparatusId = "4TP9X2QZ7V0C3M8RHJ6KDWBN1E".parse()?;
/// assert_eq!(id.text(), "4TP9X2QZ7V0C3M8RHJ6KDWBN1E");
/// # Ok::<(), identity::ParseApparatusIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ApparatusId([u8; ApparatusId::BYTES]);

impl ApparatusId {
    /// How many bytes an apparatus ID has.
    pub const BYTES: usize = 16;
    /// How many characters its text has.
    pub const LENGTH: usize = 26;

    /// A new ID, which nobody can guess.
    pub fn random(random: &dyn Random) -> Self {
        let mut bytes = [0; Self::BYTES];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// The ID of these bytes.
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The ID as bytes.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The ID as text, without allocating.
    pub fn text(&self) -> String<{ ApparatusId::LENGTH }> {
        let value = u128::from_be_bytes(self.0);
        (0..Self::LENGTH)
            .rev()
            .map(|place| char::from(ALPHABET[(value >> (place * DIGIT_BITS)) as usize % ALPHABET.len()]))
            .collect()
    }
}

/// Crockford's base32: a digit stands for five bits.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DIGIT_BITS: usize = 5;

/// The text is not an apparatus ID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseApparatusIdError;

impl fmt::Display for ParseApparatusIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an apparatus ID has 26 characters, digits and capital letters except I, L, O and U")
    }
}

impl core::error::Error for ParseApparatusIdError {}

impl FromStr for ApparatusId {
    type Err = ParseApparatusIdError;

    fn from_str(text: &str) -> Result<Self, ParseApparatusIdError> {
        if text.len() != Self::LENGTH {
            return Err(ParseApparatusIdError);
        }
        // 26 digits hold 130 bits: the two highest must be zero.
        let value = text.bytes().try_fold(0u128, |value, character| {
            let digit = ALPHABET.iter().position(|&c| c == character)?;
            (value >> (u128::BITS as usize - DIGIT_BITS) == 0).then_some(value << DIGIT_BITS | digit as u128)
        });
        value.map(|value| Self(value.to_be_bytes())).ok_or(ParseApparatusIdError)
    }
}

impl fmt::Display for ApparatusId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

serde_as_text!(ApparatusId, "an apparatus ID of 26 characters");

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_of_known_bytes_is_pinned() {
        for (bytes, text) in [
            ([0; 16], "00000000000000000000000000"),
            ([0xff; 16], "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"),
            (*b"0123456789abcdef", "1G64S36D1N6RVKGEB1C9HP8SB6"),
        ] {
            assert_eq!(ApparatusId::new(bytes).to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_apparatus_id() {
        for text in [
            "",
            "0000000000000000000000000",
            "000000000000000000000000000",
            "80000000000000000000000000",
            "0000000000000000000000000a",
            "0000000000000000000000000O",
            "000000000000000000000000-0",
            "00000000000000000000000\u{ff10}",
        ] {
            assert_eq!(text.parse::<ApparatusId>(), Err(ParseApparatusIdError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_and_bytes_agree(bytes: [u8; 16]) {
            let id = ApparatusId::new(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}
