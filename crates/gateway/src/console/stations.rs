//! The stations: what each does now, who they are, bringing one in and shutting one out.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use console::catalogue::{common, gateway as texts};
use console::{
    Cell, Column, Failure, Form, ListQuery, Markup, Status, Table, Visit, html, live, notice, submit,
    text_field,
};
use identity::MemberName;
use serde::Deserialize;
use staff::{Permission, SignedIn};
use store::gateway::activity::{self, StationActivity};
use store::gateway::station::Station;

use super::Pages;
use crate::error::GatewayError;

const HOUR: i64 = 60 * 60;
/// A station that has tried nothing for so long stands still.
const QUIET_SECONDS: i64 = 15 * 60;
/// From how many failures in an hour on, and from which share of its tries, a station is failing.
const FAILURES_MIN: u64 = 3;
const FAILURES_ONE_IN: u64 = 5;

pub(super) fn routes() -> Router<Pages> {
    Router::new()
        .route("/stations", get(stations))
        .route("/live/stations", get(follow))
        .route("/stations/invite", post(invite))
        .route("/stations/{name}/shut-out", post(shut_out))
}

/// What a station did in the last hour and today.
struct AtWork {
    hour: StationActivity,
    today: StationActivity,
}

impl AtWork {
    fn status(&self, now: i64) -> (Status, console::Text) {
        let StationActivity { failed, verified, .. } = self.hour;
        if failed >= FAILURES_MIN && failed * FAILURES_ONE_IN >= failed + verified {
            (Status::Bad, texts::FAILING)
        } else if now - self.today.last > QUIET_SECONDS {
            (Status::Neutral, texts::QUIET)
        } else {
            (Status::Good, texts::WORKING)
        }
    }
}

async fn stations(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    query: ListQuery,
) -> Result<Response, Failure> {
    let joined = pages.desk().stations().await?;
    let content = at_work(&pages, &visit).await?;
    let may_invite = signed.may(Permission::Invite);
    let table = Table::new("stations", texts::MEMBERS, member_columns(&visit, may_invite));
    Ok(table.answer_all(&visit, &query, joined, |table| {
        visit.page(
            texts::STATIONS,
            html! {
                (live::part(&visit, "/live/stations", content))
                h2 { (visit.t(texts::MEMBERS)) }
                (table)
                @if may_invite { (invitation_form(&visit)) }
            },
        )
    }))
}

async fn follow(State(pages): State<Pages>, visit: Visit) -> Response {
    live::stream(move || {
        let (pages, visit) = (pages.clone(), visit.clone());
        async move { at_work(&pages, &visit).await.ok() }
    })
}

/// What stations do now, as a table.
pub(super) async fn at_work(pages: &Pages, visit: &Visit) -> Result<Markup, GatewayError> {
    let desk = pages.desk();
    let now = desk.now();
    let midnight = desk.start_of(desk.day_of(now)?)?;
    let mut snapshot = desk.store.read().await?;
    let hour = activity::of_stations(&mut snapshot, now - HOUR).await?;
    let rows: Vec<AtWork> = activity::of_stations(&mut snapshot, midnight)
        .await?
        .into_iter()
        .map(|today| {
            let quiet = StationActivity { verified: 0, failed: 0, ..today.clone() };
            let hour = hour.iter().find(|hour| hour.station == today.station).cloned();
            AtWork { hour: hour.unwrap_or(quiet), today }
        })
        .collect();
    Ok(Table::new("stations-at-work", texts::STATIONS_LIVE, columns(visit, now)).show_all(visit, &rows))
}

fn columns(visit: &Visit, now: i64) -> Vec<Column<'_, AtWork>> {
    let number = |key, name, of: fn(&AtWork) -> u64| {
        Column::new(key, name, move |row: &AtWork| Cell::number(of(row))).number()
    };
    vec![
        Column::new("station", texts::STATION, |row: &AtWork| Cell::text(&row.today.station)),
        Column::new("state", common::STATE, move |row: &AtWork| {
            let (status, text) = row.status(now);
            Cell::status(status, visit.t(text))
        }),
        Column::new("takt", texts::TAKT, |row: &AtWork| match row.hour.verified {
            0 | 1 => Cell::nothing(),
            verified => Cell::text(format!("{:.1}", HOUR as f64 / verified as f64)),
        })
        .number(),
        number("hour-written", texts::HOUR_WRITTEN, |row| row.hour.verified),
        number("hour-failed", texts::HOUR_FAILED, |row| row.hour.failed),
        number("today-written", texts::TODAY_WRITTEN, |row| row.today.verified),
        number("today-failed", texts::TODAY_FAILED, |row| row.today.failed),
        Column::new("last", texts::LAST_SEEN, |row: &AtWork| visit.time_cell(Some(row.today.last))),
    ]
}

fn member_columns(visit: &Visit, may_shut_out: bool) -> Vec<Column<'_, Station>> {
    let mut columns = vec![
        Column::new("station", texts::STATION, |row: &Station| Cell::text(&row.name)).sortable(),
        Column::new("joined", texts::JOINED, |row: &Station| visit.time_cell(Some(row.joined))).sortable(),
        Column::new("shut-out", texts::SHUT_OUT, |row: &Station| visit.time_cell(row.revoked)).sortable(),
        Column::new("certificate", texts::CERTIFICATE, |row: &Station| {
            Cell::markup(html! { code { (row.certificate_serial) } }, &row.certificate_serial)
        }),
    ];
    if may_shut_out {
        columns.push(Column::new("action", common::ACTION, |row: &Station| {
            let form = visit.form(
                &format!("/stations/{}/shut-out", row.name),
                html! {
                    button .small .danger type="submit" { (visit.t(texts::SHUT_OUT_NOW)) }
                },
            );
            if row.revoked.is_some() { Cell::nothing() } else { Cell::markup(form, "") }
        }));
    }
    columns
}

fn invitation_form(visit: &Visit) -> Markup {
    let (label, hint) = (visit.t(texts::STATION_NAME), visit.t(texts::STATION_NAME_HINT));
    html! {
        div .card {
            h2 { (visit.t(texts::INVITE)) }
            (visit.form("/stations/invite", html! {
                (text_field(label, "name", "text", "", Some(hint)))
                (submit(visit.t(texts::MAKE_TOKEN), "primary"))
            }))
        }
    }
}

#[derive(Deserialize)]
struct Invited {
    name: String,
}

async fn invite(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    Form(invited): Form<Invited>,
) -> Result<Response, Failure> {
    signed.require(Permission::Invite)?;
    let name: MemberName =
        invited.name.trim().parse().map_err(|error| Failure::Refused(format!("{error}")))?;
    let root = pages.gateway.trust().root_fingerprint();
    let (url, seconds) = (&pages.settings.url, pages.settings.token_seconds);
    let token = pages.desk().invite(&name, url, root, seconds, &signed.actor()).await?.to_text();
    let help = visit.fill(texts::TOKEN_HELP, &[&name, &(seconds / 60)]);
    Ok(visit.page(
        texts::INVITE,
        html! {
            (notice(&visit, Status::Good, html! { (help) }))
            div .card { code { (token.as_str()) } }
            p { a href="/stations" { (visit.t(common::BACK)) } }
        },
    ))
}

#[derive(Deserialize)]
struct Nothing {}

async fn shut_out(
    State(pages): State<Pages>,
    signed: SignedIn,
    Path(name): Path<String>,
    _: Form<Nothing>,
) -> Result<Response, Failure> {
    signed.require(Permission::Invite)?;
    let name: MemberName = name.parse().map_err(|_| Failure::Missing)?;
    pages.desk().revoke_station(&name, &signed.actor()).await?;
    Ok(Redirect::to("/stations").into_response())
}
