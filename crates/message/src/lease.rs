//! Leasing: a station asks the gateway for the pack of the device in front of it.
//!
//! `POST /v1/leases`, source A Figs. 17 (S5) and 22.

use std::fmt;
use std::str::FromStr;

use identity::{DeviceNumber, HardwareUid, ProductCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::issue::CertificatePack;

/// One try of one station to write one device: 16 random bytes, 32 hexadecimal digits in text.
///
/// It is the idempotency key of a lease and of the result that follows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
pub struct AttemptId([u8; 16]);

impl AttemptId {
    /// The attempt of the given random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }
}

/// The text is not 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an attempt is 32 hexadecimal digits")]
pub struct ParseAttemptError;

impl FromStr for AttemptId {
    type Err = ParseAttemptError;

    fn from_str(text: &str) -> Result<Self, ParseAttemptError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseAttemptError)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl TryFrom<String> for AttemptId {
    type Error = ParseAttemptError;

    fn try_from(text: String) -> Result<Self, ParseAttemptError> {
        text.parse()
    }
}

impl From<AttemptId> for String {
    fn from(attempt: AttemptId) -> String {
        attempt.to_string()
    }
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
}

/// The gateway's answer: the pack is leased to this station for this device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lease {
    /// The number the pack is for.
    #[schema(value_type = String, example = "3012-123456")]
    pub device_number: DeviceNumber,
    /// The pack to write.
    pub pack: CertificatePack,
    /// When the lease runs out, in seconds since 1970; without a result the credential is then suspect.
    pub expires: i64,
}
