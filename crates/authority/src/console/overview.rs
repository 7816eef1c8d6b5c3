//! The first page: issuing as it goes, and what waits.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use console::catalogue::{authority as texts, common};
use console::{Cell, Chart, Column, Failure, Markup, Series, Shape, Status, Table, Visit, figures, live};
use maud::html;
use staff::approval;
use store::authority::allotment::{self, Allotment};

use super::Pages;
use crate::error::AuthorityError;

pub(super) fn routes() -> Router<Pages> {
    Router::new().route("/", get(overview)).route("/live/overview", get(follow))
}

async fn overview(State(pages): State<Pages>, visit: Visit) -> Result<Response, Failure> {
    let mut snapshot = pages.desk().store.read().await.map_err(AuthorityError::from)?;
    let allotted = allotment::all(&mut snapshot).await.map_err(AuthorityError::from)?;
    let content = content(&pages, &visit).await?;
    Ok(visit.page(
        texts::OVERVIEW,
        html! {
            (live::part(&visit, "/live/overview", content))
            (chart(&visit, &allotted))
        },
    ))
}

async fn follow(State(pages): State<Pages>, visit: Visit) -> Response {
    live::stream(move || {
        let (pages, visit) = (pages.clone(), visit.clone());
        async move { content(&pages, &visit).await.ok() }
    })
}

/// What changes by itself. Cheap to look at every second, however many certificates there are.
async fn content(pages: &Pages, visit: &Visit) -> Result<Markup, AuthorityError> {
    let desk = pages.desk();
    let mut snapshot = desk.store.read().await?;
    let allotted = allotment::all(&mut snapshot).await?;
    let waiting = approval::waiting(&mut snapshot, desk.now()).await?;
    let issued: u64 = allotted.iter().map(|allotted| allotted.issued).sum();
    let quota: u64 = allotted.iter().map(|allotted| allotted.quota).sum();
    let how = if waiting > 0 { Status::Warning } else { Status::Good };
    Ok(html! {
        (figures(&[
            (visit.t(texts::ISSUED), issued.to_string(), Status::Neutral, visit.fill(texts::OF_QUOTA, &[&quota])),
            (visit.t(texts::WAITING), waiting.to_string(), how, visit.t(texts::NEED_SECOND).to_owned()),
        ]))
        (Table::new("issuing", texts::BY_FACTORY, columns()).show_all(visit, &allotted))
    })
}

pub(super) fn columns() -> Vec<Column<'static, Allotment>> {
    let number = |key, name, of: fn(&Allotment) -> u64| {
        Column::new(key, name, move |row: &Allotment| Cell::number(of(row))).number().sortable()
    };
    vec![
        Column::new("factory", texts::FACTORY, |row: &Allotment| Cell::text(&row.factory)).sortable(),
        Column::new("product", common::PRODUCT, |row: &Allotment| Cell::text(&row.product)).sortable(),
        number("quota", texts::QUOTA, |row| row.quota),
        number("issued", texts::ISSUED, |row| row.issued),
        number("symmetric", texts::APPARATUSES, |row| row.apparatuses),
        Column::new("used", texts::USED, |row: &Allotment| {
            let percent = percent_used(row);
            let status = match percent {
                95.. => Status::Bad,
                80.. => Status::Warning,
                _ => Status::Good,
            };
            Cell::status(status, &format!("{percent} %"))
        })
        .number(),
    ]
}

fn percent_used(row: &Allotment) -> u64 {
    (row.issued.max(row.apparatuses) * 100).checked_div(row.quota).unwrap_or(100)
}

fn chart(visit: &Visit, allotted: &[Allotment]) -> Markup {
    let values = |of: fn(&Allotment) -> u64| allotted.iter().map(|row| Some(of(row) as f64)).collect();
    Chart {
        caption: visit.t(texts::ISSUED_AGAINST_QUOTA).to_owned(),
        axis: visit.t(texts::FACTORY).to_owned(),
        labels: allotted.iter().map(|row| format!("{} {}", row.factory, row.product)).collect(),
        times: Vec::new(),
        series: vec![
            Series {
                name: visit.t(texts::QUOTA).to_owned(),
                shape: Shape::Goal,
                values: values(|row| row.quota),
            },
            Series {
                name: visit.t(texts::ISSUED).to_owned(),
                shape: Shape::Bar,
                values: values(|row| row.issued),
            },
        ],
    }
    .show(visit)
}
