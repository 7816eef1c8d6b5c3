//! A center that serves on loopback, its devices, and their side of a connection.
//!
//! The center runs on threads of its own, so that what it costs can be told from what its devices cost.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, HOST};
use center::{Center, Desk, Settings};
use cert::tls::{self, HostTrust};
use cert::{Certificate, Fingerprint, Trust};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use identity::profile::KeyAlgorithm;
use identity::{CredentialState, DeviceNumber, Member, Serial};
use message::bytes::Bytes;
use message::call::{Call, Counter, Event};
use message::fleet::{DEVICE_REGISTRATIONS_MAX, DeviceRegistration, DeviceRegistrations};
use pki::{DeviceProfile, IssuingCa, NO_EXPIRY, NameText, PlantCa, Root, Validity};
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use store::{Schema, Store};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use transport::{HostTls, Limits, serve};

use super::Edge;

/// The threads of the center, by what their names begin with: its own, and those of its database.
pub const CENTER_THREADS: [&str; 2] = ["center", "sqlx-sqlite"];

/// A center's plant, and devices that it knows.
pub struct Fleet {
    /// Where the center serves.
    pub center: SocketAddr,
    /// The center's books.
    pub store: Store,
    /// The certificates of the plant.
    pub trust: Trust,
    /// What the center shows of itself: its certificate and those above it.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key, PKCS#8.
    pub key: PrivateKeyDer<'static>,
    devices: Vec<Device>,
    threads: Threads,
}

/// The center's threads. They end in the background: a runtime must not be waited for from within another.
struct Threads(Option<Runtime>);

impl Threads {
    fn start() -> std::io::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().thread_name("center").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    fn spawn<W: Future<Output: Send> + Send + 'static>(&self, work: W) -> JoinHandle<W::Output> {
        self.0.as_ref().expect("threads end only when they are dropped").spawn(work)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct Device {
    number: DeviceNumber,
    tls: Arc<ClientConfig>,
    calls: AtomicU32,
}

/// How many connections the center takes at a time: all come from one address.
const CONNECTIONS_MAX: usize = 10_000;
/// How many devices there are at most; more calls than that repeat devices.
const DEVICES_MAX: usize = 1_000;
const PRODUCT: &str = "3012";
const SERVER: &str = "urn:touchmark:center:bench";

impl Fleet {
    /// A center on the empty store at `url`, which knows so many devices.
    pub async fn start(url: &str, devices: usize, edge: &Edge) -> anyhow::Result<Self> {
        let server: Member = SERVER.parse()?;
        let (random, now) = (edge.random.as_ref(), edge.clock.epoch_seconds() - 60);
        let validity = Validity::days(now, 1)?;
        let name = |text: &str| text.parse::<NameText>();
        let root = Root::create(None, &name("Root")?, validity, random)?;
        let plant = root.issue_ca(None, &name("Plant CA")?, validity, random)?;
        let issuing = root.issue_ca(None, &name("Issuing CA")?, validity, random)?;
        let trust = Trust::new(root.certificate(), &plant.certificate, &[&issuing.certificate])?;
        let plant = PlantCa::open(plant.certificate, plant.key)?;
        let issuing = IssuingCa::open(issuing.certificate, issuing.key)?;
        let (certificate, key) = plant.issue_with_key(&server, now, random)?;
        let key = key.to_pkcs8()?;
        let chain = [certificate.as_slice(), trust.plant().der(), trust.root().der()];
        let chain = chain.map(|der| CertificateDer::from(der.to_vec())).to_vec();
        let credential = tls::Credential::member(&trust, certificate, key.clone());

        let threads = Threads::start()?;
        let (url, clock) = (url.to_owned(), Arc::clone(&edge.clock));
        let store = threads.spawn(async move { Store::open(&url, Schema::Center).await }).await??;
        let desk = Desk::new(store.clone(), Arc::clone(&clock));
        let center =
            Arc::new(Center::new(server.clone(), desk, Arc::clone(&edge.random), Settings::default()));
        let devices = register(&center, &issuing, &trust, &server, devices.min(DEVICES_MAX), edge).await?;

        let tls = Arc::new(HostTls::new(trust.clone(), &credential, clock)?);
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let limits = Limits {
            open_to_all: &[],
            connections_max: CONNECTIONS_MAX,
            connections_per_address_max: CONNECTIONS_MAX,
            ..Limits::default()
        };
        threads.spawn(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => serve(listener, tls, center.router(), limits, std::future::pending()).await,
                Err(error) => tracing::error!(%error, "the center does not serve"),
            }
        });
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.to_vec()));
        Ok(Self { center: address, store, trust, chain, key, devices, threads })
    }

    /// How many devices there are.
    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    /// Runs work on the center's threads.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.threads.spawn(work);
    }

    /// Calls `n` times, as many clients at a time; on a connection for each call, or on one that stays open.
    /// How long it took.
    pub async fn call(
        self: &Arc<Self>,
        server: SocketAddr,
        n: usize,
        clients: usize,
        is_kept_open: bool,
    ) -> anyhow::Result<Duration> {
        let next = Arc::new(AtomicUsize::new(0));
        let started = std::time::Instant::now();
        let mut running = JoinSet::new();
        for client in 0..clients.min(n) {
            let (fleet, next) = (Arc::clone(self), Arc::clone(&next));
            running.spawn(async move {
                // A device is on one connection at a time, so its calls are in order.
                let mut turn = client;
                let mut open = None;
                while next.fetch_add(1, Ordering::Relaxed) < n {
                    let device = &fleet.devices[turn % fleet.devices.len()];
                    let mut connection = match open.take() {
                        Some(connection) => connection,
                        None => connect(server, &device.tls).await?,
                    };
                    call(&mut connection, server, device).await?;
                    if is_kept_open {
                        open = Some(connection);
                    } else {
                        turn += clients;
                    }
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = running.join_next().await {
            ended.context("a client ended early")??;
        }
        Ok(started.elapsed())
    }

    /// Makes so many connections, calls once over each, and leaves them open. Of the devices' side nothing is kept
    /// but the sockets, so that what they take up is the server's.
    pub async fn leave_open(&self, server: SocketAddr, n: usize) -> anyhow::Result<Vec<TcpStream>> {
        let mut sockets = Vec::with_capacity(n);
        for device in self.devices.iter().cycle().take(n) {
            let (mut sender, mut connection) =
                handshake(TokioIo::new(tls_stream(server, &device.tls).await?)).await?;
            tokio::select! {
                called = call(&mut sender, server, device) => called?,
                ended = &mut connection => ended.context("the server closed the connection")?,
            }
            let (socket, _tls) = connection.into_parts().io.into_inner().into_inner();
            sockets.push(socket);
        }
        Ok(sockets)
    }
}

/// How much of the processors the threads with these names have used.
pub fn processor_time(names: &[&str]) -> anyhow::Result<Duration> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let path = thread?.path();
        // A thread may end while we look; its time is then lost, as that of every thread that ended.
        let Ok(name) = std::fs::read_to_string(path.join("comm")) else { continue };
        if names.iter().any(|prefix| name.starts_with(prefix)) {
            let statistics = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            nanoseconds += statistics.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0);
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// How much memory this process has in use, in KiB.
pub fn resident_kibibytes() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"));
    Ok(resident.context("the system does not say how much memory is in use")?.trim().parse()?)
}

/// Makes devices and names them to the center.
async fn register(
    center: &Center,
    issuing: &IssuingCa,
    trust: &Trust,
    server: &Member,
    count: usize,
    edge: &Edge,
) -> anyhow::Result<Vec<Device>> {
    let issuer = Certificate::parse(issuing.certificate())?.fingerprint();
    let bytes = |fingerprint: Fingerprint| Bytes(fingerprint.as_bytes().to_vec());
    let validity = Validity::new(edge.clock.epoch_seconds() - 60, NO_EXPIRY)?;
    let (mut devices, mut records) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for sequence in 1..=count as u64 {
        let serial = Serial::new(sequence, 6).context("too many devices")?;
        let number = DeviceNumber::new(PRODUCT.parse()?, serial);
        let profile = DeviceProfile { organization: None, key_algorithm: KeyAlgorithm::P256 };
        let made = issuing.issue(issuing.prepare(&profile, &number, validity, edge.random.as_ref())?)?;
        records.push(DeviceRegistration {
            sequence,
            time: edge.clock.epoch_seconds(),
            device_number: number.clone(),
            state: CredentialState::Verified,
            public_key_sha256: bytes(Certificate::parse(&made.certificate)?.spki_fingerprint()),
            issuer_sha256: bytes(issuer),
            expires: None,
            renew_from: None,
            hardware_uid: None,
            new_board: false,
        });
        let credential =
            tls::Credential::new(vec![made.certificate, issuing.certificate().to_vec()], made.secret_key);
        let host = HostTrust::Plant(trust.clone());
        let tls = tls::client_config(host, server.clone(), Some(&credential), Arc::clone(&edge.clock))?;
        devices.push(Device { number, tls: Arc::new(tls), calls: AtomicU32::new(0) });
    }
    for records in records.chunks(DEVICE_REGISTRATIONS_MAX as usize) {
        center.register(DeviceRegistrations { records: records.to_vec() }).await?;
    }
    Ok(devices)
}

async fn connect(server: SocketAddr, tls: &Arc<ClientConfig>) -> anyhow::Result<SendRequest<Body>> {
    let (sender, connection) = handshake(TokioIo::new(tls_stream(server, tls).await?)).await?;
    // Ends when the sender is dropped.
    tokio::spawn(connection);
    Ok(sender)
}

async fn tls_stream(server: SocketAddr, tls: &Arc<ClientConfig>) -> anyhow::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::from(server.ip());
    Ok(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?)
}

/// Makes the device's next call.
async fn call(connection: &mut SendRequest<Body>, server: SocketAddr, device: &Device) -> anyhow::Result<()> {
    let sequence = device.calls.fetch_add(1, Ordering::Relaxed) + 1;
    let total = Counter { name: "total".parse()?, value: u64::from(sequence).try_into()? };
    let call = Call {
        device_number: device.number.clone(),
        boot: 1.try_into()?,
        sequence: sequence.try_into()?,
        previous: None,
        on_behalf_of: None,
        event: Event::Counter { counters: vec![total] },
        results: Vec::new(),
        firmware: None,
    };
    let request = Request::post("/v1/calls")
        .header(HOST, server.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(serde_json::to_vec(&call)?))?;
    connection.ready().await?;
    let response = connection.send_request(request).await?;
    let status = response.status();
    let body = to_bytes(Body::new(response.into_body()), 64 * 1_024).await?;
    anyhow::ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    Ok(())
}
