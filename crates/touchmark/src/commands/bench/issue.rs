//! `touchmark bench issue`: packs by the function that the route uses, in batches as a gateway asks for
//! them, durable, linted, audited, sealed at rest.
//!
//! The limit is what all cores together do of the cryptography alone: a key pair on P-256 with its
//! PKCS#8, one ECDSA signature, one AES-256-GCM seal, a pack.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use authority::{Authority, Ceremony, Desk, Names, NewRange};
use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use identity::profile::{CredentialProfile, Sealing};
use identity::scan::CheckDigit;
use identity::{DeviceNumber, Member, MemberName, ProductCode, Serial};
use message::issue::{CertificateTransmissionRequest, DEVICE_NUMBERS_MAX};
use pki::PublishedUrl;
use store::audit::Actor;
use store::authority::product::Product;
use store::{Schema, Secret, Store};
use tokio::task::JoinSet;

use super::place::{Place, filled};
use super::{Edge, Figure};
use crate::failure::Failure;

/// Arguments of `touchmark bench issue`.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many packs
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    n: usize,
    /// An empty store to measure on: sqlite:PATH or postgres://...; without it a SQLite file that is deleted
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Measure sealed packs as well; their limit is what plain ones reach in the same run
    #[arg(long)]
    sealed: bool,
}

/// Orders at a time, as of several gateways: while some are being stored, others are prepared and signed.
const ORDERS_AT_A_TIME: usize = 8;
const UNIT: &str = "packs/s";
pub(super) const PLAIN: &str = "3012";
const SEALED: &str = "A123";
/// How many packs of one kind are issued before it is the other's turn.
const TURN: usize = ORDERS_AT_A_TIME * DEVICE_NUMBERS_MAX;
const FACTORY: &str = "bench";

/// Measures.
pub async fn run(arguments: &Arguments, edge: &Edge) -> anyhow::Result<Vec<Figure>> {
    let n = arguments.n;
    if n == 0 {
        return Err(Failure::usage("there is nothing to measure").advise("give --n 1 or more").into());
    }
    let place = Place::make(arguments.store.as_deref(), edge)?;
    let store = Store::open(&place.url, Schema::Authority).await?;
    let authority = authority(store, n, arguments.sealed, None, edge).await?;
    if arguments.sealed {
        let (plain, sealed) =
            (numbers(PLAIN, n + DEVICE_NUMBERS_MAX)?, numbers(SEALED, n + DEVICE_NUMBERS_MAX)?);
        return sealed_and_plain(&authority, &plain, &sealed, place.store, edge).await;
    }
    let plain = numbers(PLAIN, n)?;
    // Machines slow down and speed up while they are measured, so the limit is taken on both sides.
    let before = cryptography_limit(n)?;
    let value = n as f64 / seconds(&authority, &plain, edge).await?;
    let limit = (before + cryptography_limit(n)?) / 2.0;
    Ok(vec![Figure::new("issue", UNIT, value, limit, n, place.store)])
}

/// Both kinds in turns, for the same reason, after an order of each that is not counted.
async fn sealed_and_plain(
    authority: &Arc<Authority>,
    plain: &[DeviceNumber],
    sealed: &[DeviceNumber],
    store: &'static str,
    edge: &Edge,
) -> anyhow::Result<Vec<Figure>> {
    let ((warm_plain, plain), (warm_sealed, sealed)) =
        (plain.split_at(DEVICE_NUMBERS_MAX), sealed.split_at(DEVICE_NUMBERS_MAX));
    let n = plain.len();
    seconds(authority, warm_plain, edge).await?;
    seconds(authority, warm_sealed, edge).await?;
    let before = cryptography_limit(n)?;
    let (mut plain_seconds, mut sealed_seconds) = (0.0, 0.0);
    for (plain, sealed) in plain.chunks(TURN).zip(sealed.chunks(TURN)) {
        plain_seconds += seconds(authority, plain, edge).await?;
        sealed_seconds += seconds(authority, sealed, edge).await?;
    }
    let limit = (before + cryptography_limit(n)?) / 2.0;
    let (plain, sealed) = (n as f64 / plain_seconds, n as f64 / sealed_seconds);
    Ok(vec![
        Figure::new("issue", UNIT, plain, limit, n, store),
        Figure::new("issue-sealed", UNIT, sealed, plain, n, store),
    ])
}

/// How long orders as large as they may be take, in all.
pub(super) async fn seconds(
    authority: &Arc<Authority>,
    numbers: &[DeviceNumber],
    edge: &Edge,
) -> anyhow::Result<f64> {
    let mut progress = edge.output.progress("issued", numbers.len() as u64);
    let mut orders = numbers.chunks(DEVICE_NUMBERS_MAX);
    let mut running = JoinSet::new();
    let started = Instant::now();
    loop {
        while running.len() < ORDERS_AT_A_TIME
            && let Some(order) = orders.next()
        {
            let (authority, factory) = (Arc::clone(authority), FACTORY.parse::<MemberName>()?);
            let order = CertificateTransmissionRequest { device_numbers: order.to_vec() };
            running.spawn(async move { authority.issue(&factory, order).await });
        }
        let Some(issued) = running.join_next().await else { break };
        progress.advance(issued??.packs.len() as u64);
    }
    Ok(started.elapsed().as_secs_f64())
}

/// What all cores together do of the cryptography of a pack.
fn cryptography_limit(n: usize) -> anyhow::Result<f64> {
    let cores = std::thread::available_parallelism()?.get();
    let each = n.div_ceil(cores).clamp(1_000, 20_000);
    let started = Instant::now();
    let is_done = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..cores).map(|_| scope.spawn(move || (0..each).all(|_| one_pack().is_ok()))).collect();
        threads.into_iter().all(|thread| thread.join().unwrap_or(false))
    });
    anyhow::ensure!(is_done, "the cryptographic library fails");
    Ok((each * cores) as f64 / started.elapsed().as_secs_f64())
}

/// A key pair, its PKCS#8, one signature over as much as a certificate, one seal.
fn one_pack() -> Result<(), aws_lc_rs::error::Unspecified> {
    thread_local! {
        static KEYS: (EcdsaKeyPair, RandomizedNonceKey) = (
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("the library makes keys"),
            RandomizedNonceKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes are a key"),
        );
    }
    KEYS.with(|(signer, sealer)| {
        let device = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
        let mut key = device.to_pkcs8v1()?.as_ref().to_vec();
        signer.sign(&SystemRandom::new(), &[7; TO_BE_SIGNED_BYTES])?;
        sealer.seal_in_place_append_tag(Aad::empty(), &mut key)?;
        Ok(())
    })
}

/// About what a device certificate has before it is signed.
const TO_BE_SIGNED_BYTES: usize = 420;

/// A new authority that may issue as many packs as are measured, and publishes what it revokes where it has an address.
pub(super) async fn authority(
    store: Store,
    n: usize,
    is_sealing: bool,
    published: Option<PublishedUrl>,
    edge: &Edge,
) -> anyhow::Result<Arc<Authority>> {
    let (clock, random) = (Arc::clone(&edge.clock), Arc::clone(&edge.random));
    let passphrase = Secret::new(filled::<32>(&*random).to_vec());
    let (actor, name) = (Actor::person("bench"), "bench".parse::<MemberName>()?);
    let names = Names { authority: name.clone(), organization: None };
    let ceremony = Ceremony::prepare(&names, &*clock, &*random)?;
    ceremony.store(&store, passphrase.clone(), &actor).await.context("the store is not empty")?;
    let desk = Desk::new(store, Member::authority(name), clock, random);
    let desk = match published {
        Some(url) => desk.published(url),
        None => desk,
    };
    let authority = Authority::open(desk.clone(), passphrase.clone()).await?;
    let factory = FACTORY.parse()?;
    desk.add_factory(&factory, &actor).await?;
    let plain = CredentialProfile::PLAIN_CERTIFICATE;
    let sealed = CredentialProfile::new(plain.certificate(), None, Sealing::PreWriteKey)?;
    let n = n + DEVICE_NUMBERS_MAX;
    let (quota, last) = (n as u64, serial(n)?);
    for (code, profile) in [(PLAIN, plain), (SEALED, sealed)] {
        let product = Product {
            code: code.parse()?,
            profile,
            organization: Some("touchmark bench".to_owned()),
            validity_days: None,
            check_digit: CheckDigit::None,
        };
        let code = product.code.clone();
        desk.set_product(product, &actor).await?;
        desk.allot(&factory, &code, Some(quota), Some(NewRange { first: serial(0)?, last }), &actor).await?;
    }
    if is_sealing {
        desk.make_pre_write_key(&SEALED.parse()?, passphrase, &actor).await?;
    }
    Ok(authority)
}

pub(super) fn numbers(product: &str, n: usize) -> anyhow::Result<Vec<DeviceNumber>> {
    let product: ProductCode = product.parse()?;
    (0..n).map(|value| Ok(DeviceNumber::new(product.clone(), serial(value)?))).collect()
}

fn serial(value: usize) -> anyhow::Result<Serial> {
    Serial::new(value as u64, 9).context("too many packs to number them")
}
