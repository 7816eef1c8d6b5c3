//! The role that issues credentials, and records what became of each.
//!
//! [`Authority`] is the role while it serves: its CAs are open. [`Desk`] is what people do there, and
//! needs only the store, so it works beside a serving authority. A [`Ceremony`] makes both possible, once.
//! A file an occasion:
//!
//! | file | what |
//! | --- | --- |
//! | `setup` | the first day: root, the CAs below it, the authority's own certificate |
//! | `making` | products, factories, and what each factory may make |
//! | `rollover` | one CA of devices after another: made, put to work, retired |
//! | `impact` | what hangs on such a CA, before anything is done to it |
//! | `cas` | these CAs, open: which one signs, which ones are trusted |
//! | `trust_news` | what members are told of them, and say of themselves |
//! | `pre_write_key` | keys that firmware is built with: made, handed out once, replaced, retired |
//! | `common_certificate` | what the devices of a batch share: made, handed out once, stopped |
//! | `order` | whether an order for packs may be fulfilled |
//! | `issue` | fulfilling it: intent, lint, signature, each stored and audited |
//! | `apparatus_order` | symmetric credentials, in batches |
//! | `on_the_spot` | packs for the one device that stands before a station |
//! | `succession` | certificates that follow a number's first one, and which of them count (`history`) |
//! | `renewal` | the next certificate of a device that shows the one it has |
//! | `est` | the same for devices of any make, as RFC 7030 says it |
//! | `recovery` | a certificate for a device that has nothing but its common one, once something speaks for it |
//! | `board_swap` | another board takes the place of a device's |
//! | `chronicle` | all that became of a number |
//! | `collection` | certificates that are owed to devices with keys of their own |
//! | `sealing` | what only a device can open, and the keys for it |
//! | `report` | what became of packs at the factories, with each device's proof |
//! | `bundling` | the same requests from factories without a link, in signed files |
//! | `voiding` | withdrawing credentials, one or all that have something in common |
//! | `withdrawal` | what gateways are told of it |
//! | `registration` | what authenticators are told of devices |
//! | `admission` | members: invite, join, admit, revoke |
//! | `standing` | whom a device is taken for |
//! | `device_feed` | what centers are told of devices |
//! | `approved` | what two people decide: quotas, keys, revoking many |
//! | `console` | pages for people |
//! | `device_history` | what they are told of one, when somebody looks into it |
//! | `status` | the figures, and whether they add up |
//! | `publication` | CRLs and OCSP, for everyone |
//! | `routes` | the same as HTTP, and `publication_routes` for everyone |
//!
//! To add an occasion: a file with an `impl Authority` (or `impl Desk`), one unit of work on the
//! store with its audit entry, and a route that translates.

mod admission;
mod apparatus_order;
mod approved;
mod authority;
mod board_swap;
mod books;
mod bundling;
mod carried;
mod cas;
mod chronicle;
mod collection;
mod common_certificate;
mod console;
mod cores;
mod desk;
mod device_feed;
mod device_history;
mod error;
mod est;
mod history;
mod impact;
mod in_flight;
mod issue;
mod making;
mod on_the_spot;
mod order;
mod pre_write_key;
mod publication;
mod publication_routes;
mod recovery;
mod registration;
mod renewal;
mod report;
mod rollover;
mod routes;
mod sealing;
mod setup;
mod standing;
mod status;
mod succession;
mod trust_news;
mod voiding;
mod withdrawal;

pub use approved::{Approved, BulkRevocation, Proposal};
pub use authority::{Authority, OpenError};
pub use bundling::{FactoryBundle, Imported};
pub use chronicle::Chronicle;
pub use common_certificate::ExportedCommonCertificate;
pub use console::ConsoleSettings;
pub use desk::Desk;
pub use error::AuthorityError;
pub use impact::{Duties, Impact, MemberStanding, ProductImpact};
pub use making::NewRange;
pub use pre_write_key::{DeviceKey, ExportedKey, PRE_WRITE_KEY_BYTES};
pub use recovery::{PendingRecovery, UseToday};
pub use rollover::{Activated, FurtherCa, MadeCa, Retired};
pub use routes::{OPEN_TO_ALL, OPEN_TO_COMMON, OPEN_TO_EXPIRED};
pub use setup::{Ceremony, Names, SetupError};
pub use status::{AuthorityStatus, FactoryFigures, MemberFigures};
pub use voiding::{Selected, VoidedCounts};
