//! What devices were asked, and what came of it. A device hears of it when it calls next.

use axum::extract::State;
use console::catalogue::center as texts;
use console::{Cell, Column, Form, ListQuery, Markup, Table, Visit, choice_field, html, submit};
use identity::DeviceNumber;
use message::call::Command;
use serde::Deserialize;
use staff::{Permission, SignedIn};
use store::center::firmware::{self, Firmware};
use store::center::overview::{self, RequestState};
use store::center::request::Request;

use super::{Answer, Here, Unanswered, done, malformed, words};

/// What is typed in to ask something of a device.
#[derive(Deserialize)]
pub(super) struct Asked {
    device: String,
    what: String,
    #[serde(default)]
    counter: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    package: String,
}

/// `GET /requests`
pub(super) async fn page(
    visit: Visit,
    signed: SignedIn,
    query: ListQuery,
    State(here): State<Here>,
) -> Answer {
    let state = match query.field("state") {
        "open" => RequestState::Open,
        "finished" => RequestState::Finished,
        _ => RequestState::Any,
    };
    let mut snapshot = here.desk.store.read().await?;
    let (rows, total) =
        overview::requests(&mut snapshot, state, query.search(), query.limit(), query.offset()).await?;
    let packages = firmware::list(&mut snapshot).await?;
    drop(snapshot);
    let table = Table::new("requests", texts::REQUESTS, columns(&visit)).filter(state_field(&visit, &query));
    Ok(table.answer(&visit, &query, &rows, total, |table| {
        visit.page(
            texts::REQUESTS,
            html! {
                p .lead { (visit.t(texts::REQUESTS_LEAD)) }
                @if signed.may(Permission::Operate) { (form(&visit, &packages, None)) }
                (table)
            },
        )
    }))
}

/// `POST /requests`
pub(super) async fn queue(signed: SignedIn, State(here): State<Here>, Form(asked): Form<Asked>) -> Answer {
    let device: DeviceNumber = asked.device.trim().parse().map_err(malformed)?;
    let command = command_of(&asked)?;
    // What changes what is billed, or what a device runs, is no operator's.
    signed.require(match command {
        Command::ReadCounters | Command::RenewCertificate => Permission::Operate,
        _ => Permission::Engineer,
    })?;
    here.desk.request(device.clone(), command, &signed.actor()).await?;
    done(&format!("/devices/{device}#requests"))
}

fn command_of(asked: &Asked) -> Result<Command, Unanswered> {
    match asked.what.as_str() {
        "read-counters" => Ok(Command::ReadCounters),
        "renew-certificate" => Ok(Command::RenewCertificate),
        "set-initial-value" => Ok(Command::SetInitialValue {
            name: asked.counter.trim().parse().map_err(malformed)?,
            value: asked.value.trim().parse().map_err(malformed)?,
        }),
        "fetch-firmware" => Ok(Command::FetchFirmware { package: asked.package.parse().map_err(malformed)? }),
        other => Err(malformed(format!("there is no request {other}"))),
    }
}

/// The form that asks something; of `device`, or of one that is typed in.
pub(super) fn form(visit: &Visit, packages: &[Firmware], device: Option<&DeviceNumber>) -> Markup {
    let of_product = |package: &&Firmware| device.is_none_or(|device| *device.product() == package.product);
    let packages: Vec<(String, String)> = packages
        .iter()
        .filter(of_product)
        .map(|package| (package.name.clone(), format!("{} {}", package.product, package.version)))
        .collect();
    let mut choices = vec![
        ("read-counters".to_owned(), visit.t(texts::ASK_READ_COUNTERS).to_owned()),
        ("renew-certificate".to_owned(), visit.t(texts::ASK_RENEW).to_owned()),
        ("set-initial-value".to_owned(), visit.t(texts::ASK_SET_VALUE).to_owned()),
    ];
    if !packages.is_empty() {
        choices.push(("fetch-firmware".to_owned(), visit.t(texts::ASK_FETCH).to_owned()));
    }
    html! {
        details .card open[device.is_none()] {
            summary { (visit.t(texts::ASK_A_DEVICE)) }
            (visit.form("/requests", html! {
                div .inline {
                    @if let Some(device) = device {
                        input type="hidden" name="device" value=(device);
                    } @else {
                        label .field {
                            span .field-label { (visit.t(texts::DEVICE)) }
                            input type="text" name="device" required autocomplete="off" placeholder="A123-654321";
                        }
                    }
                    (choice_field(visit.t(texts::REQUEST), "what", &choices, ""))
                    (optional_field(visit.t(texts::COUNTER_TO_SET), "counter", "total"))
                    (optional_field(visit.t(texts::VALUE_TO_SET), "value", "0"))
                    @if !packages.is_empty() {
                        (choice_field(visit.t(texts::PACKAGE_TO_FETCH), "package", &packages, ""))
                    }
                    (submit(visit.t(texts::ASK), "primary"))
                }
            }))
        }
    }
}

fn optional_field(label: &str, name: &str, example: &str) -> Markup {
    html! {
        label .field {
            span .field-label { (label) }
            input type="text" name=(name) autocomplete="off" placeholder=(example);
        }
    }
}

fn state_field(visit: &Visit, query: &ListQuery) -> Markup {
    let choices =
        [("", texts::ALL_STATES), ("open", texts::REQUESTS_OPEN), ("finished", texts::REQUESTS_FINISHED)];
    let choices = choices.map(|(value, text)| (value.to_owned(), visit.t(text).to_owned()));
    choice_field(visit.t(texts::STATE), "state", &choices, query.field("state"))
}

/// What a table of requests shows.
fn columns(visit: &Visit) -> Vec<Column<'_, Request>> {
    let mut columns = columns_of_one(visit);
    columns
        .insert(1, Column::new("device", texts::DEVICE, |request: &Request| Cell::device(&request.device)));
    columns
}

/// What a table of one device's requests shows.
pub(super) fn columns_of_one(visit: &Visit) -> Vec<Column<'_, Request>> {
    vec![
        Column::new("request", texts::NUMBER, |request: &Request| Cell::number(request.id)).number(),
        Column::new("what", texts::REQUEST, |request: &Request| {
            Cell::text(words::command(visit, &request.command))
        }),
        Column::new("queued", texts::ASKED, |request: &Request| visit.time_cell(Some(request.queued))),
        Column::new("outcome", texts::OUTCOME, |request: &Request| {
            words::outcome(visit, request.outcome.as_deref(), request.handed_out_by.is_some())
        }),
    ]
}
