//! What every role does to serve: listen, say so, and stop when told.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use identity::{Member, ProductCode};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use transport::{HostTls, Limits, serve_to_people};

use crate::commands::Edge;
use crate::config::ConsoleConfig;
use crate::failure::Failure;
use crate::member_files::MemberFiles;

/// How this member lets others in.
pub fn host_tls(member: &MemberFiles, edge: &Edge) -> anyhow::Result<Arc<HostTls>> {
    host_tls_with_tls12_for(BTreeSet::new(), member, edge)
}

/// As [`host_tls`]; devices of these products may come over TLS 1.2.
pub fn host_tls_with_tls12_for(
    products: BTreeSet<ProductCode>,
    member: &MemberFiles,
    edge: &Edge,
) -> anyhow::Result<Arc<HostTls>> {
    let (trust, clock) = (member.trust.clone(), Arc::clone(&edge.clock));
    Ok(Arc::new(HostTls::with_tls12_for(products, trust, &member.credential, clock)?))
}

/// Serves the router as this member until the process is told to stop, and lets requests under way
/// finish. What the role does all the while, such as filling up its stock, goes on beside it.
pub async fn serve(
    address: SocketAddr,
    member: &Member,
    tls: Arc<HostTls>,
    router: Router,
    limits: Limits,
    beside: impl Future,
    edge: &Edge,
) -> anyhow::Result<()> {
    let told_to_stop = told_to_stop()?;
    let listener = listen(address, "listen").await?;
    let started = Started { member: member.to_string(), address: listener.local_addr()? };
    edge.output.object(&started, format!("{} serves at {}", started.member, started.address));
    tokio::select! {
        () = transport::serve(listener, tls, router, limits, told_to_stop) => {}
        () = forever(beside) => {}
    }
    Ok(())
}

/// Listens for people, if the role is to have a console; what then serves it. `router` makes its pages, and is told whether
/// they go over TLS. Off this machine they go over TLS only.
pub async fn console<R: FnOnce(bool) -> Router>(
    config: &ConsoleConfig,
    member: &MemberFiles,
    limits: Limits,
    edge: &Edge,
    router: R,
) -> anyhow::Result<impl Future<Output = ()> + use<R>> {
    let served = match config.address()? {
        Some(address) => {
            let listener = listen(address, "console.listen").await?;
            let tls = if address.ip().is_loopback() { None } else { Some(host_tls(member, edge)?) };
            let scheme = if tls.is_some() { "https" } else { "http" };
            tracing::info!("the console is at {scheme}://{}", listener.local_addr()?);
            Some((listener, router(tls.is_some()), tls))
        }
        None => None,
    };
    Ok(async move {
        if let Some((listener, router, tls)) = served {
            serve_to_people(listener, tls, router, limits, std::future::pending()).await;
        }
    })
}

/// What `serve` prints once it answers.
#[derive(Serialize)]
struct Started {
    member: String,
    address: SocketAddr,
}

/// Runs the work to its end, if it has one, and then waits, so that its end ends nothing else.
async fn forever(work: impl Future) {
    work.await;
    std::future::pending().await
}

/// Listens on an address, which a configuration sets by this key.
pub async fn listen(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::new(format!("cannot listen on {address}"))
            .because(error)
            .advise(format!("stop what listens there already, or set the key `{key}` to another address"))
    })?;
    Ok(listener)
}

/// Completes when the process is told to stop, by SIGTERM or by Ctrl-C.
pub fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop; finishing requests under way");
    })
}
