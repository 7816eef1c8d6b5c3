//! Slow, silent and too many peers: each is cut off at its limit, and good peers notice nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cert::tls::client_config;
use identity::Clock;
use message::problem::ProblemCode;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use transport::{CallError, Limits};

use crate::host::{Host, Note, member, note};

const SHORT: Duration = Duration::from_millis(300);
/// Far above every short limit, so that only a missing limit fails.
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn tls_stream(host: &Host) -> TlsStream<TcpStream> {
    let own = host.plant.member(&member("gateway:osaka"));
    let clock = Arc::clone(&host.clock) as Arc<dyn Clock>;
    let tls = client_config(host.trust(), member("authority:head-office"), Some(&own), clock).unwrap();
    let stream = TcpStream::connect(host.address).await.unwrap();
    let name = ServerName::from(host.address.ip());
    TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap()
}

/// Reads until the host ends the connection.
pub async fn is_ended(stream: &mut (impl AsyncReadExt + Unpin)) -> bool {
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.is_ok()
}

async fn is_served(host: &Host) -> bool {
    let answer: Result<Note, _> = host.client("gateway:osaka").post_json("/v1/echo", &note("hello")).await;
    answer.is_ok()
}

#[tokio::test]
async fn half_open_handshakes_are_closed_and_disturb_nobody() {
    let host = Host::start(Limits { handshake: SHORT, ..Limits::default() }).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(host.address).await.unwrap());
    }
    silent[0].write_all(&[22, 3, 1]).await.unwrap();
    assert!(is_served(&host).await);
    for stream in &mut silent {
        assert!(is_ended(stream).await);
    }
}

#[tokio::test]
async fn a_header_that_trickles_in_is_cut_off_and_disturbs_nobody() {
    let host = Host::start(Limits { header: SHORT, ..Limits::default() }).await;
    let mut slow = tls_stream(&host).await;
    slow.write_all(b"GET /v1/peer HTTP/1.1\r\n").await.unwrap();
    let start = Instant::now();
    let trickle = async {
        while slow.write_all(b"X-Slow: 1\r\n").await.is_ok() && slow.flush().await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let (cut_off, served) = tokio::join!(timeout(PATIENCE, trickle), is_served(&host));
    assert!(served);
    assert!(cut_off.is_ok(), "still trickling after {:?}", start.elapsed());
}

#[tokio::test]
async fn a_connection_that_idles_is_closed() {
    let host = Host::start(Limits { header: SHORT, ..Limits::default() }).await;
    let mut idle = tls_stream(&host).await;
    assert!(is_ended(&mut idle).await);
}

#[tokio::test]
async fn a_body_that_trickles_in_is_answered_and_cut_off() {
    let host = Host::start(Limits { request: SHORT, ..Limits::default() }).await;
    let mut slow = tls_stream(&host).await;
    let head =
        "POST /v1/echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, slow.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("urn:touchmark:problem:busy"), "{answer}");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered() {
    let host = Host::start(Limits { request: SHORT, ..Limits::default() }).await;
    match host.client("gateway:osaka").get_json::<Note>("/v1/slow").await {
        Err(CallError::Refused(problem)) => assert_eq!(problem.code, ProblemCode::Busy),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let limits = Limits { stall: SHORT, connections_max: 1, ..Limits::default() };
    let host = Host::start(limits).await;
    let mut deaf = tls_stream(&host).await;
    deaf.write_all(b"GET /v1/long HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // The host has room for one connection only, so another is served once the first is given up.
    assert!(timeout(PATIENCE, is_served(&host)).await.unwrap());
}

#[tokio::test]
async fn a_header_that_is_too_large_is_refused() {
    let host = Host::start(Limits { header_bytes_max: 8_192, ..Limits::default() }).await;
    let mut stream = tls_stream(&host).await;
    let head = format!("GET /v1/peer HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(10_000));
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 431"));
}

#[tokio::test]
async fn a_body_without_stated_length_is_cut_off_at_the_limit() {
    let host = Host::start(Limits { body_bytes_max: 1_000, ..Limits::default() }).await;
    let mut stream = tls_stream(&host).await;
    let head = "POST /v1/echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
    // The host may close while the endless body is still being sent.
    for _ in 0..1_000 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut start = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut start)).await.unwrap().unwrap();
    assert_eq!(start, *b"HTTP/1.1 413");
}

#[tokio::test]
async fn one_address_gets_its_share_of_connections_only() {
    let host = Host::start(Limits { connections_per_address_max: 2, ..Limits::default() }).await;
    let first = tls_stream(&host).await;
    let _second = tls_stream(&host).await;
    let mut third = TcpStream::connect(host.address).await.unwrap();
    assert!(is_ended(&mut third).await);
    drop(first);
    let served = async {
        while !is_served(&host).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, served).await.expect("a place came free");
}

#[tokio::test]
async fn a_full_host_takes_the_next_peer_as_soon_as_one_leaves() {
    let host = Host::start(Limits { connections_max: 1, ..Limits::default() }).await;
    let first = tls_stream(&host).await;
    let leave = async {
        sleep(SHORT).await;
        drop(first);
    };
    let ((), served) = tokio::join!(leave, is_served(&host));
    assert!(served);
}

#[tokio::test]
async fn what_a_peer_asked_for_is_finished_after_it_has_gone() {
    let host = Host::start(Limits { connections_max: 1, ..Limits::default() }).await;
    let mut gone = tls_stream(&host).await;
    let head = "POST /v1/slow-count HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    gone.write_all(head.as_bytes()).await.unwrap();
    gone.flush().await.unwrap();
    sleep(Duration::from_millis(100)).await;
    drop(gone);
    // Its place comes free only when the request is done.
    assert!(is_served(&host).await);
    assert_eq!(host.counted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_host_that_stops_finishes_what_is_under_way() {
    let host = Host::start(Limits::default()).await;
    let client = host.client("gateway:osaka");
    let under_way = tokio::spawn({
        let client = client.clone();
        async move { client.get_json::<Note>("/v1/slow").await }
    });
    let _idle = tls_stream(&host).await;
    sleep(Duration::from_millis(200)).await;
    let stopped = host.stop();
    assert_eq!(under_way.await.unwrap().unwrap(), note("done"));
    timeout(PATIENCE, stopped).await.expect("idle connections do not hold it up").unwrap();
    assert!(matches!(client.get_json::<Note>("/v1/peer").await, Err(CallError::Unreachable(_))));
}
