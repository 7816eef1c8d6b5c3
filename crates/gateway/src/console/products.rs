//! The product list.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use console::catalogue::{common, gateway as texts};
use console::{Cell, Column, Failure, ListQuery, Table, Visit};
use store::gateway::plan::Product;

use super::Pages;

pub(super) fn routes() -> Router<Pages> {
    Router::new().route("/products", get(products))
}

async fn products(State(pages): State<Pages>, visit: Visit, query: ListQuery) -> Result<Response, Failure> {
    let rows = pages.desk().products().await?;
    let table = Table::new(
        "products",
        texts::PRODUCTS,
        vec![
            Column::new("product", common::PRODUCT, |row: &Product| Cell::text(&row.code)).sortable(),
            Column::new("takes-certificate", texts::TAKES_CERTIFICATE, |row: &Product| {
                Cell::text(visit.t(if row.takes_certificate { texts::YES } else { texts::NO }))
            })
            .sortable(),
            Column::new("remarks", texts::REMARKS, |row: &Product| Cell::text(&row.remarks)),
        ],
    );
    Ok(table.answer_all(&visit, &query, rows, |table| visit.page(texts::PRODUCTS, table)))
}
