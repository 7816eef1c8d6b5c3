//! Leasing: a station asks the gateway for the pack of the device in front of it.
//!
//! `POST /v1/leases`, source A Figs. 17 (S5) and 22.

use identity::{DeviceNumber, HardwareUid, KeyIdentifier, ProductCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::Bytes;
use crate::pack::CredentialPack;
use crate::random_id::random_id;

random_id! {
    /// One try of one station to write one device: 16 random bytes, 32 hexadecimal digits in text.
    ///
    /// It is the idempotency key of a lease and of the result that follows.
    AttemptId, ParseAttemptError, "an attempt is 32 hexadecimal digits"
}

/// What a station asks: the pack for the scanned number, for the device on its port.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseRequest {
    /// The attempt; the same attempt gives the same answer.
    pub attempt: AttemptId,
    /// The scanned number, check character verified and removed.
    #[schema(value_type = String, example = "3012-123456")]
    pub device_number: DeviceNumber,
    /// The product that the device on the port says it is.
    #[schema(value_type = String, example = "3012")]
    pub product: ProductCode,
    /// The chip of the device on the port.
    #[schema(value_type = String, example = "0011223344556677")]
    pub hardware_uid: HardwareUid,
    /// The pre-write key that the device's firmware was built with, where it says so. A pack that is
    /// sealed under another would not open.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "A123-1")]
    pub key_identifier: Option<KeyIdentifier>,
    /// The chip's own public key, an uncompressed P-256 point, where it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chip_key: Option<Bytes>,
    /// The device's signing request (RFC 2986 DER), where it made its key itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signing_request: Option<Bytes>,
}

/// The gateway's answer: the pack is leased to this station for this device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lease {
    /// The number the pack is for.
    #[schema(value_type = String, example = "3012-123456")]
    pub device_number: DeviceNumber,
    /// The pack to write.
    pub pack: CredentialPack,
    /// Whether the device's certificate is still to come, since the authority could not be asked. The
    /// device proves the key that it made, and collects the certificate when it first calls.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub certificate_owed: bool,
    /// When the lease runs out, in seconds since 1970; without a result the credential is then suspect.
    pub expires: i64,
}
