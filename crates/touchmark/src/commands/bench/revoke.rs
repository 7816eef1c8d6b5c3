//! `touchmark bench revoke`: what a revocation, an OCSP answer, a CRL and a delta cost an authority that has revoked many,
//! one after the other.
//!
//! The limit of a revocation is a commit of the store, that of what is signed a signature.

use std::sync::Arc;
use std::time::{Duration, Instant};

use authority::Authority;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use identity::{DeviceNumber, RevocationReason};
use pki::{CrlPartition, OcspRequest};
use store::audit::{self, Actor};
use store::authority::credential;
use store::authority::crl::CrlKind;
use store::authority::selection::Selection;
use store::{Schema, Store, StoreError};

use super::issue::{PLAIN, authority, numbers, seconds};
use super::place::Place;
use super::{Edge, Figure, Latency};
use crate::failure::Failure;

/// Arguments of `touchmark bench revoke`.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many certificates are revoked already
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    n: usize,
    /// An empty store to measure on: sqlite:PATH or postgres://...; without it a SQLite file that is deleted
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// How many devices are revoked one by one, and asked about.
const ONE_BY_ONE: usize = 256;
/// How many partitions' CRLs are signed.
const PARTITIONS: u8 = 64;
/// What the authority calls the CA.
const ISSUING: &str = "issuing";

/// Measures.
pub async fn run(arguments: &Arguments, edge: &Edge) -> anyhow::Result<Vec<Figure>> {
    let n = arguments.n;
    if n == 0 {
        return Err(Failure::usage("there is nothing to measure").advise("give --n 1 or more").into());
    }
    let place = Place::make(arguments.store.as_deref(), edge)?;
    let url = "http://pki.example".parse()?;
    let store = Store::open(&place.url, Schema::Authority).await?;
    let authority = authority(store.clone(), n + ONE_BY_ONE, false, Some(url), edge).await?;
    let numbers = numbers(PLAIN, n + ONE_BY_ONE)?;
    let (before, one_by_one) = numbers.split_at(n);
    seconds(&authority, &numbers, edge).await?;
    let mut progress = edge.output.progress("revoked", n as u64);
    let all_before = range(before.first(), before.last());
    let reason = RevocationReason::CessationOfOperation;
    let person = Actor::person("bench");
    let revoked = authority.desk().revoke_selected(&all_before, reason, &person, |done| {
        progress.advance(done.certificates);
    });
    anyhow::ensure!(revoked.await?.certificates == n as u64, "not all were revoked");
    drop(progress);

    let signatures = signatures()?;
    let partitions: Vec<CrlPartition> =
        (0..PARTITIONS).map(|octet| format!("{octet:02x}").parse()).collect::<Result<_, _>>()?;
    let complete = crls(&authority, &partitions, CrlKind::Complete).await?;
    let (revocations, commits) = revocations(&authority, one_by_one, &store).await?;
    let deltas = crls(&authority, &partitions, CrlKind::Delta).await?;
    let answers = ocsp_answers(&authority, &serials(&store, one_by_one).await?).await?;
    let figure = |name, unit, latencies: Vec<Duration>, limit| {
        let done = latencies.len();
        let rate = done as f64 / latencies.iter().sum::<Duration>().as_secs_f64();
        Figure::new(name, unit, rate, limit, done, place.store).with_latency(Latency::of(latencies))
    };
    Ok(vec![
        figure("revoke (limit: commits)", "revocations/s", revocations, commits),
        figure("ocsp (limit: signatures)", "answers/s", answers, signatures),
        figure("crl (limit: signatures)", "CRLs/s", complete, signatures),
        figure("delta crl (limit: signatures)", "CRLs/s", deltas, signatures),
    ])
}

fn range(first: Option<&DeviceNumber>, last: Option<&DeviceNumber>) -> Selection {
    Selection { first: first.cloned(), last: last.cloned(), ..Selection::default() }
}

/// How long each revocation took, and how often a second the store can commit meanwhile: one in turn with the other, since
/// machines slow down and speed up while they are measured.
async fn revocations(
    authority: &Authority,
    numbers: &[DeviceNumber],
    store: &Store,
) -> anyhow::Result<(Vec<Duration>, f64)> {
    let (mut took, mut committing) = (Vec::with_capacity(numbers.len()), Duration::ZERO);
    for number in numbers {
        let started = Instant::now();
        let one = range(Some(number), Some(number));
        let reason = RevocationReason::KeyCompromise;
        authority.desk().revoke_selected(&one, reason, &Actor::person("bench"), |_| {}).await?;
        took.push(started.elapsed());
        let started = Instant::now();
        commit(store).await?;
        committing += started.elapsed();
    }
    Ok((took, numbers.len() as f64 / committing.as_secs_f64()))
}

async fn commit(store: &Store) -> Result<(), StoreError> {
    store
        .write(|transaction| {
            Box::pin(async move { audit::append(transaction, 0, "bench", "bench.commit", &()).await })
        })
        .await
}

/// How long each CRL took that is signed anew.
async fn crls(
    authority: &Arc<Authority>,
    partitions: &[CrlPartition],
    kind: CrlKind,
) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let started = Instant::now();
        authority.crl(ISSUING, *partition, kind).await?;
        took.push(started.elapsed());
    }
    Ok(took)
}

/// How long each answer took, the responder's certificate not counted.
async fn ocsp_answers(authority: &Authority, serials: &[Vec<u8>]) -> anyhow::Result<Vec<Duration>> {
    let issuer = authority.ca_certificate(ISSUING).await?;
    let mut took = Vec::with_capacity(serials.len());
    for serial in serials {
        let request = OcspRequest::about(&issuer, serial)?;
        if took.is_empty() {
            authority.ocsp(&request).await;
        }
        let started = Instant::now();
        let answer = authority.ocsp(&request).await;
        took.push(started.elapsed());
        anyhow::ensure!(answer.len() > REFUSAL_BYTES, "an OCSP request was refused");
    }
    Ok(took)
}

/// The serial numbers of these devices' certificates.
async fn serials(store: &Store, numbers: &[DeviceNumber]) -> anyhow::Result<Vec<Vec<u8>>> {
    let found = credential::find_all(&mut store.read().await?, numbers).await?;
    Ok(found.into_iter().map(|found| found.certificate_serial).collect())
}

/// How many signatures a second one thread makes.
fn signatures() -> anyhow::Result<f64> {
    const SIGNATURES: u32 = 2_000;
    let failed = |_| anyhow::anyhow!("the cryptographic library fails");
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(failed)?;
    let started = Instant::now();
    for _ in 0..SIGNATURES {
        key.sign(&SystemRandom::new(), &[7; 400]).map_err(failed)?;
    }
    Ok(f64::from(SIGNATURES) / started.elapsed().as_secs_f64())
}

/// A refusal is that short, an answer with a signature far longer.
const REFUSAL_BYTES: usize = 5;
