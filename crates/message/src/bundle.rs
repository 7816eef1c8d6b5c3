//! Bundles: what two parties say to one another where no network joins them.
//!
//! A bundle is what would else have been requests or answers, written into a file and carried by any means.
//! Its sender signs it, and numbers the bundles for one receiver from 1 without gaps; the receiver takes
//! each once and in order, and says in its own bundles how far it has come. The sender keeps a bundle until
//! it knows that it was taken, and a file carries all that are kept, so a lost file costs nothing.
//!
//! | bundle | from | to |
//! | --- | --- | --- |
//! | [`Orders`] | gateway | authority |
//! | [`Deliveries`] | authority | gateway |
//! | [`Calls`] | device | center |
//! | [`Answers`] | center | device |
//!
//! The same requests over TLS are [`issue`](crate::issue), [`report`](crate::report),
//! [`allotment`](crate::allotment), [`trust`](crate::trust) and [`call`](crate::call).

use std::fmt;
use std::str::FromStr;

use identity::{DeviceNumber, Member, ParseMemberError, ProductCode};
use serde::{Deserialize, Serialize};

use crate::allotment::Allotment;
use crate::bytes::Bytes;
use crate::call::CallAnswer;
use crate::issue::{
    ApparatusPackRequest, ApparatusPacks, CertificateTransmissionRequest, NumberedPack, OrderId,
};
use crate::problem::Problem;
use crate::report::{Report, ReportAnswer};
use crate::trust::{TrustReport, TrustedCas};

/// The version of this format.
pub const BUNDLE_VERSION: u32 = 1;
/// The most bytes of one bundle, signed. The longest answers 1 000 records with 1 000 packs.
pub const BUNDLE_BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// The most bundles that a sender keeps for one receiver, and so the most in one file.
pub const BUNDLES_MAX: usize = 32;

/// One bundle, as its sender signs it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    /// [`BUNDLE_VERSION`].
    pub version: u32,
    /// Who says it, which its certificate must state.
    pub from: Party,
    /// To whom.
    pub to: Party,
    /// Its number among the sender's bundles for this receiver, from 1.
    pub sequence: u64,
    /// The receiver's last bundle that the sender has taken; 0 for none.
    pub taken: u64,
    /// What it says.
    pub contents: Contents,
}

/// What a bundle says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Contents {
    /// A gateway reports and asks.
    Orders(Orders),
    /// An authority answers.
    Deliveries(Deliveries),
    /// A device calls.
    Calls(Calls),
    /// A center answers.
    Answers(Answers),
}

impl Contents {
    /// The kind of contents, for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Orders(_) => "orders",
            Self::Deliveries(_) => "deliveries",
            Self::Calls(_) => "calls",
            Self::Answers(_) => "answers",
        }
    }
}

/// What a device has said, in the order in which it did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Calls {
    /// Each [`Call`](crate::call::Call) in JSON, as the device wrote it down.
    pub calls: Vec<String>,
}

/// What a center answers to [`Calls`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answers {
    /// What came of each call of the bundle whose number is in [`Bundle::taken`], in the same order.
    pub outcomes: Vec<CallOutcome>,
}

/// What came of one call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallOutcome {
    /// It was taken.
    Answered(CallAnswer),
    /// It will never be taken.
    Refused(Problem),
}

/// What a gateway has to report, and what it needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Orders {
    /// The key that the answer's secrets are to be sealed to (HPKE, RFC 9180): an uncompressed P-256 point.
    pub key: Bytes,
    /// Which CAs of devices the gateway trusts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trust: Option<TrustReport>,
    /// What became of packs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub report: Option<Report>,
    /// Packs that are wanted by device number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub packs: Option<CertificateTransmissionRequest>,
    /// Symmetric credentials that are wanted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub apparatus_packs: Option<ApparatusPackRequest>,
}

/// What an authority answers to [`Orders`], or says of its own accord.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deliveries {
    /// What the factory may make.
    pub allotment: Allotment,
    /// The CAs of devices that the gateway is to trust, and no others.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trust: Option<TrustedCas>,
    /// What became of each record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub report: Option<ReportAnswer>,
    /// [`Packs`] in JSON, for the key of the orders alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub packs: Option<SealedContents>,
}

/// Contents that only the receiver can read (HPKE, RFC 9180, base mode).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedContents {
    /// The encapsulated key.
    pub encapsulated_key: Bytes,
    /// The ciphertext with its tag.
    pub ciphertext: Bytes,
}

/// The packs that were ordered, or why they are not made.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Packs {
    /// A pack for each number that was issued.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub certificates: Vec<NumberedPack>,
    /// Numbers that will never be issued.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub refused_numbers: Vec<(DeviceNumber, Problem)>,
    /// The symmetric credentials of an order.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub apparatuses: Option<(OrderId, ApparatusPacks)>,
    /// An order that will never be fulfilled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refused_order: Option<(OrderId, Problem)>,
    /// Products of which nothing more is issued for now.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub refused_products: Vec<(ProductCode, Problem)>,
}

/// One end of a conversation in bundles: a member by its URN, or a device by its number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Party {
    /// A member.
    Member(Member),
    /// A device.
    Device(DeviceNumber),
}

/// The text names neither a member nor a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a party is a member's URN or a device number")]
pub struct ParsePartyError;

impl FromStr for Party {
    type Err = ParsePartyError;

    fn from_str(text: &str) -> Result<Self, ParsePartyError> {
        let member: Result<Member, ParseMemberError> = text.parse();
        member.map(Self::Member).or_else(|_| text.parse().map(Self::Device)).map_err(|_| ParsePartyError)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(member) => member.fmt(f),
            Self::Device(number) => number.fmt(f),
        }
    }
}

impl From<Party> for String {
    fn from(party: Party) -> Self {
        party.to_string()
    }
}

impl TryFrom<String> for Party {
    type Error = ParsePartyError;

    fn try_from(text: String) -> Result<Self, ParsePartyError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_read_back() {
        for json in [
            r#"{"version":1,"from":"urn:touchmark:gateway:osaka","to":"urn:touchmark:authority:head-office","sequence":1,"taken":0,"contents":{"orders":{"key":"AAAA","report":{"records":[]},"packs":{"deviceNumbers":["3012-123456"]}}}}"#,
            r#"{"version":1,"from":"urn:touchmark:authority:head-office","to":"urn:touchmark:gateway:osaka","sequence":1,"taken":1,"contents":{"deliveries":{"allotment":{"factory":"osaka","products":[]},"packs":{"encapsulatedKey":"AAAA","ciphertext":"AAAA"}}}}"#,
            r#"{"version":1,"from":"3012-123456","to":"urn:touchmark:center:europe","sequence":1,"taken":0,"contents":{"calls":{"calls":["{}"]}}}"#,
            r#"{"version":1,"from":"urn:touchmark:center:europe","to":"3012-123456","sequence":1,"taken":1,"contents":{"answers":{"outcomes":[{"answered":{"call":1,"received":2}}]}}}"#,
        ] {
            let bundle: Bundle = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&bundle).unwrap(), json);
        }
        let device: Party = "3012-123456".parse().unwrap();
        assert!(matches!(&device, Party::Device(_)));
        assert!("3012".parse::<Party>().is_err());
    }
}
