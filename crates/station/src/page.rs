//! The station's page: for an operator with gloves, no mouse and a scanner that types.
//!
//! All that the operator does is a scan: a badge signs on, a plate starts a write, a second badge answers
//! for scrap. What the page shows is a `floor::Scene`; it hears of each change at once.
//!
//! | what | where |
//! | --- | --- |
//! | what happens at a station, and what the page shows of it | `floor` |
//! | badges that are good, also while the gateway is gone | `operators` |
//! | the figures of a shift | `shift` |
//! | routes, and who may use them | `routes` |
//! | how it looks | `view`; style sheet in `console`, script in `assets` |
//!
//! It is one more way into [`Station::write_watched`]: nothing is written otherwise than without a page.

mod floor;
mod operators;
mod routes;
mod shift;
mod view;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use console::Console;
use identity::{Clock, Member, Random};
use jiff::tz::TimeZone;

use crate::device::DeviceAddress;
use crate::failure::Failure;
use crate::page::floor::Floor;
use crate::station::{Station, Written};

pub use floor::Act;

/// What a page needs.
pub struct Page {
    /// The station that writes.
    pub station: Station,
    /// Who it is, as the page says; a gateway named `rehearsal` is for nothing else.
    pub member: Member,
    /// The device on its port.
    pub device: DeviceAddress,
    /// Where it keeps operators and shifts.
    pub data: PathBuf,
    /// Drawings of products, `CODE.svg` each, that show where the rating plate is.
    pub pictures: Option<PathBuf>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where sessions and scrappings get their names from.
    pub random: Arc<dyn Random>,
    /// The local time that it shows.
    pub time_zone: TimeZone,
    /// Who else is told each verdict.
    pub report: Report,
}

/// Who else is told each verdict: the scan, and how it went.
pub type Report = Box<dyn Fn(&str, &Result<Written, Failure>) + Send + Sync>;

/// The page's routes, and what the station does all the while: it delivers results that wait, and learns
/// whose badges are good.
///
/// # Errors
/// What the station keeps cannot be read.
pub fn open(page: Page) -> io::Result<(Router, impl Future<Output = ()>)> {
    let console = Arc::new(Console {
        role: "station",
        title: console::catalogue::station::STATION,
        place: page.member.name().to_string(),
        navigation: &[],
        time_zone: page.time_zone.clone(),
        over_tls: false,
        random: Arc::clone(&page.random),
    });
    let floor = Arc::new(Floor::open(page)?);
    let router = console.wrap(routes::router(Arc::clone(&floor)));
    Ok((router, async move { floor.keep_in_touch().await }))
}
