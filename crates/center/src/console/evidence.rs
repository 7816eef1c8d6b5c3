//! One quarantine: both calls side by side, what was taken back, and the decision that ends it.

use axum::extract::{Path, State};
use console::catalogue::center as texts;
use console::{Cell, Column, Form, Markup, Status, Table, Visit, html, notice, submit};
use identity::DeviceNumber;
use serde::Deserialize;
use staff::{Permission, SignedIn};
use store::center::correction::Correction;

use super::{Answer, Here, done, malformed, words};
use crate::quarantine::{Doubt, Evidence, Suspicion};

/// What a person decides.
#[derive(Deserialize)]
pub(super) struct Decided {
    doubt: Doubt,
}

/// `GET /quarantine/{number}`
pub(super) async fn page(
    visit: Visit,
    signed: SignedIn,
    State(here): State<Here>,
    Path(number): Path<String>,
) -> Answer {
    let device: DeviceNumber = number.parse().map_err(malformed)?;
    let evidence = here.desk.evidence(&device).await?;
    let quarantine = &evidence.quarantine;
    let is_open = quarantine.released_by.is_none();
    let title = visit.fill(texts::QUARANTINE_OF, &[&device]);
    let content = html! {
        (verdict(&visit, &evidence))
        dl .facts {
            dt { (visit.t(texts::DEVICE)) } dd { a href={ "/devices/" (device) } { (device) } }
            dt { (visit.t(texts::SINCE)) } dd { (visit.moment(quarantine.opened)) }
            dt { (visit.t(texts::SEEN_BY)) } dd { (visit.t(words::sign(evidence.sign))) }
            dt { (visit.t(texts::IN_LINE)) }
            dd { (refused(&visit, quarantine.following.count, quarantine.following.last)) }
            dt { (visit.t(texts::OUT_OF_LINE)) }
            dd { (refused(&visit, quarantine.straying.count, quarantine.straying.last)) }
        }
        div .columns {
            (call(&visit, texts::CALL_TAKEN, evidence.taken.id, evidence.taken.time, evidence.taken_from.as_deref(),
                &evidence.taken.raw))
            (call(&visit, texts::CALL_REFUSED, quarantine.entry, quarantine.opened, evidence.refused_from.as_deref(),
                &evidence.refused))
        }
        h2 { (visit.t(texts::TAKEN_BACK)) }
        (Table::new("taken-back", texts::TAKEN_BACK, columns()).show_all(&visit, &evidence.taken_back))
        @if is_open && signed.may(Permission::Judge) { (decision(&visit, &device)) }
        @if let Some(entry) = quarantine.released_by {
            (notice(&visit, Status::Good, html! { (visit.fill(texts::RELEASED_BY_ENTRY, &[&entry])) }))
        }
    };
    Ok(visit.titled_page(axum::http::StatusCode::OK, &title, content))
}

/// `POST /quarantine/{number}`
pub(super) async fn release(
    signed: SignedIn,
    State(here): State<Here>,
    Path(number): Path<String>,
    Form(decided): Form<Decided>,
) -> Answer {
    signed.require(Permission::Judge)?;
    let device: DeviceNumber = number.parse().map_err(malformed)?;
    here.desk.readmit(device, decided.doubt, &signed.actor()).await?;
    done(&format!("/quarantine/{number}"))
}

fn verdict(visit: &Visit, evidence: &Evidence) -> Markup {
    if evidence.quarantine.released_by.is_some() {
        return html! {};
    }
    let (status, help) = match evidence.suspicion {
        Suspicion::Copied => (Status::Bad, texts::COPIED_HELP),
        Suspicion::SetBackOrCopied => (Status::Warning, texts::SET_BACK_HELP),
    };
    notice(
        visit,
        status,
        html! {
            (visit.t(words::suspicion(evidence.suspicion)))
            p { (visit.t(help)) }
        },
    )
}

fn refused(visit: &Visit, count: u64, last: Option<i64>) -> String {
    match last {
        Some(last) => visit.fill(texts::REFUSED_COUNT_LAST, &[&count, &visit.moment(last)]),
        None => count.to_string(),
    }
}

/// A call as it came, laid out for reading where it is JSON.
fn call(
    visit: &Visit,
    title: console::Text,
    entry: u64,
    time: i64,
    from: Option<&str>,
    raw: &[u8],
) -> Markup {
    let text = match serde_json::from_slice::<serde_json::Value>(raw) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(raw).into_owned(),
    };
    html! {
        section .card {
            h2 { (visit.t(title)) }
            dl .facts {
                dt { (visit.t(texts::JOURNAL_ENTRY)) } dd { (entry) }
                dt { (visit.t(texts::TIME)) } dd { (visit.moment(time)) }
                dt { (visit.t(texts::ADDRESS)) } dd { (from.unwrap_or_else(|| visit.t(texts::UNKNOWN))) }
            }
            pre tabindex="0" { (text) }
        }
    }
}

fn columns() -> Vec<Column<'static, Correction>> {
    vec![
        Column::new("device", texts::DEVICE, |taken: &Correction| Cell::device(&taken.device)),
        Column::new("counter", texts::COUNTER, |taken: &Correction| Cell::text(&taken.name)),
        Column::new("call", texts::CALL, |taken: &Correction| Cell::number(taken.call)).number(),
        Column::new("units", texts::UNITS, |taken: &Correction| Cell::number(taken.units)).number(),
    ]
}

fn decision(visit: &Visit, device: &DeviceNumber) -> Markup {
    let choice = |value: &str, text, hint, is_chosen: bool| {
        html! {
            label .choice {
                input type="radio" name="doubt" value=(value) required checked[is_chosen];
                span { strong { (visit.t(text)) } br; span .field-hint { (visit.t(hint)) } }
            }
        }
    };
    html! {
        section .card aria-labelledby="decision" {
            h2 #decision { (visit.t(texts::DECIDE)) }
            p .lead { (visit.t(texts::DECIDE_LEAD)) }
            (visit.form(&format!("/quarantine/{device}"), html! {
                (choice("drop", texts::DOUBT_DROP, texts::DOUBT_DROP_HINT, true))
                (choice("count", texts::DOUBT_COUNT, texts::DOUBT_COUNT_HINT, false))
                div .actions { (submit(visit.t(texts::RELEASE_FROM_QUARANTINE), "primary")) }
            }))
        }
    }
}
