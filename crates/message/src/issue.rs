//! Issuing: a gateway asks for packs by device number, the authority answers with a pack each.
//!
//! `POST /v1/packs`, source A Fig. 21.

use identity::DeviceNumber;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::{Bytes, SecretBytes};

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
    pub pack: CertificatePack,
}

/// Certificate pack (source A Figs. 20 to 22): what makes a device that device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificatePack {
    /// The root certificate ("route certificate" in the figures), X.509 DER.
    pub root_certificate: Bytes,
    /// The certificate of the CA that signed the client certificate, X.509 DER.
    pub issuing_certificate: Bytes,
    /// The device's own certificate, X.509 DER.
    pub client_certificate: Bytes,
    /// The key of the client certificate, PKCS#8 DER (RFC 5958).
    pub secret_key: SecretBytes,
}
