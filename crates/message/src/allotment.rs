//! Allotment: what a factory may make, as the authority tells its gateway.
//!
//! `GET /v1/allotment`.

use identity::scan::CheckDigit;
use identity::{MemberName, ProductCode, Serial};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All that one factory may make.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Allotment {
    /// The factory's name.
    #[schema(value_type = String, example = "osaka")]
    pub factory: MemberName,
    /// One entry a product.
    pub products: Vec<ProductAllotment>,
}

/// What a factory may make of one product.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProductAllotment {
    /// The product.
    #[schema(value_type = String, example = "3012")]
    pub product: ProductCode,
    /// Which check character the product's rating plates carry.
    pub check_digit: CheckDigitName,
    /// How many credentials the factory may be issued in all.
    pub quota: u64,
    /// How many it has been issued.
    pub issued: u64,
    /// The serials from which the factory numbers its devices, in order of use.
    pub serial_ranges: Vec<SerialRange>,
}

/// Serials `first` to `last`, both included, of the same width.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SerialRange {
    /// The first serial.
    #[schema(value_type = String, example = "123456")]
    pub first: Serial,
    /// The last serial.
    #[schema(value_type = String, example = "129999")]
    pub last: Serial,
}

/// A [`CheckDigit`] by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckDigitName {
    /// No check character.
    None,
    /// ISO/IEC 7064 MOD 37-2.
    #[serde(rename = "mod-37-2")]
    Mod37_2,
}

impl From<CheckDigitName> for CheckDigit {
    fn from(name: CheckDigitName) -> Self {
        match name {
            CheckDigitName::None => Self::None,
            CheckDigitName::Mod37_2 => Self::Mod37_2,
        }
    }
}
