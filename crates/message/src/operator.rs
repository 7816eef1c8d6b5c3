//! Operators: whose badges a station may believe, and the scrapping of a device by two of them.
//!
//! `GET /v1/operators`, `POST /v1/scraps`.

use std::fmt;
use std::str::FromStr;

use identity::{DeviceNumber, HardwareUid, MemberName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::random_id::random_id;

random_id! {
    /// The random name by which a scrapping is known, an idempotency key.
    ScrapId, ParseScrapIdError, "the name of a scrapping is 32 hexadecimal digits"
}

/// All operators of a factory, as its stations keep them for when the gateway cannot be reached.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operators {
    /// One entry an operator whose badge is good.
    pub operators: Vec<Operator>,
}

/// An operator, and by what their badge is recognised.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operator {
    /// Their name.
    #[schema(value_type = String, example = "sato")]
    pub name: MemberName,
    /// SHA-256 of the code on their badge, hexadecimal. The code has too many values to be guessed from it.
    pub badge_sha256: String,
}

/// Asks that a device whose write failed, and its number, be scrapped: two operators have shown their badges.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScrapRequest {
    /// The same scrapping gets the same answer.
    pub scrap: ScrapId,
    /// The number on the plate.
    #[schema(value_type = String, example = "3012-123456")]
    pub device_number: DeviceNumber,
    /// The chip of the device; it must be the one that the number was given to.
    #[schema(value_type = String, example = "0011223344556677")]
    pub hardware_uid: HardwareUid,
    /// The badge of the operator at the station.
    #[schema(value_type = String, example = "B-0123456789ABCDEF0123")]
    pub first_badge: BadgeCode,
    /// The badge of someone else.
    #[schema(value_type = String, example = "B-123456789ABCDEF01234")]
    pub second_badge: BadgeCode,
}

/// The number is void.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScrapResponse {
    /// The number that was scrapped.
    #[schema(value_type = String, example = "3012-123456")]
    pub device_number: DeviceNumber,
    /// Who scrapped it.
    #[schema(value_type = Vec<String>)]
    pub operators: [MemberName; 2],
}

/// The code on an operator's badge: `B-` and 20 hexadecimal digits, so that no scanner takes it for a device
/// number. Whoever has it signs on as the operator, so it is wiped on drop and never shown.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BadgeCode(String);

/// The text is not the code of a badge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a badge's code is B- and 20 hexadecimal digits")]
pub struct ParseBadgeError;

impl BadgeCode {
    const PREFIX: &str = "B-";
    /// How many random bytes are in a code.
    pub const RANDOM_BYTES: usize = 10;

    /// The code of the given random bytes.
    pub fn new(random: [u8; Self::RANDOM_BYTES]) -> Self {
        Self(format!("{}{}", Self::PREFIX, hex::encode_upper(random)))
    }

    /// The code, for the one who prints or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for BadgeCode {
    type Err = ParseBadgeError;

    /// Reads what a scanner delivers; the symbology identifier some put before it is left out.
    fn from_str(scan: &str) -> Result<Self, ParseBadgeError> {
        let scan = scan.trim();
        let code = match scan.as_bytes() {
            [b']', kind, modifier, ..] if kind.is_ascii() && modifier.is_ascii() => &scan[3..],
            _ => scan,
        };
        let digits = code.strip_prefix(Self::PREFIX).ok_or(ParseBadgeError)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        if digits.len() == 2 * Self::RANDOM_BYTES && digits.bytes().all(is_digit) {
            Ok(Self(code.to_owned()))
        } else {
            Err(ParseBadgeError)
        }
    }
}

impl TryFrom<String> for BadgeCode {
    type Error = ParseBadgeError;

    fn try_from(mut text: String) -> Result<Self, ParseBadgeError> {
        let parsed = text.parse();
        text.zeroize();
        parsed
    }
}

impl From<BadgeCode> for String {
    fn from(code: BadgeCode) -> Self {
        code.0.clone()
    }
}

impl fmt::Debug for BadgeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a badge's code")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_reads_back_from_a_scan_and_is_no_device_number() {
        let code = BadgeCode::new([0xab; 10]);
        assert_eq!(code.expose(), "B-ABABABABABABABABABAB");
        assert!(code.expose().parse::<DeviceNumber>().is_err());
        for scan in ["B-ABABABABABABABABABAB\r\n", "]C0B-ABABABABABABABABABAB"] {
            assert_eq!(scan.parse::<BadgeCode>().as_ref(), Ok(&code), "{scan}");
        }
        for scan in ["", "B-", "3012-123456", "B-ABABABABABABABABABA", "b-ababababababababab"] {
            assert_eq!(scan.parse::<BadgeCode>(), Err(ParseBadgeError), "{scan}");
        }
        assert!(!format!("{code:?}").contains("AB"));
    }
}
