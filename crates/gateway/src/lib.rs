//! The factory's buffer: it reads the production plan, keeps packs encrypted, leases each to one
//! device, and reports upstream.
//!
//! [`Gateway`] is the role while it serves; [`Desk`] is what people do there, and needs only the
//! store, so it works beside a serving gateway. A file an occasion:
//!
//! | file | what |
//! | --- | --- |
//! | `plan` | product list and plan: reading CSV, comparing, importing |
//! | `product` | what the devices of a product take |
//! | `need` | what the coming days need; reserving numbers and ordering for it |
//! | `replenish`, `order` | fetching certificates and symmetric credentials into stock |
//! | `filing`, `packing` | packs on their way into the store and out of it, encrypted there |
//! | `lease` | packs to one station for one device |
//! | `on_the_spot` | packs that only this one device can take, made while its station waits |
//! | `result`, `evidence` | what became of a lease, and whether the device proves it |
//! | `report` | the outbox, upstream |
//! | `bundling` | the same without a link: orders and reports out, packs and answers in, in signed files |
//! | `withdrawal` | what the authority has withdrawn |
//! | `trusting` | which CAs of devices are trusted, by the authority's word, here and at the stations |
//! | `upkeep` | leases that ran out, keys to erase, and the clockwork of it all |
//! | `admission` | stations: invite, join, admit, revoke |
//! | `operator`, `scrap` | the people at the stations, and what two of them may do |
//! | `status` | the figures of the factory |
//! | `routes` | the same as HTTP |
//!
//! To add an occasion: a file with an `impl Gateway` (or `impl Desk`), one unit of work on the store
//! with its audit entry, and a route that translates.

mod admission;
mod bundling;
mod console;
mod desk;
mod error;
mod evidence;
mod filing;
mod gateway;
mod lease;
mod need;
mod on_the_spot;
mod operator;
mod order;
mod packing;
pub mod plan;
mod product;
mod replenish;
mod report;
mod result;
mod routes;
mod sampling;
mod scrap;
mod status;
mod trusting;
mod upkeep;
mod upstream;
mod withdrawal;

pub use admission::JoinStationError;
pub use bundling::{Exported, Taken};
pub use console::ConsoleSettings;
pub use desk::{Desk, Settings};
pub use error::GatewayError;
pub use gateway::{Gateway, OpenError};
pub use need::{Need, Reservation};
pub use replenish::{ReplenishError, Replenishment};
pub use report::Drained;
pub use store::audit::Actor;
pub use trusting::TrustingError;
pub use upstream::{Answer, Upstream, UpstreamError};
pub use withdrawal::WithdrawalError;
