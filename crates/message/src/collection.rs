//! Collecting: a device that made its own key while its authority could not be asked fetches the
//! certificate that it is owed.
//!
//! `POST /v1/collections`, over TLS without a client certificate, since the device has none yet. Its
//! key speaks for it: it signs what ties the request to this very connection. The answer is a
//! [`CredentialPack`](crate::pack::CredentialPack) with its certificate and nothing else.

use identity::DeviceNumber;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::Bytes;

/// Tells these signatures from any other that the same key makes.
const LABEL: &[u8] = b"touchmark collection 1";

/// What a device asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollectionRequest {
    /// The number that it was confirmed as.
    #[schema(value_type = String, example = "A123-654321")]
    pub device_number: DeviceNumber,
    /// ECDSA over [`collection_message`] with the key that the device made: `r` and `s`.
    pub signature: Bytes,
}

/// What the device signs: a label, its number and the connection, 32 bytes that TLS exports under the
/// label `EXPORTER-Channel-Binding` (RFC 9266), each behind its length in four bytes, highest first.
pub fn collection_message(device_number: &DeviceNumber, channel_binding: &[u8; 32]) -> Vec<u8> {
    let number = device_number.text();
    let mut message = Vec::new();
    for part in [LABEL, number.as_bytes(), channel_binding] {
        let length = u32::try_from(part.len()).expect("every part is short");
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}
