//! The first page: whether today is covered, and what needs someone.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use console::catalogue::gateway as texts;
use console::{Failure, Markup, Status, Visit, figures, html, live};
use message::status::FactoryStatus;

use super::link::{self, Link};
use super::{Pages, plan, stations};
use crate::error::GatewayError;

pub(super) fn routes() -> Router<Pages> {
    Router::new().route("/", get(overview)).route("/live/overview", get(follow))
}

async fn overview(State(pages): State<Pages>, visit: Visit) -> Result<Response, Failure> {
    let status = pages.desk().status().await?;
    let today = pages.desk().day_of(pages.desk().now())?.to_string();
    let content = content(&pages, &visit).await?;
    Ok(visit.page(
        texts::OVERVIEW,
        html! {
            (live::part(&visit, "/live/overview", content))
            (plan::chart(&visit, &status.days, &today, None))
        },
    ))
}

async fn follow(State(pages): State<Pages>, visit: Visit) -> Response {
    live::stream(move || {
        let (pages, visit) = (pages.clone(), visit.clone());
        async move { content(&pages, &visit).await.ok() }
    })
}

/// What changes by itself: figures and stations.
async fn content(pages: &Pages, visit: &Visit) -> Result<Markup, GatewayError> {
    let desk = pages.desk();
    let status = desk.status().await?;
    let link = Link::read(desk).await?;
    let covered = days_covered(pages).await?;
    Ok(html! {
        @if let Some(outage) = link.outage() { (link::outage(visit, outage)) }
        (figures(&[
            written_today(pages, visit, &status)?,
            covered_figure(pages, visit, covered),
            attention(visit, &status),
            link::figure(visit, &link),
        ]))
        (stations::at_work(pages, visit).await?)
    })
}

type Figure<'a> = (&'a str, String, Status, String);

fn written_today<'a>(
    pages: &Pages,
    visit: &'a Visit,
    status: &FactoryStatus,
) -> Result<Figure<'a>, GatewayError> {
    let today = pages.desk().day_of(pages.desk().now())?.to_string();
    let of_today = || status.days.iter().filter(|day| day.day == today);
    let written: u64 = of_today().map(|day| day.verified).sum();
    let planned: u64 = of_today().map(|day| day.planned).sum();
    let against = visit.fill(texts::OF_PLANNED, &[&planned]);
    Ok((visit.t(texts::TODAY), written.to_string(), Status::Neutral, against))
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

fn attention<'a>(visit: &'a Visit, status: &FactoryStatus) -> Figure<'a> {
    let suspect: u64 = status.products.iter().map(|product| product.suspect).sum();
    let parked = status.parked.len();
    let how = if parked > 0 {
        Status::Bad
    } else if suspect > 0 {
        Status::Warning
    } else {
        Status::Good
    };
    let total = suspect + u64::try_from(parked).unwrap_or_default();
    let against = visit.fill(texts::PARKED_AND_SUSPECT, &[&parked, &suspect]);
    (visit.t(texts::ATTENTION), total.to_string(), how, against)
}

/// For how many planned days, from today on, what is in hand is enough of every product; none without a plan.
async fn days_covered(pages: &Pages) -> Result<Option<u64>, GatewayError> {
    let desk = pages.desk();
    let today = desk.day_of(desk.now())?.to_string();
    let status = desk.status().await?;
    let mut fewest = None;
    for need in desk.needs().await? {
        let cells = status.days.iter().filter(|cell| cell.product == need.product && cell.day >= today);
        let (mut left, mut days) = (need.in_hand, 0);
        let mut is_planned = false;
        for cell in cells {
            let open =
                if cell.day == today { cell.planned.saturating_sub(cell.verified) } else { cell.planned };
            is_planned |= open > 0;
            if open > left {
                break;
            }
            left -= open;
            days += 1;
        }
        if is_planned {
            fewest = Some(fewest.map_or(days, |fewest: u64| fewest.min(days)));
        }
    }
    Ok(fewest)
}
