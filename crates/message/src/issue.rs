//! Issuing: a gateway asks for packs, and the authority answers.
//!
//! `POST /v1/packs` asks for certificates by device number (source A Fig. 21), `POST
//! /v1/apparatus-packs` for a batch of symmetric credentials that are not yet anybody's (source B
//! table 702), both ahead of the need. `POST /v1/device-packs` asks on the spot for what depends on
//! the one device that stands before a station.

use identity::{DeviceNumber, HardwareUid, KeyIdentifier, ProductCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::Bytes;
use crate::pack::{ApparatusPack, CertificatePack, CertificatePackFields};
use crate::random_id::random_id;

/// The most device numbers in one [`CertificateTransmissionRequest`].
pub const DEVICE_NUMBERS_MAX: usize = 1_000;

/// Certificate transmission request: packs wanted for these device numbers.
///
/// The numbers are the idempotency key: a number asked for again by the same gateway, before it
/// has reported the pack as stocked, yields the same pack. All are answered or, with a problem, none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateTransmissionRequest {
    /// 1 to 1 000 different device numbers.
    #[schema(value_type = Vec<String>, example = json!(["3012-123456"]))]
    pub device_numbers: Vec<DeviceNumber>,
}

/// Certificate transmission: a pack for each number, in the order asked.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateTransmission {
    /// One entry for each number of the request.
    pub packs: Vec<NumberedPack>,
}

/// A device number with its pack.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NumberedPack {
    /// The number that the pack's client certificate names.
    #[schema(value_type = String, example = "3012-123456")]
    pub device_number: DeviceNumber,
    /// What the device of this number stores.
    #[schema(value_type = CertificatePackFields)]
    pub pack: CertificatePack,
}

/// The most packs in one [`ApparatusPackRequest`].
pub const APPARATUS_PACKS_MAX: u32 = 1_000;

random_id! {
    /// One order of a gateway for symmetric credentials: 16 random bytes, 32 hexadecimal digits in text.
    ///
    /// It is the order's idempotency key.
    OrderId, ParseOrderIdError, "an order is 32 hexadecimal digits"
}

/// A gateway asks for a batch of symmetric credentials of one product. They are bound to device
/// numbers only when they are written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApparatusPackRequest {
    /// The order; the same order gives the same packs, until the gateway has reported one as stocked.
    pub order: OrderId,
    /// The product.
    #[schema(value_type = String, example = "A123")]
    pub product: ProductCode,
    /// How many, 1 to 1 000.
    pub count: u32,
}

/// The batch: as many packs as were asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApparatusPacks {
    /// All of one challenge.
    pub packs: Vec<ApparatusPack>,
}

/// A gateway asks, for the device before a station, for that of its credentials which cannot be made
/// without it: what is sealed to its chip, and a certificate for a key that it made itself. The answer
/// is a [`CredentialPack`](crate::pack::CredentialPack) with these and nothing else.
///
/// Number and chip are the idempotency key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DevicePackRequest {
    /// The number on the device's plate.
    #[schema(value_type = String, example = "A123-654321")]
    pub device_number: DeviceNumber,
    /// The device's chip.
    #[schema(value_type = String, example = "0011223344556677")]
    pub hardware_uid: HardwareUid,
    /// The pre-write key that the device's firmware was built with, where it says so; else the product's
    /// current one is taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "A123-1")]
    pub key_identifier: Option<KeyIdentifier>,
    /// The chip's own public key, an uncompressed P-256 point, where packs are sealed to it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chip_key: Option<Bytes>,
    /// The device's signing request (RFC 2986 DER), where it made its key itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signing_request: Option<Bytes>,
}
