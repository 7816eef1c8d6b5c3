//! The accept loop: many connections, each within its limits, so that no peer can disturb another.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Request, Response, Uri};
use axum::middleware;
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use message::problem::ProblemCode;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::channel::ChannelBinding;
use crate::counting::{self, NotLetIn, Open};
use crate::host_tls::{ConnectionTls, HostTls};
use crate::peer::{Origin, Peer};
use crate::problem::Refused;

/// What a host grants a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections at a time. Further ones wait to be accepted.
    pub connections_max: usize,
    /// Connections at a time from one address. Further ones are closed.
    pub connections_per_address_max: usize,
    /// From accepting a connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From readiness for a request to the end of its header; so also how long a connection may idle.
    pub header: Duration,
    /// From the end of a request's header to the answer; the body arrives within it.
    pub request: Duration,
    /// How long a peer may leave an answer unread.
    pub stall: Duration,
    /// Bytes in a header.
    pub header_bytes_max: usize,
    /// Bytes in a body, on routes that set no `DefaultBodyLimit` of their own.
    pub body_bytes_max: usize,
    /// The requests that a peer without a certificate may make: method and path.
    pub open_to_all: &'static [(Method, &'static str)],
    /// The requests that a device may make with its common certificate: method and path. Nothing else,
    /// not even what is open to all.
    pub open_to_common: &'static [(Method, &'static str)],
    /// The requests that a device may make whose certificate has expired: method and path.
    pub open_to_expired: &'static [(Method, &'static str)],
}

/// What hosts let a peer without a certificate do, unless they say otherwise.
const JOINING: &[(Method, &str)] = &[(Method::POST, "/v1/join")];

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            connections_per_address_max: 256,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(30),
            request: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            header_bytes_max: 16 * 1_024,
            body_bytes_max: 2 * 1_024 * 1_024,
            open_to_all: JOINING,
            open_to_common: &[],
            open_to_expired: &[],
        }
    }
}

/// Serves the router until `shutdown` completes; then takes no more connections, lets requests
/// under way finish within the request limit, and returns.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<HostTls>,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    serve_at(Front::Tls(tls), listener, router, limits, shutdown).await;
}

/// Serves pages to people, who show no certificate and sign in on the pages: over TLS, or in clear where `tls`
/// is none, which is for loopback addresses only. The router lets nobody further than they may go.
pub async fn serve_to_people(
    listener: TcpListener,
    tls: Option<Arc<HostTls>>,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let front = tls.map_or(Front::Clear, Front::TlsForPeople);
    serve_at(front, listener, router, limits, shutdown).await;
}

/// Serves the router to everyone, without TLS, until `shutdown` completes: for what is signed and may be
/// read by all, and nothing else.
pub async fn serve_in_clear(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    serve_at(Front::Clear, listener, router, limits, shutdown).await;
}

/// What a connection must get through first.
enum Front {
    /// TLS; what a peer without a certificate may do, the limits say.
    Tls(Arc<HostTls>),
    /// TLS; what anyone may do, the router says.
    TlsForPeople(Arc<HostTls>),
    Clear,
}

async fn serve_at(
    front: Front,
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let router = with_problems(router, limits);
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    let addresses = Arc::new(Addresses::new(limits.connections_per_address_max));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let (stream, address, permit) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        while connections.try_join_next().is_some() {}
        let Some(place) = addresses.place(address.ip()) else {
            tracing::warn!(%address, "too many connections from one address");
            counting::not_let_in(NotLetIn::Address);
            continue;
        };
        let tls = match &front {
            Front::Tls(tls) | Front::TlsForPeople(tls) => Some(tls.for_connection()),
            Front::Clear => None,
        };
        let is_for_people = matches!(front, Front::TlsForPeople(_));
        let (router, watcher) = (router.clone(), graceful.watcher());
        connections.spawn(async move {
            let held = Arc::new(Held { _permit: permit, _place: place, _open: Open::begin() });
            let stream = limited(stream, limits);
            let Some(tls) = tls else {
                return speak(stream, None, router, held, limits, watcher).await;
            };
            let Some((stream, session)) = handshake(stream, address, &tls, limits).await else { return };
            let session = Session { is_for_people, ..session };
            let Some(mut open) = tls.open(session.peer.clone()) else { return };
            tokio::select! {
                () = speak(stream, Some(session), router, held, limits, watcher) => {}
                () = open.told_to_end() => tracing::info!(%address, "connection ended: its peer may not come any more"),
            }
        });
    }
    drop(listener);
    if timeout(limits.request, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way when their time ran out");
    }
}

/// What the handshake showed.
#[derive(Clone)]
struct Session {
    peer: Peer,
    origin: Origin,
    /// The peer must come with a later version of TLS.
    is_too_old: bool,
    /// What the peer may do is the router's to say, whatever the peer showed.
    is_for_people: bool,
}

type LimitedStream = Pin<Box<TimeoutStream<TcpStream>>>;
type TlsStream = tokio_rustls::server::TlsStream<LimitedStream>;

/// A stream whose peer cannot leave answers unread for ever.
fn limited(stream: TcpStream, limits: Limits) -> LimitedStream {
    // Answers are written at once; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.stall));
    Box::pin(stream)
}

/// Speaks HTTP with a peer that the handshake has named, or with anyone where there was none.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    session: Option<Session>,
    router: Router,
    held: Arc<Held>,
    limits: Limits,
    watcher: Watcher,
) {
    let service = service_fn(move |request| {
        let answering = answer(router.clone(), session.clone(), Arc::clone(&held), request, limits);
        async move {
            let since = Instant::now();
            let response = answering.await;
            counting::answered(&response, since);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(limits.header_bytes_max)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended");
    }
}

/// One more connection, as soon as there is room for it.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = Arc::clone(permits).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address, permit),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Most likely out of file descriptors, which come back as connections end.
                tracing::error!(%error, "cannot accept connections");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn handshake(
    stream: LimitedStream,
    address: SocketAddr,
    tls: &ConnectionTls,
    limits: Limits,
) -> Option<(TlsStream, Session)> {
    let stream = match timeout(limits.handshake, TlsAcceptor::from(tls.config()).accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(%address, %error, "handshake refused");
            counting::not_let_in(NotLetIn::Handshake);
            return None;
        }
        Err(_) => {
            tracing::info!(%address, "handshake not finished in time");
            counting::not_let_in(NotLetIn::Late);
            return None;
        }
    };
    let connection = stream.get_ref().1;
    let channel_binding = ChannelBinding::of(connection)?;
    match tls.peer(connection.peer_certificates()) {
        Ok(peer) => {
            let is_too_old = tls.is_too_old(connection.protocol_version(), &peer);
            let origin = Origin { address, channel_binding };
            Some((stream, Session { peer, origin, is_too_old, is_for_people: false }))
        }
        Err(refusal) => {
            tracing::info!(%address, %refusal, "peer refused");
            counting::not_let_in(NotLetIn::Peer);
            None
        }
    }
}

/// The role's router with problems for all that it does not answer itself.
fn with_problems(router: Router, limits: Limits) -> Router {
    router
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            let detail = format!("{} does not take {method}", uri.path());
            Refused::new(ProblemCode::MethodNotAllowed, detail)
        })
        .fallback(async |uri: Uri| {
            Refused::new(ProblemCode::NotFound, format!("there is nothing at {}", uri.path()))
        })
        .layer(DefaultBodyLimit::max(limits.body_bytes_max))
        .layer(middleware::from_fn(counting::name_route))
}

/// Answers one request. It runs in a task of its own: a peer that goes away does not stop what it
/// asked for half-way, and a panic ends this request only. The task keeps the connection's place
/// (`held`), so that going away makes no room for more.
async fn answer(
    router: Router,
    session: Option<Session>,
    held: Arc<Held>,
    request: Request<Incoming>,
    limits: Limits,
) -> Response<Body> {
    let mut request = request.map(Body::new);
    if let Some(Session { peer, origin, is_too_old, is_for_people }) = session {
        if is_too_old {
            tracing::info!(address = %origin.address, ?peer, "refused over TLS 1.2");
            let detail = "this is answered over TLS 1.3 only; who may come over TLS 1.2 is listed by product";
            return Refused::new(ProblemCode::TlsTooOld, detail).into_response();
        }
        if !is_for_people && let Err(refused) = check_open(&peer, &request, limits) {
            return refused.into_response();
        }
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(origin);
    }
    let path = request.uri().path().to_owned();
    let answering = tokio::spawn(async move {
        let _held = held;
        timeout(limits.request, router.oneshot(request)).await
    });
    match answering.await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(_)) => Refused::new(ProblemCode::Busy, "the request took longer than it may").into_response(),
        Err(error) => {
            tracing::error!(%path, %error, "a request failed by our fault");
            Refused::new(ProblemCode::Internal, "this service failed; its log says why").into_response()
        }
    }
}

/// Refuses what a peer without a certificate of its own asks and may not.
fn check_open(peer: &Peer, request: &Request<Body>, limits: Limits) -> Result<(), Refused> {
    let is_among = |open: &[(Method, &str)]| {
        open.iter().any(|(method, path)| request.method() == method && request.uri().path() == *path)
    };
    match peer {
        Peer::Nobody if !is_among(limits.open_to_all) => {
            let detail = "this is not possible without a certificate";
            Err(Refused::new(ProblemCode::NotAuthenticated, detail))
        }
        Peer::Common(common) if !is_among(limits.open_to_common) => {
            let path = request.uri().path();
            tracing::warn!(batch = %common.batch, path, "a common certificate was misused");
            let detail =
                "a common certificate is good for asking for an individual one, and for nothing else";
            Err(Refused::new(ProblemCode::NotAllowed, detail))
        }
        Peer::ExpiredDevice(_) if !is_among(limits.open_to_expired) => {
            let detail = "this is not possible with a certificate that has expired";
            Err(Refused::new(ProblemCode::NotAuthenticated, detail))
        }
        Peer::Nobody | Peer::Common(_) | Peer::ExpiredDevice(_) | Peer::Member(_) | Peer::Device(_) => Ok(()),
    }
}

/// What a connection takes up, given back on drop.
struct Held {
    _permit: OwnedSemaphorePermit,
    _place: Place,
    _open: Open,
}

/// How many connections each address has.
struct Addresses {
    each_max: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

impl Addresses {
    fn new(each_max: usize) -> Self {
        Self { each_max, open: Mutex::default() }
    }

    /// A place for one more connection of this address, given back on drop, if it has one left.
    fn place(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.each_max {
            return None;
        }
        *count += 1;
        Some(Place { addresses: Arc::clone(self), address })
    }
}

struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}
