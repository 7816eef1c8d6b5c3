//! What a host counts of its peers, for whoever watches over it: requests by route and code, connections, and those
//! that it did not let in.
//!
//! The names are part of the interface: the dashboard in `examples` draws them. Where nobody has asked for metrics,
//! counting does nothing. A route is counted by its pattern, so that no peer can make up names.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::Response;
use axum::middleware::Next;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const REQUESTS: &str = "touchmark_requests_total";
const REQUEST_SECONDS: &str = "touchmark_request_seconds";
const CONNECTIONS: &str = "touchmark_connections";
const NOT_LET_IN: &str = "touchmark_connections_refused_total";

/// What stands for the route of a request that came to none.
const NO_ROUTE: &str = "none";

/// Says to the recorder that was installed what the names mean, and begins to count at zero.
pub fn describe_metrics() {
    describe_counter!(REQUESTS, "Requests that were answered, by route and status code");
    describe_histogram!(REQUEST_SECONDS, "How long the answers took, by route");
    describe_gauge!(CONNECTIONS, "Connections that are open");
    describe_counter!(NOT_LET_IN, "Connections that were not let in, by reason");
    gauge!(CONNECTIONS).set(0);
    for reason in [NotLetIn::Address, NotLetIn::Handshake, NotLetIn::Late, NotLetIn::Peer] {
        counter!(NOT_LET_IN, "reason" => reason.as_str()).increment(0);
    }
}

/// Why a connection was not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotLetIn {
    /// Its address has too many.
    Address,
    /// It failed in the handshake.
    Handshake,
    /// It did not finish the handshake in time.
    Late,
    /// Its certificate is none that counts here.
    Peer,
}

impl NotLetIn {
    fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Handshake => "handshake",
            Self::Late => "late",
            Self::Peer => "peer",
        }
    }
}

/// Counts a connection that was not let in.
pub(crate) fn not_let_in(reason: NotLetIn) {
    counter!(NOT_LET_IN, "reason" => reason.as_str()).increment(1);
}

/// A connection, counted for as long as this is there.
pub(crate) struct Open;

impl Open {
    pub(crate) fn begin() -> Self {
        gauge!(CONNECTIONS).increment(1);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(CONNECTIONS).decrement(1);
    }
}

/// Notes in an answer which route made it.
pub(crate) async fn name_route(request: Request, next: Next) -> Response<Body> {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// Counts an answer to a request that came at this time.
pub(crate) fn answered(response: &Response<Body>, since: Instant) {
    let route = response.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| NO_ROUTE.to_owned(), |route| route.as_str().to_owned());
    let code = response.status().as_u16().to_string();
    counter!(REQUESTS, "route" => route.clone(), "code" => code).increment(1);
    histogram!(REQUEST_SECONDS, "route" => route).record(since.elapsed());
}
