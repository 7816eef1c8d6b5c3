//! The devices of the factory: a list, and one device's life as far as the gateway knows it.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use console::catalogue::{common, gateway as texts};
use console::{
    Cell, Column, Failure, ListQuery, Table, Visit, choice_field, html, state_badge, state_choices,
};
use identity::{CredentialId, DeviceNumber};
use store::gateway::activity::{self, Try};
use store::gateway::credential::{self, Credential};
use store::gateway::list::{self, CredentialFilter, CredentialOrder, ListedCredential};
use store::listing::Page;

use super::{Pages, state_cell};
use crate::error::GatewayError;

pub(super) fn routes() -> Router<Pages> {
    Router::new().route("/devices", get(devices)).route("/devices/{number}", get(device))
}

async fn devices(State(pages): State<Pages>, visit: Visit, query: ListQuery) -> Result<Response, Failure> {
    let filter = CredentialFilter {
        prefix: query.search().to_owned(),
        state: query.field("state").parse().ok(),
        product: query.field("product").parse().ok(),
    };
    let order = match query.sort() {
        Some("completed") => CredentialOrder::Completed,
        _ => CredentialOrder::Name,
    };
    let page = Page { is_descending: query.is_descending(), limit: query.limit(), offset: query.offset() };
    let mut snapshot = pages.desk().store.read().await.map_err(GatewayError::from)?;
    let (rows, total) =
        list::credentials(&mut snapshot, &filter, order, page).await.map_err(GatewayError::from)?;
    let states = state_choices(&visit, texts::ANY_STATE);
    let table = Table::new("devices", texts::DEVICES, columns(&visit)).filter(choice_field(
        visit.t(common::STATE),
        "state",
        &states,
        query.field("state"),
    ));
    Ok(table.answer(&visit, &query, &rows, total, |table| visit.page(texts::DEVICES, table)))
}

fn columns(visit: &Visit) -> Vec<Column<'_, ListedCredential>> {
    vec![
        Column::new("credential", texts::CREDENTIAL, |row: &ListedCredential| {
            credential_cell(&row.id, row.device_number.as_ref())
        })
        .sortable(),
        Column::new("device", common::DEVICE_NUMBER, |row: &ListedCredential| {
            row.device_number.as_ref().map_or_else(Cell::nothing, Cell::device)
        }),
        Column::new("state", common::STATE, |row: &ListedCredential| state_cell(visit, row.state)),
        Column::new("station", texts::STATION, |row: &ListedCredential| {
            row.station.as_ref().map_or_else(Cell::nothing, Cell::text)
        }),
        Column::new("completed", texts::COMPLETED, |row: &ListedCredential| visit.time_cell(row.completed))
            .sortable(),
        Column::new("reason", common::REASON, |row: &ListedCredential| {
            row.reason.as_ref().map_or_else(Cell::nothing, Cell::text)
        }),
    ]
}

/// A credential's name, which leads to its device where it has one.
pub(super) fn credential_cell(id: &CredentialId, device: Option<&DeviceNumber>) -> Cell {
    match (id, device) {
        (CredentialId::Number(number), _) => Cell::device(number),
        (id, Some(number)) => Cell::link(&format!("/devices/{number}"), id),
        (id, None) => Cell::text(id),
    }
}

async fn device(
    State(pages): State<Pages>,
    visit: Visit,
    Path(number): Path<String>,
) -> Result<Response, Failure> {
    let number: DeviceNumber = number.parse().map_err(|_| Failure::Missing)?;
    let mut snapshot = pages.desk().store.read().await.map_err(GatewayError::from)?;
    let certificate =
        credential::find(&mut snapshot, &number.clone().into()).await.map_err(GatewayError::from)?;
    let symmetric = credential::symmetric_of(&mut snapshot, &number).await.map_err(GatewayError::from)?;
    let tries = activity::of_device(&mut snapshot, &number).await.map_err(GatewayError::from)?;
    let credentials: Vec<Credential> = certificate.into_iter().chain(symmetric).collect();
    if credentials.is_empty() && tries.is_empty() {
        return Err(Failure::Missing);
    }
    let content = html! {
        p .lead { (visit.fill(texts::WHAT_IS_KNOWN, &[&number])) }
        @for credential in &credentials { (card(&visit, credential)) }
        h2 { (visit.t(texts::TRIES)) }
        (Table::new("tries", texts::TRIES, try_columns(&visit)).show_all(&visit, &tries))
    };
    Ok(visit.titled_page(StatusCode::OK, &number.to_string(), content))
}

fn card(visit: &Visit, credential: &Credential) -> console::Markup {
    html! {
        div .card {
            dl .facts {
                dt { (visit.t(texts::CREDENTIAL)) }
                dd .mono { (credential.id) }
                dt { (visit.t(common::STATE)) }
                dd { (state_badge(visit, credential.state)) }
                @if let Some(lease) = &credential.lease {
                    dt { (visit.t(texts::STATION)) }
                    dd { (lease.station) }
                    dt { (visit.t(texts::CHIP)) }
                    dd .mono { (lease.hardware_uid) }
                }
                @if let Some(completed) = credential.completed {
                    dt { (visit.t(texts::COMPLETED)) }
                    dd { (visit.moment(completed)) }
                }
                @if let Some(reason) = &credential.reason {
                    dt { (visit.t(common::REASON)) }
                    dd { (reason) }
                }
            }
        }
    }
}

fn try_columns(visit: &Visit) -> Vec<Column<'_, Try>> {
    vec![
        Column::new("time", common::TIME, |row: &Try| visit.time_cell(Some(row.started))),
        Column::new("station", texts::STATION, |row: &Try| Cell::text(&row.station)),
        Column::new("chip", texts::CHIP, |row: &Try| Cell::text(&row.hardware_uid)),
        Column::new("result", texts::RESULT, |row: &Try| match row.state {
            Some(state) => state_cell(visit, state),
            None => Cell::text(visit.t(texts::NO_RESULT)),
        }),
    ]
}
