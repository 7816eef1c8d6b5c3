//! What a device did that is refused and may be an attack.

use std::fmt;

use message::problem::ProblemCode;

/// What a device did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IncidentKind {
    /// Its call claims another device's number.
    ForeignNumber,
    /// The authority has named no such device, or not yet.
    Unregistered,
    /// Its key is not the one that was issued for its number.
    OtherKey,
    /// Its certificate is not from the CA that issued for its number.
    OtherIssuer,
    /// Its credential is not in use.
    NotInUse,
    /// It used a call's number again for another call.
    ReusedNumber,
    /// Its call comes before one that it has made.
    OutOfOrder,
    /// Its call does not follow the last one: two devices of one memory, or one with an old memory.
    Fork,
    /// It is in quarantine.
    Quarantined,
    /// It speaks for a device that is not registered to it.
    NotManaged,
    /// It would manage devices, and its product does not.
    NotIntermediate,
    /// It manages more devices than one does.
    TooManyManaged,
    /// It names more counters than a device has.
    TooManyCounters,
}

/// Why a call is refused.
pub(crate) struct Incident {
    pub(crate) kind: IncidentKind,
    pub(crate) detail: String,
}

impl Incident {
    pub(crate) fn new(kind: IncidentKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl IncidentKind {
    /// The kind as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ForeignNumber => "foreign-number",
            Self::Unregistered => "unregistered",
            Self::OtherKey => "other-key",
            Self::OtherIssuer => "other-issuer",
            Self::NotInUse => "not-in-use",
            Self::ReusedNumber => "reused-number",
            Self::OutOfOrder => "out-of-order",
            Self::NotManaged => "not-managed",
            Self::NotIntermediate => "not-intermediate",
            Self::TooManyManaged => "too-many-managed",
            Self::Fork => "fork",
            Self::Quarantined => "quarantined",
            Self::TooManyCounters => "too-many-counters",
        }
    }

    /// Whether it is one no longer once the authority has told its news.
    pub(crate) fn may_be_news(self) -> bool {
        matches!(self, Self::Unregistered | Self::OtherKey)
    }

    pub(crate) fn problem_code(self) -> ProblemCode {
        match self {
            Self::ForeignNumber
            | Self::Unregistered
            | Self::OtherKey
            | Self::OtherIssuer
            | Self::NotInUse
            | Self::NotManaged
            | Self::NotIntermediate
            | Self::TooManyManaged => ProblemCode::NotAllowed,
            Self::ReusedNumber | Self::OutOfOrder => ProblemCode::Conflict,
            Self::Fork | Self::Quarantined => ProblemCode::Quarantined,
            Self::TooManyCounters => ProblemCode::MalformedRequest,
        }
    }
}

impl fmt::Display for IncidentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
