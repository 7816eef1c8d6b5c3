//! Device numbers as they stand on the rating plate: `3012-123456`.

use core::fmt;
use core::str::FromStr;

use heapless::String;

use crate::text::serde_as_text;

/// Which family of devices a device belongs to: 4 to 8 capital letters and digits, such as `A123`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProductCode(String<{ ProductCode::LENGTH_MAX }>);

impl ProductCode {
    /// The fewest characters a product code has.
    pub const LENGTH_MIN: usize = 4;
    /// The most characters a product code has.
    pub const LENGTH_MAX: usize = 8;

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A device's number within its product: 6 to 12 digits, leading zeros kept, so that `000042` and
/// `0000042` are two serials.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Serial {
    digits: u8,
    value: u64,
}

impl Serial {
    /// The fewest digits a serial has.
    pub const DIGITS_MIN: usize = 6;
    /// The most digits a serial has.
    pub const DIGITS_MAX: usize = 12;

    /// The serial that shows `value` with `digits` digits, or `None` where that is not a serial.
    pub fn new(value: u64, digits: u8) -> Option<Self> {
        let width = usize::from(digits);
        let allowed = (Self::DIGITS_MIN..=Self::DIGITS_MAX).contains(&width);
        (allowed && value < 10u64.pow(digits.into())).then_some(Self { digits, value })
    }

    /// The serial as a number.
    pub fn value(self) -> u64 {
        self.value
    }

    /// How many digits the serial is written with.
    pub fn digits(self) -> u8 {
        self.digits
    }

    /// The next serial of the same width, or `None` after the last (`999999`).
    pub fn next(self) -> Option<Self> {
        Self::new(self.value + 1, self.digits)
    }
}

/// The name of one device for all its life: product code, `-`, serial.
///
/// ```
/// use identity::DeviceNumber;
/// let number: DeviceNumber = "3012-123456".parse()?;
/// assert_eq!(number.product().as_str(), "3012");
/// assert_eq!(number.serial().value(), 123456);
/// assert_eq!("3012/123456".parse::<DeviceNumber>().unwrap_err().position(), 4);
/// # Ok::<(), identity::ParseNumberError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceNumber {
    product: ProductCode,
    serial: Serial,
}

impl DeviceNumber {
    /// The most characters a device number has.
    pub const LENGTH_MAX: usize = ProductCode::LENGTH_MAX + 1 + Serial::DIGITS_MAX;

    /// The device number of the given parts.
    pub fn new(product: ProductCode, serial: Serial) -> Self {
        Self { product, serial }
    }

    /// The product code.
    pub fn product(&self) -> &ProductCode {
        &self.product
    }

    /// The serial within the product.
    pub fn serial(&self) -> Serial {
        self.serial
    }

    /// The number as text, without allocating.
    pub fn text(&self) -> String<{ DeviceNumber::LENGTH_MAX }> {
        let mut text = String::new();
        fmt::Write::write_fmt(&mut text, format_args!("{self}")).expect("the longest device number fits");
        text
    }
}

/// Why a text is not a product code, serial or device number, and where it goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseNumberError {
    position: usize,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    ProductTooShort,
    ProductTooLong,
    ProductCharacter,
    SerialTooShort,
    SerialTooLong,
    SerialCharacter,
    NoHyphen,
}

impl ParseNumberError {
    /// The index of the byte at which the text goes wrong; its length where something is missing.
    pub fn position(&self) -> usize {
        self.position
    }

    fn new(position: usize, fault: Fault) -> Self {
        Self { position, fault }
    }

    fn shifted(self, by: usize) -> Self {
        Self::new(self.position + by, self.fault)
    }
}

impl fmt::Display for ParseNumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match self.fault {
            Fault::ProductTooShort => "a product code has at least 4 characters",
            Fault::ProductTooLong => "a product code has at most 8 characters",
            Fault::ProductCharacter => "a product code has only capital letters and digits",
            Fault::SerialTooShort => "a serial has at least 6 digits",
            Fault::SerialTooLong => "a serial has at most 12 digits",
            Fault::SerialCharacter => "a serial has only digits",
            Fault::NoHyphen => "a hyphen belongs between product code and serial",
        };
        write!(f, "{fault} (character {})", self.position + 1)
    }
}

impl core::error::Error for ParseNumberError {}

impl FromStr for ProductCode {
    type Err = ParseNumberError;

    fn from_str(text: &str) -> Result<Self, ParseNumberError> {
        let is_allowed = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit();
        if let Some(position) = text.bytes().position(|c| !is_allowed(c)) {
            return Err(ParseNumberError::new(position, Fault::ProductCharacter));
        }
        if text.len() < Self::LENGTH_MIN {
            return Err(ParseNumberError::new(text.len(), Fault::ProductTooShort));
        }
        String::try_from(text)
            .map(Self)
            .map_err(|_| ParseNumberError::new(Self::LENGTH_MAX, Fault::ProductTooLong))
    }
}

impl FromStr for Serial {
    type Err = ParseNumberError;

    fn from_str(text: &str) -> Result<Self, ParseNumberError> {
        if let Some(position) = text.bytes().position(|c| !c.is_ascii_digit()) {
            return Err(ParseNumberError::new(position, Fault::SerialCharacter));
        }
        if text.len() < Self::DIGITS_MIN {
            return Err(ParseNumberError::new(text.len(), Fault::SerialTooShort));
        }
        let too_long = ParseNumberError::new(Self::DIGITS_MAX, Fault::SerialTooLong);
        let digits = u8::try_from(text.len()).map_err(|_| too_long)?;
        let value = text.parse().map_err(|_| too_long)?;
        Self::new(value, digits).ok_or(too_long)
    }
}

impl FromStr for DeviceNumber {
    type Err = ParseNumberError;

    fn from_str(text: &str) -> Result<Self, ParseNumberError> {
        let Some((product, serial)) = text.split_once('-') else {
            let end = text.bytes().position(|c| !c.is_ascii_alphanumeric());
            return Err(ParseNumberError::new(end.unwrap_or(text.len()), Fault::NoHyphen));
        };
        let serial_start = product.len() + 1;
        Ok(Self {
            product: product.parse()?,
            serial: serial.parse().map_err(|error: ParseNumberError| error.shifted(serial_start))?,
        })
    }
}

impl fmt::Display for ProductCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.value, width = usize::from(self.digits))
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.product, self.serial)
    }
}

serde_as_text!(ProductCode, "a product code of 4 to 8 capital letters and digits");
serde_as_text!(Serial, "a serial of 6 to 12 digits");
serde_as_text!(DeviceNumber, "a device number such as 3012-123456");

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn figures_numbers_read_back_as_written() {
        for text in ["3012-123456", "3012-123459", "A123-654321", "ABCDEFGH-000000000042"] {
            assert_eq!(text.parse::<DeviceNumber>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_error_names_the_first_wrong_character() {
        for (text, position) in [
            ("", 0),
            ("3012", 4),
            ("301-123456", 3),
            ("301x-123456", 3),
            ("3012-12345", 10),
            ("3012-12a456", 7),
            ("3012-1234567890123", 17),
            ("ABCDEFGHI-123456", 8),
            ("3012-123456-", 11),
            ("３012-123456", 0),
        ] {
            assert_eq!(text.parse::<DeviceNumber>().unwrap_err().position(), position, "{text}");
        }
    }

    #[test]
    fn serials_run_on_and_end() {
        assert_eq!("000009".parse::<Serial>().unwrap().next().unwrap().to_string(), "000010");
        assert_eq!("999999".parse::<Serial>().unwrap().next(), None);
    }
}
