//! One device number's whole life on one page: made, certified, called, asked, refused, renewed, revoked. What the
//! center does not hold it asks the authority for, and shows what it has where that does not answer.

mod stages;
mod timeline;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use console::catalogue::center as texts;
use console::{Cell, Column, Markup, Status, Table, Visit, badge, html, notice};
use identity::DeviceNumber;
use message::history::{CertificateHistory, DeviceHistory};
use message::problem::ProblemCode;
use staff::{Permission, SignedIn};
use store::StoreError;
use store::center::firmware::{self, Firmware};
use store::center::incident::Incident;
use store::center::journal::Entry;
use store::center::life::{self, Counter, Key, Registered};
use store::center::managed::{self, Relation};
use store::center::quarantine::Quarantine;
use store::center::request::Request;
use transport::CallError;

use super::{Answer, Here, malformed, requests, words};
use crate::call::parse;

/// How many entries of the journal the page goes back.
const ENTRIES: u32 = 200;
/// How many requests it goes back.
const REQUESTS: u32 = 50;
/// How many relations to other devices it shows.
const RELATIONS: u32 = 50;

/// All that is known of a device number.
struct Life {
    device: DeviceNumber,
    registered: Option<Registered>,
    keys: Vec<Key>,
    counters: Vec<Counter>,
    entries: Vec<Entry>,
    requests: Vec<Request>,
    incidents: Vec<Incident>,
    quarantines: Vec<Quarantine>,
    relations: Vec<Relation>,
    packages: Vec<Firmware>,
    history: History,
}

/// What the authority says.
enum History {
    /// This.
    Known(Box<DeviceHistory>),
    /// That it never heard of the number.
    Unknown,
    /// Nothing: there is nobody to ask, or nobody answers.
    Silent,
}

/// `GET /devices/{number}`
pub(super) async fn page(
    visit: Visit,
    signed: SignedIn,
    State(here): State<Here>,
    Path(number): Path<String>,
) -> Answer {
    let device: DeviceNumber = number.parse().map_err(malformed)?;
    let life = Life::read(&here, device).await?;
    if life.is_unheard_of() {
        let content = notice(&visit, Status::Warning, html! { (visit.t(texts::NEVER_HEARD_OF)) });
        return Ok(visit.titled_page(StatusCode::NOT_FOUND, &life.device.to_string(), content));
    }
    let content = html! {
        (life.head(&visit))
        (stages::show(&visit, &life))
        @if signed.may(Permission::Operate) && life.registered.is_some() {
            (requests::form(&visit, &life.packages, Some(&life.device)))
        }
        div .columns.life {
            (timeline::show(&visit, &life))
            div { (life.certificates(&visit)) (life.counters(&visit)) (life.related(&visit)) }
        }
        (life.tables(&visit))
    };
    Ok(visit.titled_page(StatusCode::OK, &life.device.to_string(), content))
}

impl Life {
    async fn read(here: &Here, device: DeviceNumber) -> Result<Self, StoreError> {
        let history = History::ask(here, &device).await;
        let snapshot = &mut here.desk.store.read().await?;
        Ok(Self {
            registered: life::registered(snapshot, &device).await?,
            keys: life::keys(snapshot, &device).await?,
            counters: life::counters(snapshot, &device).await?,
            entries: life::entries(snapshot, &device, ENTRIES).await?,
            requests: life::requests(snapshot, &device, REQUESTS).await?,
            incidents: life::incidents(snapshot, &device).await?,
            quarantines: life::quarantines(snapshot, &device).await?,
            relations: managed::list(snapshot, Some(&device), RELATIONS).await?,
            packages: firmware::list(snapshot).await?,
            history,
            device,
        })
    }

    fn is_unheard_of(&self) -> bool {
        let is_here = self.registered.is_some() || !self.entries.is_empty() || !self.incidents.is_empty();
        !is_here && self.relations.is_empty() && !matches!(self.history, History::Known(_))
    }

    fn known(&self) -> Option<&DeviceHistory> {
        match &self.history {
            History::Known(history) => Some(history),
            History::Unknown | History::Silent => None,
        }
    }

    fn is_quarantined(&self) -> bool {
        self.quarantines.iter().any(|quarantine| quarantine.released_by.is_none())
    }

    /// How it stands, and what someone must look at.
    fn head(&self, visit: &Visit) -> Markup {
        let made = self.known().and_then(|history| history.made.as_ref());
        let chip = made.map(|made| &made.hardware_uid);
        let chip = chip.or_else(|| self.registered.as_ref().and_then(|device| device.hardware_uid.as_ref()));
        let last_call = self.entries.iter().find(|entry| entry.number.is_some());
        html! {
            @if matches!(self.history, History::Silent) {
                (notice(visit, Status::Warning, html! { (visit.t(texts::AUTHORITY_SILENT)) }))
            }
            @if self.is_quarantined() {
                (notice(visit, Status::Bad, html! {
                    (visit.t(texts::QUARANTINED_NOTICE)) " "
                    a href={ "/quarantine/" (self.device) } { (visit.t(texts::LOOK_AND_DECIDE)) }
                }))
            }
            @if let Some(reason) = self.known().and_then(|history| history.reason.as_ref()) {
                (notice(visit, Status::Warning, html! { (visit.fill(texts::REASON_NOTED, &[reason])) }))
            }
            dl .facts.wide {
                div {
                    dt { (visit.t(texts::STATE)) }
                    dd {
                        @if let Some(device) = &self.registered {
                            (badge(words::state(device.state).0, visit.t(words::state(device.state).1)))
                        } @else {
                            (badge(Status::Neutral, visit.t(texts::NOT_REGISTERED)))
                        }
                    }
                }
                div { dt { (visit.t(texts::PRODUCT)) } dd { (self.device.product()) } }
                div { dt { (visit.t(texts::CHIP)) } dd .mono { (chip.map_or_else(|| "–".to_owned(), ToString::to_string)) } }
                div {
                    dt { (visit.t(texts::FIRMWARE)) }
                    dd {
                        (self.registered.as_ref().and_then(|device| device.firmware)
                            .map_or_else(|| "–".to_owned(), |version| version.to_string()))
                    }
                }
                div {
                    dt { (visit.t(texts::CALLS)) }
                    dd { (self.registered.as_ref().map_or(0, |device| device.calls)) }
                }
                div {
                    dt { (visit.t(texts::LAST_CALL)) }
                    dd { (last_call.map_or_else(|| visit.t(texts::NEVER).to_owned(), |entry| visit.moment(entry.time))) }
                }
            }
        }
    }

    /// Its certificates; those that the authority tells, or else what the center knows of their keys.
    fn certificates(&self, visit: &Visit) -> Markup {
        html! {
            section aria-labelledby="certificates" {
                h2 #certificates { (visit.t(texts::CERTIFICATES)) }
                @if let Some(history) = self.known() {
                    @for certificate in history.certificates.iter().rev() {
                        (certificate_card(visit, certificate, history.certificates.len() as u64))
                    }
                } @else {
                    (Table::new("keys", texts::CERTIFICATES, key_columns(visit)).show_all(visit, &self.keys))
                }
            }
        }
    }

    fn counters(&self, visit: &Visit) -> Markup {
        let columns = vec![
            Column::new("counter", texts::COUNTER, |counter: &Counter| Cell::text(&counter.name)),
            Column::new("base", texts::COUNTED_TO, |counter: &Counter| Cell::number(counter.base)).number(),
            Column::new("held", texts::READINGS_HELD, |counter: &Counter| match counter.held {
                0 => Cell::nothing(),
                held => Cell::status(Status::Warning, &held.to_string()),
            }),
        ];
        html! {
            h2 { (visit.t(texts::COUNTERS)) }
            (Table::new("counters", texts::COUNTERS, columns).show_all(visit, &self.counters))
        }
    }

    fn related(&self, visit: &Visit) -> Markup {
        html! {
            @if !self.relations.is_empty() {
                h2 { (visit.t(texts::RELATIONS)) }
                ul .plain {
                    @for Relation { device, intermediate, state, .. } in &self.relations {
                        li {
                            a href={ "/devices/" (intermediate) } { (intermediate) } " → "
                            a href={ "/devices/" (device) } { (device) } " · " (state)
                        }
                    }
                }
            }
        }
    }

    /// Requests, calls and incidents, row by row.
    fn tables(&self, visit: &Visit) -> Markup {
        let calls: Vec<&Entry> = self.entries.iter().filter(|entry| entry.number.is_some()).collect();
        let asked = requests::columns_of_one(visit);
        html! {
            h2 #requests { (visit.t(texts::REQUESTS)) }
            (Table::new("requests", texts::REQUESTS, asked).show_all(visit, &self.requests))
            h2 #calls { (visit.t(texts::CALLS)) }
            (Table::new("calls", texts::CALLS, call_columns(visit)).show_all(visit, &calls))
            h2 #incidents { (visit.t(texts::INCIDENTS)) }
            (Table::new("incidents", texts::INCIDENTS, incident_columns(visit)).show_all(visit, &self.incidents))
        }
    }
}

impl History {
    async fn ask(here: &Here, device: &DeviceNumber) -> Self {
        let Some(authority) = &here.authority else { return Self::Silent };
        match authority.get_json(&format!("/v1/device-history?deviceNumber={device}")).await {
            Ok(history) => Self::Known(Box::new(history)),
            Err(CallError::Refused(problem)) if problem.code == ProblemCode::NotFound => Self::Unknown,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the authority does not tell a history"
                );
                Self::Silent
            }
        }
    }
}

/// What a certificate came of.
fn cause(cause: &str) -> Option<console::Text> {
    match cause {
        "factory" => Some(texts::CAUSE_FACTORY),
        "renewal" => Some(texts::CAUSE_RENEWAL),
        "recovery" => Some(texts::CAUSE_RECOVERY),
        "board-swap" => Some(texts::CAUSE_BOARD_SWAP),
        _ => None,
    }
}

fn cause_text(visit: &Visit, word: &str) -> String {
    cause(word).map_or_else(|| word.to_owned(), |text| visit.t(text).to_owned())
}

fn certificate_card(visit: &Visit, certificate: &CertificateHistory, last: u64) -> Markup {
    let CertificateHistory { generation, state, serial, signed, revoked, .. } = certificate;
    html! {
        section .card.certificate id={ "certificate-" (generation) } {
            div .card-head {
                h3 { (visit.fill(texts::CERTIFICATE_NUMBER, &[generation])) " · " (cause_text(visit, &certificate.cause)) }
                (badge(words::state(*state).0, visit.t(words::state(*state).1)))
            }
            dl .facts {
                dt { (visit.t(texts::SERIAL)) } dd .mono { (serial) }
                @if let Some(signed) = signed {
                    dt { (visit.t(texts::SIGNED_BY)) } dd { (signed.issuer) }
                    dt { (visit.t(texts::VALIDITY)) }
                    dd {
                        (visit.moment(signed.not_before)) " – "
                        @if let Some(end) = signed.not_after { (visit.moment(end)) }
                        @else { (visit.t(texts::NO_END)) }
                    }
                }
                @if let Some(revoked) = revoked {
                    dt { (visit.t(texts::REVOKED)) } dd { (visit.moment(revoked.time)) " · " (revoked.reason) }
                }
                @if *generation > 1 {
                    dt { (visit.t(texts::PREDECESSOR)) }
                    dd { a href={ "#certificate-" (generation - 1) } { (visit.fill(texts::CERTIFICATE_NUMBER, &[&(generation - 1)])) } }
                }
                @if *generation < last {
                    dt { (visit.t(texts::SUCCESSOR)) }
                    dd { a href={ "#certificate-" (generation + 1) } { (visit.fill(texts::CERTIFICATE_NUMBER, &[&(generation + 1)])) } }
                }
            }
        }
    }
}

fn key_columns(visit: &Visit) -> Vec<Column<'_, Key>> {
    vec![
        Column::new("key", texts::KEY, |key: &Key| {
            Cell::text(words::short(&hex::encode(&key.public_key_sha256)))
        }),
        Column::new("state", texts::STATE, |key: &Key| words::state_cell(visit, key.state)),
        Column::new("expires", texts::EXPIRES, |key: &Key| visit.time_cell(key.expires)),
        Column::new("changed", texts::CHANGED, |key: &Key| visit.time_cell(Some(key.changed))),
    ]
}

fn call_columns(visit: &Visit) -> Vec<Column<'_, &Entry>> {
    let of_call = |entry: &Entry, say: &dyn Fn(&message::call::Call) -> String| {
        parse(entry.kind, &entry.raw).map_or_else(|_| Cell::nothing(), |call| Cell::text(say(&call)))
    };
    vec![
        Column::new("entry", texts::JOURNAL_ENTRY, |entry: &&Entry| Cell::number(entry.id)).number(),
        Column::new("time", texts::TIME, |entry: &&Entry| visit.time_cell(Some(entry.time))),
        Column::new("number", texts::CALL_NUMBER, |entry: &&Entry| {
            entry.number.map_or_else(Cell::nothing, |number| {
                Cell::text(format!("{}.{}", number.boot, number.sequence))
            })
        }),
        Column::new("call", texts::CALL, move |entry: &&Entry| {
            of_call(entry, &|call| visit.t(words::event(&call.event)).to_owned())
        }),
        Column::new("said", texts::SAID, move |entry: &&Entry| {
            of_call(entry, &|call| words::said(&call.event))
        }),
        Column::new("through", texts::THROUGH, |entry: &&Entry| {
            entry.through.as_ref().map_or_else(Cell::nothing, Cell::device)
        }),
    ]
}

fn incident_columns(visit: &Visit) -> Vec<Column<'_, Incident>> {
    vec![
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
