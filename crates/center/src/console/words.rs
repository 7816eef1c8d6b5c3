//! What stored words are called in the reader's language, and how each stands.

use console::catalogue::center as texts;
use console::{Cell, Status, Text, Visit, state_text};
use identity::CredentialState;
use message::call::{Command, Event, Outcome};

use crate::quarantine::{Sign, Suspicion};

/// What a state is called, and how a device in it stands.
pub(super) fn state(state: CredentialState) -> (Status, Text) {
    use CredentialState::{Leased, Suspect, Verified, Written};
    let status = match state {
        Verified => Status::Good,
        Leased | Written => Status::Warning,
        Suspect => Status::Bad,
        _ => Status::Neutral,
    };
    (status, state_text(state))
}

/// A state in a table.
pub(super) fn state_cell(visit: &Visit, of: CredentialState) -> Cell {
    let (status, text) = state(of);
    Cell::status(status, visit.t(text))
}

/// What a kind of call is called.
pub(super) fn event(event: &Event) -> Text {
    match event {
        Event::Counter { .. } => texts::CALL_COUNTER,
        Event::Service { .. } => texts::CALL_SERVICE,
        Event::Supply { .. } => texts::CALL_SUPPLY,
        Event::Alarm { .. } => texts::CALL_ALARM,
        Event::Manual { .. } => texts::CALL_MANUAL,
        Event::Manage { .. } => texts::CALL_MANAGE,
        Event::Poll => texts::CALL_POLL,
    }
}

/// What a call says, in its own words.
pub(super) fn said(event: &Event) -> String {
    match event {
        Event::Counter { counters } => {
            let each = counters.iter().map(|counter| format!("{} {}", counter.name.as_str(), counter.value));
            each.collect::<Vec<_>>().join(", ")
        }
        Event::Service { fault_code } => fault_code.to_string(),
        Event::Supply { consumable, remaining_percent } => format!("{consumable} {remaining_percent} %"),
        Event::Alarm { alarm } => alarm.to_string(),
        Event::Manual { note } => note.to_string(),
        Event::Manage { devices } => devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Event::Poll => String::new(),
    }
}

/// What a device is asked, as it is stored.
pub(super) fn command(visit: &Visit, stored: &str) -> String {
    match serde_json::from_str::<Command>(stored) {
        Ok(Command::ReadCounters) => visit.t(texts::ASK_READ_COUNTERS).to_owned(),
        Ok(Command::SetInitialValue { name, value }) => {
            visit.fill(texts::ASKED_SET_VALUE, &[&name.as_str(), &value])
        }
        Ok(Command::RenewCertificate) => visit.t(texts::ASK_RENEW).to_owned(),
        Ok(Command::FetchFirmware { package }) => {
            visit.fill(texts::ASKED_FETCH, &[&short(&package.to_string())])
        }
        Ok(Command::RollBackFirmware { package }) => {
            visit.fill(texts::ASKED_ROLL_BACK, &[&short(&package.to_string())])
        }
        Err(_) => stored.to_owned(),
    }
}

/// What came of a request, as it is stored.
pub(super) fn outcome(visit: &Visit, stored: Option<&str>, is_handed_out: bool) -> Cell {
    match stored.map(serde_json::from_str::<Outcome>) {
        None if is_handed_out => Cell::status(Status::Neutral, visit.t(texts::REQUEST_HANDED_OUT)),
        None => Cell::status(Status::Neutral, visit.t(texts::REQUEST_WAITING)),
        Some(Ok(Outcome::Done)) => Cell::status(Status::Good, visit.t(texts::REQUEST_DONE)),
        Some(Ok(Outcome::Refused { reason })) => {
            Cell::status(Status::Warning, &visit.fill(texts::REQUEST_REFUSED, &[&reason]))
        }
        Some(Ok(Outcome::Failed { reason })) => {
            Cell::status(Status::Bad, &visit.fill(texts::REQUEST_FAILED, &[&reason]))
        }
        Some(Err(_)) => Cell::text(stored.unwrap_or_default()),
    }
}

/// The kinds of incidents, and what each is called.
pub(super) const INCIDENTS: [(&str, Text); 13] = [
    ("foreign-number", texts::INCIDENT_FOREIGN_NUMBER),
    ("unregistered", texts::INCIDENT_UNREGISTERED),
    ("other-key", texts::INCIDENT_OTHER_KEY),
    ("other-issuer", texts::INCIDENT_OTHER_ISSUER),
    ("not-in-use", texts::INCIDENT_NOT_IN_USE),
    ("reused-number", texts::INCIDENT_REUSED_NUMBER),
    ("out-of-order", texts::INCIDENT_OUT_OF_ORDER),
    ("fork", texts::INCIDENT_FORK),
    ("quarantined", texts::INCIDENT_QUARANTINED),
    ("not-managed", texts::INCIDENT_NOT_MANAGED),
    ("not-intermediate", texts::INCIDENT_NOT_INTERMEDIATE),
    ("too-many-managed", texts::INCIDENT_TOO_MANY_MANAGED),
    ("too-many-counters", texts::INCIDENT_TOO_MANY_COUNTERS),
];

/// What a kind of incident is called.
pub(super) fn incident(visit: &Visit, kind: &str) -> String {
    let found = INCIDENTS.iter().find(|(word, _)| *word == kind);
    found.map_or_else(|| kind.to_owned(), |(_, text)| visit.t(*text).to_owned())
}

/// What a fork looks like by now.
pub(super) fn suspicion(suspicion: Suspicion) -> Text {
    match suspicion {
        Suspicion::Copied => texts::SUSPICION_COPIED,
        Suspicion::SetBackOrCopied => texts::SUSPICION_SET_BACK,
    }
}

/// By what a fork was seen.
pub(super) fn sign(sign: Sign) -> Text {
    match sign {
        Sign::EarlierAnswer => texts::SIGN_EARLIER,
        Sign::NoAnswer => texts::SIGN_NONE,
        Sign::UnknownAnswer => texts::SIGN_UNKNOWN,
    }
}

/// The beginning of a long name, by which people tell it from others.
pub(super) fn short(name: &str) -> String {
    const SHOWN: usize = 12;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
