//! Refusals and failures: one code word each, the same in JSON (RFC 9457) and SOAP faults.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong, as a word that programs can act on. Who is at fault follows from it:
/// [`ProblemCode::status`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemCode {
    /// The request cannot be understood.
    MalformedRequest,
    /// The body is larger than this service takes.
    TooLarge,
    /// There is nothing at this address.
    NotFound,
    /// The address does not take this method.
    MethodNotAllowed,
    /// The body is of a kind that this service does not read.
    UnsupportedMediaType,
    /// The range that was asked for lies behind the end of the file.
    RangeNotSatisfiable,
    /// No valid credential came with the request.
    NotAuthenticated,
    /// The peer is known, and may not do this.
    NotAllowed,
    /// The peer came over a version of TLS that is too old for it; nothing is answered over this connection.
    TlsTooOld,
    /// The join token is unknown, used or expired.
    TokenRefused,
    /// An operator's badge is not good here, or the same one came twice.
    BadgeRefused,
    /// The product is not known here.
    UnknownProduct,
    /// The product takes no credential.
    ProductWithoutCredential,
    /// The product has no such pre-write key that its packs could be sealed under.
    NoPreWriteKey,
    /// The pack is sealed under another pre-write key than the device's firmware was built with.
    WrongKey,
    /// The device number lies outside the factory's serial ranges.
    OutOfRange,
    /// The factory's quota does not cover the request.
    OverQuota,
    /// A device of this number was made already.
    AlreadyMade,
    /// The device number is in nobody's plan and stock.
    Unplanned,
    /// The device on the port is of another product than the scanned number.
    WrongProduct,
    /// The number is leased to, or written into, another device.
    SecondDevice,
    /// The device already holds another number's credential.
    DeviceHoldsAnother,
    /// The lease is unknown, expired, or another station's.
    NoLease,
    /// The proof of possession does not hold.
    ProofFailed,
    /// The credential's state does not allow this step.
    IllegalState,
    /// The device's calls do not follow one another, and its number waits for a person's decision; keep the
    /// call.
    Quarantined,
    /// A reused idempotency key came with a different request.
    Conflict,
    /// This service has as much to do as it takes on; try again later.
    Busy,
    /// A service that is needed for the answer cannot be reached; try again later.
    Unavailable,
    /// This service failed; its log says why.
    Internal,
}

impl ProblemCode {
    /// The word: `over-quota`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed-request",
            Self::TooLarge => "too-large",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::RangeNotSatisfiable => "range-not-satisfiable",
            Self::NotAuthenticated => "not-authenticated",
            Self::NotAllowed => "not-allowed",
            Self::TlsTooOld => "tls-too-old",
            Self::TokenRefused => "token-refused",
            Self::BadgeRefused => "badge-refused",
            Self::UnknownProduct => "unknown-product",
            Self::ProductWithoutCredential => "product-without-credential",
            Self::NoPreWriteKey => "no-pre-write-key",
            Self::WrongKey => "wrong-key",
            Self::OutOfRange => "out-of-range",
            Self::OverQuota => "over-quota",
            Self::AlreadyMade => "already-made",
            Self::Unplanned => "unplanned",
            Self::WrongProduct => "wrong-product",
            Self::SecondDevice => "second-device",
            Self::DeviceHoldsAnother => "device-holds-another",
            Self::NoLease => "no-lease",
            Self::ProofFailed => "proof-failed",
            Self::IllegalState => "illegal-state",
            Self::Quarantined => "quarantined",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status that the code travels with (RFC 9110 clause 15).
    pub fn status(self) -> u16 {
        match self {
            Self::MalformedRequest => 400,
            Self::NotAuthenticated => 401,
            Self::NotAllowed
            | Self::TlsTooOld
            | Self::TokenRefused
            | Self::BadgeRefused
            | Self::Quarantined => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::AlreadyMade
            | Self::SecondDevice
            | Self::DeviceHoldsAnother
            | Self::IllegalState
            | Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RangeNotSatisfiable => 416,
            Self::UnknownProduct
            | Self::ProductWithoutCredential
            | Self::NoPreWriteKey
            | Self::WrongKey
            | Self::OutOfRange
            | Self::OverQuota
            | Self::Unplanned
            | Self::WrongProduct
            | Self::NoLease
            | Self::ProofFailed => 422,
            Self::Internal => 500,
            Self::Busy | Self::Unavailable => 503,
        }
    }

    /// Whether the same request may succeed later without anyone doing anything.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable | Self::Internal)
    }

    /// Whether a refused order is at fault in single numbers, which will never be issued, and not in its
    /// factory or its moment.
    pub fn is_about_a_number(self) -> bool {
        matches!(
            self,
            Self::AlreadyMade
                | Self::OutOfRange
                | Self::UnknownProduct
                | Self::ProductWithoutCredential
                | Self::IllegalState
        )
    }
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Problem details (RFC 9457), media type `application/problem+json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{detail} ({code})")]
pub struct Problem {
    /// `urn:touchmark:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's HTTP status.
    pub status: u16,
    /// The code word.
    pub code: ProblemCode,
    /// What happened, in one sentence for a person.
    pub detail: String,
}

impl Problem {
    /// The problem of this code, with a sentence for a person.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:touchmark:problem:{code}"),
            status: code.status(),
            code,
            detail: detail.into(),
        }
    }
}
