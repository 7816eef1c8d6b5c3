//! `touchmark bench lease`: durable leases through the gateway's own function, as many at a time as
//! there are stations, beside what the store can commit with as many writers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use cert::Trust;
use gateway::{Actor, Answer, Desk, Gateway, Settings, Upstream, UpstreamError};
use identity::profile::{CredentialProfile, KeyAlgorithm};
use identity::{Clock, DeviceNumber, HardwareUid, MemberName, Random, Serial};
use jiff::civil::Time;
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
use message::report::{RecordAnswer, Report, ReportAnswer};
use message::trust::{TrustReport, TrustedCas};
use message::withdrawal::Withdrawals;
use pki::{DeviceProfile, IssuingCa, NO_EXPIRY, NameText, Root, Validity};
use store::{Schema, Secret, Store, StoreError, audit};
use tokio::task::JoinSet;

use super::place::{Place, filled};
use super::{Edge, Figure, Latency};
use crate::failure::Failure;

/// Arguments of `touchmark bench lease`.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many leases
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    n: usize,
    /// An empty store to measure on: sqlite:PATH or postgres://...; without it a SQLite file that is deleted
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// Stations that ask at the same time.
const STATIONS: usize = 200;
const PRODUCT: &str = "3012";
const UNIT: &str = "leases/s";

/// Measures.
pub async fn run(arguments: &Arguments, edge: &Edge) -> anyhow::Result<Vec<Figure>> {
    let n = arguments.n;
    if n == 0 {
        return Err(Failure::usage("there is nothing to measure").advise("give --n 1 or more").into());
    }
    let place = Place::make(arguments.store.as_deref(), edge)?;
    let store = Store::open(&place.url, Schema::Gateway).await?;
    let gateway = stocked_gateway(n, &store, &place, edge).await?;
    let numbers: Vec<DeviceNumber> = (0..n as u64).map(number).collect::<anyhow::Result<_>>()?;

    let commits = rate(n, |turn| {
        let store = store.clone();
        async move {
            let done: Result<(), StoreError> = store
                .write(move |transaction| {
                    Box::pin(
                        async move { audit::append(transaction, 0, "bench", "bench.commit", &turn).await },
                    )
                })
                .await;
            Ok(done?)
        }
    });
    let (limit, _) = commits.await?;
    let leases = rate(n, |turn| {
        let (gateway, number) = (Arc::clone(&gateway), numbers[turn].clone());
        async move {
            let station: MemberName = format!("line-{}", turn % STATIONS).parse()?;
            let attempt = (turn as u128).to_be_bytes();
            let request = LeaseRequest {
                attempt: AttemptId::new(attempt),
                product: number.product().clone(),
                device_number: number,
                hardware_uid: HardwareUid::new(&attempt)?,
                key_identifier: None,
                chip_key: None,
                signing_request: None,
            };
            gateway.lease(&station, &request).await?;
            Ok(())
        }
    });
    let (leases, latencies) = leases.await?;
    let figure = Figure::new("lease (limit: group commits)", UNIT, leases, limit, n, place.store);
    Ok(vec![figure.with_latency(Latency::of(latencies))])
}

/// Does the work `n` times, by all stations together: how often a second, and how long each took.
async fn rate<W, F>(n: usize, work: W) -> anyhow::Result<(f64, Vec<Duration>)>
where
    W: Fn(usize) -> F,
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let started = Instant::now();
    let mut stations = JoinSet::new();
    for station in 0..STATIONS.min(n) {
        let turns: Vec<F> = (station..n).step_by(STATIONS).map(&work).collect();
        stations.spawn(async move {
            let mut latencies = Vec::with_capacity(turns.len());
            for turn in turns {
                let began = Instant::now();
                turn.await?;
                latencies.push(began.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::with_capacity(n);
    while let Some(ended) = stations.join_next().await {
        latencies.extend(ended.context("a station ended early")??);
    }
    Ok((n as f64 / started.elapsed().as_secs_f64(), latencies))
}

/// A gateway with so many packs in stock.
async fn stocked_gateway(
    n: usize,
    store: &Store,
    place: &Place,
    edge: &Edge,
) -> anyhow::Result<Arc<Gateway>> {
    let (clock, random) = (Arc::clone(&edge.clock), Arc::clone(&edge.random));
    let settings = Settings {
        days_ahead: 1,
        yield_margin_percent: 0,
        replenish_at: Time::midnight(),
        lease_seconds: 600,
        time_zone: TimeZone::UTC,
    };
    let factory: MemberName = "bench".parse()?;
    let desk = Desk::new(store.clone(), factory, settings, clock, random);
    let passphrase = Secret::new(hex::encode(filled::<32>(&*edge.random)).into_bytes());
    Gateway::init(store, passphrase.clone()).await.context("the store is not empty")?;
    let issuer = Issuer::new(n as u64, edge)?;
    let trust = issuer.trust.clone();
    let key_ring = place.directory().join("keys");
    let gateway = Gateway::open(desk, passphrase, &key_ring, trust, Arc::new(issuer)).await?;
    let today = jiff::Timestamp::from_second(edge.clock.epoch_seconds())?.to_zoned(TimeZone::UTC).date();
    let actor = Actor::person("bench");
    for file in
        [format!("DEVICE CODE,CERTIFICATE\n{PRODUCT},YES\n"), format!("DEVICE CODE,{today}\n{PRODUCT},{n}\n")]
    {
        gateway.desk().import(file.as_bytes(), today.year(), false, &actor).await?;
    }
    gateway.replenish().await?;
    Ok(gateway)
}

fn number(at: u64) -> anyhow::Result<DeviceNumber> {
    let serial = Serial::new(at, SERIAL_DIGITS).context("so many numbers do not exist")?;
    Ok(DeviceNumber::new(PRODUCT.parse()?, serial))
}

const SERIAL_DIGITS: u8 = 9;

/// What stands in for the authority, which is not what is measured: real certificates, no store.
struct Issuer {
    trust: Trust,
    root: Vec<u8>,
    ca: IssuingCa,
    quota: u64,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Issuer {
    fn new(quota: u64, edge: &Edge) -> anyhow::Result<Self> {
        let random = &*edge.random;
        let validity = Validity::days(edge.clock.epoch_seconds() - 60, 1)?;
        let name = |text: &str| text.parse::<NameText>();
        let root = Root::create(None, &name("Root")?, validity, random)?;
        let plant = root.issue_ca(None, &name("Plant CA")?, validity, random)?;
        let issuing = root.issue_ca(None, &name("Issuing CA")?, validity, random)?;
        Ok(Self {
            trust: Trust::new(root.certificate(), &plant.certificate, &[&issuing.certificate])?,
            root: root.certificate().to_vec(),
            ca: IssuingCa::open(issuing.certificate, issuing.key)?,
            quota,
            clock: Arc::clone(&edge.clock),
            random: Arc::clone(&edge.random),
        })
    }

    fn pack(&self, number: &DeviceNumber) -> anyhow::Result<CertificatePack> {
        let validity = Validity::new(self.clock.epoch_seconds() - 60, NO_EXPIRY)?;
        let profile = DeviceProfile { organization: None, key_algorithm: KeyAlgorithm::P256 };
        let credential = self.ca.issue(self.ca.prepare(&profile, number, validity, &*self.random)?)?;
        Ok(CertificatePack {
            root_certificate: Bytes(self.root.clone()),
            issuing_certificate: Bytes(self.ca.certificate().to_vec()),
            client_certificate: Bytes(credential.certificate),
            key: PackKey::Plain(SecretBytes::new(credential.secret_key.to_vec())),
        })
    }

    fn packs(&self, numbers: &[DeviceNumber]) -> anyhow::Result<CertificateTransmission> {
        let pack = |number: &DeviceNumber| {
            Ok(NumberedPack { device_number: number.clone(), pack: self.pack(number)? })
        };
        Ok(CertificateTransmission { packs: numbers.iter().map(pack).collect::<anyhow::Result<_>>()? })
    }

    fn allot(&self) -> anyhow::Result<Allotment> {
        let range = SerialRange { first: number(0)?.serial(), last: number(self.quota - 1)?.serial() };
        let product = ProductAllotment {
            product: PRODUCT.parse()?,
            check_digit: CheckDigitName::None,
            credentials: Credentials(CredentialProfile::PLAIN_CERTIFICATE),
            key_identifier: None,
            quota: self.quota,
            issued: 0,
            serial_ranges: vec![range],
        };
        Ok(Allotment { factory: "bench".parse()?, products: vec![product] })
    }
}

impl Upstream for Issuer {
    fn allotment(&self) -> Answer<'_, Allotment> {
        Box::pin(async { self.allot().map_err(no_answer) })
    }

    fn issue<'a>(
        &'a self,
        request: &'a CertificateTransmissionRequest,
    ) -> Answer<'a, CertificateTransmission> {
        Box::pin(async { self.packs(&request.device_numbers).map_err(no_answer) })
    }

    fn issue_apparatuses<'a>(&'a self, _: &'a ApparatusPackRequest) -> Answer<'a, ApparatusPacks> {
        Box::pin(async { Err(not_made("a bench's devices have no pass phrase")) })
    }

    fn issue_for_device<'a>(&'a self, _: &'a DevicePackRequest) -> Answer<'a, CredentialPack> {
        Box::pin(async { Err(not_made("a bench's packs are all in stock")) })
    }

    fn report<'a>(&'a self, report: &'a Report) -> Answer<'a, ReportAnswer> {
        let taken = |sequence| RecordAnswer { sequence, state: None, problem: None };
        let records = report.records.iter().map(|record| taken(record.sequence)).collect();
        Box::pin(async { Ok(ReportAnswer { records }) })
    }

    fn withdrawals(&self, _: u64) -> Answer<'_, Withdrawals> {
        Box::pin(async { Ok(Withdrawals { records: Vec::new() }) })
    }

    fn trust<'a>(&'a self, _: &'a TrustReport) -> Answer<'a, TrustedCas> {
        Box::pin(async { Err(not_made("a bench has one CA of devices")) })
    }

    fn member<'a>(&'a self, _: &'a MemberRequest) -> Answer<'a, Membership> {
        Box::pin(async { Err(not_made("nobody joins a bench")) })
    }
}

fn not_made(why: &str) -> UpstreamError {
    UpstreamError::Refused(Problem::new(ProblemCode::NotAllowed, why))
}

fn no_answer(error: anyhow::Error) -> UpstreamError {
    UpstreamError::NoAnswer(error.into())
}
