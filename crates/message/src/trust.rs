//! Which CAs sign devices: a member says which ones it trusts, and is told which ones it is to trust.
//!
//! `POST /v1/trust`, from members to the authority, and from stations to their gateway. A member asks every
//! few seconds; each report and each answer stands for the one before. It believes no CA that its root has
//! not signed. Gateways pass on what their stations have said.

use identity::MemberName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::Bytes;

/// The most stations in one report.
pub const STATIONS_MAX: usize = 1_000;
/// The most CAs that are listed.
pub const CAS_MAX: usize = 64;

/// Which CAs of devices a member trusts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustReport {
    /// SHA-256 of each CA's certificate.
    pub issuing_sha256: Vec<Bytes>,
    /// The same of a gateway's stations, as each said it last.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub stations: Vec<StationTrust>,
}

/// Which CAs of devices a station trusts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StationTrust {
    /// The station's name within its factory.
    #[schema(value_type = String, example = "line-1")]
    pub station: MemberName,
    /// SHA-256 of each CA's certificate.
    pub issuing_sha256: Vec<Bytes>,
    /// When it said so, in seconds since 1970.
    pub heard: i64,
}

/// Which CAs of devices a member is to trust, and no others.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustedCas {
    /// Their certificates, DER.
    pub issuing_certificates: Vec<Bytes>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_read_back() {
        for json in [
            r#"{"issuingSha256":["AAAA"]}"#,
            r#"{"issuingSha256":["AAAA"],"stations":[{"station":"line-1","issuingSha256":["AAAA"],"heard":7}]}"#,
        ] {
            let report: TrustReport = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&report).unwrap(), json);
        }
        let json = r#"{"issuingCertificates":["AAAA"]}"#;
        let told: TrustedCas = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&told).unwrap(), json);
    }
}
