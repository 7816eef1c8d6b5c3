//! Recovery: a device that has lost its certificate, or cannot use it, asks for another one under its
//! common certificate.
//!
//! `POST /v1/recoveries`, over mutual TLS with the common certificate, which says of the device nothing
//! but its batch. So the request brings a second proof, tied to this very connection; or it waits for a
//! person's word, and the device asks again. The key is the idempotency key: the same request for the same
//! key is answered by where it stands. The device then confirms the certificate as it does any that is
//! [renewed](crate::standing).

use identity::{ApparatusId, DeviceNumber, HardwareUid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::Bytes;
use crate::pack::CredentialPack;

/// Tells these signatures from any other that the same key makes.
const LABEL: &[u8] = b"touchmark recovery 1";

/// What a device asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecoveryRequest {
    /// The number on its rating plate.
    #[schema(value_type = String, example = "3012-123456")]
    pub device_number: DeviceNumber,
    /// The number of its chip.
    #[schema(value_type = String, example = "0011223344556677")]
    pub hardware_uid: HardwareUid,
    /// PKCS#10 signing request (RFC 2986), DER, for a key that the device has just made.
    pub signing_request: Bytes,
    /// How it shows that it is the device of that number, where it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<RecoveryProof>,
}

/// What a device still has of its identity. Each is tied to the connection, to the chip and to the new key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum RecoveryProof {
    /// The pass phrase of its symmetric credential.
    PassPhrase {
        /// The name of that credential.
        #[schema(value_type = String)]
        apparatus_id: ApparatusId,
        /// HMAC-SHA-256 under the pass phrase, of 32 bytes.
        hmac: Bytes,
    },
    /// The key of its last certificate, which may have expired.
    FormerKey {
        /// ECDSA over [`recovery_message`] with that key: `r` and `s`.
        signature: Bytes,
    },
}

/// Where a request stands that was not refused.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum RecoveryAnswer {
    /// A person decides; the device asks again later.
    Pending {
        /// What the request goes by, for whoever decides.
        recovery: u64,
    },
    /// The certificate.
    Issued {
        /// What the request goes by.
        recovery: u64,
        /// The certificate, for the key of the request, and nothing else.
        pack: Box<CredentialPack>,
    },
}

/// What the device signs with its former key: a label, its number, its chip, SHA-256 of the new key's
/// public key info, and the connection, 32 bytes that TLS exports under the label
/// `EXPORTER-Channel-Binding` (RFC 9266), each behind its length in four bytes, highest first.
pub fn recovery_message(
    device_number: &DeviceNumber,
    hardware_uid: &HardwareUid,
    public_key_sha256: &[u8; 32],
    channel_binding: &[u8; 32],
) -> Vec<u8> {
    let number = device_number.text();
    let mut message = Vec::new();
    let parts = [LABEL, number.as_bytes(), hardware_uid.as_bytes(), public_key_sha256, channel_binding];
    for part in parts {
        let length = u32::try_from(part.len()).expect("every part is short");
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}
