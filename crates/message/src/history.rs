//! The history of a device number: an authority tells a center all that it knows of one, for its life page.
//!
//! `GET /v1/device-history?deviceNumber=NUMBER`. Nothing in it is secret.

use identity::{CredentialState, DeviceNumber, HardwareUid, MemberName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Whose history a center asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeviceHistoryQuery {
    /// The device.
    #[param(value_type = String, example = "A123-654321")]
    pub device_number: DeviceNumber,
}

/// All that an authority knows of a device number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceHistory {
    /// The device.
    #[schema(value_type = String, example = "A123-654321")]
    pub device_number: DeviceNumber,
    /// The factory whose gateway ordered it and keeps it until it is written.
    #[schema(value_type = String, example = "osaka")]
    pub factory: MemberName,
    /// When the gateway ordered it, in seconds since 1970.
    pub ordered: i64,
    /// Why it is suspect or void, where it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// How it was made, where it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub made: Option<Made>,
    /// All its certificates, the first from the factory, each in place of the one before.
    pub certificates: Vec<CertificateHistory>,
    /// Boards that took the place of others, in order.
    pub board_swaps: Vec<BoardSwapHistory>,
    /// What was asked for the number under common certificates, in order.
    pub recoveries: Vec<RecoveryHistory>,
}

/// How a device was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Made {
    /// The station that wrote it.
    #[schema(value_type = String, example = "line-1")]
    pub station: MemberName,
    /// When it had proved itself, in seconds since 1970.
    pub proved: i64,
    /// The chip that proved itself last.
    #[schema(value_type = String, example = "0011223344556677")]
    pub hardware_uid: HardwareUid,
}

/// One certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateHistory {
    /// 1 for the first, then on.
    pub generation: u64,
    /// Why there is one: `factory`, `renewal`, `recovery`, `board-swap`.
    pub cause: String,
    /// Where it stands.
    #[schema(value_type = String, example = "verified")]
    pub state: CredentialState,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// When it was asked for, in seconds since 1970.
    pub ordered: i64,
    /// What its signing said; none where it is not signed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signed: Option<Signed>,
    /// The chip it is for, where that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "0011223344556677")]
    pub hardware_uid: Option<HardwareUid>,
    /// What centers were told of it, in order.
    pub told: Vec<Told>,
    /// When and why it was revoked, where it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked: Option<Revoked>,
}

/// What a signed certificate says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signed {
    /// When, in seconds since 1970.
    pub time: i64,
    /// The name of the CA that signed it.
    pub issuer: String,
    /// The first second of its validity.
    pub not_before: i64,
    /// The last second of its validity, where it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_after: Option<i64>,
}

/// A state that a certificate came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Told {
    /// When, in seconds since 1970.
    pub time: i64,
    /// The state.
    #[schema(value_type = String, example = "verified")]
    pub state: CredentialState,
}

/// A revocation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revoked {
    /// When, in seconds since 1970.
    pub time: i64,
    /// Why, as CRLs name it.
    pub reason: String,
}

/// A board that took the place of another, or may.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BoardSwapHistory {
    /// When the old board's identity was voided, in seconds since 1970.
    pub opened: i64,
    /// Why.
    pub reason: String,
    /// The chip of the old board, where that was known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "0011223344556677")]
    pub former_hardware_uid: Option<HardwareUid>,
    /// Whether another board has the number now.
    pub is_done: bool,
}

/// A request under a common certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecoveryHistory {
    /// When, in seconds since 1970.
    pub asked: i64,
    /// Where it stands.
    pub state: String,
    /// What speaks for the device, once something does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ground: Option<String>,
    /// The chip that asked.
    #[schema(value_type = String, example = "0011223344556677")]
    pub hardware_uid: HardwareUid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_reads_back() {
        let json = r#"{"deviceNumber":"A123-654321","factory":"osaka","ordered":1,"made":{"station":"line-1","proved":4,"hardwareUid":"0011223344556677"},"certificates":[{"generation":1,"cause":"factory","state":"voided","serial":"0a","ordered":1,"signed":{"time":2,"issuer":"CN=Issuing CA","notBefore":2},"told":[{"time":4,"state":"verified"}],"revoked":{"time":5,"reason":"superseded"}}],"boardSwaps":[{"opened":5,"reason":"lightning","isDone":true}],"recoveries":[]}"#;
        let history: DeviceHistory = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&history).unwrap(), json);
    }
}
