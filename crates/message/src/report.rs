//! Reports: a gateway tells the authority what became of its packs.
//!
//! `POST /v1/reports`. A gateway numbers its records from 1 without gaps; the authority takes each
//! once and answers a repeated record as it did the first time.

use identity::{CredentialId, CredentialState, DeviceNumber, HardwareUid, MemberName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::Bytes;
use crate::problem::Problem;
use crate::result::Proof;

/// The most records in one [`Report`].
pub const RECORDS_MAX: usize = 1_000;

/// A batch of records from one gateway.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Report {
    /// Records in rising order of their sequence number.
    pub records: Vec<Record>,
}

/// One thing that happened to one credential at the factory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The record's number at its gateway: the idempotency key.
    pub sequence: u64,
    /// The credential: a device number, or an apparatus ID.
    #[schema(value_type = String, example = "3012-123456")]
    pub credential: CredentialId,
    /// When it happened, in seconds since 1970 by the gateway's clock.
    pub time: i64,
    /// What happened.
    pub event: Event,
}

/// What happened to a credential.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Event {
    /// The pack is filed in the factory's stock; the authority may erase its copy of a secret key.
    Stocked,
    /// A device has stored its certificate and proved it.
    Verified {
        /// The station that wrote it.
        #[schema(value_type = String, example = "line-1")]
        station: MemberName,
        /// The device's proof, which the authority checks for itself.
        proof: Proof,
    },
    /// A device has stored a symmetric credential, which belongs to its number from now on (source B
    /// table 704).
    Bound {
        /// The station that wrote it.
        #[schema(value_type = String, example = "line-1")]
        station: MemberName,
        /// The device's number.
        #[schema(value_type = String, example = "A123-654321")]
        device_number: DeviceNumber,
        /// The device's chip.
        #[schema(value_type = String, example = "0011223344556677")]
        hardware_uid: HardwareUid,
        /// The device's word to the authority, 32 bytes.
        confirmation: Bytes,
    },
    /// A device made its own key while the authority could not be asked; its certificate is owed.
    KeyBorn {
        /// The station that saw it.
        #[schema(value_type = String, example = "line-1")]
        station: MemberName,
        /// The device's signing request (RFC 2986 DER).
        signing_request: Bytes,
        /// The device's proof, by that key.
        proof: Proof,
    },
    /// Nobody can say whether a device holds it.
    Suspect {
        /// Why, for people.
        reason: String,
    },
    /// Scrapped or withdrawn at the factory.
    Voided {
        /// Why, for people.
        reason: String,
    },
}

/// The authority's answer: one entry for each record, in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportAnswer {
    /// What became of each record.
    pub records: Vec<RecordAnswer>,
}

/// What became of one record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordAnswer {
    /// The record's number.
    pub sequence: u64,
    /// The credential's state at the authority now, where the record was taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "verified")]
    pub state: Option<CredentialState>,
    /// Why the record was refused; the gateway parks it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<Problem>,
}
