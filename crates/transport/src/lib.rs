//! Mutual TLS between roles: the accept loop with its limits, the client, problem details.
//!
//! A role makes an `axum::Router` and hands it to [`serve`]. What it may rely on:
//!
//! - every request has a [`Peer`], verified in the handshake; only `POST /v1/join` is let through
//!   without one;
//! - a handler names whom it serves by its extractor: [`Gateway`], [`Station`], [`Device`]; anyone
//!   else is refused;
//! - every error, also of JSON and of the router, is a problem (RFC 9457) with a code word:
//!   [`Refused`], [`Json`];
//! - everything a peer controls has a limit: [`Limits`].
//!
//! Whether a peer's certificate was revoked is the role's to look up, for every request, by the
//! serial number that the extractors carry.
//!
//! The other end is a [`Client`], which a newcomer comes to by [`join`]. [`Link`] stands between
//! the two in tests and in the demo, and breaks when told.

mod client;
mod host_tls;
mod join;
mod link;
mod peer;
mod problem;
mod serve;

pub use client::{CallError, Client, ClientError};
pub use host_tls::HostTls;
pub use join::{JoinError, Joined, join};
pub use link::Link;
pub use peer::{Device, Gateway, Peer, Station};
pub use problem::{Json, Refused};
pub use serve::{Limits, serve};
