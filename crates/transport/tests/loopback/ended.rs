//! A host ends the connections of a peer that may no longer come, and serves in clear what everyone may read.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cert::MemberIdentity;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use transport::{Limits, Peer, serve_in_clear};

use crate::host::{Host, Note, note};
use crate::limits::{is_ended, tls_stream};

fn is_osaka(peer: &Peer) -> bool {
    matches!(peer, Peer::Member(MemberIdentity { member, .. }) if member.name().as_str() == "osaka")
}

/// The limit of an idle connection is far away, so that it is not what ends these.
#[tokio::test]
async fn open_connections_of_a_peer_are_ended_and_no_others() {
    let host = Host::start(Limits { header: Duration::from_secs(3_600), ..Limits::default() }).await;
    let (mut one, mut other) = (tls_stream(&host).await, tls_stream(&host).await);
    let kyoto = host.client("gateway:kyoto");
    let answer: Note = kyoto.post_json("/v1/echo", &note("hello")).await.unwrap();
    assert_eq!(answer, note("hello"));
    let mut ended = 0;
    while ended < 2 {
        ended += host.tls.end_connections(is_osaka);
        sleep(Duration::from_millis(10)).await;
    }
    assert!(is_ended(&mut one).await && is_ended(&mut other).await);
    assert_eq!((ended, host.tls.end_connections(is_osaka)), (2, 0));
    assert_eq!(host.tls.end_connections(|_| true), 1, "Kyoto's is still open");
}

#[tokio::test]
async fn what_everyone_may_read_is_served_in_clear() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/list", get(async || "signed"));
    let limits = Limits { open_to_all: &[], header: Duration::from_millis(300), ..Limits::default() };
    tokio::spawn(serve_in_clear(listener, router, limits, std::future::pending()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /list HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("signed"), "{answer}");
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert!(is_ended(&mut silent).await, "the limits hold here as well");
}
