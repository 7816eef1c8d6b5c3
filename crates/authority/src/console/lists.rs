//! Short lists: products, pre-write keys, members.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use console::catalogue::{authority as texts, common};
use console::{Cell, Column, Failure, Form, ListQuery, Status, Table, Visit, hidden, notice};
use identity::KeyIdentifier;
use maud::html;
use serde::Deserialize;
use staff::{Permission, SignedIn};
use store::authority::pre_write_key::{PreWriteKey, Stage};
use store::authority::product::Product;

use super::Pages;
use crate::approved::Proposal;
use crate::status::MemberFigures;

pub(super) fn routes() -> Router<Pages> {
    Router::new()
        .route("/products", get(products))
        .route("/keys", get(keys))
        .route("/keys/export", post(propose_export))
        .route("/members", get(members))
}

async fn products(State(pages): State<Pages>, visit: Visit, query: ListQuery) -> Result<Response, Failure> {
    let rows = pages.desk().products().await?;
    let table = Table::new(
        "products",
        texts::PRODUCTS,
        vec![
            Column::new("product", common::PRODUCT, |row: &Product| Cell::text(&row.code)).sortable(),
            Column::new("credentials", texts::CREDENTIALS, |row: &Product| Cell::text(credentials(row))),
            Column::new("maker", texts::ORGANIZATION, |row: &Product| {
                row.organization.as_ref().map_or_else(Cell::nothing, Cell::text)
            })
            .sortable(),
            Column::new("validity-days", texts::VALIDITY, |row: &Product| match row.validity_days {
                Some(days) => Cell::number(days),
                None => Cell::text(visit.t(texts::WITHOUT_END)),
            })
            .number(),
        ],
    );
    Ok(table.answer_all(&visit, &query, rows, |table| visit.page(texts::PRODUCTS, table)))
}

/// The profile in words, as the command line says it too.
fn credentials(product: &Product) -> String {
    let mut words = Vec::new();
    if let Some(certificate) = product.profile.certificate() {
        words.push(format!("certificate ({}, {})", certificate.algorithm, certificate.origin));
    }
    if let Some(form) = product.profile.symmetric() {
        words.push(format!("symmetric ({form})"));
    }
    words.push(format!("sealing: {}", product.profile.sealing()));
    words.join(", ")
}

async fn keys(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    query: ListQuery,
) -> Result<Response, Failure> {
    let rows = pages.desk().pre_write_keys().await?;
    let table =
        Table::new("pre-write-keys", texts::KEYS, key_columns(&visit, signed.may(Permission::Secure)));
    Ok(table.answer_all(&visit, &query, rows, |table| visit.page(texts::KEYS, table)))
}

fn key_columns(visit: &Visit, may_propose: bool) -> Vec<Column<'_, PreWriteKey>> {
    let time = |key, name, of: fn(&PreWriteKey) -> Option<i64>| {
        Column::new(key, name, move |row: &PreWriteKey| visit.time_cell(of(row))).sortable()
    };
    let mut columns = vec![
        Column::new("key", texts::KEY, |row: &PreWriteKey| Cell::text(&row.identifier)).sortable(),
        Column::new("product", common::PRODUCT, |row: &PreWriteKey| Cell::text(&row.product)).sortable(),
        Column::new("stage", texts::STAGE, |row: &PreWriteKey| {
            let (status, text) = match row.stage() {
                Stage::Current => (Status::Good, texts::CURRENT),
                Stage::Previous => (Status::Neutral, texts::PREVIOUS),
                Stage::Retired => (Status::Bad, texts::RETIRED),
            };
            Cell::status(status, visit.t(text))
        }),
        time("made", texts::MADE, |row| Some(row.made)),
        time("handed-out", texts::EXPORTED, |row| row.exported),
        time("replaced", texts::REPLACED, |row| row.replaced),
        time("retired", texts::RETIRED, |row| row.retired),
    ];
    if may_propose {
        columns.push(Column::new("action", common::ACTION, |row: &PreWriteKey| {
            if row.exported.is_some() || row.retired.is_some() {
                return Cell::nothing();
            }
            let form = visit.form(
                "/keys/export",
                html! {
                    (hidden("key", &row.identifier.to_string()))
                    button .small type="submit" { (visit.t(texts::PROPOSE_EXPORT)) }
                },
            );
            Cell::markup(form, "")
        }));
    }
    columns
}

#[derive(Deserialize)]
struct Export {
    key: KeyIdentifier,
}

async fn propose_export(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    Form(Export { key }): Form<Export>,
) -> Result<Response, Failure> {
    signed.require(Permission::Secure)?;
    let id = pages.desk().propose(&Proposal::ExportKey { key }, signed.name()).await?;
    let text = visit.fill(texts::PROPOSED, &[&id]);
    Ok(visit.page(
        texts::KEYS,
        html! {
            (notice(&visit, Status::Good, html! { (text) }))
            p { a href="/keys" { (visit.t(common::BACK)) } }
        },
    ))
}

async fn members(State(pages): State<Pages>, visit: Visit, query: ListQuery) -> Result<Response, Failure> {
    let rows = pages.desk().status().await?.members;
    let table = Table::new(
        "members",
        texts::MEMBERS,
        vec![
            Column::new("member", texts::MEMBER, |row: &MemberFigures| Cell::text(&row.member)).sortable(),
            Column::new("certified", texts::CERTIFIED, |row: &MemberFigures| {
                visit.time_cell(Some(row.issued))
            })
            .sortable(),
            Column::new("records", texts::RECORDS, |row: &MemberFigures| Cell::number(row.records))
                .number()
                .sortable(),
            Column::new("serial", texts::SERIAL, |row: &MemberFigures| {
                let serial = &row.certificate_serial;
                Cell::markup(html! { code { (serial) } }, serial)
            }),
        ],
    );
    Ok(table.answer_all(&visit, &query, rows, |table| visit.page(texts::MEMBERS, table)))
}
