//! The figures of a factory: `GET /v1/status` at the gateway.

use identity::{MemberName, ProductCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a factory stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FactoryStatus {
    /// The factory's name.
    #[schema(value_type = String, example = "osaka")]
    pub factory: MemberName,
    /// One entry a product that takes a credential.
    pub products: Vec<ProductStatus>,
    /// Plan against written, a row a product and planned day.
    pub days: Vec<DayStatus>,
    /// Records that wait for the authority.
    pub outbox: u64,
    /// Records that the authority refused, which wait for a person.
    pub parked: Vec<ParkedRecord>,
}

/// How one product stands at a factory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProductStatus {
    /// The product.
    #[schema(value_type = String, example = "3012")]
    pub product: ProductCode,
    /// Numbers reserved whose packs have not arrived yet.
    pub reserved: u64,
    /// Packs in stock.
    pub stocked: u64,
    /// Packs leased to a station.
    pub leased: u64,
    /// Devices that say they hold their pack, not proved yet.
    pub written: u64,
    /// Devices that proved it.
    pub verified: u64,
    /// Packs of which nobody knows.
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
    /// Its device number.
    #[schema(value_type = String, example = "3012-123456")]
    pub device_number: identity::DeviceNumber,
    /// Why it was refused.
    pub reason: String,
}
