//! Which devices share a common certificate.

use core::fmt;
use core::num::NonZeroU16;
use core::str::FromStr;

use crate::device_number::ProductCode;
use crate::text::serde_as_text;

/// The devices of one product that were built with the same common certificate: product code, `-`,
/// and a number from 1 to 65535 that counts the product's batches, such as `3012-1`. It has fewer digits than
/// any serial, so no batch is ever taken for a device.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommonBatch {
    product: ProductCode,
    number: NonZeroU16,
}

impl CommonBatch {
    /// The batch of this number of a product.
    pub fn new(product: ProductCode, number: NonZeroU16) -> Self {
        Self { product, number }
    }

    /// The product.
    pub fn product(&self) -> &ProductCode {
        &self.product
    }

    /// Which of the product's batches it is, from 1.
    pub fn number(&self) -> NonZeroU16 {
        self.number
    }
}

/// The text is not the name of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseCommonBatchError;

impl fmt::Display for ParseCommonBatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a batch is a product code, a hyphen and a number from 1 to 65535, such as 3012-1")
    }
}

impl core::error::Error for ParseCommonBatchError {}

impl FromStr for CommonBatch {
    type Err = ParseCommonBatchError;

    fn from_str(text: &str) -> Result<Self, ParseCommonBatchError> {
        let (product, number) = text.split_once('-').ok_or(ParseCommonBatchError)?;
        // One text a batch: no sign and no leading zeros.
        if !number.bytes().all(|c| c.is_ascii_digit()) || number.starts_with('0') {
            return Err(ParseCommonBatchError);
        }
        let product = product.parse().map_err(|_| ParseCommonBatchError)?;
        let number = number.parse().map_err(|_| ParseCommonBatchError)?;
        Ok(Self { product, number })
    }
}

impl fmt::Display for CommonBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.product, self.number)
    }
}

serde_as_text!(CommonBatch, "a batch such as 3012-1");

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;
    use crate::DeviceNumber;

    #[test]
    fn batches_read_back_and_none_is_a_device() {
        for text in ["3012-1", "A123-42", "ABCD1234-65535"] {
            assert_eq!(text.parse::<CommonBatch>().unwrap().to_string(), text);
            assert!(text.parse::<DeviceNumber>().is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_batch() {
        for text in
            ["", "3012", "3012-", "3012-0", "3012-01", "3012-+1", "3012-65536", "301-1", "3012-123456"]
        {
            assert_eq!(text.parse::<CommonBatch>(), Err(ParseCommonBatchError), "{text}");
        }
    }
}
