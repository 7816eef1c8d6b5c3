//! The states of a credential, as every console shows them.

use identity::CredentialState;
use maud::Markup;

use crate::catalogue::state as texts;
use crate::{Status, Text, Visit, badge};

/// All states that people meet, in the order of a life.
const STATES: [CredentialState; 8] = [
    CredentialState::Intended,
    CredentialState::Issued,
    CredentialState::Stocked,
    CredentialState::Leased,
    CredentialState::Written,
    CredentialState::Verified,
    CredentialState::Suspect,
    CredentialState::Voided,
];

/// What a state is called.
pub fn state_text(state: CredentialState) -> Text {
    match state {
        CredentialState::Intended => texts::INTENDED,
        CredentialState::Abandoned => texts::ABANDONED,
        CredentialState::Issued => texts::ISSUED,
        CredentialState::Stocked => texts::STOCKED,
        CredentialState::Leased => texts::LEASED,
        CredentialState::Written => texts::WRITTEN,
        CredentialState::Verified => texts::VERIFIED,
        CredentialState::Suspect => texts::SUSPECT,
        CredentialState::Voided => texts::VOIDED,
    }
}

/// A state as a badge.
pub fn state_badge(visit: &Visit, state: CredentialState) -> Markup {
    let status = match state {
        CredentialState::Verified => Status::Good,
        CredentialState::Suspect => Status::Warning,
        CredentialState::Voided => Status::Bad,
        _ => Status::Neutral,
    };
    badge(status, visit.t(state_text(state)))
}

/// All states as the choices of a field, after one that leaves them open.
pub fn state_choices(visit: &Visit, any: Text) -> Vec<(String, String)> {
    let states =
        STATES.into_iter().map(|state| (state.as_str().to_owned(), visit.t(state_text(state)).to_owned()));
    std::iter::once((String::new(), visit.t(any).to_owned())).chain(states).collect()
}
