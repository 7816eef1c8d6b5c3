//! One device's life, as far as the authority knows it.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use console::catalogue::{authority as texts, common};
use console::{Cell, Column, Failure, Markup, Table, Visit, state_badge};
use identity::{CredentialState, DeviceNumber};
use maud::html;
use message::problem::ProblemCode;
use store::authority::board_swap::BoardSwap;

use super::{Pages, state_cell};
use crate::chronicle::Chronicle;
use crate::error::AuthorityError;

pub(super) fn routes() -> Router<Pages> {
    Router::new().route("/devices/{number}", get(device))
}

/// A certificate of the device.
struct Held {
    generation: u64,
    cause: String,
    state: CredentialState,
    serial: String,
    key: String,
    ordered: Option<i64>,
}

async fn device(
    State(pages): State<Pages>,
    visit: Visit,
    Path(number): Path<String>,
) -> Result<Response, Failure> {
    let number: DeviceNumber = number.parse().map_err(|_| Failure::Missing)?;
    let chronicle = match pages.desk().chronicle(&number).await {
        Err(AuthorityError::Refused(problem)) if problem.code == ProblemCode::NotFound => {
            return Err(Failure::Missing);
        }
        found => found?,
    };
    let held = certificates(&visit, &chronicle);
    let content = html! {
        (facts(&visit, &chronicle))
        h2 { (visit.t(texts::CERTIFICATES_OF)) }
        (Table::new("certificates", texts::CERTIFICATES_OF, columns(&visit)).show_all(&visit, &held))
        @if !chronicle.board_swaps.is_empty() {
            h2 { (visit.t(texts::BOARD_SWAPS)) }
            (Table::new("board-swaps", texts::BOARD_SWAPS, swap_columns(&visit)).show_all(&visit, &chronicle.board_swaps))
        }
    };
    Ok(visit.titled_page(StatusCode::OK, &number.to_string(), content))
}

fn facts(visit: &Visit, chronicle: &Chronicle) -> Markup {
    html! {
        div .card {
            dl .facts {
                dt { (visit.t(common::STATE)) }
                dd { (state_badge(visit, chronicle.first.state)) }
                dt { (visit.t(texts::FACTORY)) }
                dd { (chronicle.first.factory) }
                @if let Some(device) = &chronicle.device {
                    dt { (visit.t(texts::STATION)) }
                    dd { (device.station) }
                    dt { (visit.t(texts::VERIFIED)) }
                    dd { (visit.moment(device.verified)) }
                    dt { (visit.t(texts::CHIP)) }
                    dd .mono { (device.hardware_uid) }
                }
            }
        }
    }
}

fn certificates(visit: &Visit, chronicle: &Chronicle) -> Vec<Held> {
    let first = &chronicle.first;
    let mut held = vec![Held {
        generation: 1,
        cause: visit.t(texts::FIRST_CERTIFICATE).to_owned(),
        state: first.state,
        serial: hex::encode(&first.certificate_serial),
        key: hex::encode(&first.public_key_sha256),
        ordered: None,
    }];
    held.extend(chronicle.successors.iter().map(|next| Held {
        generation: next.id.generation,
        cause: next.cause.as_str().to_owned(),
        state: next.state,
        serial: hex::encode(&next.certificate_serial),
        key: hex::encode(&next.public_key_sha256),
        ordered: Some(next.intended),
    }));
    held
}

fn columns(visit: &Visit) -> Vec<Column<'_, Held>> {
    let code = |text: &String| Cell::markup(html! { code { (text) } }, text);
    vec![
        Column::new("generation", texts::GENERATION, |row: &Held| Cell::number(row.generation)).number(),
        Column::new("cause", texts::CAUSE, |row: &Held| Cell::text(&row.cause)),
        Column::new("state", common::STATE, |row: &Held| state_cell(visit, row.state)),
        Column::new("ordered", texts::INTENDED, |row: &Held| visit.time_cell(row.ordered)),
        Column::new("serial", texts::SERIAL, move |row: &Held| code(&row.serial)),
        Column::new("key", texts::SHA256_OF_KEY, move |row: &Held| code(&row.key)),
    ]
}

fn swap_columns(visit: &Visit) -> Vec<Column<'_, BoardSwap>> {
    vec![
        Column::new("time", common::TIME, |row: &BoardSwap| visit.time_cell(Some(row.opened))),
        Column::new("reason", common::REASON, |row: &BoardSwap| Cell::text(&row.reason)),
        Column::new("chip", texts::FORMER_CHIP, |row: &BoardSwap| {
            row.former_hardware_uid.as_ref().map_or_else(Cell::nothing, Cell::text)
        }),
    ]
}
