//! What stands around a gateway in its tests: a factory, its clock and its database.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use gateway::{Actor, Desk, Gateway, GatewayError, Settings, Upstream};
use identity::profile::{CredentialKind, CredentialProfile};
use identity::{Clock, CredentialState, DeviceNumber, MemberName, Random};
use jiff::civil::{date, time};
use jiff::tz::TimeZone;
use message::lease::AttemptId;
use message::problem::ProblemCode;
use message::result::{Proof, WriteOutcome, WriteResultTransmission};
use message::status::ProductStatus;
use seal::PreWriteKey;
use store::testing::TestDatabase;
use store::{Schema, Secret, Store};

use crate::authority::TestAuthority;
use crate::device::TestDevice;

/// A clock that a test sets: it begins at six in the morning of the first planned day.
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn epoch_seconds(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Bytes that differ each time and are the same in each run.
#[derive(Default)]
pub struct CountingRandom(AtomicU64);

impl Random for CountingRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let count = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &count);
            chunk.copy_from_slice(&digest.as_ref()[..chunk.len()]);
        }
    }
}

/// A factory with its gateway, which can be closed and opened again.
pub struct Factory {
    pub database: TestDatabase,
    pub clock: Arc<TestClock>,
    pub authority: Arc<TestAuthority>,
    gateway: Option<Arc<Gateway>>,
    settings: Settings,
    random: Arc<CountingRandom>,
}

impl Factory {
    /// A factory with product list and plan of the figures, no stock, at 06:00 of the first day.
    pub async fn new(database: TestDatabase) -> Self {
        let settings = Settings {
            days_ahead: 1,
            yield_margin_percent: 0,
            replenish_at: time(5, 0, 0, 0),
            lease_seconds: 600,
            time_zone: TimeZone::fixed(jiff::tz::offset(9)),
        };
        let morning = date(2003, 3, 17).at(6, 0, 0, 0).to_zoned(settings.time_zone.clone()).unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(morning.timestamp().as_second())));
        let authority = Arc::new(TestAuthority::new(Arc::clone(&clock)));
        let random = Arc::new(CountingRandom::default());
        let desk = desk(&database, &settings, &clock, &random).await;
        let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
        Gateway::init(&store, passphrase()).await.unwrap();
        let gateway = Some(open(&database, desk, &authority).await);
        let factory = Self { database, clock, authority, gateway, settings, random };
        factory.import(include_str!("../../../../examples/products.csv")).await;
        factory.import(include_str!("../../../../examples/plan.csv")).await;
        factory
    }

    /// The same with a plan of so many units of either product, and stock for it.
    pub async fn with_stock(database: TestDatabase, units: u64) -> Self {
        let factory = Self::new(database).await;
        factory.import(&format!("DEVICE CODE,3/17\n3012,{units}\nA123,{units}\n")).await;
        factory.gateway().replenish().await.unwrap();
        factory
    }

    /// A plan of so many units of A123, whose devices take what this profile says, and stock for it. The
    /// product's pre-write key is A123-1.
    pub async fn with_profile(
        database: TestDatabase,
        profile: CredentialProfile,
        units: u64,
    ) -> (Self, Arc<PreWriteKey>) {
        let factory = Self::new(database).await;
        factory.authority.set_profile("A123", profile);
        let key = factory.authority.rotate_key("A123", "A123-1");
        factory.import(&format!("DEVICE CODE,3/17\n3012,0\nA123,{units}\n")).await;
        factory.gateway().replenish().await.unwrap();
        (factory, key)
    }

    /// As after a crash: everything in memory is gone.
    pub async fn reopen(&mut self) {
        self.open_with(self.settings.clone()).await;
    }

    /// The same gateway with other settings.
    pub async fn open_with(&mut self, settings: Settings) {
        self.settings = settings;
        let desk = desk(&self.database, &self.settings, &self.clock, &self.random).await;
        // The old one holds the key ring until it is gone.
        self.gateway = None;
        self.gateway = Some(open(&self.database, desk, &self.authority).await);
    }

    pub fn gateway(&self) -> &Arc<Gateway> {
        self.gateway.as_ref().unwrap()
    }

    pub fn random(&self) -> Arc<CountingRandom> {
        Arc::clone(&self.random)
    }

    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    pub fn key_ring(&self) -> PathBuf {
        self.database.directory.path().join("keys")
    }

    /// The slots of the packs' data keys, zeros where one is erased. The first slot of the key ring is the key
    /// for bundles, which is there from the start.
    pub fn data_keys(&self) -> Vec<[u8; 64]> {
        let ring = std::fs::read(self.key_ring()).unwrap();
        let (bundle_key, data_keys) = ring.as_chunks::<64>().0.split_first().unwrap();
        assert_ne!(bundle_key, &[0; 64]);
        data_keys.to_vec()
    }

    /// Leases this device its packs, lets it write and prove them, and tells the gateway.
    pub async fn make(
        &self,
        attempt: u8,
        device: &mut TestDevice,
        number: &DeviceNumber,
    ) -> Result<CredentialState, GatewayError> {
        let lease = self.gateway().lease(&station_name(1), &device.request(attempt, number)).await?;
        let proof = device.write(number, lease.pack);
        self.told(attempt, number, proof).await
    }

    /// What the gateway answers to a good result.
    pub async fn told(
        &self,
        attempt: u8,
        number: &DeviceNumber,
        proof: Proof,
    ) -> Result<CredentialState, GatewayError> {
        let result = result(attempt, number, WriteOutcome::Ok { proof });
        Ok(self.gateway().result(&station_name(1), &result).await?.state)
    }

    pub async fn import(&self, file: &str) {
        self.gateway().desk().import(file.as_bytes(), 2003, false, &person()).await.unwrap();
    }

    /// How many certificates of a product are in stock, leased, verified, suspect and voided.
    pub async fn counts(&self, product: &str) -> [u64; 5] {
        self.counts_of(product, CredentialKind::Certificate).await
    }

    /// The same of its symmetric credentials.
    pub async fn apparatus_counts(&self, product: &str) -> [u64; 5] {
        self.counts_of(product, CredentialKind::Symmetric).await
    }

    async fn counts_of(&self, product: &str, kind: CredentialKind) -> [u64; 5] {
        let row = self.status_of(product, kind).await;
        [row.stocked, row.leased, row.verified, row.suspect, row.voided]
    }

    /// How one kind of a product's credentials stands.
    pub async fn status_of(&self, product: &str, kind: CredentialKind) -> ProductStatus {
        let status = self.gateway().desk().status().await.unwrap();
        let is_it = |row: &ProductStatus| row.product.as_str() == product && row.credential == kind;
        status.products.into_iter().find(is_it).unwrap()
    }
}

async fn desk(
    database: &TestDatabase,
    settings: &Settings,
    clock: &Arc<TestClock>,
    random: &Arc<CountingRandom>,
) -> Desk {
    let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
    let (clock, random) = (Arc::clone(clock), Arc::clone(random));
    Desk::new(store, factory_name(), settings.clone(), clock, random)
}

async fn open(database: &TestDatabase, desk: Desk, authority: &Arc<TestAuthority>) -> Arc<Gateway> {
    let key_ring = database.directory.path().join("keys");
    let upstream: Arc<dyn Upstream> = Arc::<TestAuthority>::clone(authority);
    Gateway::open(desk, passphrase(), &key_ring, authority.trust.clone(), upstream).await.unwrap()
}

pub fn factory_name() -> MemberName {
    "osaka".parse().unwrap()
}

pub fn station_name(number: u32) -> MemberName {
    format!("line-{number}").parse().unwrap()
}

pub fn passphrase() -> Secret {
    Secret::new(b"correct horse battery staple".to_vec())
}

pub fn person() -> Actor {
    Actor::person("tester")
}

pub fn number(text: &str) -> DeviceNumber {
    text.parse().unwrap()
}

pub fn result(attempt: u8, number: &DeviceNumber, outcome: WriteOutcome) -> WriteResultTransmission {
    WriteResultTransmission { attempt: AttemptId::new([attempt; 16]), device_number: number.clone(), outcome }
}

/// Why this was refused.
pub fn code<T>(answer: Result<T, GatewayError>) -> ProblemCode {
    match answer {
        Ok(_) => panic!("this should have been refused"),
        Err(error) => error.problem().code,
    }
}
