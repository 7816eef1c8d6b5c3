//! Registrations: an authority tells its authenticators which devices hold symmetric credentials.
//!
//! `GET /v1/registrations?after=CURSOR`. The authority numbers its records from 1 without gaps; an
//! authenticator asks for what comes after the last record that it has stored, and so misses none
//! and takes none twice.

use identity::{ApparatusId, DeviceNumber};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::bytes::SecretBytes;

/// The most records in one answer.
pub const REGISTRATIONS_MAX: usize = 1_000;

/// Which records an authenticator asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RegistrationQuery {
    /// The last record that it has stored; 0 for none.
    pub after: u64,
}

/// The records that come next.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registrations {
    /// In rising order of their sequence number; none where there is nothing new.
    pub records: Vec<Registration>,
}

/// One record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registration {
    /// The record's number.
    pub sequence: u64,
    /// Whose credential it is about.
    #[schema(value_type = String, example = "4TP9X2QZ7V0C3M8RHJ6KDWBN1E")]
    pub apparatus_id: ApparatusId,
    /// What happened to it.
    pub event: Event,
}

/// What happened to a symmetric credential.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Event {
    /// A device holds it.
    Registered {
        /// The pass phrase, 32 bytes.
        pass_phrase: SecretBytes,
        /// The product serial number that it is bound to.
        #[schema(value_type = String, example = "A123-654321")]
        device_number: DeviceNumber,
    },
    /// It is refused from now on, for good.
    Revoked {
        /// Why.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back() {
        let json = r#"{"records":[{"sequence":1,"apparatusId":"00000000000000000000000000","event":{"event":"registered","passPhrase":"AAAA","deviceNumber":"A123-654321"}},{"sequence":2,"apparatusId":"00000000000000000000000000","event":{"event":"revoked","reason":"stolen"}}]}"#;
        let registrations: Registrations = serde_json::from_str(json).unwrap();
        assert_eq!(registrations.records.len(), 2);
        assert_eq!(serde_json::to_string(&registrations).unwrap(), json);
    }
}
