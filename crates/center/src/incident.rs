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
    /// It names more counters than a device has.
    TooManyCounters,
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
            Self::Fork => "fork",
            Self::Quarantined => "quarantined",
            Self::TooManyCounters => "too-many-counters",
        }
    }

    pub(crate) fn problem_code(self) -> ProblemCode {
        match self {
            Self::ForeignNumber
            | Self::Unregistered
            | Self::OtherKey
            | Self::OtherIssuer
            | Self::NotInUse => ProblemCode::NotAllowed,
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
