//! Stock over time against what the coming days need, and how it stands now.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use console::catalogue::{common, gateway as texts};
use console::{
    Cell, Chart, Column, Failure, Form, ListQuery, Markup, Series, Shape, Table, Visit, html, submit,
};
use message::status::ProductStatus;
use serde::Deserialize;
use staff::{Permission, SignedIn};
use store::gateway::stock_sample::{self, StockSample};

use super::{Pages, plan};
use crate::error::GatewayError;

/// How far back the chart goes.
const CHART_SECONDS: i64 = 7 * 24 * 60 * 60;

pub(super) fn routes() -> Router<Pages> {
    Router::new().route("/stock", get(stock)).route("/stock/replenish", post(replenish))
}

async fn stock(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    query: ListQuery,
) -> Result<Response, Failure> {
    let desk = pages.desk();
    let mut products = desk.status().await?.products;
    let mut codes: Vec<_> = products.iter().map(|product| product.product.clone()).collect();
    codes.dedup();
    let chosen = query.field("product").to_owned();
    let choice = plan::product_choice(&visit, &codes, &chosen);
    products.retain(|product| chosen.is_empty() || product.product.as_str() == chosen);
    codes.retain(|code| chosen.is_empty() || code.as_str() == chosen);
    let mut snapshot = desk.store.read().await.map_err(GatewayError::from)?;
    let mut charts = Vec::new();
    for code in &codes {
        let since = desk.now() - CHART_SECONDS;
        let samples = stock_sample::since(&mut snapshot, code, since).await.map_err(GatewayError::from)?;
        charts.extend(samples.chunk_by(|a, b| a.kind == b.kind).map(|samples| chart(&visit, samples)));
    }
    let table = Table::new("stock", texts::STOCK, columns()).filter(choice);
    Ok(table.answer_all(&visit, &query, products, |table| {
        visit.page(
            texts::STOCK,
            html! {
                @if signed.may(Permission::Operate) {
                    (visit.form("/stock/replenish", submit(visit.t(texts::REPLENISH), "")))
                }
                div .columns { @for chart in &charts { (chart) } }
                (table)
            },
        )
    }))
}

#[derive(Deserialize)]
struct Nothing {}

async fn replenish(
    State(pages): State<Pages>,
    signed: SignedIn,
    _: Form<Nothing>,
) -> Result<Response, Failure> {
    signed.require(Permission::Operate)?;
    pages.desk().ask_to_replenish(&signed.actor()).await?;
    Ok(Redirect::to("/stock").into_response())
}

/// The saw-tooth of one kind of a product's credentials.
fn chart(visit: &Visit, samples: &[StockSample]) -> Markup {
    let Some(first) = samples.first() else { return html! {} };
    let kind = first.kind.as_str();
    let values = |of: fn(&StockSample) -> u64| samples.iter().map(|sample| Some(of(sample) as f64)).collect();
    Chart {
        caption: visit.fill(texts::STOCK_OVER_TIME, &[&first.product, &kind]),
        axis: visit.t(common::TIME).to_owned(),
        labels: samples.iter().map(|sample| visit.moment(sample.time)).collect(),
        times: samples.iter().map(|sample| sample.time).collect(),
        series: vec![
            Series {
                name: visit.t(texts::IN_STOCK).to_owned(),
                shape: Shape::Step,
                values: values(|one| one.stocked),
            },
            Series {
                name: visit.t(texts::REFILL_LINE).to_owned(),
                shape: Shape::Dashed,
                values: values(|one| one.wanted),
            },
        ],
    }
    .show(visit)
}

fn columns() -> Vec<Column<'static, ProductStatus>> {
    let number = |key, name, of: fn(&ProductStatus) -> u64| {
        Column::new(key, name, move |row: &ProductStatus| Cell::number(of(row))).number().sortable()
    };
    vec![
        Column::new("product", common::PRODUCT, |row: &ProductStatus| Cell::text(&row.product)).sortable(),
        Column::new("credential", texts::CREDENTIAL, |row: &ProductStatus| Cell::text(row.credential)),
        number("stocked", texts::IN_STOCK, |row| row.stocked),
        number("planned-ahead", texts::PLANNED_AHEAD, |row| row.planned_ahead),
        number("reserved", texts::RESERVED, |row| row.reserved),
        number("leased", texts::LEASED, |row| row.leased),
        number("written", texts::WRITTEN, |row| row.written),
        number("verified", texts::VERIFIED, |row| row.verified),
        number("suspect", texts::SUSPECT, |row| row.suspect),
        number("voided", texts::VOIDED, |row| row.voided),
    ]
}
