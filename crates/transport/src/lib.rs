//! Mutual TLS between roles: the accept loop with its limits, the client, problem details.
//!
//! A role makes an `axum::Router` and hands it to [`serve`]. What it may rely on:
//!
//! - every request has a [`Peer`], verified in the handshake; without one, only the requests that
//!   [`Limits::open_to_all`] names are let through (`POST /v1/join`), and with a common certificate only
//!   those that [`Limits::open_to_common`] names;
//! - a handler names whom it serves by its extractor: [`Gateway`], [`Station`], [`Device`], [`Service`],
//!   [`Authenticator`], [`Center`], [`Common`]; anyone else is refused;
//! - every error, also of JSON and of the router, is a problem (RFC 9457) with a code word:
//!   [`Refused`], [`Json`];
//! - everything a peer controls has a limit: [`Limits`];
//! - the same operations can be served as SOAP: [`soap`];
//! - requests and connections are counted, where somebody has asked for it: [`describe_metrics`].
//!
//! Whether a peer's certificate was revoked is the role's to look up, for every request, by the
//! serial number that the extractors carry. A role that hears of it ends what that peer has open:
//! [`HostTls::end_connections`].
//!
//! Which CAs sign devices changes while members serve: a [`TrustKeeper`] follows it.
//!
//! The other end is a [`Client`], which a newcomer comes to by [`join`]; or a [`Channel`], one
//! connection that both ends can name, where the request itself proves who sends it. Both go through a [`Proxy`] where
//! the network demands it. [`Link`] stands between
//! the two in tests and in the demo, and breaks when told.

mod channel;
mod client;
mod counting;
mod file;
mod host_tls;
mod join;
mod link;
mod open_connections;
mod peer;
mod problem;
mod proxy;
mod serve;
pub mod soap;
mod trust_keeper;

pub use channel::{Channel, ChannelBinding, ChannelError};
pub use client::{CallError, Client, ClientError};
pub use counting::describe_metrics;
pub use file::FilePart;
pub use host_tls::HostTls;
pub use join::{JoinError, Joined, join, join_through};
pub use link::Link;
pub use peer::{
    AnyMember, Authenticator, Center, Common, Device, Gateway, Origin, Peer, RenewingDevice, Service, Station,
};
pub use problem::{Json, Refused};
pub use proxy::{Proxy, ProxyError};
pub use serve::{Limits, serve, serve_in_clear, serve_to_people};
pub use trust_keeper::{TrustError, TrustKeeper};
