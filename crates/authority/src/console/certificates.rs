//! Finding a certificate: by device number, by its serial, by its key.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use console::catalogue::{authority as texts, common};
use console::{Cell, Column, Failure, ListQuery, Table, Visit, choice_field, state_choices};
use maud::html;
use store::authority::list::{self, CertificateFilter, ListedCertificate};
use store::listing::Page;

use super::{Pages, state_cell};
use crate::error::AuthorityError;

/// Hexadecimal digits of a hash, and the fewest that are taken for a serial rather than a device number.
const HASH_DIGITS: usize = 64;
const SERIAL_DIGITS_MIN: usize = 16;

pub(super) fn routes() -> Router<Pages> {
    Router::new().route("/certificates", get(certificates))
}

async fn certificates(
    State(pages): State<Pages>,
    visit: Visit,
    query: ListQuery,
) -> Result<Response, Failure> {
    let page = Page { is_descending: query.is_descending(), limit: query.limit(), offset: query.offset() };
    let mut snapshot = pages.desk().store.read().await.map_err(AuthorityError::from)?;
    let (rows, total) =
        list::certificates(&mut snapshot, &filter(&query), page).await.map_err(AuthorityError::from)?;
    let states = state_choices(&visit, texts::ANY_STATE);
    let table = Table::new("certificates", texts::CERTIFICATES, columns(&visit))
        .search_hint(texts::NUMBER_OR_SERIAL)
        .filter(choice_field(visit.t(common::STATE), "state", &states, query.field("state")));
    Ok(table.answer(&visit, &query, &rows, total, |table| visit.page(texts::CERTIFICATES, table)))
}

/// What was typed is a serial or the hash of a key where it is long and hexadecimal, else the beginning of a number.
fn filter(query: &ListQuery) -> CertificateFilter {
    let typed = query.search();
    let digits: String = typed.chars().filter(|letter| !letter.is_whitespace() && *letter != ':').collect();
    let bytes = hex::decode(&digits).ok();
    let mut filter = CertificateFilter {
        state: query.field("state").parse().ok(),
        factory: query.field("factory").parse().ok(),
        product: query.field("product").parse().ok(),
        ..CertificateFilter::default()
    };
    match bytes {
        Some(hash) if digits.len() == HASH_DIGITS => filter.public_key_sha256 = Some(hash),
        Some(serial) if digits.len() >= SERIAL_DIGITS_MIN => filter.certificate_serial = Some(serial),
        _ => filter.prefix = typed.to_owned(),
    }
    filter
}

fn columns(visit: &Visit) -> Vec<Column<'_, ListedCertificate>> {
    vec![
        Column::new("number", common::DEVICE_NUMBER, |row: &ListedCertificate| Cell::device(&row.number))
            .sortable(),
        Column::new("state", common::STATE, |row: &ListedCertificate| state_cell(visit, row.state)),
        Column::new("factory", texts::FACTORY, |row: &ListedCertificate| Cell::text(&row.factory)),
        Column::new("ordered", texts::INTENDED, |row: &ListedCertificate| {
            visit.time_cell(Some(row.intended))
        }),
        Column::new("serial", texts::SERIAL, |row: &ListedCertificate| {
            let serial = hex::encode(&row.certificate_serial);
            Cell::markup(html! { code { (serial) } }, &serial)
        }),
    ]
}
