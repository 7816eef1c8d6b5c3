//! Whether a device may run a package in place of what it runs.

use core::fmt;

use identity::{FirmwareVersion, ProductCode};

use crate::head::Manifest;

/// What a device runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Running {
    /// The product that the device was built as.
    pub product: ProductCode,
    /// The version of its firmware.
    pub version: FirmwareVersion,
    /// The highest security number of all firmware that it has run.
    pub security: u32,
}

/// What to do about a package that the maker has signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// The device runs it already.
    Runs,
    /// It goes in place of what the device runs.
    Replaces,
}

/// Why a device does not run a package, signed as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// It is for another product.
    OtherProduct,
    /// It is older than what the device runs, and nobody asked to roll back.
    Older,
    /// The device has run firmware behind which the maker lets none go back.
    Insecure,
}

impl Running {
    /// Judges a package. An earlier version is taken only where the device was asked to roll back, and never
    /// one with a lower security number than the device has run.
    ///
    /// # Errors
    /// The device must not run it.
    pub fn judge(&self, manifest: &Manifest, is_roll_back: bool) -> Result<Judgement, Rejection> {
        if manifest.product != self.product {
            return Err(Rejection::OtherProduct);
        }
        if manifest.version == self.version {
            return Ok(Judgement::Runs);
        }
        if manifest.security < self.security {
            return Err(Rejection::Insecure);
        }
        if manifest.version < self.version && !is_roll_back {
            return Err(Rejection::Older);
        }
        Ok(Judgement::Replaces)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherProduct => "the package is for another product",
            Self::Older => "the package is older than what runs",
            Self::Insecure => "the package's security number is below what has run",
        })
    }
}

impl core::error::Error for Rejection {}
