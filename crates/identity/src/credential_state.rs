//! The life of a credential as a pure state machine.
//!
//! ```text
//! intended --issue--> issued --stock--> stocked --lease--> leased --write--> written --verify--> verified
//!     |                                                      |  ^               |                   |
//!     +--abandon--> abandoned                                |  +--- lease -----|------+            |
//!                                                            +----- doubt ------+--> suspect <------+
//! any of issued .. verified, suspect --void--> voided
//! ```
//!
//! Every change of a stored state goes through [`CredentialState::after`]; no other code decides
//! what may follow what. From `issued` on, each credential is in exactly one state, so the counts
//! of the states always add up to all that were ever issued (invariant I3).

use core::fmt;
use core::str::FromStr;

use crate::text::serde_as_text;

/// Where a credential stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CredentialState {
    /// The authority has stored what it means to sign, and has not signed yet.
    Intended,
    /// Signing was interrupted; the reserved certificate serial is never used again.
    Abandoned,
    /// Signed and stored at the authority.
    Issued,
    /// In a factory's stock.
    Stocked,
    /// Handed to one station for one device.
    Leased,
    /// The device says that it has stored the credential.
    Written,
    /// The device has proved that it holds the credential's key.
    Verified,
    /// Nobody can say whether a device holds it, or which: a lease ran out, a proof failed, or a second
    /// device proved it too. It never returns to stock; only the same device may be tried again.
    Suspect,
    /// Refused everywhere, for good.
    Voided,
}

/// What happens to a credential.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transition {
    /// The certificate is signed and stored.
    Issue,
    /// The intent is given up.
    Abandon,
    /// A gateway has filed the pack.
    Stock,
    /// A station receives the pack for one device; also for that same device again.
    Lease,
    /// The device reports that it has stored the pack.
    Write,
    /// The device's proof of possession holds.
    Verify,
    /// The outcome at the device is unknown or wrong.
    Doubt,
    /// The credential is withdrawn.
    Void,
}

impl CredentialState {
    /// Every state, in the order of a credential's life.
    pub const ALL: [Self; 9] = [
        Self::Intended,
        Self::Abandoned,
        Self::Issued,
        Self::Stocked,
        Self::Leased,
        Self::Written,
        Self::Verified,
        Self::Suspect,
        Self::Voided,
    ];

    /// The state that follows when `transition` happens, or why it cannot happen.
    pub fn after(self, transition: Transition) -> Result<Self, IllegalTransition> {
        use CredentialState::*;
        match (self, transition) {
            (Intended, Transition::Issue) => Ok(Issued),
            (Intended, Transition::Abandon) => Ok(Abandoned),
            (Issued, Transition::Stock) => Ok(Stocked),
            (Stocked | Suspect, Transition::Lease) => Ok(Leased),
            (Leased, Transition::Write) => Ok(Written),
            (Written, Transition::Verify) => Ok(Verified),
            (Leased | Written | Verified, Transition::Doubt) => Ok(Suspect),
            (Issued | Stocked | Leased | Written | Verified | Suspect, Transition::Void) => Ok(Voided),
            (from, transition) => Err(IllegalTransition { from, transition }),
        }
    }

    /// The state's name as stored and shown: `stocked`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Abandoned => "abandoned",
            Self::Issued => "issued",
            Self::Stocked => "stocked",
            Self::Leased => "leased",
            Self::Written => "written",
            Self::Verified => "verified",
            Self::Suspect => "suspect",
            Self::Voided => "voided",
        }
    }
}

/// A transition that the life cycle does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IllegalTransition {
    /// The state the credential is in.
    pub from: CredentialState,
    /// What was asked of it.
    pub transition: Transition,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a credential that is {} cannot take the step {:?}", self.from, self.transition)
    }
}

impl core::error::Error for IllegalTransition {}

impl fmt::Display for CredentialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is not the name of a credential state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownState;

impl fmt::Display for UnknownState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a credential state")
    }
}

impl core::error::Error for UnknownState {}

impl FromStr for CredentialState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

serde_as_text!(CredentialState, "a credential state");

#[cfg(test)]
mod tests {
    use super::CredentialState::*;
    use super::*;

    const TRANSITIONS: [Transition; 8] = [
        Transition::Issue,
        Transition::Abandon,
        Transition::Stock,
        Transition::Lease,
        Transition::Write,
        Transition::Verify,
        Transition::Doubt,
        Transition::Void,
    ];

    #[test]
    fn a_good_life_ends_verified() {
        use Transition::*;
        let end = [Issue, Stock, Lease, Write, Verify]
            .into_iter()
            .try_fold(Intended, |state, transition| state.after(transition));
        assert_eq!(end, Ok(Verified));
    }

    #[test]
    fn nothing_that_left_stock_returns_to_it() {
        for state in [Leased, Written, Verified, Suspect, Voided] {
            for transition in TRANSITIONS {
                assert_ne!(state.after(transition), Ok(Stocked));
            }
        }
    }

    #[test]
    fn void_and_abandoned_are_final() {
        for state in [Voided, Abandoned] {
            for transition in TRANSITIONS {
                assert_eq!(state.after(transition), Err(IllegalTransition { from: state, transition }));
            }
        }
    }

    #[test]
    fn names_read_back() {
        for state in CredentialState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }
}
