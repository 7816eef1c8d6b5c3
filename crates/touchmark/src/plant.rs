//! A whole plant in one process: authority, gateway and stations over real loopback TLS, with a link
//! between authority and gateway that can be cut.
//!
//! The demo keeps it [`living`], or plays a [`day`] on it, after which its [`apparatuses`] authenticate and its devices call home
//! from the [`field`]; whole-plant tests start it too.

pub mod apparatuses;
pub mod day;
pub mod field;
pub mod figures;
pub mod living;
mod recorder;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use authority::{
    Authority, Ceremony, ExportedCommonCertificate, NewRange, OPEN_TO_ALL, OPEN_TO_COMMON, OPEN_TO_EXPIRED,
};
use cert::tls::{Credential, HostTrust};
use cert::{Fingerprint, Trust};
use gateway::{Desk, Gateway, Settings};
use identity::profile::CredentialProfile;
use identity::{Clock, DeviceNumber, Member, MemberName, ProductCode, Random, Serial};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use message::join::JoinToken;
use seal::PreWriteKey;
use station::Station;
use store::audit::Actor;
use store::authority::product::Product;
use store::{Schema, Secret, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use transport::{Client, HostTls, Joined, Limits, Link, join, serve};
use zeroize::Zeroizing;

/// How long a join token is good: the plant uses each at once.
const TOKEN_SECONDS: u32 = 60;
/// How long a device may take for one step, and a station waits for the gateway.
const STATION_LIMITS: station::Limits =
    station::Limits { device_step: Duration::from_secs(10), gateway: Duration::from_secs(30) };
/// Bytes of a vault's passphrase.
const PASSPHRASE_BYTES: usize = 32;

/// What a plant is made of.
pub struct Blueprint {
    /// Where all stores are kept.
    pub directory: PathBuf,
    /// The authority's store. Empty: a SQLite file in the directory.
    pub authority_store: String,
    /// The factory's name.
    pub factory: MemberName,
    /// The products that take a credential.
    pub products: Vec<ProductBlueprint>,
    /// The product list and the plan, as CSV.
    pub plan: [String; 2],
    /// For how many days of the plan stock is kept.
    pub days_ahead: u32,
}

/// What may be made of a product.
pub struct ProductBlueprint {
    /// The product.
    pub code: ProductCode,
    /// Which credentials its devices take.
    pub profile: CredentialProfile,
    /// The first serial.
    pub first: Serial,
    /// The last serial.
    pub last: Serial,
    /// How many may be issued.
    pub quota: u64,
}

/// A running plant.
pub struct Plant {
    /// The link between authority and gateway.
    pub link: Link,
    authority: Arc<Authority>,
    gateway: Arc<Gateway>,
    as_gateway: Client,
    authority_store: Store,
    gateway_store: Store,
    authority_address: SocketAddr,
    gateway_address: SocketAddr,
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    actor: Actor,
    firmware_keys: Arc<FirmwareKeys>,
    services: Services,
}

/// What products' firmware is built with.
#[derive(Default)]
pub struct FirmwareKeys {
    pre_write: HashMap<ProductCode, PreWriteKey>,
    common: HashMap<ProductCode, ExportedCommonCertificate>,
}

impl FirmwareKeys {
    /// The key of a product whose packs are sealed under one.
    pub fn of(&self, product: &ProductCode) -> Option<PreWriteKey> {
        let key = self.pre_write.get(product)?;
        Some(PreWriteKey::new(key.identifier().clone(), key.expose()))
    }

    /// The common certificate of a product's devices.
    pub fn common_certificate(&self, product: &ProductCode) -> Option<&ExportedCommonCertificate> {
        self.common.get(product)
    }
}

impl Plant {
    /// Sets up authority and gateway, lets the gateway join, imports the plan, and serves.
    pub async fn start(
        blueprint: &Blueprint,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> anyhow::Result<Self> {
        let actor = Actor::person("plant");
        let mut services = Services { stop: watch::Sender::new(false), tasks: JoinSet::new() };

        let authority_store =
            open_store(&blueprint.authority_store, &blueprint.directory.join("authority"), Schema::Authority)
                .await?;
        let FoundedAuthority { authority, credential, firmware_keys } =
            set_up_authority(blueprint, &authority_store, &clock, &random, &actor).await?;
        let trust = authority.trust().clone();
        let tls = HostTls::new(trust.clone(), &credential, Arc::clone(&clock))?;
        let limits = Limits {
            open_to_all: OPEN_TO_ALL,
            open_to_common: OPEN_TO_COMMON,
            open_to_expired: OPEN_TO_EXPIRED,
            ..Limits::default()
        };
        let authority_address = services.serve(tls, Arc::clone(&authority).router(), limits).await?;
        let link = Link::start(authority_address).await?;

        let root = trust.root_fingerprint();
        let url = url(link.address());
        let token = authority
            .desk()
            .invite(&Member::gateway(blueprint.factory.clone()), &url, root, TOKEN_SECONDS, &actor)
            .await?;
        let joined = join(&token, Arc::clone(&clock)).await?;
        let upstream = client(&joined, &token.host, &url, &clock)?;
        let as_gateway = client(&joined, &token.host, &url, &clock)?;
        let gateway_directory = blueprint.directory.join("gateway");
        let gateway_store = open_store("", &gateway_directory, Schema::Gateway).await?;
        let gateway =
            set_up_gateway(blueprint, &gateway_store, &joined, upstream, &clock, &random, &actor).await?;
        let tls = HostTls::new(joined.trust()?, &joined.credential()?, Arc::clone(&clock))?;
        let gateway_address = services.serve(tls, Arc::clone(&gateway).router(), Limits::default()).await?;
        Ok(Self {
            link,
            authority,
            gateway,
            as_gateway,
            authority_store,
            gateway_store,
            authority_address,
            gateway_address,
            directory: blueprint.directory.clone(),
            clock,
            random,
            actor,
            firmware_keys: Arc::new(firmware_keys),
            services,
        })
    }

    /// Fills up the gateway's stock, and from then on reports upstream by itself. How many packs came.
    pub async fn fill_stock(&mut self) -> anyhow::Result<u64> {
        let stocked = self.gateway.replenish().await?.stocked;
        let (gateway, mut stop) = (Arc::clone(&self.gateway), self.services.stop.subscribe());
        self.services.tasks.spawn(async move {
            tokio::select! {
                () = gateway.run() => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
        Ok(stocked)
    }

    /// A station that has joined the gateway.
    pub async fn station(&self, name: &MemberName) -> anyhow::Result<Station> {
        let token = self.invite_station(name).await?;
        let joined = join(&token, Arc::clone(&self.clock)).await?;
        let gateway = client(&joined, &token.host, &token.url, &self.clock)?;
        let attempts = self.directory.join("stations").join(name.as_str());
        Ok(Station::new(gateway, &attempts, Arc::clone(&self.random), STATION_LIMITS)?)
    }

    /// The token with which a station joins the gateway.
    pub async fn invite_station(&self, name: &MemberName) -> anyhow::Result<JoinToken> {
        let (root, url) = (self.trust().root_fingerprint(), url(self.gateway_address));
        Ok(self.gateway.desk().invite(name, &url, root, TOKEN_SECONDS, &self.actor).await?)
    }

    /// A client by which a device with this credential reaches the authority.
    pub fn device_client(&self, credential: &Credential) -> anyhow::Result<Client> {
        let trust = HostTrust::Root(self.trust().root_fingerprint());
        let authority = Member::authority(authority_name()?);
        let url = url(self.authority_address);
        Ok(Client::new(trust, Some(credential), authority, &url, Arc::clone(&self.clock))?)
    }

    /// The keys that the firmware builds were handed.
    pub fn firmware_keys(&self) -> Arc<FirmwareKeys> {
        Arc::clone(&self.firmware_keys)
    }

    /// Where devices ask for certificates, and the name that the authority's own states.
    pub fn authority_at(&self) -> anyhow::Result<(String, MemberName)> {
        Ok((url(self.authority_address), authority_name()?))
    }

    /// SHA-256 of the root certificate, which every device's firmware knows.
    pub fn root_fingerprint(&self) -> Fingerprint {
        self.trust().root_fingerprint()
    }

    /// Voids what the old board of a number holds, and lets one new board have the number.
    pub async fn swap_board(&self, number: &DeviceNumber, reason: &str) -> anyhow::Result<()> {
        self.authority.desk().swap_board(number, None, reason, &self.actor).await?;
        Ok(())
    }

    /// The gateway.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// A client by which whoever has the gateway's key reaches the authority past the gateway.
    pub fn as_gateway(&self) -> &Client {
        &self.as_gateway
    }

    /// The stores of authority and gateway.
    pub fn stores(&self) -> (&Store, &Store) {
        (&self.authority_store, &self.gateway_store)
    }

    /// Ends every service and closes the stores.
    pub async fn stop(mut self) {
        self.services.stop.send_replace(true);
        while self.services.tasks.join_next().await.is_some() {}
        self.gateway_store.close().await;
        self.authority_store.close().await;
    }

    fn trust(&self) -> &Trust {
        self.authority.trust()
    }
}

/// What runs until the plant stops.
struct Services {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Services {
    /// Serves on a free loopback port: its address.
    async fn serve(
        &mut self,
        tls: HostTls,
        router: axum::Router,
        limits: Limits,
    ) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no loopback port is free")?;
        let address = listener.local_addr()?;
        let mut stop = self.stop.subscribe();
        self.tasks.spawn(async move {
            let stopped = async move {
                let _ = stop.wait_for(|stop| *stop).await;
            };
            serve(listener, Arc::new(tls), router, limits, stopped).await;
        });
        Ok(address)
    }
}

/// An authority that can serve, and what was handed to the firmware builds.
struct FoundedAuthority {
    authority: Arc<Authority>,
    credential: Credential,
    firmware_keys: FirmwareKeys,
}

async fn set_up_authority(
    blueprint: &Blueprint,
    store: &Store,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
    actor: &Actor,
) -> anyhow::Result<FoundedAuthority> {
    let names = authority::Names { authority: authority_name()?, organization: None };
    let ceremony = Ceremony::prepare(&names, &**clock, &**random)?;
    let (membership, key) = (ceremony.membership(), Zeroizing::new(ceremony.member_key().expose().to_vec()));
    let passphrase = passphrase(&**random);
    ceremony.store(store, passphrase.clone(), actor).await?;

    let member = Member::authority(names.authority);
    let desk = authority::Desk::new(store.clone(), member, Arc::clone(clock), Arc::clone(random));
    desk.add_factory(&blueprint.factory, actor).await?;
    let mut firmware_keys = FirmwareKeys::default();
    for ProductBlueprint { code, profile, first, last, quota } in &blueprint.products {
        let product = Product {
            code: code.clone(),
            profile: *profile,
            organization: None,
            validity_days: None,
            check_digit: identity::scan::CheckDigit::None,
        };
        desk.set_product(product, actor).await?;
        if profile.sealing().needs_pre_write_key() {
            let made = desk.make_pre_write_key(code, passphrase.clone(), actor).await?;
            let key = desk.export_pre_write_key(&made.identifier, passphrase.clone(), actor).await?;
            let key = PreWriteKey::new(key.identifier, key.key.expose().try_into()?);
            firmware_keys.pre_write.insert(code.clone(), key);
        }
        if profile.certificate().is_some() {
            let made = desk.make_common_certificate(code, 1, passphrase.clone(), actor).await?;
            let common = desk.export_common_certificate(&made.batch, passphrase.clone(), actor).await?;
            firmware_keys.common.insert(code.clone(), common);
        }
        let range = NewRange { first: *first, last: *last };
        desk.allot(&blueprint.factory, code, Some(*quota), Some(range), actor).await?;
    }
    let authority = Authority::open(desk, passphrase).await?;
    let credential = Credential::member(authority.trust(), membership.member_certificate.0, key);
    Ok(FoundedAuthority { authority, credential, firmware_keys })
}

async fn set_up_gateway(
    blueprint: &Blueprint,
    store: &Store,
    joined: &Joined,
    upstream: Client,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
    actor: &Actor,
) -> anyhow::Result<Arc<Gateway>> {
    let now = Timestamp::from_second(clock.epoch_seconds())?.to_zoned(TimeZone::UTC);
    let settings = Settings {
        days_ahead: blueprint.days_ahead,
        yield_margin_percent: 0,
        // A moment that has just passed, so that stock is filled up once and not again during the day.
        replenish_at: (&now - 1.minute()).time(),
        lease_seconds: 600,
        time_zone: TimeZone::UTC,
    };
    let factory = blueprint.factory.clone();
    let desk = Desk::new(store.clone(), factory, settings, Arc::clone(clock), Arc::clone(random));
    let passphrase = passphrase(&**random);
    Gateway::init(store, passphrase.clone()).await?;
    for file in &blueprint.plan {
        desk.import(file.as_bytes(), now.year(), false, actor).await?;
    }
    let key_ring = blueprint.directory.join("gateway").join("keys");
    Ok(Gateway::open(desk, passphrase, &key_ring, joined.trust()?, Arc::new(upstream)).await?)
}

async fn open_store(url: &str, directory: &Path, schema: Schema) -> anyhow::Result<Store> {
    let url = crate::config::store_url(url, directory);
    Ok(Store::open(&url, schema).await?)
}

fn client(joined: &Joined, host: &Member, url: &str, clock: &Arc<dyn Clock>) -> anyhow::Result<Client> {
    let trust = HostTrust::Plant(joined.trust()?);
    Ok(Client::new(trust, Some(&joined.credential()?), host.clone(), url, Arc::clone(clock))?)
}

fn url(address: SocketAddr) -> String {
    format!("https://{address}")
}

fn authority_name() -> anyhow::Result<MemberName> {
    Ok("head-office".parse()?)
}

/// A passphrase that nobody keeps: the vaults of such a plant open for this run only.
fn passphrase(random: &dyn Random) -> Secret {
    let mut bytes = vec![0; PASSPHRASE_BYTES];
    random.fill(&mut bytes);
    Secret::new(bytes)
}
