//! What was refused and may be an attack, counters that are held, and numbers in quarantine.

use axum::extract::State;
use console::catalogue::center as texts;
use console::{
    Cell, Column, Form, ListQuery, Markup, Status, Table, Visit, choice_field, hidden, html, submit,
};
use identity::DeviceNumber;
use message::call::{Command, CounterName, CounterValue};
use serde::Deserialize;
use staff::{Permission, SignedIn};
use store::StoreError;
use store::center::incident::Incident;
use store::center::quarantine::Quarantine;
use store::center::{life, overview, reading};

use super::{Answer, Here, Unanswered, done, malformed, words};
use crate::quarantine::Suspicion;

/// How many numbers in quarantine are shown.
const QUARANTINES: u32 = 100;

/// A counter whose readings wait for a decision.
struct Held {
    device: DeviceNumber,
    counter: String,
    readings: u64,
    /// What it was counted to last.
    base: u64,
    /// What the first reading that is held says.
    first: u64,
    /// What the last one says.
    last: u64,
}

/// Which held counter is decided on.
#[derive(Deserialize)]
pub(super) struct Decided {
    device: String,
    counter: String,
}

/// `GET /incidents`
pub(super) async fn page(
    visit: Visit,
    signed: SignedIn,
    query: ListQuery,
    State(here): State<Here>,
) -> Answer {
    let mut snapshot = here.desk.store.read().await?;
    let (rows, total) = overview::incidents(
        &mut snapshot,
        query.field("kind"),
        query.search(),
        query.limit(),
        query.offset(),
    )
    .await?;
    drop(snapshot);
    let quarantines = here.desk.quarantines(QUARANTINES).await?;
    let held = held(&here).await?;
    let may_judge = signed.may(Permission::Judge);
    let table = Table::new("incidents", texts::INCIDENTS, columns(&visit)).filter(kind_field(&visit, &query));
    Ok(table.answer(&visit, &query, &rows, total, |table| {
        visit.page(texts::INCIDENTS, html! {
            h2 { (visit.t(texts::IN_QUARANTINE)) }
            p .lead { (visit.t(texts::QUARANTINE_LEAD)) }
            (Table::new("quarantine", texts::IN_QUARANTINE, quarantine_columns(&visit)).show_all(&visit, &quarantines))
            h2 { (visit.t(texts::HELD_COUNTERS)) }
            p .lead { (visit.t(texts::HELD_LEAD)) }
            (Table::new("held", texts::HELD_COUNTERS, held_columns(&visit, may_judge)).show_all(&visit, &held))
            h2 { (visit.t(texts::REFUSED_CALLS)) }
            p .lead { (visit.t(texts::REFUSED_LEAD)) }
            (table)
        })
    }))
}

/// `POST /incidents/accept`
pub(super) async fn accept(
    signed: SignedIn,
    State(here): State<Here>,
    Form(decided): Form<Decided>,
) -> Answer {
    signed.require(Permission::Judge)?;
    let (device, counter) = named(&decided)?;
    here.desk.release(device, counter, None, &signed.actor()).await?;
    done("/incidents")
}

/// `POST /incidents/refuse`: the device is asked to set the counter back to what was counted; what is held then
/// counts for nothing.
pub(super) async fn refuse(
    signed: SignedIn,
    State(here): State<Here>,
    Form(decided): Form<Decided>,
) -> Answer {
    signed.require(Permission::Judge)?;
    let (device, name) = named(&decided)?;
    let counters = life::counters(&mut here.desk.store.read().await?, &device).await?;
    let base = counters.into_iter().find(|counter| counter.name == name.as_str()).map(|counter| counter.base);
    let value = CounterValue::try_from(base.unwrap_or_default()).map_err(malformed)?;
    here.desk.request(device, Command::SetInitialValue { name, value }, &signed.actor()).await?;
    done("/incidents")
}

fn named(decided: &Decided) -> Result<(DeviceNumber, CounterName), Unanswered> {
    let device = decided.device.parse().map_err(malformed)?;
    Ok((device, decided.counter.parse().map_err(malformed)?))
}

async fn held(here: &Here) -> Result<Vec<Held>, StoreError> {
    let mut snapshot = here.desk.store.read().await?;
    let mut rows = Vec::new();
    for (device, counter, readings) in reading::held_counts(&mut snapshot).await? {
        let counters = life::counters(&mut snapshot, &device).await?;
        let base = counters.iter().find(|found| found.name == counter).map_or(0, |found| found.base);
        let found = reading::held(&mut snapshot, &device, &counter).await?;
        let value = |reading: Option<&reading::Held>| reading.map_or(0, |reading| reading.value);
        let (first, last) = (value(found.first()), value(found.last()));
        rows.push(Held { device, counter, readings, base, first, last });
    }
    Ok(rows)
}

fn columns(visit: &Visit) -> Vec<Column<'_, Incident>> {
    vec![
        Column::new("device", texts::DEVICE, |incident: &Incident| Cell::device(&incident.device)),
        Column::new("kind", texts::KIND, |incident: &Incident| {
            Cell::text(words::incident(visit, &incident.kind))
        }),
        Column::new("count", texts::HOW_OFTEN, |incident: &Incident| Cell::number(incident.count)).number(),
        Column::new("first", texts::FIRST, |incident: &Incident| visit.time_cell(Some(incident.first))),
        Column::new("last", texts::LAST, |incident: &Incident| visit.time_cell(Some(incident.last))),
        Column::new("detail", texts::LAST_TIME, |incident: &Incident| {
            Cell::markup(html! { span .wrap { (incident.detail) } }, &incident.detail)
        }),
    ]
}

fn kind_field(visit: &Visit, query: &ListQuery) -> Markup {
    let mut choices = vec![(String::new(), visit.t(texts::ALL_KINDS).to_owned())];
    choices.extend(words::INCIDENTS.map(|(word, text)| (word.to_owned(), visit.t(text).to_owned())));
    choice_field(visit.t(texts::KIND), "kind", &choices, query.field("kind"))
}

fn quarantine_columns(visit: &Visit) -> Vec<Column<'_, Quarantine>> {
    vec![
        Column::new("device", texts::DEVICE, |quarantine: &Quarantine| Cell::device(&quarantine.device)),
        Column::new("opened", texts::SINCE, |quarantine: &Quarantine| {
            visit.time_cell(Some(quarantine.opened))
        }),
        Column::new("looks", texts::LOOKS_LIKE, |quarantine: &Quarantine| {
            let suspicion = Suspicion::of(quarantine);
            let status = if suspicion == Suspicion::Copied { Status::Bad } else { Status::Warning };
            Cell::status(status, visit.t(words::suspicion(suspicion)))
        }),
        Column::new("following", texts::IN_LINE, |quarantine: &Quarantine| {
            Cell::number(quarantine.following.count)
        })
        .number(),
        Column::new("straying", texts::OUT_OF_LINE, |quarantine: &Quarantine| {
            Cell::number(quarantine.straying.count)
        })
        .number(),
        Column::new("evidence", texts::EVIDENCE, |quarantine: &Quarantine| {
            Cell::link(&format!("/quarantine/{}", quarantine.device), visit.t(texts::LOOK_AND_DECIDE))
        }),
    ]
}

fn held_columns(visit: &Visit, may_judge: bool) -> Vec<Column<'_, Held>> {
    let decide = move |held: &Held| {
        if !may_judge {
            return Cell::nothing();
        }
        let fields = |text, class| {
            html! {
                (hidden("device", &held.device.to_string()))
                (hidden("counter", &held.counter))
                (submit(visit.t(text), class))
            }
        };
        let forms = html! {
            div .actions.tight {
                (visit.form("/incidents/accept", fields(texts::ACCEPT, "small")))
                (visit.form("/incidents/refuse", fields(texts::REFUSE, "small danger")))
            }
        };
        Cell::markup(forms, "")
    };
    vec![
        Column::new("device", texts::DEVICE, |held: &Held| Cell::device(&held.device)),
        Column::new("counter", texts::COUNTER, |held: &Held| Cell::text(&held.counter)),
        Column::new("base", texts::COUNTED_TO, |held: &Held| Cell::number(held.base)).number(),
        Column::new("first", texts::FIRST_HELD, |held: &Held| Cell::number(held.first)).number(),
        Column::new("last", texts::LAST_HELD, |held: &Held| Cell::number(held.last)).number(),
        Column::new("readings", texts::READINGS, |held: &Held| Cell::number(held.readings)).number(),
        Column::new("decide", texts::ACTION, decide),
    ]
}
