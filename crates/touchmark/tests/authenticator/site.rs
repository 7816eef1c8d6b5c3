//! An authority that has registered some devices, and an authenticator as a process of its own.

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
use message::shut_out::ShutOut;
use pki::{NameText, PlantCa, Root, SigningRequest, Validity};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use touchmark::surroundings::{SystemClock, SystemRandom};
use transport::{Channel, HostTls, Limits, serve};

const AUTHORITY: &str = "urn:touchmark:authority:head-office";
pub const AUTHENTICATOR: &str = "urn:touchmark:authenticator:europe";

/// An authority that takes the authenticator in and has registered some devices.
pub struct Authority {
    pub trust: Trust,
    ca: PlantCa,
    registrations: Vec<Registration>,
}

pub fn id(n: u8) -> ApparatusId {
    ApparatusId::new([n; 16])
}

/// Nobody is shut out.
fn nobody() -> ShutOut {
    ShutOut { services: Vec::new(), certificate_serials: Vec::new() }
}

impl Authority {
    pub fn new(events: impl IntoIterator<Item = Event>) -> Self {
        let year = Validity::days(SystemClock.epoch_seconds() - 60, 365).unwrap();
        let name = |text: &str| -> NameText { text.parse().unwrap() };
        let root = Root::create(None, &name("Root"), year, &SystemRandom).unwrap();
        let plant = root.issue_ca(None, &name("Plant CA"), year, &SystemRandom).unwrap();
        let trust = Trust::new::<&[u8]>(root.certificate(), &plant.certificate, &[]).unwrap();
        let registrations = (1..).zip(events).map(|(sequence, event)| Registration { sequence, event });
        let ca = PlantCa::open(plant.certificate, plant.key).unwrap();
        Self { trust, ca, registrations: registrations.collect() }
    }

    fn membership(&self, request: &JoinRequest) -> Membership {
        let request = SigningRequest::verify(&request.signing_request.0).unwrap();
        let now = SystemClock.epoch_seconds();
        let member = AUTHENTICATOR.parse().unwrap();
        Membership {
            root_certificate: Bytes(self.trust.root().der().to_vec()),
            plant_certificate: Bytes(self.trust.plant().der().to_vec()),
            issuing_certificates: Vec::new(),
            common_ca_certificate: None,
            member_certificate: Bytes(self.ca.issue(&member, &request, now, &SystemRandom).unwrap()),
        }
    }

    fn registrations(&self, after: u64) -> Registrations {
        let records = self.registrations.iter().filter(|record| record.sequence > after);
        Registrations { records: records.cloned().collect() }
    }

    /// Serves until the test ends. A token to join by.
    pub async fn serve(self: &Arc<Self>) -> JoinToken {
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
            .route("/v1/shut-out", get(async || Json(nobody())))
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
    pub async fn device(&self, n: u8, pass_phrase: u8, address: SocketAddr) -> Option<Session> {
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
pub struct Installation(TempDir);

impl Installation {
    pub fn new() -> Self {
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

    pub async fn run(&self, arguments: &[&str]) -> Output {
        // The process asks this one, which must go on answering.
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    pub async fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub async fn serve(&self) -> Served {
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

    pub async fn wait_for_registrations(&self, count: u64) {
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
pub struct Served {
    process: Child,
    pub address: SocketAddr,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
