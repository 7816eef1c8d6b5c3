//! Standing: a device asks whom the authority takes it for.
//!
//! `GET /v1/identity`, over mutual TLS with what the device holds: the answer proves to both that the
//! identity works.

use identity::{CredentialState, DeviceNumber};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whom the authority takes the asking device for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceStanding {
    /// The number that its certificate was issued for.
    #[schema(value_type = String, example = "3012-123456")]
    pub device_number: DeviceNumber,
    /// Where its credential stands.
    #[schema(value_type = String, example = "verified")]
    pub state: CredentialState,
}
