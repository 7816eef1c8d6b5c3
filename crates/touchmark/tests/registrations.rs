//! What the true authority tells, the true authenticator takes: devices of every kind authenticate, and
//! those that are revoked do not, whenever the authenticator came.

#![cfg(test)]
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;

use auth::{SymmetricCredential, authority_confirmation};
use authenticator::caller::authenticate;
use authenticator::{Authenticator, Settings};
use authority::{Authority, Ceremony, Desk, Names, NewRange};
use cert::tls::{Credential, HostTrust};
use identity::profile::{CredentialProfile, Sealing, SymmetricForm};
use identity::scan::CheckDigit;
use identity::{HardwareUid, Member};
use message::bytes::Bytes;
use message::issue::{ApparatusPackRequest, DevicePackRequest, OrderId};
use message::pack::ApparatusPack;
use message::report::{Event, Record, Report};
use seal::{Binding, PreWriteKey};
use store::audit::Actor;
use store::authority::product::Product;
use store::{Schema, Secret, Store, Vault};
use tempfile::TempDir;
use tokio::net::TcpListener;
use touchmark::surroundings::{SystemClock, SystemRandom};
use transport::{Channel, Client, HostTls, Limits, join, serve};
use zeroize::Zeroizing;

const FACTORY: &str = "osaka";

/// An authority that is served, and its one gateway's reports.
struct Plant {
    authority: Arc<Authority>,
    address: SocketAddr,
    records: u64,
    _directory: TempDir,
}

/// An authenticator that is served.
struct Gate {
    authenticator: Arc<Authenticator>,
    authority: Client,
    member: Member,
    address: SocketAddr,
    _directory: TempDir,
}

fn secret() -> Secret {
    Secret::new(b"a passphrase of a store".to_vec())
}

fn person() -> Actor {
    Actor::person("tester")
}

async fn open_store(directory: &TempDir, schema: Schema) -> Store {
    let url = format!("sqlite:{}", directory.path().join("store.sqlite").display());
    Store::open(&url, schema).await.unwrap()
}

async fn served(tls: HostTls, router: axum::Router, limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Arc::new(tls), router, limits, std::future::pending()));
    address
}

impl Plant {
    async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let store = open_store(&directory, Schema::Authority).await;
        let names = Names { authority: "head-office".parse().unwrap(), organization: None };
        let ceremony = Ceremony::prepare(&names, &SystemClock, &SystemRandom).unwrap();
        let certificate = ceremony.membership().member_certificate.0;
        let key = Zeroizing::new(ceremony.member_key().expose().to_vec());
        ceremony.store(&store, secret(), &person()).await.unwrap();
        let member = Member::authority(names.authority);
        let desk = Desk::new(store, member, Arc::new(SystemClock), Arc::new(SystemRandom));
        let authority = Authority::open(desk.clone(), secret()).await.unwrap();
        desk.add_factory(&FACTORY.parse().unwrap(), &person()).await.unwrap();
        let credential = Credential::member(authority.trust(), certificate, key);
        let tls = HostTls::new(authority.trust().clone(), &credential, Arc::new(SystemClock)).unwrap();
        let address = served(tls, Arc::clone(&authority).router(), Limits::default()).await;
        Self { authority, address, records: 0, _directory: directory }
    }

    /// A product of which the factory may make ten, and the key in its firmware.
    async fn product(&self, code: &str, form: SymmetricForm, sealing: Sealing) -> PreWriteKey {
        let (desk, product) = (self.authority.desk(), code.parse().unwrap());
        let profile = CredentialProfile::new(None, Some(form), sealing).unwrap();
        let check_digit = CheckDigit::None;
        let set = Product {
            code: code.parse().unwrap(),
            profile,
            organization: None,
            validity_days: None,
            check_digit,
        };
        desk.set_product(set, &person()).await.unwrap();
        let serials = NewRange { first: "000001".parse().unwrap(), last: "000010".parse().unwrap() };
        desk.allot(&FACTORY.parse().unwrap(), &product, Some(10), Some(serials), &person()).await.unwrap();
        let made = desk.make_pre_write_key(&product, secret(), &person()).await.unwrap();
        let exported = desk.export_pre_write_key(&made.identifier, secret(), &person()).await.unwrap();
        PreWriteKey::new(exported.identifier, exported.key.expose().try_into().unwrap())
    }

    async fn ordered(&self, code: &str) -> ApparatusPack {
        let mut order = [0; 16];
        identity::Random::fill(&SystemRandom, &mut order);
        let request =
            ApparatusPackRequest { order: OrderId::new(order), product: code.parse().unwrap(), count: 1 };
        self.authority.issue_apparatuses(&FACTORY.parse().unwrap(), request).await.unwrap().packs.remove(0)
    }

    async fn report(&mut self, pack: &ApparatusPack, event: Event) -> bool {
        self.records += 1;
        let (sequence, credential) = (self.records, pack.apparatus_id.into());
        let report = Report { records: vec![Record { sequence, credential, time: 1, event }] };
        let answer = self.authority.report(&FACTORY.parse().unwrap(), report).await.unwrap();
        answer.records[0].problem.is_none()
    }

    /// Reports what a device of this number and chip says; whether it is believed.
    async fn bind(
        &mut self,
        pack: &ApparatusPack,
        held: &SymmetricCredential,
        number: &str,
        chip: &HardwareUid,
    ) -> bool {
        let device_number = number.parse().unwrap();
        let challenge = pack.challenge.0.as_slice().try_into().unwrap();
        let (pass_phrase, id) = (&held.pass_phrase, pack.apparatus_id);
        let word = authority_confirmation(pass_phrase, id, &device_number, chip, &challenge);
        let event = Event::Bound {
            station: "line-1".parse().unwrap(),
            device_number,
            hardware_uid: chip.clone(),
            confirmation: Bytes(word.as_bytes().to_vec()),
        };
        self.report(pack, event).await
    }

    /// An authenticator that joins now.
    async fn gate(&self, name: &str) -> Gate {
        let member = Member::authenticator(name.parse().unwrap());
        let (root, url) = (self.authority.trust().root_fingerprint(), format!("https://{}", self.address));
        let token = self.authority.desk().invite(&member, &url, root, 600, &person()).await.unwrap();
        let joined = join(&token, Arc::new(SystemClock)).await.unwrap();
        let credential = joined.credential().unwrap();
        let trust = HostTrust::Plant(joined.trust().unwrap());
        let clock = Arc::new(SystemClock);
        let authority = Client::new(trust, Some(&credential), token.host.clone(), &url, clock).unwrap();
        let directory = TempDir::new().unwrap();
        let store = open_store(&directory, Schema::Authenticator).await;
        let vault = Vault::create(&store, secret()).await.unwrap();
        let (settings, clock) = (Settings::default(), Arc::new(SystemClock));
        let opened =
            Authenticator::open(member.clone(), store, vault, settings, clock, Arc::new(SystemRandom));
        let authenticator = Arc::new(opened.await.unwrap());
        let tls = HostTls::new(joined.trust().unwrap(), &credential, Arc::new(SystemClock)).unwrap();
        let limits = Limits { open_to_all: authenticator::OPEN_TO_ALL, ..Limits::default() };
        let address = served(tls, Arc::clone(&authenticator).router(), limits).await;
        Gate { authenticator, authority, member, address, _directory: directory }
    }
}

impl Gate {
    /// Hears what is new; how many records.
    async fn pull(&self) -> u64 {
        let taken = self.authenticator.pull(&self.authority).await.unwrap();
        assert!(self.authenticator.register().status().await.unwrap().refused.is_empty());
        taken
    }

    async fn lets_in(&self, plant: &Plant, device: &SymmetricCredential) -> bool {
        let trust = HostTrust::Root(plant.authority.trust().root_fingerprint());
        let connected =
            Channel::connect(self.address, trust, self.member.clone(), Arc::new(SystemClock)).await;
        let (mut channel, service) = (connected.unwrap(), "supplies".parse().unwrap());
        authenticate(&mut channel, device, &self.member, service, &SystemRandom).await.is_ok()
    }
}

/// What the device with this key finds in its pack.
fn held(pack: &ApparatusPack, product: &str, key: &PreWriteKey) -> SymmetricCredential {
    let mut out = [0; SymmetricCredential::BYTES];
    let product = product.parse().unwrap();
    let binding = Binding { product: &product, credential: &pack.apparatus_id.into() };
    SymmetricCredential::from_bytes(&key.open(&binding, &pack.sealed.ciphertext.0, &mut out).unwrap())
        .unwrap()
}

fn chip(number: u8) -> HardwareUid {
    HardwareUid::new(&[number; 8]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_of_every_kind_are_let_in_once_they_are_bound() {
    let mut plant = Plant::start().await;
    let gate = plant.gate("europe").await;
    assert_eq!(gate.pull().await, 0);
    let mut devices = Vec::new();
    for (code, form) in [("A123", SymmetricForm::Opened), ("A124", SymmetricForm::Sealed)] {
        let key = plant.product(code, form, Sealing::PreWriteKey).await;
        let pack = plant.ordered(code).await;
        assert!(plant.report(&pack, Event::Stocked).await);
        devices.push((held(&pack, code, &key), pack, format!("{code}-000001"), chip(devices.len() as u8)));
    }
    for (code, form) in [("A125", SymmetricForm::Opened), ("A126", SymmetricForm::Sealed)] {
        let key = plant.product(code, form, Sealing::DeviceKey).await;
        let (number, chip) = (format!("{code}-000001"), chip(devices.len() as u8));
        let request = DevicePackRequest {
            device_number: number.parse().unwrap(),
            hardware_uid: chip.clone(),
            key_identifier: Some(key.identifier().clone()),
            chip_key: None,
            signing_request: None,
        };
        let made = plant.authority.issue_for_device(&FACTORY.parse().unwrap(), request).await.unwrap();
        let pack = made.apparatus.unwrap();
        devices.push((held(&pack, code, &key.for_chip(&chip)), pack, number, chip));
    }
    gate.pull().await;
    for (device, pack, number, chip) in &devices {
        assert!(!gate.lets_in(&plant, device).await, "{number} is not bound yet");
        assert!(plant.bind(pack, device, number, chip).await, "{number}");
    }
    assert_eq!(gate.pull().await, 6, "four devices, and two keys that are needed to open what they keep");
    for (device, _, number, _) in &devices {
        assert!(gate.lets_in(&plant, device).await, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_dispute_or_void_is_refused_by_whoever_came_first_or_last() {
    let mut plant = Plant::start().await;
    let key = plant.product("A124", SymmetricForm::Sealed, Sealing::PreWriteKey).await;
    let early = plant.gate("early").await;
    let mut devices = Vec::new();
    for number in 1..=3 {
        let pack = plant.ordered("A124").await;
        assert!(plant.report(&pack, Event::Stocked).await);
        let device = held(&pack, "A124", &key);
        assert!(plant.bind(&pack, &device, &format!("A124-00000{number}"), &chip(number)).await);
        devices.push((device, pack));
    }
    early.pull().await;
    for (device, _) in &devices {
        assert!(early.lets_in(&plant, device).await);
    }
    let [(copied, copied_pack), (stolen, stolen_pack), (good, _)] = &devices[..] else { panic!("three") };
    assert!(!plant.bind(copied_pack, copied, "A124-000009", &chip(9)).await, "a second device");
    let stolen_id = stolen_pack.apparatus_id.into();
    plant.authority.desk().void(&stolen_id, "stolen", &person()).await.unwrap();
    early.pull().await;
    let late = plant.gate("late").await;
    assert_eq!(late.pull().await, 6, "three devices, their key, two that are revoked");
    for gate in [&early, &late] {
        assert!(!gate.lets_in(&plant, copied).await);
        assert!(!gate.lets_in(&plant, stolen).await);
        assert!(gate.lets_in(&plant, good).await);
    }
}
