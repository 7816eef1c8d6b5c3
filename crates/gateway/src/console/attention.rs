//! What waits for a person: records that the authority refused, and credentials of which nobody knows.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use console::catalogue::{common, gateway as texts};
use console::{Cell, Column, Failure, Form, ListQuery, Table, Visit, hidden, html, submit};
use identity::{CredentialId, CredentialState};
use serde::Deserialize;
use staff::{Permission, SignedIn};
use store::gateway::list::{self, CredentialFilter, CredentialOrder, ListedCredential};
use store::gateway::outbox::{self, Record};
use store::listing::Page;

use super::{Pages, devices};
use crate::error::GatewayError;

pub(super) fn routes() -> Router<Pages> {
    Router::new()
        .route("/attention", get(attention))
        .route("/attention/send-again", post(send_again))
        .route("/attention/withdraw", post(withdraw))
}

async fn attention(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    query: ListQuery,
) -> Result<Response, Failure> {
    let mut snapshot = pages.desk().store.read().await.map_err(GatewayError::from)?;
    let parked = outbox::parked(&mut snapshot).await.map_err(GatewayError::from)?;
    let filter = CredentialFilter {
        prefix: query.search().to_owned(),
        state: Some(CredentialState::Suspect),
        product: None,
    };
    let page = Page { is_descending: query.is_descending(), limit: query.limit(), offset: query.offset() };
    let (rows, total) = list::credentials(&mut snapshot, &filter, CredentialOrder::Name, page)
        .await
        .map_err(GatewayError::from)?;
    let table = Table::new("suspect", texts::SUSPECTS, suspect_columns(&visit, signed.may(Permission::Void)));
    Ok(table.answer(&visit, &query, &rows, total, |table| {
        visit.page(
            texts::ATTENTION,
            html! {
                h2 { (visit.t(texts::PARKED)) }
                p .lead { (visit.t(texts::PARKED_HELP)) }
                (Table::new("parked", texts::PARKED, parked_columns(&visit)).show_all(&visit, &parked))
                @if !parked.is_empty() && signed.may(Permission::Operate) {
                    div .actions {
                        (visit.form("/attention/send-again", submit(visit.t(texts::SEND_AGAIN), "primary")))
                    }
                }
                h2 { (visit.t(texts::SUSPECTS)) }
                p .lead { (visit.t(texts::SUSPECTS_HELP)) }
                (table)
            },
        )
    }))
}

fn parked_columns(visit: &Visit) -> Vec<Column<'_, Record>> {
    vec![
        Column::new("credential", texts::CREDENTIAL, |row: &Record| {
            devices::credential_cell(&row.credential, None)
        }),
        Column::new("time", common::TIME, |row: &Record| visit.time_cell(Some(row.time))),
        Column::new("reason", common::REASON, |row: &Record| {
            Cell::text(row.parked.as_deref().unwrap_or_default())
        }),
    ]
}

fn suspect_columns(visit: &Visit, may_void: bool) -> Vec<Column<'_, ListedCredential>> {
    let mut columns = vec![
        Column::new("credential", texts::CREDENTIAL, |row: &ListedCredential| {
            devices::credential_cell(&row.id, row.device_number.as_ref())
        })
        .sortable(),
        Column::new("station", texts::STATION, |row: &ListedCredential| {
            row.station.as_ref().map_or_else(Cell::nothing, Cell::text)
        }),
        Column::new("reason", common::REASON, |row: &ListedCredential| {
            Cell::text(row.reason.as_deref().unwrap_or_default())
        }),
    ];
    if may_void {
        columns.push(Column::new("action", common::ACTION, |row: &ListedCredential| {
            let label = visit.t(common::REASON);
            let form = visit.form(
                "/attention/withdraw",
                html! {
                    (hidden("credential", &row.id.to_string()))
                    input type="text" name="reason" required aria-label=(label) placeholder=(label);
                    button .small .danger type="submit" { (visit.t(texts::WITHDRAW)) }
                },
            );
            Cell::markup(form, "")
        }));
    }
    columns
}

#[derive(Deserialize)]
struct Nothing {}

async fn send_again(
    State(pages): State<Pages>,
    signed: SignedIn,
    _: Form<Nothing>,
) -> Result<Response, Failure> {
    signed.require(Permission::Operate)?;
    pages.desk().unpark(&signed.actor()).await?;
    Ok(Redirect::to("/attention").into_response())
}

#[derive(Deserialize)]
struct Withdrawn {
    credential: String,
    reason: String,
}

async fn withdraw(
    State(pages): State<Pages>,
    signed: SignedIn,
    Form(withdrawn): Form<Withdrawn>,
) -> Result<Response, Failure> {
    signed.require(Permission::Void)?;
    let id: CredentialId = withdrawn.credential.parse().map_err(|_| Failure::Missing)?;
    pages.desk().void(&id, withdrawn.reason.trim(), &signed.actor()).await?;
    Ok(Redirect::to("/attention").into_response())
}
