//! The authority's pages: what a security engineer looks at, and what people decide there.
//!
//! A file a page. Acts are those of the [`Desk`](crate::Desk) and of `approved`, which file them in the audit log under
//! the person's name.

mod approvals;
mod certificates;
mod device;
mod factories;
mod lists;
mod overview;
mod revoke;

use std::sync::Arc;

use axum::Router;
use console::catalogue::authority as texts;
use console::catalogue::staff::{APPROVALS, AUDIT_LOG};
use console::{Cell, Console, Entry, Failure, Visit, state_badge, state_text};
use identity::CredentialState;
use jiff::tz::TimeZone;
use staff::Staff;

use crate::authority::Authority;
use crate::desk::Desk;
use crate::error::AuthorityError;

/// What a console must know beside the authority.
#[derive(Clone)]
pub struct ConsoleSettings {
    /// The local time that pages show and people type.
    pub time_zone: TimeZone,
    /// Whether it is served over TLS.
    pub over_tls: bool,
}

/// What every page is made from.
#[derive(Clone)]
struct Pages {
    authority: Arc<Authority>,
    time_zone: TimeZone,
}

const NAVIGATION: &[Entry] = &[
    Entry { path: "/", name: texts::OVERVIEW },
    Entry { path: "/factories", name: texts::FACTORIES },
    Entry { path: "/products", name: texts::PRODUCTS },
    Entry { path: "/keys", name: texts::KEYS },
    Entry { path: "/certificates", name: texts::CERTIFICATES },
    Entry { path: "/revoke", name: texts::REVOKE },
    Entry { path: "/approvals", name: APPROVALS },
    Entry { path: "/members", name: texts::MEMBERS },
    Entry { path: "/audit", name: AUDIT_LOG },
];

impl Authority {
    /// The authority's console. Nobody gets further than the sign-in without being on its staff.
    pub fn console(self: Arc<Self>, settings: ConsoleSettings) -> Router {
        let ConsoleSettings { time_zone, over_tls } = settings;
        let desk = self.desk();
        let console = Console {
            role: "authority",
            title: texts::AUTHORITY,
            place: desk.member.name().to_string(),
            navigation: NAVIGATION,
            time_zone: time_zone.clone(),
            over_tls,
            random: Arc::clone(&desk.random),
        };
        let staff = Staff::new(desk.store.clone(), Arc::clone(&desk.clock), Arc::clone(&desk.random));
        let pages = Router::new()
            .merge(overview::routes())
            .merge(factories::routes())
            .merge(lists::routes())
            .merge(certificates::routes())
            .merge(device::routes())
            .merge(revoke::routes())
            .merge(approvals::routes())
            .with_state(Pages { authority: self, time_zone });
        Arc::new(staff).wrap(Arc::new(console), pages)
    }
}

impl Pages {
    fn desk(&self) -> &Desk {
        self.authority.desk()
    }
}

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        match error {
            AuthorityError::Refused(problem) => Self::Refused(problem.detail),
            other => Self::of(&other),
        }
    }
}

/// A state as a cell.
fn state_cell(visit: &Visit, state: CredentialState) -> Cell {
    Cell::markup(state_badge(visit, state), visit.t(state_text(state)))
}
