//! What a barcode scanner delivers, and the device number in it.

use core::fmt;

use crate::{DeviceNumber, ParseNumberError};

/// The check character that a product's rating plates carry after the serial.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum CheckDigit {
    /// None: the plate ends with the serial.
    #[default]
    None,
    /// ISO/IEC 7064 MOD 37-2 over product code and serial: one of `0`-`9`, `A`-`Z`, `*`. It finds
    /// every wrong character and every swap of two neighbours.
    Mod37_2,
}

/// Why a scan holds no device number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScanError {
    /// The text is not shaped like a device number.
    Number(ParseNumberError),
    /// The plate lacks the check character of its product.
    NoCheckDigit {
        /// Where it belongs.
        position: usize,
    },
    /// The check character does not fit: something was misread or mistyped.
    WrongCheckDigit {
        /// Where it stands.
        position: usize,
    },
}

impl ScanError {
    /// The index of the byte at which the scan, without scanner prefix and blanks, goes wrong.
    pub fn position(&self) -> usize {
        match self {
            Self::Number(error) => error.position(),
            Self::NoCheckDigit { position } | Self::WrongCheckDigit { position } => *position,
        }
    }
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(error) => error.fmt(f),
            Self::NoCheckDigit { .. } => f.write_str("the check character after the serial is missing"),
            Self::WrongCheckDigit { .. } => f.write_str("the check character does not fit the number"),
        }
    }
}

impl core::error::Error for ScanError {}

/// The device number in `scan`: blanks and line ends around it, and the symbology identifier some
/// scanners put before it (ISO/IEC 15424, such as `]C0`), are left out; the check character is
/// verified and removed where `check_digit_of` says that the product's plates carry one.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn device_number(
    scan: &str,
    check_digit_of: impl FnOnce(&str) -> CheckDigit,
) -> Result<DeviceNumber, ScanError> {
    let plate = without_symbology_identifier(scan.trim_ascii());
    let product = plate.split('-').next().unwrap_or_default();
    let number = match check_digit_of(product) {
        CheckDigit::None => plate,
        CheckDigit::Mod37_2 => without_check_character(plate)?,
    };
    number.parse().map_err(ScanError::Number)
}

/// The ISO/IEC 7064 MOD 37-2 check character of a device number.
pub fn check_character(number: &DeviceNumber) -> char {
    mod_37_2(&number.text())
}

fn without_symbology_identifier(text: &str) -> &str {
    match text.as_bytes() {
        [b']', kind, modifier, ..] if kind.is_ascii() && modifier.is_ascii() => &text[3..],
        _ => text,
    }
}

fn without_check_character(plate: &str) -> Result<&str, ScanError> {
    let Some((position, check)) = plate.char_indices().next_back() else {
        return Err(ScanError::NoCheckDigit { position: 0 });
    };
    let number = &plate[..position];
    let Ok(parsed) = number.parse::<DeviceNumber>() else {
        // Say what is wrong with the number itself where it would be wrong either way.
        return Err(match plate.parse::<DeviceNumber>() {
            Ok(_) => ScanError::NoCheckDigit { position: plate.len() },
            Err(error) => ScanError::Number(error),
        });
    };
    if check_character(&parsed) == check { Ok(number) } else { Err(ScanError::WrongCheckDigit { position }) }
}

/// ISO/IEC 7064, pure system MOD 37-2: the sum of each character's value times its power of two is
/// 1 modulo 37. The hyphen is no part of it.
fn mod_37_2(number: &str) -> char {
    const ALPHABET: &[u8; 37] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*";
    let sum = number.chars().filter_map(|c| c.to_digit(36)).fold(0, |sum, value| (sum + value) * 2 % 37);
    char::from(ALPHABET[((38 - sum) % 37) as usize])
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    fn scan(text: &str, check_digit: CheckDigit) -> Result<DeviceNumber, ScanError> {
        device_number(text, |_| check_digit)
    }

    #[test]
    fn standard_example_has_its_check_character() {
        // ISO/IEC 7064, example for MOD 37-2: the donation number G123 498 654 321 ends in H.
        assert_eq!(mod_37_2("G123498654321"), 'H');
    }

    #[test]
    fn scanner_trimmings_are_left_out() {
        let expected = "3012-123456".parse().unwrap();
        for text in ["3012-123456", "]C03012-123456\r\n", "  3012-123456\t"] {
            assert_eq!(scan(text, CheckDigit::None).as_ref(), Ok(&expected), "{text:?}");
        }
    }

    #[test]
    fn every_single_slip_on_a_plate_with_check_character_is_found() {
        let alphabet: Vec<char> = ('0'..='9').chain('A'..='Z').collect();
        for serial in (100_000..100_200).chain([999_999]) {
            let number: DeviceNumber = format!("A12B-{serial}").parse().unwrap();
            let plate: Vec<char> = format!("{number}{}", check_character(&number)).chars().collect();
            let read = |plate: &[char]| scan(&plate.iter().collect::<String>(), CheckDigit::Mod37_2);
            assert_eq!(read(&plate), Ok(number));
            for position in 0..plate.len() {
                for &wrong in alphabet.iter().filter(|c| **c != plate[position]) {
                    let mut slip = plate.clone();
                    slip[position] = wrong;
                    assert!(read(&slip).is_err(), "{slip:?}");
                }
                if position + 1 < plate.len() && plate[position] != plate[position + 1] {
                    let mut slip = plate.clone();
                    slip.swap(position, position + 1);
                    assert!(read(&slip).is_err(), "{slip:?}");
                }
            }
        }
    }

    #[test]
    fn a_missing_check_character_is_named() {
        let error = scan("3012-123456", CheckDigit::Mod37_2).unwrap_err();
        assert!(matches!(
            error,
            ScanError::NoCheckDigit { position: 11 } | ScanError::WrongCheckDigit { .. }
        ));
        assert_eq!(scan("", CheckDigit::Mod37_2), Err(ScanError::NoCheckDigit { position: 0 }));
    }
}
