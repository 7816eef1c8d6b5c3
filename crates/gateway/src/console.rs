//! The gateway's pages: what a manufacturing engineer looks at, and what people do there.
//!
//! A file a page. All reading goes through the desk's store in one snapshot a page; all acts are those of the
//! [`Desk`](crate::Desk), which files them in the audit log under the person's name.

mod attention;
mod devices;
mod link;
mod overview;
mod plan;
mod products;
mod stations;
mod stock;

use std::sync::Arc;

use axum::Router;
use console::catalogue::gateway as texts;
use console::catalogue::staff::AUDIT_LOG;
use console::{Cell, Console, Entry, Failure, Visit, state_badge, state_text};
use identity::CredentialState;
use staff::Staff;

use crate::desk::Desk;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::plan::ImportError;

/// What a console must know beside the gateway.
#[derive(Clone)]
pub struct ConsoleSettings {
    /// The address that stations connect to, as join tokens say it.
    pub url: String,
    /// How long a join token is good, in seconds.
    pub token_seconds: u32,
    /// Whether it is served over TLS.
    pub over_tls: bool,
}

/// What every page is made from.
#[derive(Clone)]
struct Pages {
    gateway: Arc<Gateway>,
    settings: ConsoleSettings,
}

const NAVIGATION: &[Entry] = &[
    Entry { path: "/", name: texts::OVERVIEW },
    Entry { path: "/plan", name: texts::PLAN },
    Entry { path: "/stock", name: texts::STOCK },
    Entry { path: "/stations", name: texts::STATIONS },
    Entry { path: "/attention", name: texts::ATTENTION },
    Entry { path: "/devices", name: texts::DEVICES },
    Entry { path: "/products", name: texts::PRODUCTS },
    Entry { path: "/link", name: texts::AUTHORITY },
    Entry { path: "/audit", name: AUDIT_LOG },
];

impl Gateway {
    /// The gateway's console. Nobody gets further than the sign-in without being on its staff.
    pub fn console(self: Arc<Self>, settings: ConsoleSettings) -> Router {
        let desk = self.desk();
        let console = Console {
            role: "gateway",
            title: texts::GATEWAY,
            place: desk.factory.to_string(),
            navigation: NAVIGATION,
            time_zone: desk.settings.time_zone.clone(),
            over_tls: settings.over_tls,
            random: Arc::clone(&desk.random),
        };
        let staff = Staff::new(desk.store.clone(), Arc::clone(&desk.clock), Arc::clone(&desk.random));
        let pages = Router::new()
            .merge(overview::routes())
            .merge(plan::routes())
            .merge(stock::routes())
            .merge(stations::routes())
            .merge(attention::routes())
            .merge(devices::routes())
            .merge(products::routes())
            .merge(link::routes())
            .with_state(Pages { gateway: self, settings });
        Arc::new(staff).wrap(Arc::new(console), pages)
    }
}

impl Pages {
    fn desk(&self) -> &Desk {
        self.gateway.desk()
    }
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Refused(problem) => Self::Refused(problem.detail),
            other => Self::of(&other),
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Gateway(error) => error.into(),
            bad @ ImportError::BadCells(_) => Self::Refused(bad.to_string()),
        }
    }
}

/// A state as a cell.
fn state_cell(visit: &Visit, state: CredentialState) -> Cell {
    Cell::markup(state_badge(visit, state), visit.t(state_text(state)))
}
