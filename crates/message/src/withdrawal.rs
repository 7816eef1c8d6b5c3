//! Credentials that the authority has withdrawn, as gateways follow it.
//!
//! `GET /v1/withdrawals?after=CURSOR`. What is named is voided at the gateway: it is leased to nobody any
//! more. A gateway asks for what comes after the last record that it has stored.

use identity::CredentialId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The most records in one answer.
pub const WITHDRAWALS_MAX: u32 = 1_000;

/// Which records a gateway asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WithdrawalQuery {
    /// The last record that it has stored; 0 for none.
    pub after: u64,
}

/// The records that come next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Withdrawals {
    /// In rising order of their sequence number; none where there is nothing new.
    pub records: Vec<Withdrawal>,
}

/// A credential of the asking gateway's factory that was withdrawn.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Withdrawal {
    /// The record's number. Records of other factories lie between.
    pub sequence: u64,
    /// A device number, or an apparatus ID.
    #[schema(value_type = String, example = "A123-654321")]
    pub credential: CredentialId,
    /// Why.
    #[schema(example = "key-compromise")]
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back() {
        let json = r#"{"records":[{"sequence":7,"credential":"A123-654321","reason":"key-compromise"}]}"#;
        let withdrawals: Withdrawals = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&withdrawals).unwrap(), json);
    }
}
