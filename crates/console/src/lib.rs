//! What people see: the page shell, tables, forms, notices, charts and live parts of every role's pages.
//!
//! Pages are made on the server with `maud`. A role makes a [`Console`] and lets it wrap the router with
//! its pages ([`Console::wrap`]); what it may rely on:
//!
//! - every request has a [`Visit`], an extractor: the reader's language and theme, who signed in, and
//!   [`Visit::page`], which puts content into the shell;
//! - every answer carries the security headers: nothing is loaded from elsewhere, no script or style
//!   stands in a page, nobody may frame it;
//! - a handler's error is a [`Failure`], which becomes a page where it is known who reads;
//! - a body is taken by [`Form`], which refuses what does not carry the page's token ([`Visit::form`]);
//! - style sheet, script and `uPlot` are in the binary ([`assets`]).
//!
//! Words come from [`catalogue`], where every [`Text`] has both languages or does not compile.
//!
//! ```text
//! async fn stations(visit: Visit, query: ListQuery, State(desk): State<Desk>) -> Result<Response, Failure> {
//!     let (rows, total) = desk.stations(&query).await?;
//!     let table = Table::new("stations", STATIONS, vec![
//!         Column::new("name", NAME, |row: &Station| Cell::text(&row.name)).sortable(),
//!         Column::new("seen", LAST_SEEN, |row: &Station| visit.time_cell(row.seen)),
//!     ]);
//!     Ok(table.answer(&visit, &query, &rows, total, |table| html! { (table) }))
//! }
//! ```

pub mod assets;
pub mod catalogue;
mod chart;
mod console;
mod failure;
mod form;
mod language;
pub mod live;
mod notice;
mod query;
mod state;
mod table;
mod visit;

pub use chart::{Chart, Series, Shape};
pub use console::{Console, Entry};
pub use failure::Failure;
pub use form::{Forged, Form, choice_field, hidden, submit, text_field};
pub use language::{Language, Text};
pub use maud::{Markup, PreEscaped, html};
pub use notice::{Status, badge, figures, notice};
pub use query::{EXPORT_ROWS, ListQuery, PAGE_ROWS};
pub use state::{state_badge, state_choices, state_text};
pub use table::{Cell, Column, Table};
pub use visit::{Person, Theme, Visit};
