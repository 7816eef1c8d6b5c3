//! The public name of a pre-write key.

use core::fmt;
use core::str::FromStr;

use heapless::String;

use crate::text::serde_as_text;

/// The public name of a pre-write key, the key that a product's firmware is built with: 1 to 24
/// capital letters, digits and inner hyphens, such as `A123-2`.
///
/// It travels in front of every sealed pack and says which key opens it. It is no secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyIdentifier(String<{ KeyIdentifier::LENGTH_MAX }>);

impl KeyIdentifier {
    /// The most characters a key identifier has.
    pub const LENGTH_MAX: usize = 24;

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a key identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseKeyIdentifierError;

impl fmt::Display for ParseKeyIdentifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key identifier is 1 to 24 capital letters, digits and inner hyphens")
    }
}

impl core::error::Error for ParseKeyIdentifierError {}

impl FromStr for KeyIdentifier {
    type Err = ParseKeyIdentifierError;

    fn from_str(text: &str) -> Result<Self, ParseKeyIdentifierError> {
        let is_allowed = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'-';
        if text.is_empty() || text.starts_with('-') || text.ends_with('-') || !text.bytes().all(is_allowed) {
            return Err(ParseKeyIdentifierError);
        }
        String::try_from(text).map(Self).map_err(|_| ParseKeyIdentifierError)
    }
}

impl fmt::Display for KeyIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

serde_as_text!(KeyIdentifier, "a key identifier of 1 to 24 capital letters, digits and inner hyphens");

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn identifiers_read_back() {
        for text in ["1", "A123-2", "ABCDEFGHJKLMNPQRSTUVWXYZ"] {
            assert_eq!(text.parse::<KeyIdentifier>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_identifier() {
        for text in ["", "-", "-1", "1-", "a123-2", "A123 2", "A123_2", "ABCDEFGHJKLMNPQRSTUVWXYZ1"] {
            assert_eq!(text.parse::<KeyIdentifier>(), Err(ParseKeyIdentifierError), "{text}");
        }
    }
}
