//! The console: what people see of the fleet, and decide.
//!
//! | page | what |
//! | --- | --- |
//! | `overview` | how things stand, live |
//! | `fleet` | devices by product and state, found by number |
//! | `life` | one device number's whole life, with what its authority knows of it |
//! | `calls` | calls by hour |
//! | `incidents` | what was refused, counters that are held, numbers in quarantine |
//! | `evidence` | one quarantine, and the decision that ends it |
//! | `requests` | what devices were asked |
//! | `rollouts` | firmware, and which devices get it |
//! | `invoices` | a period's billing lines, each explained |
//! | `intermediates` | which devices speak for which |
//!
//! Each page reads by the [`Desk`] or by the store's own queries for it; each act is one of the desk's, in the name of
//! the person who signed in.

mod calls;
mod evidence;
mod fleet;
mod incidents;
mod intermediates;
mod invoices;
mod life;
mod overview;
mod requests;
mod rollouts;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use console::catalogue::center as texts;
use console::catalogue::staff::AUDIT_LOG;
use console::{Console, Entry, Failure};
use jiff::tz::TimeZone;
use staff::{Forbidden, Staff};
use store::StoreError;
use transport::Client;

use crate::center::Center;
use crate::desk::Desk;
use crate::error::CenterError;
use crate::invoice::InvoiceError;

/// What a console must know beside the center.
#[derive(Clone)]
pub struct ConsoleSettings {
    /// The authority, which is asked for what it alone knows of a device. Without it, pages show what is here.
    pub authority: Option<Client>,
    /// The local time that pages show.
    pub time_zone: TimeZone,
    /// Whether it is served over TLS.
    pub over_tls: bool,
}

const NAVIGATION: &[Entry] = &[
    Entry { path: "/", name: texts::OVERVIEW },
    Entry { path: "/devices", name: texts::FLEET },
    Entry { path: "/calls", name: texts::CALLS },
    Entry { path: "/incidents", name: texts::INCIDENTS },
    Entry { path: "/requests", name: texts::REQUESTS },
    Entry { path: "/rollouts", name: texts::ROLLOUTS },
    Entry { path: "/invoices", name: texts::INVOICES },
    Entry { path: "/intermediates", name: texts::INTERMEDIATES },
    Entry { path: "/audit", name: AUDIT_LOG },
];

/// What the pages reach.
#[derive(Clone)]
struct Here {
    desk: Desk,
    /// The authority, for what only it knows.
    authority: Option<Client>,
}

/// What a page answers.
type Answer = Result<Response, Unanswered>;

impl Center {
    /// The center's console. Nobody gets further than the sign-in without being on its staff.
    pub fn console(&self, settings: ConsoleSettings) -> Router {
        let ConsoleSettings { authority, time_zone, over_tls } = settings;
        let console = Console {
            role: "center",
            title: texts::CENTER,
            place: self.member.name().to_string(),
            navigation: NAVIGATION,
            time_zone,
            over_tls,
            random: Arc::clone(&self.random),
        };
        let desk = self.desk.clone();
        let staff = Staff::new(desk.store.clone(), Arc::clone(&desk.clock), Arc::clone(&self.random));
        Arc::new(staff).wrap(Arc::new(console), pages().with_state(Here { desk, authority }))
    }
}

fn pages() -> Router<Here> {
    Router::new()
        .route("/", get(overview::page))
        .route("/live/overview", get(overview::live))
        .route("/devices", get(fleet::page))
        .route("/devices/{number}", get(life::page))
        .route("/calls", get(calls::page))
        .route("/live/calls", get(calls::live))
        .route("/incidents", get(incidents::page))
        .route("/incidents/accept", post(incidents::accept))
        .route("/incidents/refuse", post(incidents::refuse))
        .route("/quarantine/{number}", get(evidence::page).post(evidence::release))
        .route("/requests", get(requests::page).post(requests::queue))
        .route("/rollouts", get(rollouts::page).post(rollouts::start))
        .route("/live/rollouts", get(rollouts::live))
        .route("/rollouts/{id}/halt", post(rollouts::halt))
        .route("/rollouts/{id}/resume", post(rollouts::resume))
        .route("/rollouts/{id}/widen", post(rollouts::widen))
        .route("/rollouts/{id}/roll-back", post(rollouts::roll_back))
        .route("/invoices", get(invoices::page))
        .route("/invoices/line", get(invoices::line))
        .route("/intermediates", get(intermediates::page).post(intermediates::mark))
        .route("/intermediates/relation", post(intermediates::relate))
}

/// Where a person is led once something is done.
fn done(path: &str) -> Answer {
    Ok(Redirect::to(path).into_response())
}

/// Why a page has no answer. All that can go wrong on a page becomes one.
struct Unanswered(Failure);

impl IntoResponse for Unanswered {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// What a person typed cannot be that.
fn malformed(detail: impl ToString) -> Unanswered {
    Unanswered(Failure::Refused(detail.to_string()))
}

impl From<Forbidden> for Unanswered {
    fn from(_: Forbidden) -> Self {
        Self(Failure::Forbidden)
    }
}

impl From<StoreError> for Unanswered {
    fn from(error: StoreError) -> Self {
        Self(Failure::of(&error))
    }
}

impl From<CenterError> for Unanswered {
    fn from(error: CenterError) -> Self {
        Self(match error.problem().status {
            500.. => Failure::of(&error),
            _ => Failure::Refused(error.to_string()),
        })
    }
}

impl From<InvoiceError> for Unanswered {
    fn from(error: InvoiceError) -> Self {
        match error {
            InvoiceError::Store(error) => error.into(),
            // That the journal was changed is what people must read of here.
            other => Self(Failure::Refused(other.to_string())),
        }
    }
}
