//! `touchmark bench drain`: the results of a day without the authority, from the gateway's outbox into the
//! authority's books once the link is back.
//!
//! The limit is what all cores together do of the cryptography alone: the authority verifies one ECDSA
//! signature a result.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use gateway::Gateway;
use identity::profile::CredentialProfile;
use identity::{DeviceNumber, HardwareUid, MemberName, Serial, line};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use message::bytes::Bytes;
use message::lease::{AttemptId, Lease, LeaseRequest};
use message::pack::PackKey;
use message::result::{Proof, WriteOutcome, WriteResultTransmission};
use tokio::task::JoinSet;

use super::place::Place;
use super::{Edge, Figure};
use crate::failure::Failure;
use crate::plant::{Blueprint, Plant, ProductBlueprint};

/// Arguments of `touchmark bench drain`.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many results
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    n: usize,
    /// An empty store for the authority: sqlite:PATH or postgres://...; without it a SQLite file that is deleted
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

const PRODUCT: &str = "3012";
const UNIT: &str = "results/s";
/// Stations that write at the same time while the link is down.
const STATIONS: usize = 64;
const SERIAL_DIGITS: u8 = 9;

/// Measures.
pub async fn run(arguments: &Arguments, edge: &Edge) -> anyhow::Result<Vec<Figure>> {
    let n = arguments.n;
    if n == 0 {
        return Err(Failure::usage("there is nothing to measure").advise("give --n 1 or more").into());
    }
    let place = Place::make(arguments.store.as_deref(), edge)?;
    let blueprint = blueprint(n, &place, edge)?;
    let plant = Plant::start(&blueprint, Arc::clone(&edge.clock), Arc::clone(&edge.random)).await?;
    plant.gateway().replenish().await?;
    plant.link.cut();
    write(n, plant.gateway(), edge).await?;
    plant.link.restore();

    // Machines slow down and speed up while they are measured, so the limit is taken on both sides.
    let before = verification_limit(n)?;
    let started = Instant::now();
    let drained = plant.gateway().drain().await?;
    let seconds = started.elapsed().as_secs_f64();
    let limit = (before + verification_limit(n)?) / 2.0;
    plant.stop().await;
    if drained.parked > 0 || (drained.taken as usize) < n {
        bail!("the authority took {} of {n} results, and {} are parked", drained.taken, drained.parked);
    }
    Ok(vec![Figure::new("drain", UNIT, drained.taken as f64 / seconds, limit, n, place.store)])
}

/// A factory whose plan is as many units of one product.
fn blueprint(n: usize, place: &Place, edge: &Edge) -> anyhow::Result<Blueprint> {
    let today = Timestamp::from_second(edge.clock.epoch_seconds())?.to_zoned(TimeZone::UTC).date();
    let product = ProductBlueprint {
        code: PRODUCT.parse()?,
        profile: CredentialProfile::PLAIN_CERTIFICATE,
        first: serial(0)?,
        last: serial(n - 1)?,
        quota: n as u64,
    };
    Ok(Blueprint {
        directory: place.directory().to_owned(),
        authority_store: place.url.clone(),
        factory: "bench".parse()?,
        products: vec![product],
        plan: [
            format!("DEVICE CODE,CERTIFICATE\n{PRODUCT},YES\n"),
            format!("DEVICE CODE,{today}\n{PRODUCT},{n}\n"),
        ],
        days_ahead: 1,
    })
}

/// Devices take all packs in stock, and prove it, while nobody hears of it upstream.
async fn write(n: usize, gateway: &Arc<Gateway>, edge: &Edge) -> anyhow::Result<()> {
    let mut progress = edge.output.progress("written", n as u64);
    let mut stations = JoinSet::new();
    for at in 0..STATIONS.min(n) {
        let gateway = Arc::clone(gateway);
        stations.spawn(async move {
            let station: MemberName = format!("line-{at}").parse()?;
            for value in (at..n).step_by(STATIONS) {
                write_one(value, &station, &gateway).await?;
            }
            anyhow::Ok((at..n).step_by(STATIONS).count())
        });
    }
    while let Some(ended) = stations.join_next().await {
        progress.advance(ended.context("a station ended early")?? as u64);
    }
    Ok(())
}

async fn write_one(value: usize, station: &MemberName, gateway: &Gateway) -> anyhow::Result<()> {
    let device_number = DeviceNumber::new(PRODUCT.parse()?, serial(value)?);
    let once = (value as u128).to_be_bytes();
    let (attempt, hardware_uid) = (AttemptId::new(once), HardwareUid::new(&once)?);
    let request = LeaseRequest {
        attempt,
        product: device_number.product().clone(),
        device_number: device_number.clone(),
        hardware_uid: hardware_uid.clone(),
        key_identifier: None,
        chip_key: None,
        signing_request: None,
    };
    let lease = gateway.lease(station, &request).await?;
    let outcome = WriteOutcome::Ok { proof: proof(&lease, hardware_uid)? };
    gateway.result(station, &WriteResultTransmission { attempt, device_number, outcome }).await?;
    Ok(())
}

/// What the device signs that has stored the pack.
fn proof(lease: &Lease, hardware_uid: HardwareUid) -> anyhow::Result<Proof> {
    let certificate = lease.pack.certificate.as_ref().context("the pack has no certificate")?;
    let PackKey::Plain(key) = &certificate.key else { bail!("the pack's key is not in clear") };
    let digest = line::pack_digest(&lease.pack.on_the_line(&lease.device_number)?);
    let challenge = [7; 32];
    let message = line::proof_message(&lease.device_number, &hardware_uid, &challenge, &digest);
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.expose())?;
    let signature = key.sign(&SystemRandom::new(), &message)?;
    Ok(Proof {
        hardware_uid,
        challenge: Bytes(challenge.to_vec()),
        pack_digest: Bytes(digest.to_vec()),
        signature: Some(Bytes(signature.as_ref().to_vec())),
        confirmation: None,
    })
}

/// How many signatures all cores together verify a second.
fn verification_limit(n: usize) -> anyhow::Result<f64> {
    let cores = std::thread::available_parallelism()?.get();
    let each = n.div_ceil(cores).clamp(1_000, 20_000);
    let message = [7; 200];
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let signature = key.sign(&SystemRandom::new(), &message)?;
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref());
    let started = Instant::now();
    let are_good = std::thread::scope(|scope| {
        let verify = || (0..each).all(|_| public.verify(&message, signature.as_ref()).is_ok());
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(verify)).collect();
        threads.into_iter().all(|thread| thread.join().unwrap_or(false))
    });
    anyhow::ensure!(are_good, "the cryptographic library fails");
    Ok((each * cores) as f64 / started.elapsed().as_secs_f64())
}

fn serial(value: usize) -> anyhow::Result<Serial> {
    Serial::new(value as u64, SERIAL_DIGITS).context("so many numbers do not exist")
}
