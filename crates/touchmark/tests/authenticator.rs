//! The authenticator as a process of its own: joins, follows registrations, authenticates, is killed,
//! goes on, is told to revoke.

#![allow(clippy::unwrap_used, reason = "a test may fail where it is wrong")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use auth::{PassPhrase, SymmetricCredential};
use authenticator::caller::{Session, authenticate};
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use cert::Trust;
use cert::tls::{self, HostTrust};
use identity::{ApparatusId, Clock, Member};
use message::bytes::{Bytes, SecretBytes};
use message::join::{JoinRequest, JoinToken, Membership};
use message::registration::{Event, Registration, RegistrationQuery, Registrations};
use pki::{NameText, PlantCa, Root, SigningRequest, Validity};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use touchmark::surroundings::{SystemClock, SystemRandom};
use transport::{Channel, HostTls, Limits, serve};

const AUTHORITY: &str = "urn:touchmark:authority:head-office";
const AUTHENTICATOR: &str = "urn:touchmark:authenticator:europe";

/// An authority that takes the authenticator in and has registered some devices.
struct Authority {
    trust: Trust,
    ca: PlantCa,
    devices: u8,
}

fn id(n: u8) -> ApparatusId {
    ApparatusId::new([n; 16])
}

impl Authority {
    fn new(devices: u8) -> Self {
        let year = Validity::days(SystemClock.epoch_seconds() - 60, 365).unwrap();
        let name = |text: &str| -> NameText { text.parse().unwrap() };
        let root = Root::create(None, &name("Root"), year, &SystemRandom).unwrap();
        let plant = root.issue_ca(None, &name("Plant CA"), year, &SystemRandom).unwrap();
        let trust = Trust::new::<&[u8]>(root.certificate(), &plant.certificate, &[]).unwrap();
        Self { trust, ca: PlantCa::open(plant.certificate, plant.key).unwrap(), devices }
    }

    fn membership(&self, request: &JoinRequest) -> Membership {
        let request = SigningRequest::verify(&request.signing_request.0).unwrap();
        let now = SystemClock.epoch_seconds();
        let member = AUTHENTICATOR.parse().unwrap();
        Membership {
            root_certificate: Bytes(self.trust.root().der().to_vec()),
            plant_certificate: Bytes(self.trust.plant().der().to_vec()),
            issuing_certificates: Vec::new(),
            member_certificate: Bytes(self.ca.issue(&member, &request, now, &SystemRandom).unwrap()),
        }
    }

    fn registrations(&self, after: u64) -> Registrations {
        let records = (1..=self.devices).skip(usize::try_from(after).unwrap()).map(|n| Registration {
            sequence: n.into(),
            event: Event::Registered {
                apparatus_id: id(n),
                pass_phrase: SecretBytes::new(vec![n; 32]),
                device_number: format!("A123-{n:06}").parse().unwrap(),
            },
        });
        Registrations { records: records.collect() }
    }

    /// Serves until the test ends. A token to join by.
    async fn serve(self: &Arc<Self>) -> JoinToken {
        type Here = State<Arc<Authority>>;
        let router = Router::new()
            .route(
                "/v1/join",
                post(async |State(here): Here, Json(request): Json<JoinRequest>| {
                    Json(here.membership(&request))
                }),
            )
            .route(
                "/v1/registrations",
                get(async |State(here): Here, Query(query): Query<RegistrationQuery>| {
                    Json(here.registrations(query.after))
                }),
            )
            .with_state(Arc::clone(self));
        let host: Member = AUTHORITY.parse().unwrap();
        let (certificate, key) =
            self.ca.issue_with_key(&host, SystemClock.epoch_seconds(), &SystemRandom).unwrap();
        let credential = tls::Credential::member(&self.trust, certificate, key.to_pkcs8().unwrap());
        let tls = HostTls::new(self.trust.clone(), &credential, Arc::new(SystemClock)).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, Arc::new(tls), router, Limits::default(), std::future::pending()));
        JoinToken {
            url,
            host,
            member: AUTHENTICATOR.parse().unwrap(),
            root_sha256: self.trust.root_fingerprint().to_string(),
            secret: SecretBytes::new(vec![1; 16]),
        }
    }

    /// What the n-th device leaves with, if it is let in.
    async fn device(&self, n: u8, pass_phrase: u8, address: SocketAddr) -> Option<Session> {
        let (server, clock) = (AUTHENTICATOR.parse().unwrap(), Arc::new(SystemClock));
        let trust = HostTrust::Root(self.trust.root_fingerprint());
        let mut channel = Channel::connect(address, trust, Member::clone(&server), clock).await.unwrap();
        let credential =
            SymmetricCredential { apparatus_id: id(n), pass_phrase: PassPhrase::new(&[pass_phrase; 32]) };
        let service = "supplies".parse().unwrap();
        authenticate(&mut channel, &credential, &server, service, &SystemRandom).await.ok()
    }
}

/// The command line, always on the same directory.
struct Installation(TempDir);

impl Installation {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("unlock"), "correct horse battery staple").unwrap();
        Self(directory)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let path = |name: &str| Path::join(self.0.path(), name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_touchmark"));
        command
            .args(["authenticator", "--json"])
            .args(arguments)
            .arg("--data")
            .arg(path("data"))
            .env("TOUCHMARK_AUTHENTICATOR_UNLOCK_FILE", path("unlock"))
            .env("TOUCHMARK_AUTHENTICATOR_LISTEN", "127.0.0.1:0")
            .env("TOUCHMARK_AUTHENTICATOR_PULL_SECONDS", "1")
            .env("TOUCHMARK_AUTHENTICATOR_BACKOFF_MILLISECONDS", "1");
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        // The process asks this one, which must go on answering.
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    async fn serve(&self) -> Served {
        let mut command = self.command(&["serve"]);
        let served = tokio::task::spawn_blocking(move || {
            let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let started: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(started["member"], AUTHENTICATOR);
            Served { process, address: started["address"].as_str().unwrap().parse().unwrap() }
        });
        served.await.unwrap()
    }

    async fn wait_for_registrations(&self, count: u64) {
        for _ in 0..100 {
            if self.json(&["status"]).await["registered"] == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the registrations did not arrive");
    }
}

/// A process that serves; it is killed when dropped.
struct Served {
    process: Child,
    address: SocketAddr,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_joins_serves_is_killed_goes_on_and_revokes() {
    let authority = Arc::new(Authority::new(3));
    let token = authority.serve().await.to_text();
    let here = Installation::new();
    assert_eq!(here.json(&["join", &token]).await["member"], AUTHENTICATOR);
    assert_eq!(here.run(&["join", &token]).await.status.code(), Some(1), "it has joined already");

    let served = here.serve().await;
    here.wait_for_registrations(3).await;
    assert!(authority.device(1, 1, served.address).await.is_some());
    assert!(authority.device(1, 9, served.address).await.is_none(), "a clone without the secret");
    assert!(authority.device(4, 4, served.address).await.is_none(), "nobody's device");
    drop(served);

    let served = here.serve().await;
    assert!(authority.device(2, 2, served.address).await.is_some());
    let revoked = here.json(&["revoke", &id(2).text(), "--reason", "stolen"]).await;
    assert_eq!(revoked["wasRegistered"], true);
    assert!(authority.device(2, 2, served.address).await.is_none());
    let again = here.json(&["revoke", &id(2).text(), "--reason", "again"]).await;
    assert_eq!((again["wasRegistered"].clone(), &again["since"]), (Value::Bool(false), &revoked["since"]));
    assert!(authority.device(3, 3, served.address).await.is_some());

    let status = here.json(&["status"]).await;
    assert_eq!((status["registered"].clone(), status["revoked"].clone()), (2.into(), 1.into()));
    assert_eq!(status["sequence"], 3);
    assert!(status["heard"].is_number());
}
