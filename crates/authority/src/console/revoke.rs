//! Revoking devices by what they have in common: who is hit, then one person for one device, two for more.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use console::catalogue::{authority as texts, common};
use console::{
    Cell, Column, Failure, Form, Markup, Status, Table, Visit, choice_field, hidden, notice, state_badge,
    submit,
};
use identity::{CredentialId, CredentialState, DeviceNumber, RevocationReason};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use maud::html;
use serde::Deserialize;
use staff::{Permission, SignedIn};

use super::Pages;
use crate::approved::{BulkRevocation, Proposal};
use crate::voiding::Selected;

/// How many of those that are hit a preview names.
const NAMED: usize = 100;

pub(super) fn routes() -> Router<Pages> {
    Router::new().route("/revoke", get(page).post(revoke))
}

/// What is typed in.
#[derive(Clone, Default, Deserialize)]
struct Typed {
    first: String,
    last: String,
    factory: String,
    station: String,
    from: String,
    until: String,
    reason: String,
    /// Set where the person has seen who is hit.
    confirmed: Option<String>,
}

async fn page(visit: Visit, signed: SignedIn) -> Result<Response, Failure> {
    signed.require(Permission::Secure)?;
    Ok(visit.page(texts::REVOKE, form(&visit, &Typed::default())))
}

async fn revoke(
    State(pages): State<Pages>,
    visit: Visit,
    signed: SignedIn,
    Form(typed): Form<Typed>,
) -> Result<Response, Failure> {
    signed.require(Permission::Secure)?;
    let revocation = typed.revocation(&pages.time_zone)?;
    let Some(selection) = revocation.selection() else {
        let nobody = notice(&visit, Status::Warning, html! { (visit.t(texts::NOBODY_HIT)) });
        return Ok(visit.page(texts::REVOKE, html! { (nobody) (form(&visit, &typed)) }));
    };
    let desk = pages.desk();
    let found = desk.selected(&selection).await?;
    let devices = found.certificates.len().max(found.apparatuses.len());
    let content = if found.is_empty() {
        html! { (notice(&visit, Status::Warning, html! { (visit.t(texts::NOBODY_HIT)) })) (form(&visit, &typed)) }
    } else if typed.confirmed.is_none() {
        preview(&visit, &typed, &found, devices)
    } else if devices == 1 {
        desk.revoke_selected(&selection, revocation.reason(), &signed.actor(), |_| {}).await?;
        let name = names(&found).next().map(|(id, _)| id.to_string()).unwrap_or_default();
        notice(&visit, Status::Good, html! { (visit.fill(texts::REVOKED, &[&name])) })
    } else {
        let id = desk.propose(&Proposal::Revoke { revocation }, signed.name()).await?;
        notice(&visit, Status::Good, html! { (visit.fill(texts::PROPOSED, &[&id])) })
    };
    Ok(visit.page(texts::REVOKE, content))
}

impl Typed {
    fn revocation(&self, time_zone: &TimeZone) -> Result<BulkRevocation, Failure> {
        let first: Option<DeviceNumber> = parsed(&self.first)?;
        let last: Option<DeviceNumber> = parsed(&self.last)?;
        Ok(BulkRevocation {
            last: last.or_else(|| first.clone()),
            first,
            factory: parsed(&self.factory)?,
            station: parsed(&self.station)?,
            from: moment(&self.from, time_zone)?,
            until: moment(&self.until, time_zone)?,
            reason: self.reason.clone(),
        })
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(typed: &str) -> Result<Option<T>, Failure> {
    match typed.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|error| Failure::Refused(format!("{text}: {error}"))),
    }
}

/// A local time, as browsers write it: `2026-12-01T14:00`.
fn moment(typed: &str, time_zone: &TimeZone) -> Result<Option<i64>, Failure> {
    let local: Option<DateTime> = parsed(typed)?;
    let zoned = local.map(|local| local.to_zoned(time_zone.clone())).transpose();
    let zoned = zoned.map_err(|error| Failure::Refused(format!("{typed}: {error}")))?;
    Ok(zoned.map(|zoned| zoned.timestamp().as_second()))
}

fn form(visit: &Visit, typed: &Typed) -> Markup {
    let field = |label, name: &str, kind: &str, value: &str| {
        html! {
            label .field {
                span .field-label { (visit.t(label)) }
                input type=(kind) name=(name) value=(value) autocomplete="off";
            }
        }
    };
    let reasons: Vec<_> =
        RevocationReason::ALL.into_iter().map(|reason| (reason.to_string(), reason.to_string())).collect();
    html! {
        p .lead { (visit.t(texts::REVOKE_LEAD)) }
        div .card {
            (visit.form("/revoke", html! {
                div .columns {
                    (field(texts::FIRST_NUMBER, "first", "text", &typed.first))
                    (field(texts::LAST_NUMBER, "last", "text", &typed.last))
                    (field(texts::FACTORY, "factory", "text", &typed.factory))
                    (field(texts::STATION, "station", "text", &typed.station))
                    (field(texts::WRITTEN_FROM, "from", "datetime-local", &typed.from))
                    (field(texts::WRITTEN_UNTIL, "until", "datetime-local", &typed.until))
                    (choice_field(visit.t(common::REASON), "reason", &reasons, &typed.reason))
                }
                (submit(visit.t(texts::SHOW_WHO), "primary"))
            }))
        }
    }
}

fn names(found: &Selected) -> impl Iterator<Item = (CredentialId, CredentialState)> {
    let numbers = found.certificates.iter().map(|(number, state)| (number.clone().into(), *state));
    numbers.chain(found.apparatuses.iter().map(|(id, state)| (CredentialId::from(*id), *state)))
}

fn preview(visit: &Visit, typed: &Typed, found: &Selected, devices: usize) -> Markup {
    let (certificates, apparatuses) = (found.certificates.len(), found.apparatuses.len());
    let mut states: BTreeMap<CredentialState, u64> = BTreeMap::new();
    names(found).for_each(|(_, state)| *states.entry(state).or_default() += 1);
    let states: Vec<_> = states.into_iter().collect();
    let named: Vec<_> = names(found).take(NAMED).collect();
    let rest = (certificates + apparatuses).saturating_sub(named.len());
    let button = if devices == 1 {
        visit.t(texts::REVOKE_ONE).to_owned()
    } else {
        visit.fill(texts::PROPOSE_REVOKE, &[&(certificates + apparatuses)])
    };
    let text = visit.fill(texts::WOULD_REVOKE, &[&certificates, &apparatuses]);
    html! {
        (notice(visit, Status::Warning, html! { (text) }))
        (Table::new("states", texts::BY_STATE, state_columns(visit)).show_all(visit, &states))
        (visit.form("/revoke", html! {
            @for (name, value) in typed.fields() { (hidden(name, value)) }
            (hidden("confirmed", "yes"))
            div .actions { (submit(&button, "danger")) }
        }))
        h2 { (visit.t(texts::WHO_IS_HIT)) }
        (Table::new("hit", texts::WHO_IS_HIT, name_columns(visit)).show_all(visit, &named))
        @if rest > 0 { p .lead { (visit.fill(texts::AND_MORE, &[&rest])) } }
        (form(visit, typed))
    }
}

impl Typed {
    fn fields(&self) -> [(&'static str, &str); 7] {
        [
            ("first", &self.first),
            ("last", &self.last),
            ("factory", &self.factory),
            ("station", &self.station),
            ("from", &self.from),
            ("until", &self.until),
            ("reason", &self.reason),
        ]
    }
}

fn state_columns(visit: &Visit) -> Vec<Column<'_, (CredentialState, u64)>> {
    vec![
        Column::new("state", common::STATE, |row: &(CredentialState, u64)| {
            Cell::markup(state_badge(visit, row.0), row.0)
        }),
        Column::new("count", texts::COUNT, |row: &(CredentialState, u64)| Cell::number(row.1)).number(),
    ]
}

fn name_columns(visit: &Visit) -> Vec<Column<'_, (CredentialId, CredentialState)>> {
    vec![
        Column::new("credential", texts::CREDENTIALS, |row: &(CredentialId, CredentialState)| match &row.0 {
            CredentialId::Number(number) => Cell::device(number),
            id => Cell::text(id),
        }),
        Column::new("state", common::STATE, |row: &(CredentialId, CredentialState)| {
            Cell::markup(state_badge(visit, row.1), row.1)
        }),
    ]
}
