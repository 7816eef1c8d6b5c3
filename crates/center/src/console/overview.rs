//! How things stand, live.

use axum::extract::State;
use axum::response::Response;
use console::catalogue::center as texts;
use console::{Cell, Column, Markup, Status, Table, Visit, figures, html, live};
use identity::CredentialState;
use store::StoreError;
use store::center::{overview, rollout};

use super::{Answer, Here, calls, words};
use crate::call::parse;

const DAY: i64 = 86_400;
/// After how many seconds of silence the authority is late.
const AUTHORITY_LATE: i64 = 60;
/// How many calls are shown.
const CALLS: u32 = 12;

/// `GET /`
pub(super) async fn page(visit: Visit, State(here): State<Here>) -> Answer {
    let content = html! {
        (live::part(&visit, "/live/overview", now(&visit, &here).await?))
        (calls::chart(&visit, &here, calls::CHART_HOURS).await?)
    };
    Ok(visit.page(texts::OVERVIEW, content))
}

/// `GET /live/overview`
pub(super) async fn live(visit: Visit, State(here): State<Here>) -> Response {
    live::stream(move || {
        let (visit, here) = (visit.clone(), here.clone());
        async move { now(&visit, &here).await.ok() }
    })
}

async fn now(visit: &Visit, here: &Here) -> Result<Markup, StoreError> {
    let status = here.desk.status().await?;
    let time = here.desk.now();
    let mut snapshot = here.desk.store.read().await?;
    let hours = overview::calls_by_hour(&mut snapshot, time - DAY).await?;
    let open = overview::open_requests(&mut snapshot).await?;
    let rollouts = rollout::list(&mut snapshot).await?;
    drop(snapshot);
    let of_state =
        |state| status.devices.iter().filter(|(of, _)| *of == state).map(|(_, count)| count).sum::<u64>();
    let total: u64 = status.devices.iter().map(|(_, count)| count).sum();
    let suspect = of_state(CredentialState::Suspect);
    let readings: u64 = status.held.iter().map(|(.., count)| count).sum();
    let halted = rollouts.iter().filter(|rollout| rollout.state == rollout::State::Halted).count();
    let running = rollouts.iter().filter(|rollout| rollout.state == rollout::State::Running).count();
    let silence = status.feed.heard.map(|heard| time - heard);
    let worse = |is_worse: bool, status| if is_worse { status } else { Status::Good };
    let today: u64 = hours.iter().map(|(_, count)| count).sum();
    let heard =
        status.feed.heard.map_or_else(|| visit.t(texts::NEVER).to_owned(), |heard| visit.moment(heard));
    let figures = figures(&[
        (
            visit.t(texts::DEVICES),
            grouped(total),
            worse(suspect > 0, Status::Warning),
            visit.fill(texts::IN_USE_AND_SUSPECT, &[&grouped(of_state(CredentialState::Verified)), &suspect]),
        ),
        (
            visit.t(texts::CALLS_TODAY),
            grouped(today),
            Status::Neutral,
            visit.t(texts::LAST_24_HOURS).to_owned(),
        ),
        (
            visit.t(texts::IN_QUARANTINE),
            grouped(status.quarantined),
            worse(status.quarantined > 0, Status::Bad),
            visit.t(texts::IN_QUARANTINE_HINT).to_owned(),
        ),
        (
            visit.t(texts::HELD_COUNTERS),
            grouped(status.held.len() as u64),
            worse(readings > 0, Status::Warning),
            visit.fill(texts::HELD_READINGS, &[&readings]),
        ),
        (
            visit.t(texts::OPEN_REQUESTS),
            grouped(open),
            Status::Neutral,
            visit.t(texts::OPEN_REQUESTS_HINT).to_owned(),
        ),
        (
            visit.t(texts::ROLLOUTS),
            running.to_string(),
            worse(halted > 0, Status::Bad),
            visit.fill(texts::ROLLOUTS_HALTED, &[&halted]),
        ),
        (
            visit.t(texts::AUTHORITY_HEARD),
            silence.map_or_else(|| "–".to_owned(), |silence| visit.fill(texts::SECONDS_AGO, &[&silence])),
            worse(silence.is_none_or(|silence| silence > AUTHORITY_LATE), Status::Warning),
            heard,
        ),
    ]);
    Ok(html! {
        (figures)
        h2 { (visit.t(texts::LATEST_CALLS)) }
        (latest_calls(visit, here).await?)
    })
}

/// The last calls of all devices.
async fn latest_calls(visit: &Visit, here: &Here) -> Result<Markup, StoreError> {
    struct Row {
        entry: store::center::journal::Entry,
        call: Option<message::call::Call>,
    }
    let rows = here.desk.calls(None, CALLS).await?.into_iter();
    let rows: Vec<Row> = rows.map(|entry| Row { call: parse(entry.kind, &entry.raw).ok(), entry }).collect();
    let of_call = |row: &Row, say: fn(&Visit, &message::call::Event) -> String| {
        row.call.as_ref().map_or_else(Cell::nothing, |call| Cell::text(say(visit, &call.event)))
    };
    let columns = vec![
        Column::new("time", texts::TIME, |row: &Row| visit.time_cell(Some(row.entry.time))),
        Column::new("device", texts::DEVICE, |row: &Row| Cell::device(&row.entry.device)),
        Column::new("call", texts::CALL, move |row: &Row| {
            of_call(row, |visit, event| visit.t(words::event(event)).to_owned())
        }),
        Column::new("said", texts::SAID, move |row: &Row| of_call(row, |_, event| words::said(event))),
    ];
    Ok(Table::new("calls", texts::LATEST_CALLS, columns).show_all(visit, &rows))
}

/// A number with thin spaces between its thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}
