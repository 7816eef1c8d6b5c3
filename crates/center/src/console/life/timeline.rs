//! What happened to a device, the last first, whoever knows it: authority, factory, center.

use console::catalogue::center as texts;
use console::{Markup, Status, Visit, html};
use identity::CredentialState;
use message::history::{CertificateHistory, DeviceHistory};
use store::center::journal::{Entry, Kind};

use super::{Life, cause_text};
use crate::call::parse;
use crate::console::words;
use crate::desk::{Asked, Decision};
use crate::quarantine::Readmission;

/// How many events are shown.
const EVENTS: usize = 60;

/// One thing that happened.
struct Event {
    time: i64,
    status: Status,
    what: String,
    /// More of it.
    detail: String,
}

/// What happened, the last first.
pub(super) fn show(visit: &Visit, life: &Life) -> Markup {
    let mut events = Vec::new();
    if let Some(history) = life.known() {
        of_authority(visit, history, &mut events);
    }
    events.extend(life.entries.iter().map(|entry| of_journal(visit, entry)));
    events.extend(life.registered.iter().map(|device| Event {
        time: device.registered,
        status: Status::Neutral,
        what: visit.t(texts::HAPPENED_REGISTERED).to_owned(),
        detail: String::new(),
    }));
    events.extend(life.incidents.iter().map(|incident| Event {
        time: incident.last,
        status: Status::Bad,
        what: words::incident(visit, &incident.kind),
        detail: visit.fill(texts::HAPPENED_TIMES, &[&incident.count, &incident.detail]),
    }));
    // Of what came in the same second, what was noted last comes first.
    events.reverse();
    events.sort_by_key(|event| std::cmp::Reverse(event.time));
    let left = events.len().saturating_sub(EVENTS);
    html! {
        section aria-labelledby="timeline" {
            h2 #timeline { (visit.t(texts::WHAT_HAPPENED)) }
            ol .timeline {
                @for event in events.iter().take(EVENTS) {
                    li class=(event.status.class()) {
                        span .timeline-sign aria-hidden="true" { (event.status.sign()) }
                        time { (visit.moment(event.time)) }
                        span .timeline-what { (event.what) }
                        @if !event.detail.is_empty() { span .timeline-detail { (event.detail) } }
                    }
                }
            }
            @if left > 0 { p .lead { (visit.fill(texts::AND_BEFORE, &[&left])) } }
        }
    }
}

fn of_authority(visit: &Visit, history: &DeviceHistory, events: &mut Vec<Event>) {
    let mut add =
        |time, status, what: String, detail: String| events.push(Event { time, status, what, detail });
    add(
        history.ordered,
        Status::Neutral,
        visit.fill(texts::HAPPENED_ORDERED, &[&history.factory]),
        String::new(),
    );
    if let Some(made) = &history.made {
        let what = visit.fill(texts::HAPPENED_MADE, &[&made.station]);
        add(made.proved, Status::Good, what, visit.fill(texts::HAPPENED_MADE_CHIP, &[&made.hardware_uid]));
    }
    for certificate in &history.certificates {
        let CertificateHistory { generation, signed, told, revoked, .. } = certificate;
        if let Some(signed) = signed {
            let what =
                visit.fill(texts::HAPPENED_SIGNED, &[generation, &cause_text(visit, &certificate.cause)]);
            add(signed.time, Status::Neutral, what, signed.issuer.clone());
        }
        // A revocation is told below, with its reason.
        for told in told.iter().filter(|told| told.state != CredentialState::Voided || revoked.is_none()) {
            let (status, state) = words::state(told.state);
            let what = visit.fill(texts::HAPPENED_STATE, &[generation, &visit.t(state)]);
            add(told.time, status, what, String::new());
        }
        if let Some(revoked) = revoked {
            let what = visit.fill(texts::HAPPENED_REVOKED, &[generation]);
            add(revoked.time, Status::Warning, what, revoked.reason.clone());
        }
    }
    for swap in &history.board_swaps {
        let former = swap.former_hardware_uid.as_ref().map_or_else(String::new, ToString::to_string);
        let text = if swap.is_done { texts::HAPPENED_SWAPPED } else { texts::HAPPENED_SWAP_OPENED };
        add(swap.opened, Status::Warning, visit.t(text).to_owned(), format!("{} {former}", swap.reason));
    }
    for recovery in &history.recoveries {
        let what = visit.fill(texts::HAPPENED_RECOVERY, &[&recovery.state]);
        let ground = recovery.ground.as_deref().unwrap_or_default();
        add(recovery.asked, Status::Neutral, what, format!("{} {ground}", recovery.hardware_uid));
    }
}

fn of_journal(visit: &Visit, entry: &Entry) -> Event {
    let (status, what, detail) = match entry.kind {
        Kind::JsonCall | Kind::SoapCall => match parse(entry.kind, &entry.raw) {
            Ok(call) => {
                let what = visit.fill(texts::HAPPENED_CALL, &[&visit.t(words::event(&call.event))]);
                (Status::Neutral, what, words::said(&call.event))
            }
            Err(_) => (Status::Neutral, visit.t(texts::CALL).to_owned(), String::new()),
        },
        Kind::Request => match serde_json::from_slice::<Asked>(&entry.raw) {
            Ok(Asked { command, actor }) => {
                let stored = serde_json::to_string(&command).unwrap_or_default();
                let what = visit.fill(texts::HAPPENED_ASKED, &[&words::command(visit, &stored)]);
                (Status::Neutral, what, actor)
            }
            Err(_) => (Status::Neutral, visit.t(texts::REQUEST).to_owned(), String::new()),
        },
        Kind::Release => {
            let decision = serde_json::from_slice::<Decision>(&entry.raw);
            let detail = decision.map(|it| format!("{}, {}", it.counter, it.actor)).unwrap_or_default();
            (Status::Good, visit.t(texts::HAPPENED_COUNTER_RELEASED).to_owned(), detail)
        }
        Kind::Fork => (Status::Bad, visit.t(texts::HAPPENED_FORK).to_owned(), String::new()),
        Kind::Readmission => {
            let decision = serde_json::from_slice::<Readmission>(&entry.raw);
            let detail = decision.map(|decision| decision.actor).unwrap_or_default();
            (Status::Good, visit.t(texts::HAPPENED_READMITTED).to_owned(), detail)
        }
        Kind::NewBoard => (Status::Warning, visit.t(texts::HAPPENED_NEW_BOARD).to_owned(), String::new()),
        Kind::Management => (Status::Neutral, visit.t(texts::HAPPENED_MANAGED).to_owned(), String::new()),
    };
    Event { time: entry.time, status, what, detail }
}
