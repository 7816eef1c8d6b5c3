//! `touchmark bench handshake`: a full mutual handshake with the check of the device, and one durable call.
//!
//! A device's first connection costs more than its later ones, since its certificate is verified once
//! (`cert::trust`); both are measured. What is measured is the processor time of the center's side, its database
//! with it (a PostgreSQL server's own time is not). The limit is the same of a bare rustls with the same certificates
//! and clients, which checks no more than the chain and answers without storing anything. Of the memory of a
//! connection that is left open the limit is that of bare rustls too.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::fleet::{CENTER_THREADS, Fleet, processor_time, resident_kibibytes};
use super::place::Place;
use super::{Edge, Figure};
use crate::failure::Failure;

/// Arguments of `touchmark bench handshake`.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    n: usize,
    /// An empty store to measure on: sqlite:PATH or postgres://...; without it a SQLite file that is deleted
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// Devices at a time.
const CLIENTS: usize = 32;
/// Connections that are left open for their memory.
const OPEN: usize = 1_000;

/// Measures.
pub async fn run(arguments: &Arguments, edge: &Edge) -> anyhow::Result<Vec<Figure>> {
    let n = arguments.n;
    if n == 0 {
        return Err(Failure::usage("there is nothing to measure").advise("give --n 1 or more").into());
    }
    let place = Place::make(arguments.store.as_deref(), edge)?;
    let fleet = Arc::new(Fleet::start(&place.url, n, edge).await?);
    let bare = bare_rustls(&fleet).await?;
    // Machines slow down and speed up while they are measured, so the limit is taken on both sides.
    let before = microseconds_each(&fleet, bare, n).await?;
    let first = microseconds_each(&fleet, fleet.center, fleet.devices()).await?;
    let center = microseconds_each(&fleet, fleet.center, n).await?;
    let limit = (before + microseconds_each(&fleet, bare, n).await?) / 2.0;
    let bare_memory = kibibytes_each(&fleet, bare).await?;
    let memory = kibibytes_each(&fleet, fleet.center).await?;
    const TIME: &str = "us of a processor";
    Ok(vec![
        Figure::new("first handshake", TIME, first, limit, fleet.devices(), place.store),
        Figure::new("handshake", TIME, center, limit, n, place.store),
        Figure::new("open connection", "KiB", memory, bare_memory, OPEN, place.store),
    ])
}

/// The processor time of the serving side for one connection with one call.
async fn microseconds_each(fleet: &Arc<Fleet>, server: SocketAddr, n: usize) -> anyhow::Result<f64> {
    let before = processor_time(&CENTER_THREADS)?;
    fleet.call(server, n, CLIENTS, false).await?;
    let used = processor_time(&CENTER_THREADS)?.saturating_sub(before);
    Ok(used.as_secs_f64() * 1_000_000.0 / n as f64)
}

/// The memory that a connection takes up which is left open. Those before it have used up what was free in the
/// process already.
async fn kibibytes_each(fleet: &Arc<Fleet>, server: SocketAddr) -> anyhow::Result<f64> {
    let _those_before = fleet.leave_open(server, OPEN).await?;
    let before = resident_kibibytes()?;
    let _open = fleet.leave_open(server, OPEN).await?;
    Ok((resident_kibibytes()? - before) / OPEN as f64)
}

/// Serves with rustls and hyper alone, on the center's threads; where.
async fn bare_rustls(fleet: &Fleet) -> anyhow::Result<SocketAddr> {
    let mut roots = RootCertStore::empty();
    // The CA of devices itself is the anchor, so that one signature is checked here as there.
    for issuing in fleet.trust.issuing() {
        roots.add(CertificateDer::from(issuing.der().to_vec()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(fleet.chain.clone(), fleet.key.clone_key())?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    fleet.spawn(async move {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let Ok(stream) = acceptor.accept(stream).await else { return };
                // Whoever asked has gone where this fails.
                let _ =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
            });
        }
    });
    Ok(address)
}

async fn answer(_request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::from(r#"{"call":1,"received":1767225600}"#)))
}
