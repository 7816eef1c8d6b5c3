//! The fleet: an authority tells its centers which devices were made, and what becomes of them.
//!
//! `GET /v1/device-registrations?after=CURSOR`. The authority numbers its records from 1 without gaps;
//! a center asks for what comes after the last record that it has stored, and so misses none and takes
//! none twice. A later record of a device's key replaces its earlier one.

use identity::{CredentialState, DeviceNumber, HardwareUid};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::bytes::Bytes;

/// The most records in one answer.
pub const DEVICE_REGISTRATIONS_MAX: u32 = 1_000;

/// Which records a center asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeviceRegistrationQuery {
    /// The last record that it has stored; 0 for none.
    pub after: u64,
}

/// The records that come next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceRegistrations {
    /// In rising order of their sequence number; none where there is nothing new.
    pub records: Vec<DeviceRegistration>,
}

/// Where one certificate of a device stands. A device has more than one while a new one takes the place of
/// the one before: the new one is *leased* until the device has shown it, and counts nevertheless.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceRegistration {
    /// The record's number.
    pub sequence: u64,
    /// When it came about, in seconds since 1970.
    pub time: i64,
    /// The device; its product is part of its number.
    #[schema(value_type = String, example = "A123-654321")]
    pub device_number: DeviceNumber,
    /// Where the certificate stands.
    #[schema(value_type = String, example = "verified")]
    pub state: CredentialState,
    /// SHA-256 of the public key info in the certificate, 32 bytes.
    pub public_key_sha256: Bytes,
    /// SHA-256 of the certificate of the CA that issued it, 32 bytes.
    pub issuer_sha256: Bytes,
    /// The last second of the certificate, in seconds since 1970, where it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<i64>,
    /// From when on the device is to renew it, in seconds since 1970, where its product says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub renew_from: Option<i64>,
    /// Its chip, where the device has proved itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "0011223344556677")]
    pub hardware_uid: Option<HardwareUid>,
    /// Whether it was made for a board that took the place of another, whose memory knows nothing of what the one
    /// before has said.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub new_board: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back() {
        let json = r#"{"records":[{"sequence":1,"time":1767225600,"deviceNumber":"A123-654321","state":"verified","publicKeySha256":"AAAA","issuerSha256":"AAAA","expires":1798761600,"renewFrom":1796169600,"hardwareUid":"0011223344556677"},{"sequence":2,"time":1767225601,"deviceNumber":"A123-654321","state":"voided","publicKeySha256":"AAAA","issuerSha256":"AAAA"},{"sequence":3,"time":1767225602,"deviceNumber":"A123-654321","state":"leased","publicKeySha256":"AAAB","issuerSha256":"AAAA","newBoard":true}]}"#;
        let registrations: DeviceRegistrations = serde_json::from_str(json).unwrap();
        assert_eq!(registrations.records.len(), 3);
        assert_eq!(serde_json::to_string(&registrations).unwrap(), json);
    }
}
