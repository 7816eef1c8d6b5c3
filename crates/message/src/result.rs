//! Write results: what became of a lease, with the device's proof.
//!
//! `POST /v1/results`, source A Figs. 17 (S10 to S13) and 23B.

use identity::{DeviceNumber, HardwareUid};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::Bytes;
use crate::lease::AttemptId;

/// Write result transmission from a station to its gateway.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WriteResultTransmission {
    /// The attempt of the lease; the same attempt and outcome give the same answer.
    pub attempt: AttemptId,
    /// The number that was written.
    #[schema(value_type = String, example = "3012-123456")]
    pub device_number: DeviceNumber,
    /// How it ended.
    pub outcome: WriteOutcome,
}

/// How a write ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "result", deny_unknown_fields)]
pub enum WriteOutcome {
    /// The device has stored the pack and proved that it holds the key.
    #[serde(rename = "O.K.")]
    Ok {
        /// The device's proof of possession.
        proof: Proof,
    },
    /// The device has not stored the pack, or nobody knows.
    #[serde(rename = "N.G.", rename_all = "camelCase")]
    NoGood {
        /// What happened, for people.
        reason: String,
        /// Whether the device certainly holds nothing of the pack (it refused before it wrote).
        /// The credential then stays leased and may be tried again; otherwise it is suspect.
        untouched: bool,
    },
}

/// Proof of possession: the device's signature with its new key over
/// [`identity::line::proof_message`], and what the message was made of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proof {
    /// The chip that signed.
    #[schema(value_type = String, example = "0011223344556677")]
    pub hardware_uid: HardwareUid,
    /// The station's fresh challenge, 32 bytes.
    pub challenge: Bytes,
    /// SHA-256 over the pack as the device read it back from its flash, 32 bytes.
    pub pack_digest: Bytes,
    /// ECDSA P-256 with SHA-256, `r` and `s` of 32 bytes each.
    pub signature: Bytes,
}

/// Write result response: the result is stored, and the station may release the device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WriteResultResponse {
    /// The number the result was for.
    #[schema(value_type = String, example = "3012-123456")]
    pub device_number: DeviceNumber,
    /// Where the credential stands now, as a credential state's name.
    #[schema(value_type = String, example = "verified")]
    pub state: identity::CredentialState,
}
