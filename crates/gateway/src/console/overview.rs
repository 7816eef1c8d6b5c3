//! The first page: whether today is covered, and what needs someone.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use console::catalogue::gateway as texts;
use console::{Failure, Markup, Status, Visit, figures, html, live};
use jiff::ToSpan;
use message::status::DayStatus;
use store::gateway::{list, outbox, plan as plan_rows};

use super::link::{self, Link};
use super::{Pages, plan, stations};
use crate::desk::Desk;
use crate::error::GatewayError;
use crate::need::LAST_DAY;
use crate::product::LocalProduct;

/// How many days the chart goes back and ahead.
const CHART_DAYS_PAST: i64 = 10;
const CHART_DAYS_AHEAD: i64 = 20;

pub(super) fn routes() -> Router<Pages> {
    Router::new().route("/", get(overview)).route("/live/overview", get(follow))
}

async fn overview(State(pages): State<Pages>, visit: Visit) -> Result<Response, Failure> {
    let desk = pages.desk();
    let today = desk.day_of(desk.now())?;
    let first = today.saturating_sub(CHART_DAYS_PAST.days()).to_string();
    let last = today.saturating_add(CHART_DAYS_AHEAD.days()).to_string();
    let days = desk.planned_days(Some((&first, &last))).await?;
    let content = content(&pages, &visit).await?;
    Ok(visit.page(
        texts::OVERVIEW,
        html! {
            (live::part(&visit, "/live/overview", content))
            (plan::chart(&visit, &days, &today.to_string(), None))
        },
    ))
}

async fn follow(State(pages): State<Pages>, visit: Visit) -> Response {
    live::stream(move || {
        let (pages, visit) = (pages.clone(), visit.clone());
        async move { content(&pages, &visit).await.ok() }
    })
}

/// What changes by itself: figures and stations. It is looked at every second, so it counts what is of today or in
/// stock, and never all that there is.
async fn content(pages: &Pages, visit: &Visit) -> Result<Markup, GatewayError> {
    let desk = pages.desk();
    let today = desk.day_of(desk.now())?.to_string();
    let days = desk.planned_days(Some((&today, &today))).await?;
    let link = Link::read(desk).await?;
    let covered = days_covered(desk, &today, &days).await?;
    let mut snapshot = desk.store.read().await?;
    let suspects = list::suspects(&mut snapshot).await?;
    let parked = outbox::parked(&mut snapshot).await?.len();
    drop(snapshot);
    Ok(html! {
        @if let Some(outage) = link.outage() { (link::outage(visit, outage)) }
        (figures(&[
            written_today(visit, &days),
            covered_figure(pages, visit, covered),
            attention(visit, parked, suspects),
            link::figure(visit, &link),
        ]))
        (stations::at_work(pages, visit).await?)
    })
}

type Figure<'a> = (&'a str, String, Status, String);

fn written_today<'a>(visit: &'a Visit, today: &[DayStatus]) -> Figure<'a> {
    let written: u64 = today.iter().map(|day| day.verified).sum();
    let planned: u64 = today.iter().map(|day| day.planned).sum();
    let against = visit.fill(texts::OF_PLANNED, &[&planned]);
    (visit.t(texts::TODAY), written.to_string(), Status::Neutral, against)
}

fn covered_figure<'a>(pages: &Pages, visit: &'a Visit, covered: Option<u64>) -> Figure<'a> {
    let wanted = u64::from(pages.desk().settings.days_ahead);
    let against = visit.fill(texts::OF_DAYS_WANTED, &[&wanted]);
    let (text, status) = match covered {
        None => ("–".to_owned(), Status::Neutral),
        Some(0) => ("0".to_owned(), Status::Bad),
        Some(days) if days < wanted => (days.to_string(), Status::Warning),
        Some(days) => (days.to_string(), Status::Good),
    };
    (visit.t(texts::DAYS_COVERED), text, status, against)
}

fn attention<'a>(visit: &'a Visit, parked: usize, suspects: u64) -> Figure<'a> {
    let how = if parked > 0 {
        Status::Bad
    } else if suspects > 0 {
        Status::Warning
    } else {
        Status::Good
    };
    let total = suspects + u64::try_from(parked).unwrap_or_default();
    let against = visit.fill(texts::PARKED_AND_SUSPECT, &[&parked, &suspects]);
    (visit.t(texts::ATTENTION), total.to_string(), how, against)
}

/// For how many planned days, from today on, what is in stock is enough of every product; none without a plan.
async fn days_covered(desk: &Desk, today: &str, made: &[DayStatus]) -> Result<Option<u64>, GatewayError> {
    let mut snapshot = desk.store.read().await?;
    let plan = plan_rows::between(&mut snapshot, today, LAST_DAY).await?;
    let mut fewest: Option<u64> = None;
    for product in LocalProduct::all(&mut snapshot).await? {
        let of_product = || plan.iter().filter(|cell| cell.product == product.code && cell.units > 0);
        for kind in product.kinds().filter(|kind| !product.needs_device(*kind)) {
            let mut left = list::stocked(&mut snapshot, &product.code, kind).await?;
            let mut days = 0;
            for cell in of_product() {
                let is_it = |day: &&DayStatus| day.day == cell.day && day.product == cell.product;
                let done = made.iter().find(is_it).map_or(0, |day| day.verified);
                let Some(rest) = left.checked_sub(cell.units.saturating_sub(done)) else { break };
                left = rest;
                days += 1;
            }
            if of_product().next().is_some() {
                fewest = Some(fewest.map_or(days, |fewest| fewest.min(days)));
            }
        }
    }
    Ok(fewest)
}
