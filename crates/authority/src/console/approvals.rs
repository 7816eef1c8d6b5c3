//! What one person proposed: another approves it here, and it is done.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use console::catalogue::{authority as texts, common, staff as staff_texts};
use console::{Cell, Column, Failure, Form, ListQuery, Markup, Status, Table, Visit, notice};
use maud::html;
use serde::Deserialize;
use staff::approval::{self, Approval};
use staff::{Permission, SignedIn};

use super::Pages;
use crate::approved::{Approved, BulkRevocation, Proposal};
use crate::error::AuthorityError;

/// How many proposals the page goes back.
const SHOWN: u32 = 1_000;

pub(super) fn routes() -> Router<Pages> {
    Router::new()
        .route("/approvals", get(approvals))
        .route("/approvals/{id}/approve", post(approve))
        .route("/approvals/{id}/turn-down", post(turn_down))
}

async fn approvals(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    query: ListQuery,
) -> Result<Response, Failure> {
    let desk = pages.desk();
    let mut snapshot = desk.store.read().await.map_err(AuthorityError::from)?;
    let rows = approval::latest(&mut snapshot, SHOWN).await.map_err(AuthorityError::from)?;
    let table = Table::new("approvals", staff_texts::APPROVALS, columns(&visit, &signed, desk.now()));
    Ok(table.answer_all(&visit, &query, rows, |table| {
        visit.page(
            staff_texts::APPROVALS,
            html! {
                p .lead { (visit.t(staff_texts::APPROVALS_LEAD)) }
                (table)
            },
        )
    }))
}

fn columns<'a>(visit: &'a Visit, signed: &'a SignedIn, now: i64) -> Vec<Column<'a, Approval>> {
    let mut columns = vec![
        Column::new("number", staff_texts::SEQUENCE, |row: &Approval| Cell::number(row.id))
            .number()
            .sortable(),
        Column::new("proposal", staff_texts::PROPOSAL, |row: &Approval| Cell::text(words(visit, row))),
        Column::new("state", common::STATE, move |row: &Approval| {
            let (status, text) = state(row, now);
            Cell::status(status, visit.t(text))
        }),
        Column::new("proposed-by", staff_texts::PROPOSED_BY, |row: &Approval| Cell::text(&row.proposed_by))
            .sortable(),
        Column::new("proposed", staff_texts::PROPOSED, |row: &Approval| visit.time_cell(Some(row.proposed)))
            .sortable(),
        Column::new("expires", staff_texts::EXPIRES, |row: &Approval| visit.time_cell(Some(row.expires))),
        Column::new("decided-by", staff_texts::DECIDED_BY, |row: &Approval| {
            row.decision.as_ref().map_or_else(Cell::nothing, |decision| Cell::text(&decision.by))
        }),
    ];
    if signed.may(Permission::Secure) {
        columns.push(Column::new("action", common::ACTION, move |row: &Approval| {
            let is_open = row.decision.is_none() && row.expires > now;
            if is_open { Cell::markup(actions(visit, signed, row), "") } else { Cell::nothing() }
        }));
    }
    columns
}

fn actions(visit: &Visit, signed: &SignedIn, row: &Approval) -> Markup {
    let is_own = row.proposed_by == *signed.name();
    let down = if is_own { staff_texts::TAKE_BACK } else { staff_texts::TURN_DOWN };
    html! {
        @if !is_own {
            (visit.form(&format!("/approvals/{}/approve", row.id), html! {
                button .small .primary type="submit" { (visit.t(staff_texts::APPROVE)) }
            }))
            " "
        }
        (visit.form(&format!("/approvals/{}/turn-down", row.id), html! {
            button .small type="submit" { (visit.t(down)) }
        }))
    }
}

fn state(row: &Approval, now: i64) -> (Status, console::Text) {
    match &row.decision {
        Some(decision) if decision.is_approved => (Status::Good, staff_texts::APPROVED),
        Some(_) => (Status::Bad, staff_texts::TURNED_DOWN),
        None if row.expires <= now => (Status::Neutral, staff_texts::EXPIRED),
        None => (Status::Warning, staff_texts::WAITING),
    }
}

/// What is proposed, in words.
fn words(visit: &Visit, row: &Approval) -> String {
    match Proposal::of(row) {
        Ok(Proposal::RaiseQuota { factory, product, from, to }) => {
            visit.fill(texts::RAISE_OF, &[&product, &factory, &from, &to])
        }
        Ok(Proposal::ExportKey { key }) => visit.fill(texts::EXPORT_OF, &[&key]),
        Ok(Proposal::Revoke { revocation }) => {
            visit.fill(texts::REVOKE_OF, &[&selection_words(visit, &revocation)])
        }
        Err(_) => row.body.clone(),
    }
}

fn selection_words(visit: &Visit, revocation: &BulkRevocation) -> String {
    let BulkRevocation { first, last, factory, station, from, until, reason } = revocation;
    let mut words = Vec::new();
    if let (Some(first), Some(last)) = (first, last) {
        words.push(if first == last { first.to_string() } else { format!("{first}–{last}") });
    }
    let mut name = |text, name: Option<String>| {
        if let Some(name) = name {
            words.push(format!("{} {name}", visit.t(text)));
        }
    };
    name(texts::FACTORY, factory.as_ref().map(ToString::to_string));
    name(texts::STATION, station.as_ref().map(ToString::to_string));
    name(texts::WRITTEN_FROM, from.map(|time| visit.moment(time)));
    name(texts::WRITTEN_UNTIL, until.map(|time| visit.moment(time)));
    name(common::REASON, Some(reason.clone()));
    words.join(", ")
}

#[derive(Deserialize)]
struct Nothing {}

async fn approve(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    Path(id): Path<i64>,
    _: Form<Nothing>,
) -> Result<Response, Failure> {
    signed.require(Permission::Secure)?;
    let approved = pages.authority.approve(id, signed.name()).await?;
    let content = match approved {
        Approved::QuotaRaised => notice(&visit, Status::Good, html! { (visit.t(texts::DONE)) }),
        Approved::KeyExported(exported) => {
            let text = visit.fill(texts::KEY_SHOWN_ONCE, &[&exported.identifier]);
            html! {
                (notice(&visit, Status::Warning, html! { (text) }))
                div .card { code { (hex::encode(exported.key.expose())) } }
            }
        }
        Approved::Revoking(revocation) => {
            start_revoking(&pages, &signed, revocation);
            notice(&visit, Status::Good, html! { (visit.t(texts::REVOKING)) })
        }
    };
    let back = html! { p { a href="/approvals" { (visit.t(common::BACK)) } } };
    Ok(visit.page(staff_texts::APPROVALS, html! { (content) (back) }))
}

/// Revokes in a task of its own, since many devices take longer than a request may. Whoever sees in the log that it broke off
/// proposes the same again, which goes on from there.
fn start_revoking(pages: &Pages, signed: &SignedIn, revocation: BulkRevocation) {
    let (authority, actor) = (Arc::clone(&pages.authority), signed.actor());
    tokio::spawn(async move {
        let Some(selection) = revocation.selection() else { return };
        let done = authority.desk().revoke_selected(&selection, revocation.reason(), &actor, |_| {}).await;
        match done {
            Ok(done) => tracing::info!(certificates = done.certificates, "an approved revocation is done"),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an approved revocation broke off");
            }
        }
    });
}

async fn turn_down(
    State(pages): State<Pages>,
    signed: SignedIn,
    Path(id): Path<i64>,
    _: Form<Nothing>,
) -> Result<Response, Failure> {
    signed.require(Permission::Secure)?;
    pages.desk().turn_down(id, signed.name()).await?;
    Ok(Redirect::to("/approvals").into_response())
}
