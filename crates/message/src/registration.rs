//! Registrations: an authority tells its authenticators which devices hold symmetric credentials.
//!
//! `GET /v1/registrations?after=CURSOR`. The authority numbers its records from 1 without gaps; an
//! authenticator asks for what comes after the last record that it has stored, and so misses none
//! and takes none twice.

use identity::{ApparatusId, DeviceNumber, HardwareUid, KeyIdentifier};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::bytes::SecretBytes;
use crate::pack::Sealed;

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
    /// What happened.
    pub event: Event,
}

/// What an authenticator must know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Event {
    /// A pre-write key that sealed credentials are opened with. It comes before any of them.
    PreWriteKey {
        /// Its public name.
        #[schema(value_type = String, example = "A123-1")]
        key_identifier: KeyIdentifier,
        /// The key, 32 bytes.
        key: SecretBytes,
    },
    /// A device holds a symmetric credential as a pass phrase (source B table 704).
    Registered {
        /// The credential.
        #[schema(value_type = String, example = "4TP9X2QZ7V0C3M8RHJ6KDWBN1E")]
        apparatus_id: ApparatusId,
        /// The pass phrase, 32 bytes.
        pass_phrase: SecretBytes,
        /// The product serial number that it is bound to.
        #[schema(value_type = String, example = "A123-654321")]
        device_number: DeviceNumber,
    },
    /// A device holds a symmetric credential as ciphertext (source B tables 706 and 708).
    RegisteredSealed {
        /// The credential.
        #[schema(value_type = String, example = "4TP9X2QZ7V0C3M8RHJ6KDWBN1E")]
        apparatus_id: ApparatusId,
        /// The ciphertext that the device keeps.
        sealed: Sealed,
        /// The chip, where the key that opens it is derived for it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        #[schema(value_type = Option<String>, example = "0011223344556677")]
        hardware_uid: Option<HardwareUid>,
        /// The product serial number that it is bound to.
        #[schema(value_type = String, example = "A123-654321")]
        device_number: DeviceNumber,
    },
    /// A symmetric credential is refused from now on, for good.
    Revoked {
        /// The credential.
        #[schema(value_type = String, example = "4TP9X2QZ7V0C3M8RHJ6KDWBN1E")]
        apparatus_id: ApparatusId,
        /// Why.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back() {
        let json = r#"{"records":[{"sequence":1,"event":{"event":"registered","apparatusId":"00000000000000000000000000","passPhrase":"AAAA","deviceNumber":"A123-654321"}},{"sequence":2,"event":{"event":"revoked","apparatusId":"00000000000000000000000000","reason":"stolen"}}]}"#;
        let registrations: Registrations = serde_json::from_str(json).unwrap();
        assert_eq!(registrations.records.len(), 2);
        assert_eq!(serde_json::to_string(&registrations).unwrap(), json);
    }
}
