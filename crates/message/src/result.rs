//! Write results: what became of a lease, with the device's proof.
//!
//! `POST /v1/results`, source A Figs. 17 (S10 to S13) and 23B.

use identity::{ApparatusId, DeviceNumber, HardwareUid};
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

/// What the device proves: that it holds its certificate's key, by a signature over
/// [`identity::line::proof_message`], and that it holds its pass phrase, by two one-way values of it.
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
    /// ECDSA with the key of the device's certificate, or of the certificate that it is owed: `r` and `s`,
    /// of 32 bytes each on P-256 and of 48 on P-384. Absent where the product takes no certificate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signature: Option<Bytes>,
    /// Absent where the product takes no symmetric credential.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confirmation: Option<Confirmation>,
}

/// Two one-way values of the pass phrase that a device now holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Confirmation {
    /// Whose pass phrase.
    #[schema(value_type = String, example = "4TP9X2QZ7V0C3M8RHJ6KDWBN1E")]
    pub apparatus_id: ApparatusId,
    /// The value that the factory was given beforehand, 32 bytes.
    pub station: Bytes,
    /// The value that only the authority can check, 32 bytes: bound to device number, chip and batch.
    pub authority: Bytes,
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
