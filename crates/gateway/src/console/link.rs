//! The link to the authority: how long it is down, what waits for it, and what it allots.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use console::catalogue::{common, gateway as texts};
use console::{Cell, Column, Failure, Markup, Status, Table, Visit, figures, html, live, notice};
use message::allotment::ProductAllotment;
use store::feed;
use store::gateway::outbox;

use super::Pages;
use crate::desk::Desk;
use crate::error::GatewayError;
use crate::need::last_allotment;

/// The authority is asked every ten seconds; who has not answered for so long is away.
const SILENT_SECONDS: i64 = 45;

/// How the link stands.
pub(super) struct Link {
    heard: Option<i64>,
    now: i64,
    waiting: u64,
    oldest: Option<i64>,
}

impl Link {
    pub(super) async fn read(desk: &Desk) -> Result<Self, GatewayError> {
        let mut snapshot = desk.store.read().await?;
        Ok(Self {
            heard: feed::position(&mut snapshot).await?.heard,
            now: desk.now(),
            waiting: outbox::length(&mut snapshot).await?,
            oldest: outbox::waiting(&mut snapshot, 1).await?.first().map(|record| record.time),
        })
    }

    /// For how many seconds the authority has not answered, where that is longer than it may be.
    pub(super) fn outage(&self) -> Option<i64> {
        let silent = self.now - self.heard?;
        (silent > SILENT_SECONDS).then_some(silent)
    }
}

pub(super) fn routes() -> Router<Pages> {
    Router::new().route("/link", get(link)).route("/live/link", get(follow))
}

async fn link(State(pages): State<Pages>, visit: Visit) -> Result<Response, Failure> {
    let mut snapshot = pages.desk().store.read().await.map_err(GatewayError::from)?;
    let allotted = last_allotment(&mut snapshot).await.map_err(GatewayError::from)?;
    let products = allotted.map(|allotment| allotment.products).unwrap_or_default();
    let content = content(&pages, &visit).await?;
    Ok(visit.page(
        texts::AUTHORITY,
        html! {
            (live::part(&visit, "/live/link", content))
            h2 { (visit.t(texts::ALLOTMENT)) }
            (allotment().show_all(&visit, &products))
        },
    ))
}

async fn follow(State(pages): State<Pages>, visit: Visit) -> Response {
    live::stream(move || {
        let (pages, visit) = (pages.clone(), visit.clone());
        async move { content(&pages, &visit).await.ok() }
    })
}

async fn content(pages: &Pages, visit: &Visit) -> Result<Markup, GatewayError> {
    let link = Link::read(pages.desk()).await?;
    let oldest = link.oldest.map_or_else(
        || visit.t(texts::ALL_REPORTED).to_owned(),
        |oldest| visit.fill(texts::OLDEST, &[&visit.moment(oldest)]),
    );
    let waiting = if link.waiting == 0 { Status::Good } else { Status::Neutral };
    Ok(html! {
        @if let Some(seconds) = link.outage() { (outage(visit, seconds)) }
        (figures(&[figure(visit, &link), (visit.t(texts::OUTBOX), link.waiting.to_string(), waiting, oldest)]))
    })
}

/// The link as a figure.
pub(super) fn figure<'a>(visit: &'a Visit, link: &Link) -> (&'a str, String, Status, String) {
    let is_up = link.heard.is_some() && link.outage().is_none();
    let (text, status) = if is_up { (texts::LINK_UP, Status::Good) } else { (texts::LINK_DOWN, Status::Bad) };
    let against = link.heard.map_or_else(
        || visit.t(texts::NEVER_HEARD).to_owned(),
        |heard| visit.fill(texts::LAST_HEARD, &[&visit.moment(heard)]),
    );
    (visit.t(texts::LINK), visit.t(text).to_owned(), status, against)
}

/// What an outage means.
pub(super) fn outage(visit: &Visit, seconds: i64) -> Markup {
    let span = visit.fill(texts::HOURS_MINUTES, &[&(seconds / 3_600), &(seconds % 3_600 / 60)]);
    notice(visit, Status::Warning, html! { (visit.fill(texts::OUTAGE, &[&span])) })
}

fn allotment() -> Table<'static, ProductAllotment> {
    Table::new(
        "allotment",
        texts::ALLOTMENT,
        vec![
            Column::new("product", common::PRODUCT, |row: &ProductAllotment| Cell::text(&row.product)),
            Column::new("quota", texts::QUOTA, |row: &ProductAllotment| Cell::number(row.quota)).number(),
            Column::new("issued", texts::ISSUED, |row: &ProductAllotment| Cell::number(row.issued)).number(),
        ],
    )
}
