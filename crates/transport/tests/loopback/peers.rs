//! Who is let in, and as whom.

use std::error::Error;
use std::sync::Arc;

use axum::http::Method;
use cert::Refusal;
use cert::tls::{Credential, HostTrust};
use identity::Clock;
use message::problem::ProblemCode;
use transport::{CallError, Limits};

use crate::host::{Host, Note, StoppedClock, client_of, member, note, strange_trust};
use crate::plant::{Draft, Key, NOW, Plant};

fn code(error: CallError) -> ProblemCode {
    match error {
        CallError::Refused(problem) => problem.code,
        other => panic!("no refusal: {other:?}"),
    }
}

/// The words of an error and all its sources.
fn words(error: &CallError) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

async fn is_shut_out(host: &Host, credential: &Credential) -> bool {
    let answer = host.client_with(Some(credential)).get_json::<Note>("/v1/peer").await;
    matches!(answer, Err(CallError::Unreachable(_)))
}

#[tokio::test]
async fn each_peer_is_known_by_its_certificate() {
    let host = Host::start(Limits::default()).await;
    let gateway = host.client("gateway:osaka");
    let station = host.client("station:osaka:line-1");
    let device = host.client_with(Some(&host.plant.device("3012-123456")));
    assert_eq!(gateway.get_json::<Note>("/v1/gateway").await.unwrap(), note("osaka"));
    assert_eq!(station.get_json::<Note>("/v1/station").await.unwrap(), note("line-1 of osaka"));
    assert_eq!(device.get_json::<Note>("/v1/device").await.unwrap(), note("3012-123456"));
    let on_p384 = host.client_with(Some(&host.plant.device_with("3012-123457", &Key::p384())));
    assert_eq!(on_p384.get_json::<Note>("/v1/device").await.unwrap(), note("3012-123457"));
}

#[tokio::test]
async fn each_route_refuses_those_it_is_not_for() {
    let host = Host::start(Limits::default()).await;
    let peers = [
        ("/v1/gateway", host.client("gateway:osaka")),
        ("/v1/station", host.client("station:osaka:line-1")),
        ("/v1/device", host.client_with(Some(&host.plant.device("3012-123456")))),
        ("/v1/authority", host.client("authority:head-office")),
    ];
    for (own, peer) in &peers {
        for route in ["/v1/gateway", "/v1/station", "/v1/device"].iter().filter(|route| *route != own) {
            let refusal = peer.get_json::<Note>(route).await.unwrap_err();
            assert_eq!(code(refusal), ProblemCode::NotAllowed, "{own} at {route}");
        }
    }
}

#[tokio::test]
async fn without_a_certificate_only_joining_is_possible() {
    let host = Host::start(Limits::default()).await;
    let nobody = host.client_with(None);
    for path in
        ["/v1/peer", "/v1/gateway", "/v1/device", "/v1/slow", "/v1/join", "/openapi.json", "/", "/v1/join/"]
    {
        let refusal = nobody.get_json::<Note>(path).await.unwrap_err();
        assert_eq!(code(refusal), ProblemCode::NotAuthenticated, "GET {path}");
    }
    for path in ["/v1/echo", "/v1/count", "/v1/JOIN", "/v1//join", "/soap"] {
        let refusal = nobody.post_json::<_, Note>(path, &note("hello")).await.unwrap_err();
        assert_eq!(code(refusal), ProblemCode::NotAuthenticated, "POST {path}");
    }
    let welcome: Note = nobody.post_json("/v1/join", &note("hello")).await.unwrap();
    assert_eq!(welcome, note("welcome"));
}

#[tokio::test]
async fn with_a_common_certificate_only_what_is_open_to_it_is_possible() {
    let open_to_common = &[(Method::POST, "/v1/echo")];
    let host = Host::start(Limits { open_to_common, ..Limits::default() }).await;
    let common = host.client_with(Some(&host.plant.common("3012-1")));
    assert_eq!(common.post_json::<_, Note>("/v1/echo", &note("hello")).await.unwrap(), note("hello"));
    for path in ["/v1/peer", "/v1/gateway", "/v1/station", "/v1/device", "/v1/echo", "/openapi.json", "/"] {
        let refusal = common.get_json::<Note>(path).await.unwrap_err();
        assert_eq!(code(refusal), ProblemCode::NotAllowed, "GET {path}");
    }
    for path in ["/v1/join", "/v1/count", "/v1/ECHO", "/soap"] {
        let refusal = common.post_json::<_, Note>(path, &note("hello")).await.unwrap_err();
        assert_eq!(code(refusal), ProblemCode::NotAllowed, "POST {path}");
    }
    let elsewhere = Host::start(Limits::default()).await;
    let common = elsewhere.client_with(Some(&elsewhere.plant.common("3012-1")));
    let refusal = common.post_json::<_, Note>("/v1/echo", &note("hello")).await.unwrap_err();
    assert_eq!(code(refusal), ProblemCode::NotAllowed, "nothing, where nothing is open to it");
}

#[tokio::test]
async fn certificates_that_are_not_the_plants_end_the_handshake() {
    let host = Host::start(Limits::default()).await;
    let stranger = Plant::new();
    assert!(is_shut_out(&host, &stranger.member(&member("gateway:osaka"))).await, "another plant's member");
    assert!(is_shut_out(&host, &stranger.device("3012-123456")).await, "another plant's device");
    let key = Key::p256();
    let mut no_purpose = Draft::device("3012-123456", &key);
    no_purpose.remove::<x509_cert::ext::pkix::ExtendedKeyUsage>();
    let no_purpose = Credential::new(vec![no_purpose.sign(&host.plant.issuing)], key.pkcs8());
    assert!(is_shut_out(&host, &no_purpose).await, "a device without purpose");
}

#[tokio::test]
async fn a_certificate_of_someone_else_is_useless_without_its_key() {
    let host = Host::start(Limits::default()).await;
    let certificate = Draft::member(&member("gateway:osaka"), &Key::p256()).sign(&host.plant.plant);
    let stolen = Credential::member(&host.plant.trust(), certificate, Key::p256().pkcs8());
    let clock = Arc::clone(&host.clock) as Arc<dyn Clock>;
    let authority = member("authority:head-office");
    let url = format!("https://{}", host.address);
    let client = transport::Client::new(host.trust(), Some(&stolen), authority, &url, clock);
    assert!(matches!(client, Err(transport::ClientError::Tls(_))));
}

#[tokio::test]
async fn a_client_talks_to_the_host_it_means_and_to_no_other() {
    let host = Host::start(Limits::default()).await;
    let own = host.plant.member(&member("gateway:osaka"));
    let clock = Arc::clone(&host.clock) as Arc<dyn Clock>;
    let authority = member("authority:head-office");
    let root = HostTrust::Root(host.plant.trust().root_fingerprint());
    let other_root = HostTrust::Root(strange_trust().root_fingerprint());
    let ask = async |trust: HostTrust, name| {
        let client = client_of(host.address, trust, name, Some(&own), Arc::clone(&clock));
        client.get_json::<Note>("/v1/gateway").await
    };
    assert!(ask(host.trust(), authority.clone()).await.is_ok());
    assert!(ask(root, authority.clone()).await.is_ok(), "by the root's fingerprint alone");
    for (trust, name, words_expected) in [
        (HostTrust::Plant(strange_trust()), authority.clone(), "which is not trusted here"),
        (other_root, authority, "not the pinned one"),
        (host.trust(), member("authority:elsewhere"), "expected was urn:touchmark:authority:elsewhere"),
    ] {
        let error = ask(trust, name).await.unwrap_err();
        assert!(words(&error).contains(words_expected), "{}", words(&error));
    }
}

#[tokio::test]
async fn expired_certificates_are_refused_on_both_sides_by_the_given_clock() {
    const LATE: i64 = NOW + 400 * 86_400;
    let host = Host::start(Limits::default()).await;
    let own = host.plant.member(&member("gateway:osaka"));
    let ask = async |clients_time| {
        let clock = StoppedClock::new();
        clock.set(clients_time);
        let authority = member("authority:head-office");
        let client = client_of(host.address, host.trust(), authority, Some(&own), clock);
        client.get_json::<Note>("/v1/gateway").await
    };
    assert!(ask(NOW).await.is_ok());
    let error = ask(LATE).await.unwrap_err();
    assert!(words(&error).contains("whoever answered is not the host: it is not valid at this time"));
    host.clock.set(LATE);
    let error = ask(NOW).await.unwrap_err();
    assert!(words(&error).contains("alert"), "{}", words(&error));
}

#[tokio::test]
async fn a_host_shows_what_was_set_last() {
    let host = Host::start(Limits::default()).await;
    let renamed = host.plant.member(&member("authority:new-office"));
    host.tls.replace(host.plant.trust(), &renamed).unwrap();
    assert!(matches!(
        host.client("gateway:osaka").get_json::<Note>("/v1/gateway").await,
        Err(CallError::Unreachable(_))
    ));
    let own = host.plant.member(&member("gateway:osaka"));
    let clock = Arc::clone(&host.clock) as Arc<dyn Clock>;
    let client = client_of(host.address, host.trust(), member("authority:new-office"), Some(&own), clock);
    assert!(client.get_json::<Note>("/v1/gateway").await.is_ok());
}

#[tokio::test]
async fn older_tls_is_not_spoken() {
    let host = Host::start(Limits::default()).await;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(host.address).await.unwrap();
    let name = rustls_pki_types::ServerName::from(host.address.ip());
    let error = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
}

#[test]
fn a_refusal_says_which_certificate_it_means() {
    let refusal = Refusal::OtherMember {
        expected: Box::new(member("gateway:osaka")),
        found: Box::new(member("gateway:nagoya")),
    };
    assert_eq!(
        refusal.to_string(),
        "it states urn:touchmark:gateway:nagoya, expected was urn:touchmark:gateway:osaka"
    );
}
