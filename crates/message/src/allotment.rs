//! Allotment: what a factory may make, as the authority tells its gateway.
//!
//! `GET /v1/allotment`.

use identity::profile::{
    CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, ProfileError, Sealing, SymmetricForm,
};
use identity::scan::CheckDigit;
use identity::{KeyIdentifier, MemberName, ProductCode, Serial};
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
    /// Which credentials its devices take.
    #[schema(value_type = CredentialFields)]
    pub credentials: Credentials,
    /// The pre-write key that its packs are sealed under now, where they are (source B table 500).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "A123-1")]
    pub key_identifier: Option<KeyIdentifier>,
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

/// A [`CredentialProfile`] as it travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "CredentialFields", into = "CredentialFields")]
pub struct Credentials(pub CredentialProfile);

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Credentials)]
struct CredentialFields {
    /// The key of the product's certificates, `p-256` or `p-384`; absent where it takes none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "p-256")]
    key_algorithm: Option<KeyAlgorithm>,
    /// Where that key is made, `authority` or `device`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "authority")]
    key_origin: Option<KeyOrigin>,
    /// How devices keep their pass phrase, `opened` or `sealed`; absent where they have none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "opened")]
    symmetric: Option<SymmetricForm>,
    /// Who can read secrets on their way: `plain`, `pre-write-key`, `device-key` or `chip-key`.
    #[schema(value_type = String, example = "pre-write-key")]
    sealing: Sealing,
}

impl TryFrom<CredentialFields> for Credentials {
    type Error = ProfileError;

    fn try_from(fields: CredentialFields) -> Result<Self, ProfileError> {
        let certificate = fields.key_algorithm.map(|algorithm| CertificateProfile {
            algorithm,
            origin: fields.key_origin.unwrap_or(KeyOrigin::Authority),
        });
        CredentialProfile::new(certificate, fields.symmetric, fields.sealing).map(Self)
    }
}

impl From<Credentials> for CredentialFields {
    fn from(Credentials(profile): Credentials) -> Self {
        Self {
            key_algorithm: profile.certificate().map(|certificate| certificate.algorithm),
            key_origin: profile.certificate().map(|certificate| certificate.origin),
            symmetric: profile.symmetric(),
            sealing: profile.sealing(),
        }
    }
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
