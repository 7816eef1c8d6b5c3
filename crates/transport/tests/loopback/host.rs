//! A host with a small service, and those who call it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use cert::Trust;
use cert::tls::{Credential, HostTrust};
use identity::{Clock, Member};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use transport::{Client, Device, Gateway, HostTls, Json, Limits, Peer, Station, serve};

use crate::plant::{NOW, Plant};

/// A clock that stands still until a test moves it.
pub struct StoppedClock(AtomicI64);

impl StoppedClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(NOW)))
    }

    pub fn set(&self, epoch_seconds: i64) {
        self.0.store(epoch_seconds, Ordering::SeqCst);
    }
}

impl Clock for StoppedClock {
    fn epoch_seconds(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    pub text: String,
}

pub fn note(text: &str) -> Note {
    Note { text: text.into() }
}

/// A plant with a running host, the authority `head-office`.
pub struct Host {
    pub plant: Arc<Plant>,
    pub clock: Arc<StoppedClock>,
    pub tls: Arc<HostTls>,
    pub address: SocketAddr,
    /// How many counted requests the host has acted on.
    pub counted: Arc<AtomicU64>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Host {
    pub async fn start(limits: Limits) -> Self {
        let counted = Arc::new(AtomicU64::new(0));
        Self::start_with(Arc::new(Plant::new()), service(Arc::clone(&counted)), limits, counted).await
    }

    pub async fn start_with(
        plant: Arc<Plant>,
        router: Router,
        limits: Limits,
        counted: Arc<AtomicU64>,
    ) -> Self {
        let clock = StoppedClock::new();
        let credential = plant.member(&member("authority:head-office"));
        let tls = HostTls::new(plant.trust_with_common(), &credential, Arc::clone(&clock) as Arc<dyn Clock>)
            .unwrap();
        let tls = Arc::new(tls);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let serving = tokio::spawn(serve(listener, Arc::clone(&tls), router, limits, shutdown));
        Self { plant, clock, tls, address, counted, stop, serving }
    }

    /// Tells the host to stop; what it returns is done when the host has stopped.
    pub fn stop(self) -> JoinHandle<()> {
        let _ = self.stop.send(());
        self.serving
    }

    pub fn trust(&self) -> HostTrust {
        HostTrust::Plant(self.plant.trust())
    }

    /// A client with a new certificate of this member.
    pub fn client(&self, of: &str) -> Client {
        self.client_with(Some(&self.plant.member(&member(of))))
    }

    pub fn client_with(&self, credential: Option<&Credential>) -> Client {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        client_of(self.address, self.trust(), member("authority:head-office"), credential, clock)
    }
}

pub fn client_of(
    address: SocketAddr,
    trust: HostTrust,
    host: Member,
    credential: Option<&Credential>,
    clock: Arc<dyn Clock>,
) -> Client {
    let client = Client::new(trust, credential, host, &format!("https://{address}"), clock).unwrap();
    client.with_timeout(Duration::from_secs(10))
}

pub fn member(short: &str) -> Member {
    format!("urn:touchmark:{short}").parse().unwrap()
}

/// Trust in a plant that has nothing to do with the host's.
pub fn strange_trust() -> Trust {
    Plant::new().trust()
}

fn service(counted: Arc<AtomicU64>) -> Router {
    Router::new()
        .route("/v1/echo", post(async |Json(note): Json<Note>| Json(note)))
        .route("/v1/count", post(count))
        .route("/v1/peer", get(async |peer: Peer| Json(note(&format!("{peer:?}")))))
        .route("/v1/gateway", get(async |gateway: Gateway| Json(note(gateway.name.as_str()))))
        .route(
            "/v1/station",
            get(async |station: Station| Json(note(&format!("{} of {}", station.name, station.factory)))),
        )
        .route("/v1/device", get(async |device: Device| Json(note(&device.0.number.to_string()))))
        .route(
            "/v1/fault",
            get(async || -> Json<Note> { panic!("a fault of the service, made for this test") }),
        )
        .route("/v1/slow-count", post(slow_count))
        .route(
            "/v1/slow",
            get(async || {
                tokio::time::sleep(Duration::from_millis(600)).await;
                Json(note("done"))
            }),
        )
        .route("/v1/long", get(async || Json(note(&"x".repeat(64 * 1_024 * 1_024)))))
        .route("/v1/join", post(async || Json(note("welcome"))).get(async || Json(note("never"))))
        .with_state(counted)
}

async fn count(State(counted): State<Arc<AtomicU64>>) -> Json<u64> {
    Json(counted.fetch_add(1, Ordering::SeqCst) + 1)
}

async fn slow_count(state: State<Arc<AtomicU64>>) -> Json<u64> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    count(state).await
}
