//! An authenticator at work in a small plant: its CAs, its members, its clock, served over real TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use auth::{PassPhrase, SymmetricCredential};
use authenticator::{Authenticator, Backoff, OPEN_TO_ALL, Settings};
use axum::Router;
use cert::Trust;
use cert::tls::{self, HostTrust};
use identity::{ApparatusId, Clock, Member, Random};
use message::bytes::SecretBytes;
use message::registration::{Event, Registration, Registrations};
use pki::{NameText, PlantCa, Root, SigningRequest, Validity};
use rand::TryRng;
use store::{Schema, Secret, Store, Vault};
use tokio::net::TcpListener;
use transport::{Channel, Client, HostTls, Limits, serve};

pub const NOW: i64 = 1_800_000_000;

/// A clock that stands until it is moved.
pub struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn epoch_seconds(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

pub struct TestRandom;

impl Random for TestRandom {
    fn fill(&self, bytes: &mut [u8]) {
        rand::rngs::SysRng.try_fill_bytes(bytes).unwrap();
    }
}

/// The CAs, and time.
pub struct Plant {
    pub clock: Arc<TestClock>,
    pub trust: Trust,
    ca: PlantCa,
    started: i64,
}

impl Plant {
    pub fn new() -> Self {
        Self::at(NOW)
    }

    /// A plant that begins at this time.
    pub fn at(now: i64) -> Self {
        let ten_years = Validity::days(now - 86_400, 3_650).unwrap();
        let name = |text: &str| -> NameText { text.parse().unwrap() };
        let root = Root::create(None, &name("Root"), ten_years, &TestRandom).unwrap();
        let plant = root.issue_ca(None, &name("Plant CA"), ten_years, &TestRandom).unwrap();
        let issuing: [&[u8]; 0] = [];
        let trust = Trust::new(root.certificate(), &plant.certificate, &issuing).unwrap();
        let ca = PlantCa::open(plant.certificate, plant.key).unwrap();
        Self { clock: Arc::new(TestClock(AtomicI64::new(now))), trust, ca, started: now }
    }

    pub fn credential(&self, member: &str) -> tls::Credential {
        let member: Member = member.parse().unwrap();
        let (certificate, key) = self.ca.issue_with_key(&member, self.started - 60, &TestRandom).unwrap();
        tls::Credential::member(&self.trust, certificate, key.to_pkcs8().unwrap())
    }

    /// A member's certificate for a key of its own.
    pub fn issue(&self, member: &str, request: &SigningRequest) -> Vec<u8> {
        self.ca.issue(&member.parse().unwrap(), request, self.started - 60, &TestRandom).unwrap()
    }

    /// A host of this name with this router, on a port of its own, until the test ends.
    pub async fn host(&self, member: &str, router: Router) -> SocketAddr {
        let credential = self.credential(member);
        let tls = HostTls::new(self.trust.clone(), &credential, self.clock.clone()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let open_to_all = if member == AUTHENTICATOR { OPEN_TO_ALL } else { Limits::default().open_to_all };
        let limits = Limits { open_to_all, ..Limits::default() };
        tokio::spawn(serve(listener, Arc::new(tls), router, limits, std::future::pending()));
        address
    }

    /// A member's client of a host.
    pub fn client(&self, member: Option<&str>, host: &str, address: SocketAddr) -> Client {
        let credential = member.map(|member| self.credential(member));
        self.client_with(credential.as_ref(), host, address)
    }

    /// A client of a host that shows this credential.
    pub fn client_with(
        &self,
        credential: Option<&tls::Credential>,
        host: &str,
        address: SocketAddr,
    ) -> Client {
        let trust = HostTrust::Plant(self.trust.clone());
        let url = format!("https://{address}");
        Client::new(trust, credential, host.parse().unwrap(), &url, self.clock.clone()).unwrap()
    }

    /// A device's connection to a host: it knows the root's fingerprint only.
    pub async fn channel(&self, host: &str, address: SocketAddr) -> Channel {
        let trust = HostTrust::Root(self.trust.root_fingerprint());
        Channel::connect(address, trust, host.parse().unwrap(), self.clock.clone()).await.unwrap()
    }

    /// An authenticator on this store.
    pub async fn authenticator(&self, url: &str, settings: Settings) -> Arc<Authenticator> {
        let store = Store::open(url, Schema::Authenticator).await.unwrap();
        let passphrase = || Secret::new(b"correct horse battery staple".to_vec());
        let vault = match Vault::create(&store, passphrase()).await {
            Ok(vault) => vault,
            Err(_) => Vault::unlock(&store, passphrase()).await.unwrap(),
        };
        let (clock, random) = (self.clock.clone(), Arc::new(TestRandom));
        let member = AUTHENTICATOR.parse().unwrap();
        Arc::new(Authenticator::open(member, store, vault, settings, clock, random).await.unwrap())
    }
}

pub const AUTHENTICATOR: &str = "urn:touchmark:authenticator:europe";

/// Refusals come at once, so that tests need not wait.
pub fn hasty() -> Settings {
    let backoff = Backoff { first: Duration::ZERO, longest: Duration::ZERO, ..Backoff::default() };
    Settings { backoff, ..Settings::default() }
}

/// The n-th device of a series.
pub fn credential(n: u8) -> SymmetricCredential {
    SymmetricCredential { apparatus_id: ApparatusId::new([n; 16]), pass_phrase: PassPhrase::new(&[n; 32]) }
}

/// The authority's record of the n-th device.
pub fn registered(sequence: u64, n: u8) -> Registration {
    let device_number = format!("A123-{:06}", n).parse().unwrap();
    let pass_phrase = SecretBytes::new(vec![n; 32]);
    let apparatus_id = ApparatusId::new([n; 16]);
    Registration { sequence, event: Event::Registered { apparatus_id, pass_phrase, device_number } }
}

/// Registers the devices 1 to `count`.
pub async fn register(authenticator: &Authenticator, count: u8) {
    let records = (1..=count).map(|n| registered(n.into(), n)).collect();
    authenticator.take(Registrations { records }).await.unwrap();
}
