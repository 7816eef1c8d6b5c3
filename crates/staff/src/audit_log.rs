//! The audit log, at every console: a page of it at a time, and whether it is whole.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use console::catalogue::common;
use console::catalogue::staff as texts;
use console::{Cell, Column, Failure, Form, ListQuery, Markup, Status, Table, Visit, html, notice, submit};
use serde::Deserialize;
use store::audit::list::{self, EntryFilter};
use store::audit::{self, AuditError, Entry};
use store::listing::Page;

use crate::gate::SignedIn;
use crate::people::Staff;
use crate::permission::Permission;

pub(crate) fn routes() -> Router<Arc<Staff>> {
    Router::new().route("/audit", get(log)).route("/audit/verify", post(verify))
}

/// How many characters of an entry's body a page shows.
const SHOWN: usize = 240;

#[derive(Deserialize)]
struct Nothing {}

async fn log(
    State(staff): State<Arc<Staff>>,
    visit: Visit,
    signed: SignedIn,
    query: ListQuery,
) -> Result<Response, Failure> {
    signed.require(Permission::Audit)?;
    let filter = EntryFilter {
        actor: query.field("actor").trim().to_owned(),
        action: query.field("action").trim().to_owned(),
        body: query.search().to_owned(),
    };
    // The newest first, unless someone asks for the other way.
    let is_descending = query.sort().is_none() || query.is_descending();
    let page = Page { is_descending, limit: query.limit(), offset: query.offset() };
    let mut snapshot = staff.store.read().await.map_err(|error| Failure::of(&error))?;
    let (rows, total) =
        list::page(&mut snapshot, &filter, page).await.map_err(|error| Failure::of(&error))?;
    let table = table(&visit).filter(filters(&visit, &query));
    Ok(table.answer(&visit, &query, &rows, total, |table| shown(&visit, None, &table)))
}

async fn verify(
    State(staff): State<Arc<Staff>>,
    visit: Visit,
    signed: SignedIn,
    _: Form<Nothing>,
) -> Result<Response, Failure> {
    signed.require(Permission::Audit)?;
    let mut snapshot = staff.store.read().await.map_err(|error| Failure::of(&error))?;
    let found = match audit::verify(&mut snapshot).await {
        Ok(head) => {
            let hash: String = head.hash.iter().map(|byte| format!("{byte:02x}")).collect();
            let text = visit.fill(texts::LOG_IS_WHOLE, &[&head.sequence, &hash]);
            notice(&visit, Status::Good, html! { span .wrap { (text) } })
        }
        Err(error @ AuditError::Tampered { .. }) => {
            notice(&visit, Status::Bad, html! { (visit.fill(texts::LOG_IS_CHANGED, &[&error])) })
        }
        Err(error) => return Err(Failure::of(&error)),
    };
    Ok(shown(&visit, Some(found), &html! {}))
}

fn shown(visit: &Visit, found: Option<Markup>, table: &Markup) -> Response {
    visit.page(
        texts::AUDIT_LOG,
        html! {
            p .lead { (visit.t(texts::AUDIT_LEAD)) }
            @if let Some(found) = found {
                (found)
                p { a href="/audit" { (visit.t(common::BACK)) } }
            } @else {
                (visit.form("/audit/verify", submit(visit.t(texts::VERIFY), "")))
            }
            (table)
        },
    )
}

fn filters(visit: &Visit, query: &ListQuery) -> Markup {
    html! {
        @for (name, label) in [("actor", texts::ACTOR), ("action", common::ACTION)] {
            input type="text" name=(name) value=(query.field(name)) placeholder=(visit.t(label)) aria-label=(visit.t(label));
        }
    }
}

fn table(visit: &Visit) -> Table<'_, Entry> {
    Table::new(
        "audit",
        texts::AUDIT_LOG,
        vec![
            Column::new("sequence", texts::SEQUENCE, |entry: &Entry| Cell::number(entry.sequence))
                .number()
                .sortable(),
            Column::new("time", common::TIME, |entry: &Entry| visit.time_cell(Some(entry.time))),
            Column::new("actor", texts::ACTOR, |entry: &Entry| Cell::text(&entry.actor)),
            Column::new("action", common::ACTION, |entry: &Entry| Cell::text(&entry.action)),
            Column::new("body", texts::BODY, |entry: &Entry| {
                Cell::markup(html! { code .wrap { (shortened(&entry.body)) } }, &entry.body)
            }),
        ],
    )
}

/// A body as far as a page has room for it; the file has all of it.
fn shortened(body: &str) -> String {
    match body.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &body[..end]),
        None => body.to_owned(),
    }
}
