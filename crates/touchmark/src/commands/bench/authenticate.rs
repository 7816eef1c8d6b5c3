//! `touchmark bench authenticate`: devices that authenticate, as many at a time as there are clients.
//!
//! Two figures. On connections that stay open (`authenticate-open`) exchanges are held against what
//! all cores could do of the cryptography of an exchange alone, its HMACs. With a connection for each,
//! as devices do it (`authenticate-connect`), they are held against how many TLS handshakes the same
//! two ends complete.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context;
use auth::{ChannelBinding, Nonce, PassPhrase, Prover, SpentNonce, SymmetricCredential, Verifier, Versions};
use authenticator::caller::authenticate;
use authenticator::{Authenticator, OPEN_TO_ALL, Settings};
use cert::Trust;
use cert::tls::{self, HostTrust};
use identity::{ApparatusId, Clock, DeviceNumber, Member, Random, Serial};
use message::bytes::SecretBytes;
use message::registration::{Event, REGISTRATIONS_MAX, Registration, Registrations};
use pki::{NameText, PlantCa, Root, Validity};
use store::{Schema, Secret, Store, Vault};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use transport::{Channel, HostTls, Limits, serve};

use super::place::{Place, filled};
use super::{Edge, Figure};
use crate::failure::Failure;

/// Arguments of `touchmark bench authenticate`.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many exchanges
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    n: usize,
    /// An empty store to measure on: sqlite:PATH or postgres://...; without it a SQLite file that is deleted
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// Clients at a time.
const CLIENTS: usize = 64;
const UNIT: &str = "exchanges/s";
const SERVER: &str = "urn:touchmark:authenticator:bench";

/// Measures.
pub async fn run(arguments: &Arguments, edge: &Edge) -> anyhow::Result<Vec<Figure>> {
    let n = arguments.n;
    if n == 0 {
        return Err(Failure::usage("there is nothing to measure").advise("give --n 1 or more").into());
    }
    let place = Place::make(arguments.store.as_deref(), edge)?;
    let store = place.store;
    let bench = Arc::new(Bench::start(&place.url, n.min(DEVICES_MAX), edge).await?);

    let mut progress = edge.output.progress("measured", 4);
    let cryptography = cryptography_limit(n)?;
    progress.advance(1);
    let handshakes = bench.rate(n, Work::Handshake).await?;
    progress.advance(1);
    let open = bench.rate(n, Work::ExchangeOnOpenConnection).await?;
    progress.advance(1);
    let connecting = bench.rate(n, Work::ExchangeOnItsOwnConnection).await?;
    progress.advance(1);
    Ok(vec![
        Figure::new("authenticate-open", UNIT, open, cryptography, n, store),
        Figure::new("authenticate-connect", UNIT, connecting, handshakes, n, store),
    ])
}

/// How many devices are registered; more exchanges than that repeat devices.
const DEVICES_MAX: usize = 10_000;

#[derive(Clone, Copy)]
enum Work {
    Handshake,
    ExchangeOnOpenConnection,
    ExchangeOnItsOwnConnection,
}

/// An authenticator that serves on loopback, and its devices.
struct Bench {
    address: SocketAddr,
    server: Member,
    trust: Trust,
    devices: Vec<SymmetricCredential>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Bench {
    async fn start(url: &str, devices: usize, edge: &Edge) -> anyhow::Result<Self> {
        let (clock, random) = (Arc::clone(&edge.clock), Arc::clone(&edge.random));
        let server: Member = SERVER.parse()?;
        let (trust, credential) = plant(&server, &*clock, &*random)?;
        let store = Store::open(url, Schema::Authenticator).await?;
        let vault = Vault::create(&store, Secret::new(filled::<32>(&*random).to_vec()))
            .await
            .context("the store is not empty")?;
        let here = Authenticator::open(
            server.clone(),
            store,
            vault,
            Settings::default(),
            Arc::clone(&clock),
            Arc::clone(&random),
        );
        let here = Arc::new(here.await?);
        let devices: Vec<_> = (0..devices).map(|_| SymmetricCredential::random(&*random)).collect();
        register(&here, &devices).await?;

        let tls = HostTls::new(trust.clone(), &credential, Arc::clone(&clock))?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let limits = Limits { open_to_all: OPEN_TO_ALL, ..Limits::default() };
        tokio::spawn(serve(listener, Arc::new(tls), here.router(), limits, std::future::pending()));
        Ok(Self { address, server, trust, devices, clock, random })
    }

    /// How often a second the work is done, `n` times in all by all clients together.
    async fn rate(self: &Arc<Self>, n: usize, work: Work) -> anyhow::Result<f64> {
        let next = Arc::new(AtomicUsize::new(0));
        let started = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS.min(n) {
            let (bench, next) = (Arc::clone(self), Arc::clone(&next));
            clients.spawn(async move {
                let mut open = bench.connect().await?;
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= n {
                        return anyhow::Ok(());
                    }
                    match work {
                        Work::Handshake => drop(bench.connect().await?),
                        Work::ExchangeOnOpenConnection => bench.exchange(&mut open, turn).await?,
                        Work::ExchangeOnItsOwnConnection => {
                            bench.exchange(&mut bench.connect().await?, turn).await?;
                        }
                    }
                }
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended.context("a client ended early")??;
        }
        Ok(n as f64 / started.elapsed().as_secs_f64())
    }

    async fn connect(&self) -> anyhow::Result<Channel> {
        let trust = HostTrust::Plant(self.trust.clone());
        Ok(Channel::connect(self.address, trust, self.server.clone(), Arc::clone(&self.clock)).await?)
    }

    async fn exchange(&self, channel: &mut Channel, turn: usize) -> anyhow::Result<()> {
        let device = &self.devices[turn % self.devices.len()];
        let service = "bench".parse()?;
        authenticate(channel, device, &self.server, service, &*self.random).await?;
        Ok(())
    }
}

/// What all cores together do of the cryptography that both sides of an exchange need.
fn cryptography_limit(n: usize) -> anyhow::Result<f64> {
    let server: Member = SERVER.parse()?;
    let cores = std::thread::available_parallelism()?.get();
    let each = n.div_ceil(cores).max(1_000);
    let started = Instant::now();
    let is_proved = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(|| exchanges(&server, each))).collect();
        threads.into_iter().all(|thread| thread.join().unwrap_or(false))
    });
    anyhow::ensure!(is_proved, "an exchange without network failed");
    Ok((each * cores) as f64 / started.elapsed().as_secs_f64())
}

/// So many exchanges without network and store; whether all succeeded.
fn exchanges(server: &Member, count: usize) -> bool {
    let pass_phrase = PassPhrase::new(&[1; PassPhrase::BYTES]);
    let verifier = Verifier::new(server.clone(), Versions::SUPPORTED);
    let channel = ChannelBinding::new([2; ChannelBinding::BYTES]);
    (0..count as u128).all(|turn| {
        let nonce = Nonce::new(turn.to_be_bytes());
        let device_nonce = Nonce::new((!turn).to_be_bytes());
        let prover = Prover::new(ApparatusId::new([3; 16]), &pass_phrase, server, Versions::SUPPORTED);
        let Ok(challenge) = verifier.challenge(prover.versions(), nonce) else { return false };
        let Ok((answer, unconfirmed)) = prover.answer(&challenge, &channel, device_nonce) else {
            return false;
        };
        let verified = verifier.verify(&answer, SpentNonce::removed(nonce), &pass_phrase, &channel);
        verified.is_ok_and(|proved| unconfirmed.confirm(proved.server_proof()).is_ok())
    })
}

async fn register(here: &Authenticator, devices: &[SymmetricCredential]) -> anyhow::Result<()> {
    let mut sequence = 0;
    for chunk in devices.chunks(REGISTRATIONS_MAX) {
        let mut records = Vec::with_capacity(chunk.len());
        for device in chunk {
            sequence += 1;
            let serial = Serial::new(sequence, 6).context("too many devices")?;
            records.push(Registration {
                sequence,
                event: Event::Registered {
                    apparatus_id: device.apparatus_id,
                    pass_phrase: SecretBytes::new(device.pass_phrase.expose().to_vec()),
                    device_number: DeviceNumber::new("A123".parse()?, serial),
                },
            });
        }
        here.take(Registrations { records }).await?;
    }
    Ok(())
}

/// The CAs of a plant, and the credential of its one member.
fn plant(
    member: &Member,
    clock: &dyn Clock,
    random: &dyn Random,
) -> anyhow::Result<(Trust, tls::Credential)> {
    let now = clock.epoch_seconds() - 60;
    let validity = Validity::days(now, 1)?;
    let name = |text: &str| text.parse::<NameText>();
    let root = Root::create(None, &name("Root")?, validity, random)?;
    let below = root.issue_ca(None, &name("Plant CA")?, validity, random)?;
    let trust = Trust::new::<&[u8]>(root.certificate(), &below.certificate, &[])?;
    let ca = PlantCa::open(below.certificate, below.key)?;
    let (certificate, key) = ca.issue_with_key(member, now, random)?;
    let credential = tls::Credential::member(&trust, certificate, key.to_pkcs8()?);
    Ok((trust, credential))
}
