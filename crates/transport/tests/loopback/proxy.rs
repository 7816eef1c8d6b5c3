//! A network whose only way out is an HTTP proxy: clients get through it, and it learns nothing of what they say.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::Uri;
use identity::Clock;
use message::bytes::SecretBytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use transport::{CallError, Channel, ChannelError, Client, Limits, Proxy};

use crate::host::{Host, Note, member, note, strange_trust};

/// A proxy that knows no more than CONNECT. It lets through whoever shows the credentials that it asks for.
struct ConnectProxy {
    address: SocketAddr,
    /// What it was asked, each with the header.
    asked: Arc<Mutex<Vec<String>>>,
}

/// `user:word` in the form of RFC 7617.
const AUTHORIZATION: &str = "Basic dXNlcjp3b3Jk";

impl ConnectProxy {
    async fn start(authorization: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, authorization, Arc::clone(&heard)));
            }
        });
        Self { address, asked }
    }

    fn proxy(&self) -> Proxy {
        Proxy::new(&format!("http://{}", self.address)).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn forward(mut client: TcpStream, authorization: Option<&str>, asked: Arc<Mutex<Vec<String>>>) {
    let mut header = Vec::new();
    while !header.ends_with(b"\r\n\r\n") {
        header.push(client.read_u8().await.unwrap());
    }
    let header = String::from_utf8(header).unwrap();
    asked.lock().unwrap().push(header.clone());
    let is_allowed = authorization.is_none_or(|wanted| {
        header.to_lowercase().contains(&format!("proxy-authorization: {wanted}\r\n").to_lowercase())
    });
    let target = header.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let answer = match (is_allowed, target) {
        (false, _) => "407 Proxy Authentication Required",
        (true, None) => "405 Method Not Allowed",
        (true, Some(_)) => "200 OK",
    };
    client.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await.unwrap();
    if let (true, Some(target)) = (is_allowed, target) {
        let mut host = TcpStream::connect(target).await.unwrap();
        // Either side may break off.
        let _ = copy_bidirectional(&mut client, &mut host).await;
    }
}

fn through(proxy: Option<&Proxy>, host: &Host) -> Client {
    let own = host.plant.member(&member("gateway:osaka"));
    let clock = Arc::clone(&host.clock) as Arc<dyn Clock>;
    let url = format!("https://{}", host.address);
    Client::through(proxy, host.trust(), Some(&own), member("authority:head-office"), &url, clock).unwrap()
}

#[tokio::test]
async fn mutual_tls_goes_through_a_proxy_from_end_to_end() {
    let host = Host::start(Limits::default()).await;
    let proxy = ConnectProxy::start(None).await;
    let client = through(Some(&proxy.proxy()), &host);
    for _ in 0..3 {
        let seen: Note = client.get_json("/v1/gateway").await.unwrap();
        assert_eq!(seen, note("osaka"), "the host sees the gateway, not the proxy");
    }
    let asked = proxy.asked();
    assert_eq!(asked.len(), 1, "one connection was kept open");
    assert!(asked[0].starts_with(&format!("CONNECT {} HTTP/1.1\r\n", host.address)), "{asked:?}");
    assert!(!asked[0].contains("osaka") && !asked[0].contains("/v1/"), "{asked:?}");
    let direct: Note = through(None, &host).get_json("/v1/gateway").await.unwrap();
    assert_eq!((direct, proxy.asked().len()), (note("osaka"), 1), "and without a proxy none is used");
}

#[tokio::test]
async fn a_host_behind_a_proxy_must_still_be_the_expected_one() {
    let host = Host::start(Limits::default()).await;
    let proxy = ConnectProxy::start(None).await.proxy();
    let url = format!("https://{}", host.address);
    let trust = cert::tls::HostTrust::Plant(strange_trust());
    let clock = Arc::clone(&host.clock) as Arc<dyn Clock>;
    let client =
        Client::through(Some(&proxy), trust, None, member("authority:head-office"), &url, clock).unwrap();
    let error = client.get_json::<Note>("/v1/peer").await.unwrap_err();
    let CallError::Unreachable(reason) = error else { panic!("{error:?}") };
    assert!(reason.to_string().starts_with("whoever answered is not the host"), "{reason}");
}

#[tokio::test]
async fn a_proxy_that_asks_for_credentials_lets_in_who_has_them() {
    let host = Host::start(Limits::default()).await;
    let asking = ConnectProxy::start(Some(AUTHORIZATION)).await;
    let error = through(Some(&asking.proxy()), &host).get_json::<Note>("/v1/gateway").await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable(_)), "{error:?}");

    let with = asking.proxy().with_credentials(&SecretBytes::new(b"user:word".to_vec())).unwrap();
    let seen: Note = through(Some(&with), &host).get_json("/v1/gateway").await.unwrap();
    assert_eq!(seen, note("osaka"));
    let wrong = asking.proxy().with_credentials(&SecretBytes::new(b"user:other".to_vec())).unwrap();
    assert!(through(Some(&wrong), &host).get_json::<Note>("/v1/gateway").await.is_err());
}

#[tokio::test]
async fn a_channel_goes_through_a_proxy_too() {
    let host = Host::start(Limits::default()).await;
    let asking = ConnectProxy::start(Some(AUTHORIZATION)).await;
    let address: Uri = format!("https://{}", host.address).parse().unwrap();
    let connect = async |proxy: Proxy| {
        let (name, clock) = (member("authority:head-office"), Arc::clone(&host.clock) as Arc<dyn Clock>);
        Channel::connect_through(&proxy, &address, host.trust(), name, None, clock).await
    };
    let refused = connect(asking.proxy()).await.err();
    assert!(matches!(refused, Some(ChannelError::Call(CallError::Unreachable(_)))));
    let with = asking.proxy().with_credentials(&SecretBytes::new(b"user:word".to_vec())).unwrap();
    let mut channel = connect(with).await.unwrap();
    let error = channel.post_json::<_, Note>("/v1/echo", &note("hello")).await.unwrap_err();
    assert!(matches!(error, CallError::Refused(_)), "the host answers whoever has no certificate: {error:?}");
}
