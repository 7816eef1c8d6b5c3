//! The product list and the production plan: read from CSV, compared with what is known, imported whole
//! or not at all (source A Figs. 19A and 19B).

mod csv_text;
mod import;

pub use csv_text::{BadCell, File, PlanFile, PlanRow, parse};
pub use import::{Change, ImportError};
