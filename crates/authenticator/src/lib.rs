//! The role that authenticates devices with symmetric credentials, and vouches for them.
//!
//! A device and the authenticator prove to each other that both hold the device's pass phrase
//! ([`auth`]); the device leaves with a short-lived token for one service, which that service checks
//! by itself or asks about.
//!
//! | what | room |
//! | --- | --- |
//! | who may authenticate: the authority's registrations, revocation | [`register`] |
//! | challenge and proof | `exchange` |
//! | whether a device is who it says it is | `examiner` |
//! | secrets as they lie in the store | `secret` |
//! | services that the authority has shut out | `shut_out` |
//! | how a wrong proof is answered, and when | `backoff` |
//! | the tokens and the keys that sign them | [`token`] |
//! | the operations over HTTP | `routes` |
//! | the device's side | [`caller`] |
//!
//! Several instances may serve one store: everything that must be known once is in the store.

mod authenticator;
mod backoff;
pub mod caller;
mod error;
mod examiner;
mod exchange;
pub mod register;
mod routes;
mod secret;
mod shut_out;
pub mod token;

pub use authenticator::{Authenticator, Settings};
pub use backoff::Backoff;
pub use error::AuthenticatorError;
pub use exchange::NONCE_SECONDS;
pub use register::Register;
pub use routes::OPEN_TO_ALL;
