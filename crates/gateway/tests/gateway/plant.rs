//! What stands around a gateway in its tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use cert::Trust;
use gateway::{Actor, Desk, Gateway, Settings, Upstream, UpstreamError};
use identity::profile::{CertificateProfile, CredentialProfile, KeyAlgorithm, KeyOrigin, Sealing};
use identity::{Clock, CredentialId, DeviceNumber, HardwareUid, Member, MemberName, Random, line};
use jiff::civil::{date, time};
use jiff::tz::TimeZone;
use message::allotment::{Allotment, CheckDigitName, Credentials, ProductAllotment, SerialRange};
use message::bytes::{Bytes, SecretBytes};
use message::issue::{
    ApparatusPackRequest, ApparatusPacks, CertificateTransmission, CertificateTransmissionRequest,
    DevicePackRequest, NumberedPack,
};
use message::join::{MemberRequest, Membership};
use message::lease::{AttemptId, LeaseRequest};
use message::pack::{CertificatePack, CredentialPack, PackKey};
use message::problem::{Problem, ProblemCode};
use message::report::{Event, Record, RecordAnswer, Report, ReportAnswer};
use message::result::{Proof, WriteOutcome, WriteResultTransmission};
use pki::{DeviceProfile, IssuingCa, PlantCa, Root, SigningRequest, Validity};
use store::testing::TestDatabase;
use store::{Schema, Secret, Store};

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

/// An authority in memory: it issues real certificates and remembers what it was told.
pub struct TestAuthority {
    pub trust: Trust,
    pub plant_ca: PlantCa,
    root: Vec<u8>,
    issuing: IssuingCa,
    clock: Arc<TestClock>,
    random: CountingRandom,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_down: bool,
    loses_answers: bool,
    quota: u64,
    packs: BTreeMap<DeviceNumber, CertificatePack>,
    never: BTreeMap<DeviceNumber, ProblemCode>,
    refused_records: BTreeMap<CredentialId, ProblemCode>,
    records: BTreeMap<u64, Record>,
    sequences_seen: Vec<u64>,
}

impl TestAuthority {
    fn new(clock: Arc<TestClock>) -> Self {
        let random = CountingRandom::default();
        let validity = Validity::days(clock.epoch_seconds() - 86_400, 7_300).unwrap();
        let name = |text: &str| text.parse().unwrap();
        let root = Root::create(None, &name("root"), validity, &random).unwrap();
        let issuing = root.issue_ca(None, &name("issuing"), validity, &random).unwrap();
        let plant = root.issue_ca(None, &name("plant"), validity, &random).unwrap();
        Self {
            trust: Trust::new(root.certificate(), &plant.certificate, &[&issuing.certificate]).unwrap(),
            root: root.certificate().to_vec(),
            issuing: IssuingCa::open(issuing.certificate, issuing.key).unwrap(),
            plant_ca: PlantCa::open(plant.certificate, plant.key).unwrap(),
            clock,
            random,
            state: Mutex::new(State { quota: 1_000_000, ..State::default() }),
        }
    }

    /// Cuts or mends the link.
    pub fn set_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    /// From now on requests are done, but their answers are lost.
    pub fn lose_answers(&self, loses: bool) {
        self.state.lock().unwrap().loses_answers = loses;
    }

    pub fn set_quota(&self, quota: u64) {
        self.state.lock().unwrap().quota = quota;
    }

    /// Never issues this number.
    pub fn never_issue(&self, number: &str, code: ProblemCode) {
        self.state.lock().unwrap().never.insert(number.parse().unwrap(), code);
    }

    /// Refuses each record of this number; no code: takes them again.
    pub fn refuse_records(&self, number: &DeviceNumber, code: Option<ProblemCode>) {
        let refused = &mut self.state.lock().unwrap().refused_records;
        match code {
            Some(code) => refused.insert(number.clone().into(), code),
            None => refused.remove(&number.clone().into()),
        };
    }

    /// All numbers that were issued.
    pub fn issued(&self) -> BTreeSet<DeviceNumber> {
        self.state.lock().unwrap().packs.keys().cloned().collect()
    }

    /// What was reported of a number, in order.
    pub fn events(&self, number: &DeviceNumber) -> Vec<&'static str> {
        let (state, number) = (self.state.lock().unwrap(), number.clone().into());
        let of_number = state.records.values().filter(|record| record.credential == number);
        of_number.map(|record| event_name(&record.event)).collect()
    }

    /// How many records of this kind were taken.
    pub fn count(&self, event: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.records.values().filter(|record| event_name(&record.event) == event).count()
    }

    /// All sequence numbers in the order of their arrival, repeated ones too.
    pub fn sequences_seen(&self) -> Vec<u64> {
        self.state.lock().unwrap().sequences_seen.clone()
    }

    fn answer<T>(&self, answer: impl FnOnce(&mut State) -> Result<T, Problem>) -> Result<T, UpstreamError> {
        let mut state = self.state.lock().unwrap();
        if state.is_down {
            return Err(UpstreamError::NoAnswer("the link is cut".into()));
        }
        let answer = answer(&mut state).map_err(UpstreamError::Refused);
        if state.loses_answers { Err(UpstreamError::NoAnswer("the answer is lost".into())) } else { answer }
    }

    fn pack(&self, number: &DeviceNumber) -> CertificatePack {
        let validity = Validity::new(self.clock.epoch_seconds(), pki::NO_EXPIRY).unwrap();
        let profile = DeviceProfile { organization: None, key_algorithm: KeyAlgorithm::P256 };
        let prepared = self.issuing.prepare(&profile, number, validity, &self.random).unwrap();
        let credential = self.issuing.issue(prepared).unwrap();
        CertificatePack {
            root_certificate: Bytes(self.root.clone()),
            issuing_certificate: Bytes(self.issuing.certificate().to_vec()),
            client_certificate: Bytes(credential.certificate),
            key: PackKey::Plain(SecretBytes::new(credential.secret_key.to_vec())),
        }
    }
}

/// A certificate with a key that comes in clear.
pub fn plain_certificate() -> CredentialProfile {
    let certificate = CertificateProfile { algorithm: KeyAlgorithm::P256, origin: KeyOrigin::Authority };
    CredentialProfile::new(Some(certificate), None, Sealing::Plain).unwrap()
}

fn event_name(event: &Event) -> &'static str {
    match event {
        Event::Stocked => "stocked",
        Event::Verified { .. } => "verified",
        Event::Bound { .. } => "bound",
        Event::KeyBorn { .. } => "keyBorn",
        Event::Suspect { .. } => "suspect",
        Event::Voided { .. } => "voided",
    }
}

type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, UpstreamError>> + Send + 'a>>;

impl Upstream for TestAuthority {
    fn allotment(&self) -> Answer<'_, Allotment> {
        let answer = self.answer(|state| {
            let product = |code: &str, first: &str, last: &str| ProductAllotment {
                product: code.parse().unwrap(),
                check_digit: CheckDigitName::None,
                credentials: Credentials(plain_certificate()),
                key_identifier: None,
                quota: state.quota,
                issued: state.packs.keys().filter(|number| number.product().as_str() == code).count() as u64,
                serial_ranges: vec![SerialRange {
                    first: first.parse().unwrap(),
                    last: last.parse().unwrap(),
                }],
            };
            Ok(Allotment {
                factory: "osaka".parse().unwrap(),
                products: vec![product("3012", "123456", "129999"), product("A123", "654321", "669999")],
            })
        });
        Box::pin(async { answer })
    }

    fn issue<'a>(
        &'a self,
        request: &'a CertificateTransmissionRequest,
    ) -> Answer<'a, CertificateTransmission> {
        let answer = self.answer(|state| {
            if let Some(code) = request.device_numbers.iter().find_map(|number| state.never.get(number)) {
                return Err(Problem::new(*code, "one of these numbers is not issued"));
            }
            let packs = request.device_numbers.iter().map(|number| NumberedPack {
                device_number: number.clone(),
                pack: state.packs.entry(number.clone()).or_insert_with(|| self.pack(number)).clone(),
            });
            Ok(CertificateTransmission { packs: packs.collect() })
        });
        Box::pin(async { answer })
    }

    fn issue_apparatuses<'a>(&'a self, _: &'a ApparatusPackRequest) -> Answer<'a, ApparatusPacks> {
        todo!()
    }

    fn issue_for_device<'a>(&'a self, _: &'a DevicePackRequest) -> Answer<'a, CredentialPack> {
        todo!()
    }

    fn report<'a>(&'a self, report: &'a Report) -> Answer<'a, ReportAnswer> {
        let answer = self.answer(|state| {
            let records = report.records.iter().map(|record| {
                state.sequences_seen.push(record.sequence);
                let problem = state.refused_records.get(&record.credential);
                let problem = problem.map(|code| Problem::new(*code, "not this one"));
                if problem.is_none() {
                    let known = state.records.entry(record.sequence).or_insert_with(|| record.clone());
                    assert_eq!(known, record, "a sequence number means one record");
                }
                RecordAnswer { sequence: record.sequence, state: None, problem }
            });
            Ok(ReportAnswer { records: records.collect() })
        });
        Box::pin(async { answer })
    }

    fn member<'a>(&'a self, request: &'a MemberRequest) -> Answer<'a, Membership> {
        let answer = self.answer(|_| {
            let member = Member::station("osaka".parse().unwrap(), request.name.clone());
            let signing_request = SigningRequest::verify(&request.signing_request.0)
                .map_err(|error| Problem::new(ProblemCode::MalformedRequest, error.to_string()))?;
            let now = self.clock.epoch_seconds();
            let certificate = self.plant_ca.issue(&member, &signing_request, now, &self.random).unwrap();
            Ok(Membership {
                root_certificate: Bytes(self.root.clone()),
                plant_certificate: Bytes(self.plant_ca.certificate().to_vec()),
                issuing_certificates: vec![Bytes(self.issuing.certificate().to_vec())],
                member_certificate: Bytes(certificate),
            })
        });
        Box::pin(async { answer })
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

    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    pub fn key_ring(&self) -> PathBuf {
        self.database.directory.path().join("keys")
    }

    pub async fn import(&self, file: &str) {
        self.gateway().desk().import(file.as_bytes(), 2003, false, &person()).await.unwrap();
    }

    /// How many credentials of a product are in stock, leased, verified, suspect and voided.
    pub async fn counts(&self, product: &str) -> [u64; 5] {
        let status = self.gateway().desk().status().await.unwrap();
        let row = status.products.iter().find(|row| row.product.as_str() == product).unwrap();
        [row.stocked, row.leased, row.verified, row.suspect, row.voided]
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

/// A device under manufacture: a chip that stores what it is sent and signs.
#[derive(Clone)]
pub struct TestDevice {
    pub hardware_uid: HardwareUid,
    pub pack: Option<(DeviceNumber, CredentialPack)>,
}

impl TestDevice {
    pub fn new(chip: u32) -> Self {
        Self { hardware_uid: HardwareUid::new(&chip.to_be_bytes()).unwrap(), pack: None }
    }

    pub fn request(&self, attempt: u8, number: &DeviceNumber) -> LeaseRequest {
        LeaseRequest {
            attempt: AttemptId::new([attempt; 16]),
            device_number: number.clone(),
            product: number.product().clone(),
            hardware_uid: self.hardware_uid.clone(),
            key_identifier: None,
            chip_key: None,
            signing_request: None,
        }
    }

    /// Stores the pack and proves it.
    pub fn write(&mut self, number: &DeviceNumber, pack: CredentialPack) -> Proof {
        let digest = line::pack_digest(&pack.on_the_line(number).unwrap());
        let Some(CertificatePack { key: PackKey::Plain(key), .. }) = &pack.certificate else {
            panic!("this device opens nothing that is sealed")
        };
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.expose()).unwrap();
        let challenge = [7; 32];
        let message = line::proof_message(number, &self.hardware_uid, &challenge, &digest);
        let signature = key.sign(&SystemRandom::new(), &message).unwrap();
        self.pack = Some((number.clone(), pack));
        Proof {
            hardware_uid: self.hardware_uid.clone(),
            challenge: Bytes(challenge.to_vec()),
            pack_digest: Bytes(digest.to_vec()),
            signature: Some(Bytes(signature.as_ref().to_vec())),
            confirmation: None,
        }
    }
}

pub fn result(attempt: u8, number: &DeviceNumber, outcome: WriteOutcome) -> WriteResultTransmission {
    WriteResultTransmission { attempt: AttemptId::new([attempt; 16]), device_number: number.clone(), outcome }
}
