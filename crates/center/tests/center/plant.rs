//! A center with a fleet: real certificates, real TLS or the bare router, a clock that is told the time.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use center::{Center, Desk, Settings};
use cert::tls::{self, HostTrust};
use cert::{Certificate, DeviceIdentity, DeviceVerifier, Fingerprint, Trust};
use identity::profile::KeyAlgorithm;
use identity::{Clock, CredentialState, DeviceNumber, Member, Random};
use message::bytes::Bytes;
use message::call::{Call, CallAnswer, Counter, Event};
use message::fleet::{DeviceRegistration, DeviceRegistrations};
use message::problem::Problem;
use pki::{DeviceProfile, IssuingCa, NO_EXPIRY, NameText, PlantCa, Root, Validity};
use rustls_pki_types::ServerName;
use serde::de::DeserializeOwned;
use store::audit::Actor;
use store::testing::TestDatabase;
use store::{Schema, Store};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::ServiceExt;
use transport::{CallError, Client, HostTls, Limits, Peer, serve};

/// 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600;
pub const DAY: i64 = 86_400;

pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn epoch_seconds(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub fn person() -> Actor {
    Actor::person("tester")
}

pub fn member() -> Member {
    "urn:touchmark:center:europe".parse().unwrap()
}

pub struct Plant {
    pub trust: Trust,
    pub clock: Arc<TestClock>,
    pub center: Arc<Center>,
    pub store: Store,
    pub credential: tls::Credential,
    issuing: IssuingCa,
    /// Another CA of devices of the same plant.
    pub other: IssuingCa,
    database: TestDatabase,
    files: TempDir,
    records: u64,
}

/// A device with its certificate.
#[derive(Clone)]
pub struct Device {
    pub number: DeviceNumber,
    pub identity: DeviceIdentity,
    pub credential: tls::Credential,
}

impl Plant {
    pub async fn new(database: TestDatabase) -> Self {
        let clock = Arc::new(TestClock(START.into()));
        let name = |text: &str| -> NameText { text.parse().unwrap() };
        let years = Validity::days(START - 60, 3_650).unwrap();
        let root = Root::create(None, &name("Root"), years, &SystemRandom).unwrap();
        let ca = |text: &str| root.issue_ca(None, &name(text), years, &SystemRandom).unwrap();
        let (plant, issuing, other) = (ca("Plant CA"), ca("Issuing CA"), ca("Other CA"));
        let trust =
            Trust::new(root.certificate(), &plant.certificate, &[&issuing.certificate, &other.certificate]);
        let trust = trust.unwrap();
        let plant = PlantCa::open(plant.certificate, plant.key).unwrap();
        let (certificate, key) = plant.issue_with_key(&member(), START, &SystemRandom).unwrap();
        let credential = tls::Credential::member(&trust, certificate, key.to_pkcs8().unwrap());
        let files = tempfile::tempdir().unwrap();
        let (center, store) = opened(&database, &files, &clock).await;
        Self {
            trust,
            clock,
            center,
            store,
            credential,
            issuing: IssuingCa::open(issuing.certificate, issuing.key).unwrap(),
            other: IssuingCa::open(other.certificate, other.key).unwrap(),
            database,
            files,
            records: 0,
        }
    }

    /// A device that the authority has made and named to the center.
    pub async fn device(&mut self, number: &str) -> Device {
        let device = self.unnamed(number);
        self.name(&device, CredentialState::Verified).await;
        device
    }

    /// So many devices of one key, which is quickly made.
    pub async fn fleet(&mut self, count: usize) -> Vec<Device> {
        let first = self.unnamed("3012-000000");
        let mut devices = Vec::new();
        for serial in 0..count {
            let number: DeviceNumber = format!("3012-{serial:06}").parse().unwrap();
            let identity = DeviceIdentity { number: number.clone(), ..first.identity.clone() };
            devices.push(Device { number, identity, credential: first.credential.clone() });
        }
        let records = devices.iter().map(|device| self.record(device, CredentialState::Verified)).collect();
        self.center.register(DeviceRegistrations { records }).await.unwrap();
        devices
    }

    /// A device that the center has not heard of.
    pub fn unnamed(&self, number: &str) -> Device {
        self.issued_by(&self.issuing, number)
    }

    pub fn issued_by(&self, ca: &IssuingCa, number: &str) -> Device {
        let number: DeviceNumber = number.parse().unwrap();
        let profile = DeviceProfile { organization: None, key_algorithm: KeyAlgorithm::P256 };
        let forever = Validity::new(START - 60, NO_EXPIRY).unwrap();
        let prepared = ca.prepare(&profile, &number, forever, &SystemRandom).unwrap();
        let made = ca.issue(prepared).unwrap();
        let verifier = DeviceVerifier::new(self.trust.clone());
        let identity = verifier.verify(&made.certificate, START).unwrap();
        let chain = vec![made.certificate, ca.certificate().to_vec()];
        Device { number, identity, credential: tls::Credential::new(chain, made.secret_key) }
    }

    /// The authority says where a device stands.
    pub async fn name(&mut self, device: &Device, state: CredentialState) {
        let records = vec![self.record(device, state)];
        self.center.register(DeviceRegistrations { records }).await.unwrap();
    }

    /// The authority says that a device's certificate is to be renewed from this time on.
    pub async fn name_with_end(&mut self, device: &Device, state: CredentialState, renew_from: i64) {
        let (expires, renew_from) = (Some(renew_from + 30 * DAY), Some(renew_from));
        let record = DeviceRegistration { expires, renew_from, ..self.record(device, state) };
        self.center.register(DeviceRegistrations { records: vec![record] }).await.unwrap();
    }

    /// The authority says where a board stands that took the place of another.
    pub async fn name_new_board(&mut self, device: &Device, state: CredentialState) {
        let record = DeviceRegistration { new_board: true, ..self.record(device, state) };
        self.center.register(DeviceRegistrations { records: vec![record] }).await.unwrap();
    }

    fn record(&mut self, device: &Device, state: CredentialState) -> DeviceRegistration {
        self.records += 1;
        let issuer = Certificate::parse(self.issuing.certificate()).unwrap().fingerprint();
        let bytes = |fingerprint: Fingerprint| Bytes(fingerprint.as_bytes().to_vec());
        DeviceRegistration {
            sequence: self.records,
            time: self.clock.epoch_seconds(),
            device_number: device.number.clone(),
            state,
            public_key_sha256: bytes(device.identity.spki_sha256),
            issuer_sha256: bytes(issuer),
            expires: None,
            renew_from: None,
            hardware_uid: None,
            new_board: false,
        }
    }

    /// Ends the center and opens it again.
    pub async fn restart(&mut self) {
        self.store.close().await;
        (self.center, self.store) = opened(&self.database, &self.files, &self.clock).await;
    }

    /// Serves over TLS until the test ends; its address.
    pub async fn serve(&self) -> SocketAddr {
        self.serve_at(self.tls()).await
    }

    /// As [`Plant::serve`], by a center that ends what a device has open that may not come any more.
    pub async fn serve_and_end(&mut self) -> SocketAddr {
        let tls = self.tls();
        let desk = Desk::new(self.store.clone(), Arc::clone(&self.clock) as _);
        let center = Center::new(member(), desk, Arc::new(SystemRandom), Settings::default());
        self.center = Arc::new(center.serving_at(Arc::clone(&tls)));
        self.serve_at(tls).await
    }

    /// A connection of this device that says nothing.
    pub async fn idle_connection(&self, address: SocketAddr, device: &Device) -> TlsStream<TcpStream> {
        let (root, clock) = (HostTrust::Root(self.trust.root_fingerprint()), Arc::clone(&self.clock));
        let tls = tls::client_config(root, member(), Some(&device.credential), clock as _).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::from(address.ip());
        TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap()
    }

    fn tls(&self) -> Arc<HostTls> {
        let clock = Arc::clone(&self.clock);
        Arc::new(HostTls::new(self.trust.clone(), &self.credential, clock as _).unwrap())
    }

    async fn serve_at(&self, tls: Arc<HostTls>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Arc::clone(&self.center).router();
        // How long a silent connection may stay is not what ends it.
        let header = Duration::from_secs(3_600);
        let limits = Limits { open_to_all: &[], header, ..Limits::default() };
        tokio::spawn(serve(listener, tls, router, limits, std::future::pending()));
        address
    }

    /// A client of the center at this address, which shows this device's certificate.
    pub fn client(&self, address: SocketAddr, device: Option<&Device>) -> Client {
        let root = HostTrust::Root(self.trust.root_fingerprint());
        let url = format!("https://{address}");
        let credential = device.map(|device| &device.credential);
        Client::new(root, credential, member(), &url, Arc::clone(&self.clock) as _).unwrap()
    }

    /// What the center answers a device, without TLS between.
    pub async fn answer(&self, device: &Device, request: Request<Body>) -> Response<Body> {
        let mut request = request;
        request.extensions_mut().insert(Peer::Device(device.identity.clone()));
        Arc::clone(&self.center).router().oneshot(request).await.unwrap()
    }

    /// What comes of a call, byte for byte as it is.
    pub async fn post(&self, device: &Device, raw: &str) -> Result<CallAnswer, Problem> {
        let request = Request::post("/v1/calls").header("content-type", "application/json");
        let response = self.answer(device, request.body(raw.to_owned().into()).unwrap()).await;
        let is_good = response.status().is_success();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        if is_good { Ok(read(&body)) } else { Err(read(&body)) }
    }

    pub async fn call(&self, device: &Device, call: &Call) -> Result<CallAnswer, Problem> {
        self.post(device, &serde_json::to_string(call).unwrap()).await
    }

    /// The directory with the firmware packages.
    pub fn files(&self) -> &Path {
        self.files.path()
    }

    pub fn desk(&self) -> &Desk {
        self.center.desk()
    }

    /// How many units of a device are billed in all, by an invoice of everything until tomorrow.
    pub async fn billed(&self, device: &Device) -> i64 {
        self.billed_of(&device.number).await
    }

    pub async fn billed_of(&self, number: &DeviceNumber) -> i64 {
        let to = self.clock.epoch_seconds() + DAY;
        let invoice = self.desk().invoice(0, to, Some(number)).await.unwrap();
        invoice.lines.iter().map(|line| line.units).sum()
    }

    /// The incidents of a device: what, and how often.
    pub async fn incidents(&self, device: &Device) -> Vec<(String, u64)> {
        let found = self.desk().incidents(Some(&device.number), 100).await.unwrap();
        found.into_iter().map(|incident| (incident.kind, incident.count)).collect()
    }
}

impl Device {
    /// The call of this number.
    pub fn call(&self, boot: u32, sequence: u32, event: Event) -> Call {
        Call {
            device_number: self.number.clone(),
            boot: boot.try_into().unwrap(),
            sequence: sequence.try_into().unwrap(),
            previous: None,
            on_behalf_of: None,
            event,
            results: Vec::new(),
            firmware: None,
        }
    }

    pub fn total(&self, boot: u32, sequence: u32, value: u64) -> Call {
        self.call(boot, sequence, counter("total", value))
    }
}

pub fn counter(name: &str, value: u64) -> Event {
    let counter = Counter { name: name.parse().unwrap(), value: value.try_into().unwrap() };
    Event::Counter { counters: vec![counter] }
}

pub fn refusal<T>(result: Result<T, CallError>) -> Problem {
    match result {
        Err(CallError::Refused(problem)) => problem,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("this should be refused"),
    }
}

async fn opened(database: &TestDatabase, files: &TempDir, clock: &Arc<TestClock>) -> (Arc<Center>, Store) {
    let store = Store::open(&database.url, Schema::Center).await.unwrap();
    let desk = Desk::new(store.clone(), Arc::clone(clock) as _);
    let settings = Settings { files: files.path().into(), ..Settings::default() };
    (Arc::new(Center::new(member(), desk, Arc::new(SystemRandom), settings)), store)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> T {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)))
}
