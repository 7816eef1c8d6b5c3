//! The version of a device's firmware.

use core::fmt;
use core::str::FromStr;

use crate::text::serde_as_text;

/// A version of a product's firmware: three numbers, such as `2.14.0`. A later one is greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FirmwareVersion([u32; 3]);

impl FirmwareVersion {
    /// The version of these three numbers, the weightiest first.
    pub const fn new(parts: [u32; 3]) -> Self {
        Self(parts)
    }

    /// The three numbers, the weightiest first.
    pub const fn parts(self) -> [u32; 3] {
        self.0
    }
}

/// The text is not a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseFirmwareVersionError;

impl fmt::Display for ParseFirmwareVersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a firmware version is three numbers such as 2.14.0, each below 2^32, without leading zeros",
        )
    }
}

impl core::error::Error for ParseFirmwareVersionError {}

impl FromStr for FirmwareVersion {
    type Err = ParseFirmwareVersionError;

    fn from_str(text: &str) -> Result<Self, ParseFirmwareVersionError> {
        let mut parts = text.split('.').map(part);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => {
                Ok(Self([major, minor, patch]))
            }
            _ => Err(ParseFirmwareVersionError),
        }
    }
}

/// One number, which is written in one way only, so that a version has one text.
fn part(text: &str) -> Option<u32> {
    let is_canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| is_canonical)
}

impl fmt::Display for FirmwareVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

serde_as_text!(FirmwareVersion, "a firmware version such as 2.14.0");

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn versions_read_back_and_are_ordered_by_number() {
        let texts = ["0.0.0", "0.9.4294967295", "2.9.0", "2.14.0", "10.0.0"];
        let versions = texts.map(|text| text.parse::<FirmwareVersion>().unwrap());
        assert!(versions.is_sorted());
        assert_eq!(versions.map(|version| version.to_string()), texts);
    }

    #[test]
    fn refuses_what_is_no_version() {
        for text in
            ["", "1", "1.2", "1.2.3.4", "1..3", "01.2.3", "1.+2.3", "1.2.4294967296", "1.2.x", " 1.2.3"]
        {
            assert_eq!(text.parse::<FirmwareVersion>(), Err(ParseFirmwareVersionError), "{text}");
        }
    }
}
