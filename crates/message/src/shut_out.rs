//! Services that are shut out: an authority tells its authenticators.
//!
//! `GET /v1/shut-out`. An authenticator asks every few seconds, and each answer stands for the one
//! before. It takes no request from a certificate named here, and vouches for no device to a service
//! named here.

use identity::MemberName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an authority has shut out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShutOut {
    /// The services of which no certificate counts.
    #[schema(value_type = Vec<String>, example = json!(["supplies"]))]
    pub services: Vec<MemberName>,
    /// The serial numbers, hexadecimal, of services' certificates that were revoked and have not
    /// expired.
    pub certificate_serials: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back() {
        let json = r#"{"services":["supplies"],"certificateSerials":["01ab"]}"#;
        let shut_out: ShutOut = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&shut_out).unwrap(), json);
    }
}
