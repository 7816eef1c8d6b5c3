//! The role that answers devices in the field: takes their calls, counts what their counters counted, and
//! hands out what they are asked to do.
//!
//! [`Center`] is the role while it serves. [`Desk`] is what people do there; it needs only the store, so it
//! works beside a serving center.
//!
//! | what | room |
//! | --- | --- |
//! | which device is which, as the authority says | `register` |
//! | who may call, and for whom | `admission` |
//! | which device speaks for which | `management` |
//! | a call: whether it is new, what it means | `call` |
//! | ordinary calls that come at the same time, taken as one | `together` |
//! | whether a call follows the last one, so that copies are found | `chain` |
//! | what happens when they do not, and what a person decides | `quarantine` |
//! | the same from devices without a network, in signed files | `bundling` |
//! | how a counter is counted, and what is held | [`meter`] |
//! | what was refused and may be an attack | `incident` |
//! | makers' keys and packages; the files that they lie in | `firmware`, `files` |
//! | which devices get a package, and when no more | `rollout` |
//! | which devices are asked to renew their certificate | `renewal` |
//! | what people see, ask of devices and decide | `desk` |
//! | a period's billing lines, each explained by its calls | [`invoice`] |
//! | the journal, read and counted again | `replay` |
//! | the console: what people see of the fleet and decide | `console` |
//! | the operations over HTTP, JSON and SOAP; files in ranges | `routes`, `file_routes` |
//!
//! Several centers may serve one store: everything that must be known once is in the store.

mod admission;
mod bundling;
mod call;
mod carried;
mod center;
mod chain;
mod console;
mod desk;
mod error;
mod file_routes;
mod files;
mod firmware;
mod incident;
pub mod invoice;
mod management;
pub mod meter;
mod quarantine;
mod register;
mod renewal;
mod replay;
mod rollout;
mod routes;
mod together;

pub use bundling::Imported;
pub use center::{Center, Settings};
pub use console::ConsoleSettings;
pub use desk::{Desk, Released, Status};
pub use error::CenterError;
pub use files::{FileError, Files, PACKAGE_BYTES_MAX};
pub use incident::IncidentKind;
pub use quarantine::{Doubt, Evidence, Readmitted, Sign, Suspicion};
pub use rollout::{RolloutPlan, is_in_share};
pub use store::center::managed::Approval;
