//! Calls by hour: where the fleet's day is, and whether it is as on other days.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use console::catalogue::center as texts;
use console::{Chart, Markup, Series, Shape, Visit, html, live};
use store::StoreError;
use store::center::overview::calls_by_hour;

use super::overview::grouped;
use super::{Answer, Here};

const HOUR: i64 = 3_600;
/// How many hours the line goes back.
pub(super) const CHART_HOURS: i64 = 48;
/// How many hours the line of this page goes back: a week.
const WEEK_HOURS: i64 = 168;
/// How many days the map has.
const MAP_DAYS: i64 = 14;
/// How many shades the map has, without the one for nothing.
const SHADES: u64 = 6;

/// `GET /calls`
pub(super) async fn page(visit: Visit, State(here): State<Here>) -> Answer {
    let content = html! {
        p .lead { (visit.t(texts::CALLS_LEAD)) }
        (live::part(&visit, "/live/calls", map(&visit, &here).await?))
        (chart(&visit, &here, WEEK_HOURS).await?)
    };
    Ok(visit.page(texts::CALLS, content))
}

/// `GET /live/calls`
pub(super) async fn live(visit: Visit, State(here): State<Here>) -> Response {
    live::stream(move || {
        let (visit, here) = (visit.clone(), here.clone());
        async move { map(&visit, &here).await.ok() }
    })
}

/// Calls of each of the last hours, as a line.
pub(super) async fn chart(visit: &Visit, here: &Here, hours: i64) -> Result<Markup, StoreError> {
    let last = here.desk.now() / HOUR * HOUR;
    let first = last - (hours - 1) * HOUR;
    let found = calls_by_hour(&mut here.desk.store.read().await?, first).await?;
    let found: BTreeMap<i64, u64> = found.into_iter().collect();
    let times: Vec<i64> = (0..hours).map(|hour| first + hour * HOUR).collect();
    let of_hour = |time: &i64| Some(found.get(time).copied().unwrap_or_default() as f64);
    let series = Series {
        name: visit.t(texts::CALLS).to_owned(),
        shape: Shape::Line,
        values: times.iter().map(of_hour).collect(),
    };
    let chart = Chart {
        caption: visit.fill(texts::CALLS_LAST_HOURS, &[&hours]),
        axis: visit.t(texts::HOUR).to_owned(),
        labels: times.iter().map(|time| visit.moment(*time)).collect(),
        times,
        series: vec![series],
    };
    Ok(chart.show(visit))
}

/// A row a day, a column an hour, the darker the more calls.
async fn map(visit: &Visit, here: &Here) -> Result<Markup, StoreError> {
    let now = here.desk.now();
    let found = calls_by_hour(&mut here.desk.store.read().await?, now - MAP_DAYS * 24 * HOUR).await?;
    let mut days: BTreeMap<String, [u64; 24]> = BTreeMap::new();
    for day in 0..MAP_DAYS {
        days.entry(place(visit, now - day * 24 * HOUR).0).or_default();
    }
    for (time, count) in found {
        let (day, hour) = place(visit, time);
        if let Some(hours) = days.get_mut(&day) {
            hours[hour] += count;
        }
    }
    let most = days.values().flatten().copied().max().unwrap_or_default();
    Ok(html! {
        div .table-frame tabindex="0" role="region" aria-label=(visit.t(texts::CALL_MAP)) {
            table .heat {
                caption { (visit.t(texts::CALL_MAP)) }
                thead {
                    tr {
                        th scope="col" { (visit.t(texts::DAY)) }
                        @for hour in 0..24 { th scope="col" { (format!("{hour:02}")) } }
                        th .number scope="col" { (visit.t(texts::TOTAL)) }
                    }
                }
                tbody {
                    @for (day, hours) in days.iter().rev() {
                        tr {
                            th scope="row" { (day) }
                            @for count in hours {
                                td class={ "heat-" (shade(*count, most)) } { @if *count > 0 { (grouped(*count)) } }
                            }
                            td .number { (grouped(hours.iter().sum())) }
                        }
                    }
                }
            }
        }
    })
}

/// The day and the hour of a moment, in the local time of the console.
fn place(visit: &Visit, time: i64) -> (String, usize) {
    let moment = visit.moment(time);
    let (day, clock) = moment.split_once(' ').unwrap_or((&moment, "00"));
    let hour = clock.get(..2).and_then(|hour| hour.parse().ok()).unwrap_or_default();
    (day.to_owned(), hour)
}

fn shade(count: u64, most: u64) -> u64 {
    (count * SHADES).div_ceil(most.max(1))
}
