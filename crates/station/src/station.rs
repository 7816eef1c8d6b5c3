//! One write, from the scan to the device's last word (source A Fig. 17).

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use identity::line::{Refusal, Session};
use identity::profile::KeyOrigin;
use identity::{CredentialState, DeviceNumber, HardwareUid, Random};
use message::allotment::Allotment;
use message::bytes::Bytes;
use message::lease::{AttemptId, Lease, LeaseRequest};
use message::operator::{Operators, ScrapRequest, ScrapResponse};
use message::problem::{Problem, ProblemCode};
use message::result::{Proof, WriteOutcome, WriteResultResponse, WriteResultTransmission};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};
use transport::{CallError, Client};

use crate::attempts::{Attempt, Attempts, Stage};
use crate::device::{Device, DeviceAddress, DeviceError, DeviceIdentity, WriteError};
use crate::expected::Expected;
use crate::failure::Failure;
use crate::products::{Plate, Products};

/// What a station grants others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How long a device may take for a step; storing a pack is the longest.
    pub device_step: Duration,
    /// How long a request to the gateway is repeated before the operator is told.
    pub gateway: Duration,
}

/// A step of a write that is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The plate says this number.
    PlateRead(DeviceNumber),
    /// The device on the port has this chip.
    DeviceFound(HardwareUid),
    /// The gateway has leased the pack.
    PackFetched,
    /// The device has stored and proved it.
    Proved,
    /// The gateway has filed the proof.
    Filed,
}

/// Who is told each step.
pub type Watch<'a> = &'a (dyn Fn(Step) + Send + Sync);

/// A device that was written, proved and filed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// Its number from now on.
    pub device_number: DeviceNumber,
    /// Its chip.
    pub hardware_uid: HardwareUid,
}

/// A station: its gateway, and what it remembers.
pub struct Station {
    gateway: Client,
    attempts: Attempts,
    random: Arc<dyn Random>,
    limits: Limits,
    products: Products,
}

/// How often a device is led through a step whose outcome is unknown.
const ROUNDS: u32 = 3;

/// How long a device is left to itself before it is tried again.
const ROUND_PAUSE: Duration = Duration::from_millis(500);

/// How long the gateway is left alone before it is asked again, at first; each time twice as long.
const GATEWAY_PAUSE: Duration = Duration::from_millis(100);

/// How long the gateway is left alone at most.
const GATEWAY_PAUSE_MAX: Duration = Duration::from_secs(2);

impl Station {
    /// The station that asks this gateway and keeps its unfinished attempts in this directory.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn new(
        gateway: Client,
        attempts_directory: &Path,
        random: Arc<dyn Random>,
        limits: Limits,
    ) -> io::Result<Self> {
        let attempts = Attempts::open(attempts_directory)?;
        Ok(Self { gateway, attempts, random, limits, products: Products::default() })
    }

    /// Writes the device at `address` as the number on the scanned plate says.
    ///
    /// # Errors
    /// The sentence for the operator, and what may be done with the device.
    pub async fn write(&self, scan: &str, address: &DeviceAddress) -> Result<Written, Failure> {
        self.write_watched(scan, address, &|_| ()).await
    }

    /// As [`Station::write`]; each step is told to `watch` as soon as it is done.
    ///
    /// # Errors
    /// As there.
    pub async fn write_watched(
        &self,
        scan: &str,
        address: &DeviceAddress,
        watch: Watch<'_>,
    ) -> Result<Written, Failure> {
        let plate = self.read_plate(scan).await?;
        let number = &plate.number;
        watch(Step::PlateRead(number.clone()));
        let mut device = Device::at(address, self.limits.device_step);
        let identity = device.identify().await.map_err(Failure::PortSilent)?;
        watch(Step::DeviceFound(identity.hardware_uid.clone()));
        check_device(number, &identity)?;
        let written = Written { device_number: number.clone(), hardware_uid: identity.hardware_uid.clone() };
        match self.unfinished(number, &identity.hardware_uid).await? {
            Some(Attempt { stage: Stage::Filed { expected }, .. }) => {
                self.finish(&mut device, identity, number, &expected).await?;
            }
            _ if identity.confirmed => return Err(Failure::AlreadyFinished(plate.number)),
            unfinished => self.write_anew(&mut device, identity, &plate, unfinished, watch).await?,
        }
        Ok(written)
    }

    /// Delivers the results that an earlier break of the line left behind, and returns how many still
    /// wait.
    ///
    /// # Errors
    /// The station's files cannot be read or written.
    pub async fn deliver_waiting(&self) -> io::Result<usize> {
        let waiting = self.attempts.undelivered()?;
        let total = waiting.len();
        for (delivered, attempt) in waiting.into_iter().enumerate() {
            let number = attempt.device_number.clone();
            match self.deliver(attempt).await {
                Ok(()) => {}
                // The gateway is not there; the others would fare no better.
                Err(Failure::NotReported) => return Ok(total - delivered),
                Err(Failure::Files(error)) => return Err(error),
                Err(failure) => tracing::warn!(%number, %failure, "a late result was not taken"),
            }
        }
        Ok(0)
    }

    /// How many results wait for the gateway.
    ///
    /// # Errors
    /// The station's files cannot be read.
    pub fn waiting(&self) -> io::Result<usize> {
        Ok(self.attempts.undelivered()?.len())
    }

    /// The operators whose badges are good, as the gateway says now.
    ///
    /// # Errors
    /// It does not say.
    pub async fn operators(&self) -> Result<Operators, CallError> {
        self.gateway.get_json("/v1/operators").await
    }

    /// Has a device scrapped whose write failed. The same request may be repeated.
    ///
    /// # Errors
    /// The gateway refuses, or does not answer in time.
    pub async fn scrap(&self, request: &ScrapRequest) -> Result<ScrapResponse, Failure> {
        let refused = |problem| Failure::GatewayRefused { plate: request.device_number.to_string(), problem };
        self.ask_until_answered("/v1/scraps", request).await.map_err(|unanswered| match unanswered {
            Unanswered::Refused(problem) => refused(problem),
            Unanswered::Busy(_) | Unanswered::Silent => Failure::GatewaySilent,
            Unanswered::Garbled(detail) => Failure::GatewayGarbled(detail),
        })
    }

    /// What a scanned plate says. How the plates of a product are read, and which credentials its devices
    /// take, is the gateway's to say; it is asked when a product is seen for the first time.
    async fn read_plate(&self, scan: &str) -> Result<Plate, Failure> {
        if let Some(read) = self.products.read(scan) {
            return read.map_err(Failure::Plate);
        }
        let allotment: Allotment =
            self.gateway.get_json("/v1/allotment").await.map_err(|error| match error {
                CallError::Refused(problem) if !problem.code.is_passing() => {
                    Failure::GatewayRefused { plate: scan.trim().to_owned(), problem }
                }
                CallError::Refused(_) | CallError::Unreachable(_) => Failure::GatewaySilent,
                CallError::Garbled(detail) => Failure::GatewayGarbled(detail),
            })?;
        self.products.learn(allotment, scan).map_err(Failure::Plate)
    }

    /// The attempt that this number and chip have not finished. A result that waits is delivered first.
    async fn unfinished(
        &self,
        number: &DeviceNumber,
        chip: &HardwareUid,
    ) -> Result<Option<Attempt>, Failure> {
        let find = || self.attempts.find(number, chip);
        match find() {
            Some(attempt) if matches!(attempt.stage, Stage::Undelivered { .. }) => {
                self.deliver(attempt).await?;
                Ok(find())
            }
            unfinished => Ok(unfinished),
        }
    }

    /// Leases the pack, has it stored and proved, and files the result.
    async fn write_anew(
        &self,
        device: &mut Device,
        identity: DeviceIdentity,
        Plate { number, profile }: &Plate,
        unfinished: Option<Attempt>,
        watch: Watch<'_>,
    ) -> Result<(), Failure> {
        let chip = identity.hardware_uid.clone();
        let signing_request = match profile.certificate() {
            Some(certificate) if certificate.origin == KeyOrigin::Device => {
                Some(device.make_key(&identity, number).await.map_err(no_key)?)
            }
            _ => None,
        };
        let leased = self.lease(number, &identity, signing_request.as_ref(), unfinished).await;
        let (attempt, lease) = leased.map_err(|failure| match failure {
            Failure::GatewayRefused { problem, .. }
                if problem.code == ProblemCode::Unavailable
                    && (profile.certificate_needs_device() || profile.symmetric_needs_device()) =>
            {
                Failure::AuthoritySilent(number.clone())
            }
            failure => failure,
        })?;
        watch(Step::PackFetched);
        let expected = Expected::of(&lease, signing_request.as_ref())?;
        let (stored, session) = self.store(device, identity, &lease, &expected).await;
        let (outcome, failure) = match stored {
            Ok(proof) => {
                watch(Step::Proved);
                (WriteOutcome::Ok { proof }, None)
            }
            Err((failure, untouched)) => {
                let reason = format!("{}: {failure}", failure.word());
                (WriteOutcome::NoGood { reason, untouched }, Some(failure))
            }
        };
        let result =
            WriteResultTransmission { attempt: attempt.attempt, device_number: number.clone(), outcome };
        let stage = Stage::Undelivered { result: Box::new(result), expected: expected.clone() };
        let delivered = self.deliver(Attempt { stage, ..attempt }).await;
        if let Some(failure) = failure {
            // What went wrong at the device is what the operator must know; the result is kept.
            return Err(failure);
        }
        delivered?;
        watch(Step::Filed);
        if let Err(error) = device.confirm(session).await {
            tracing::warn!(%number, %error, "the device did not take note of its result");
            let identity = device.identify().await.map_err(Failure::NotConfirmed)?;
            return self.finish(device, identity, number, &expected).await;
        }
        Ok(self.attempts.forget(number, &chip)?)
    }

    /// Asks the gateway for the pack, until it answers or the time is up. An attempt from before a
    /// restart is asked under its own key; where the gateway is done with that, under a new one.
    async fn lease(
        &self,
        number: &DeviceNumber,
        identity: &DeviceIdentity,
        signing_request: Option<&Bytes>,
        unfinished: Option<Attempt>,
    ) -> Result<(Attempt, Lease), Failure> {
        let mut is_resumed = unfinished.is_some();
        let mut attempt = unfinished.unwrap_or_else(|| self.new_attempt(number, identity));
        let refused = |problem| Failure::GatewayRefused { plate: number.to_string(), problem };
        loop {
            self.attempts.keep(&attempt)?;
            let request = LeaseRequest {
                attempt: attempt.attempt,
                device_number: number.clone(),
                product: identity.product.clone(),
                hardware_uid: identity.hardware_uid.clone(),
                key_identifier: identity.key_identifier.clone(),
                chip_key: identity.chip_key.clone(),
                signing_request: signing_request.cloned(),
            };
            match self.ask_until_answered("/v1/leases", &request).await {
                Ok(lease) => return Ok((attempt, lease)),
                Err(Unanswered::Refused(_)) if is_resumed => {
                    is_resumed = false;
                    attempt = self.new_attempt(number, identity);
                }
                Err(Unanswered::Refused(problem)) => {
                    self.attempts.forget(number, &identity.hardware_uid)?;
                    // Perhaps the product is not any more what it was when its first plate was scanned.
                    self.products.forget();
                    return Err(refused(problem));
                }
                Err(Unanswered::Busy(problem)) => return Err(refused(problem)),
                Err(Unanswered::Silent) => return Err(Failure::GatewaySilent),
                Err(Unanswered::Garbled(detail)) => return Err(Failure::GatewayGarbled(detail)),
            }
        }
    }

    fn new_attempt(&self, number: &DeviceNumber, identity: &DeviceIdentity) -> Attempt {
        let mut key = [0; 16];
        self.random.fill(&mut key);
        Attempt {
            attempt: AttemptId::new(key),
            device_number: number.clone(),
            hardware_uid: identity.hardware_uid.clone(),
            stage: Stage::Asked,
        }
    }

    /// Has the device store the pack and prove it, and verifies the proof. An answer that is lost is
    /// asked for again in a new session. Returns the session in which the device ended, and with a
    /// failure whether the device certainly holds nothing of the pack.
    async fn store(
        &self,
        device: &mut Device,
        mut identity: DeviceIdentity,
        lease: &Lease,
        expected: &Expected,
    ) -> (Result<Proof, (Failure, bool)>, Session) {
        let mut may_hold = false;
        let mut round = 1;
        loop {
            let challenge = self.challenge();
            let error = match device.write(&identity, &lease.device_number, &lease.pack, challenge).await {
                Ok(proof) => {
                    let verified =
                        expected.verify(&lease.device_number, &identity.hardware_uid, &challenge, &proof);
                    return (verified.map(|()| proof).map_err(|failure| (failure, false)), identity.session);
                }
                // Someone else opened a session in between.
                Err(WriteError::NotTaken(Refusal::Replayed)) if round < ROUNDS => None,
                Err(WriteError::NotTaken(refusal)) => {
                    let untouched = refusal.is_untouched() && !may_hold;
                    return (Err((Failure::DeviceRefused(refusal), untouched)), identity.session);
                }
                Err(WriteError::Unknown(error)) => Some(error),
            };
            may_hold |= error.is_some();
            let error = error.unwrap_or(DeviceError::Refused(Refusal::Replayed));
            tracing::info!(number = %lease.device_number, round, %error, "the device is led through the write again");
            if round == ROUNDS {
                return (Err((lost(error), false)), identity.session);
            }
            sleep(ROUND_PAUSE).await;
            match device.identify().await {
                Ok(again) if again.hardware_uid != identity.hardware_uid => {
                    return (Err((Failure::DeviceChanged, false)), identity.session);
                }
                Ok(again) => identity = again,
                Err(error) => tracing::info!(number = %lease.device_number, %error, "no identification"),
            }
            round += 1;
        }
    }

    /// Delivers a result until the gateway has filed it or the time is up, and keeps it until then.
    async fn deliver(&self, attempt: Attempt) -> Result<(), Failure> {
        let Stage::Undelivered { result, expected } = &attempt.stage else { return Ok(()) };
        let (number, chip) = (&attempt.device_number, &attempt.hardware_uid);
        self.attempts.keep(&attempt)?;
        let is_proof = matches!(result.outcome, WriteOutcome::Ok { .. });
        match self.ask_until_answered::<_, WriteResultResponse>("/v1/results", &**result).await {
            Ok(response) if is_proof && response.state == CredentialState::Verified => {
                let stage = Stage::Filed { expected: expected.clone() };
                Ok(self.attempts.keep(&Attempt { stage, ..attempt })?)
            }
            Ok(response) => {
                self.attempts.forget(number, chip)?;
                if is_proof { Err(Failure::NotVerified(response.state)) } else { Ok(()) }
            }
            Err(Unanswered::Refused(problem)) => {
                self.attempts.forget(number, chip)?;
                Err(Failure::GatewayRefused { plate: number.to_string(), problem })
            }
            Err(Unanswered::Busy(_) | Unanswered::Silent | Unanswered::Garbled(_)) => {
                Err(Failure::NotReported)
            }
        }
    }

    /// Tells a device that its result is filed, after it has proved itself once more.
    async fn finish(
        &self,
        device: &mut Device,
        mut identity: DeviceIdentity,
        number: &DeviceNumber,
        expected: &Expected,
    ) -> Result<(), Failure> {
        let mut round = 1;
        loop {
            if identity.confirmed && identity.holding.as_ref() == Some(number) {
                break;
            }
            let challenge = self.challenge();
            let told = match device.prove(&identity, number, challenge).await {
                Ok(proof) => {
                    expected.verify(number, &identity.hardware_uid, &challenge, &proof)?;
                    device.confirm(identity.session).await
                }
                Err(error) => Err(error),
            };
            match told {
                Ok(()) => break,
                Err(error) if round == ROUNDS => return Err(Failure::NotConfirmed(error)),
                Err(_) => sleep(ROUND_PAUSE).await,
            }
            let again = device.identify().await.map_err(Failure::NotConfirmed)?;
            if again.hardware_uid != identity.hardware_uid {
                return Err(Failure::DeviceChanged);
            }
            identity = again;
            round += 1;
        }
        Ok(self.attempts.forget(number, &identity.hardware_uid)?)
    }

    /// Asks the gateway, and again after a pause where it is not reached, cannot be understood or says
    /// that it cannot serve now. Every request of a station may be repeated.
    async fn ask_until_answered<Request, Answer>(
        &self,
        path: &str,
        request: &Request,
    ) -> Result<Answer, Unanswered>
    where
        Request: Serialize,
        Answer: DeserializeOwned,
    {
        let end = Instant::now() + self.limits.gateway;
        let mut pause = GATEWAY_PAUSE;
        loop {
            let unanswered = match self.gateway.post_json(path, request).await {
                Ok(answer) => return Ok(answer),
                Err(CallError::Refused(problem)) if !problem.code.is_passing() => {
                    return Err(Unanswered::Refused(problem));
                }
                Err(CallError::Refused(problem)) => Unanswered::Busy(problem),
                Err(CallError::Unreachable(_)) => Unanswered::Silent,
                Err(CallError::Garbled(detail)) => Unanswered::Garbled(detail),
            };
            if Instant::now() + pause >= end {
                return Err(unanswered);
            }
            sleep(pause).await;
            pause = (pause * 2).min(GATEWAY_PAUSE_MAX);
        }
    }

    fn challenge(&self) -> [u8; 32] {
        let mut challenge = [0; 32];
        self.random.fill(&mut challenge);
        challenge
    }
}

/// Why the gateway gave no answer.
enum Unanswered {
    /// It refuses, and will not say otherwise if asked again.
    Refused(Problem),
    /// It cannot serve now.
    Busy(Problem),
    /// It was not reached.
    Silent,
    /// Its answer cannot be understood.
    Garbled(String),
}

/// Whether the device on the port may become this number at all.
fn check_device(number: &DeviceNumber, identity: &DeviceIdentity) -> Result<(), Failure> {
    if identity.product != *number.product() {
        let (plate, device) = (number.product().clone(), identity.product.clone());
        return Err(Failure::WrongProduct { plate, device });
    }
    match &identity.holding {
        Some(other) if identity.confirmed && other != number => Err(Failure::HoldsAnother(other.clone())),
        _ => Ok(()),
    }
}

/// What it means that a device was lost after it was sent a pack.
fn lost(error: DeviceError) -> Failure {
    match error {
        DeviceError::Refused(refusal) => Failure::DeviceRefused(refusal),
        error => Failure::DeviceLost(error),
    }
}

/// What it means that a device has made no key. Nothing has been asked of the gateway yet.
fn no_key(error: DeviceError) -> Failure {
    match error {
        DeviceError::Refused(refusal) => Failure::DeviceRefused(refusal),
        error => Failure::PortSilent(error),
    }
}
