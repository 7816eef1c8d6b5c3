//! The figures of a factory: `GET /v1/status` at the gateway.

use identity::profile::CredentialKind;
use identity::{CredentialId, KeyIdentifier, MemberName, ProductCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a factory stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FactoryStatus {
    /// The factory's name.
    #[schema(value_type = String, example = "osaka")]
    pub factory: MemberName,
    /// One entry a product and kind of credential that its devices take.
    pub products: Vec<ProductStatus>,
    /// Plan against written, a row a product and planned day.
    pub days: Vec<DayStatus>,
    /// Records that wait for the authority.
    pub outbox: u64,
    /// Records that the authority refused, which wait for a person.
    pub parked: Vec<ParkedRecord>,
}

/// How one kind of a product's credentials stands at a factory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProductStatus {
    /// The product.
    #[schema(value_type = String, example = "3012")]
    pub product: ProductCode,
    /// Which of its credentials: `certificate` or `symmetric`.
    #[schema(value_type = String, example = "certificate")]
    pub credential: CredentialKind,
    /// The pre-write key that its packs are sealed under now, where they are (source B table 500).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "A123-1")]
    pub key_identifier: Option<KeyIdentifier>,
    /// Numbers reserved, or symmetric credentials ordered, whose packs have not arrived yet.
    pub reserved: u64,
    /// Packs in stock.
    pub stocked: u64,
    /// Those of them that are sealed under another pre-write key than the product's current one.
    pub stocked_under_other_key: u64,
    /// Packs leased to a station.
    pub leased: u64,
    /// Devices that say they hold their pack, not proved yet.
    pub written: u64,
    /// Devices that proved it.
    pub verified: u64,
    /// Devices that proved a key of their own, whose certificate is still to come.
    pub owed: u64,
    /// Packs of which nobody knows, or which the authority disputes.
    pub suspect: u64,
    /// Packs withdrawn.
    pub voided: u64,
    /// Units planned from today on.
    pub planned_ahead: u64,
}

/// Plan against written on one day.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DayStatus {
    /// The day, `2003-03-17`.
    pub day: String,
    /// The product.
    #[schema(value_type = String, example = "3012")]
    pub product: ProductCode,
    /// Units planned.
    pub planned: u64,
    /// Devices proved on that day.
    pub verified: u64,
}

/// A record that the authority refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParkedRecord {
    /// The record's number.
    pub sequence: u64,
    /// Its credential: a device number, or an apparatus ID.
    #[schema(value_type = String, example = "3012-123456")]
    pub credential: CredentialId,
    /// Why it was refused.
    pub reason: String,
}
