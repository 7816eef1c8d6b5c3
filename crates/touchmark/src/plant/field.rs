//! What becomes of the day's devices in the field: they call their center with what is in their flash, and
//! some do what they should not.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use center::{Center, Desk, Settings};
use cert::tls::{Credential, HostTrust};
use device::calling::Event;
use identity::{DeviceNumber, Member};
use message::call::CallAnswer;
use message::problem::ProblemCode;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use serde::Serialize;
use store::{Schema, Store};
use transport::{CallError, Client, HostTls, Limits, join};

use super::day::flash_file;
use super::{Plant, TOKEN_SECONDS, client, open_store, url};
use crate::emulator::{CallingError, EmulatedDevice};

/// The most pages that a device prints before it calls.
const PAGES_MAX: u64 = 5_000;

/// A center that has joined the plant and follows what its authority says of devices.
pub struct Field {
    /// The center.
    pub center: Arc<Center>,
    /// Its store.
    pub store: Store,
    member: Member,
    address: SocketAddr,
    pub(super) authority: Client,
}

/// What the devices did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Calls {
    /// Calls that said what the counters stand at.
    pub counter: u64,
    /// Calls for service.
    pub service: u64,
    /// Calls for supplies.
    pub supply: u64,
    /// What the counted pages come to on an invoice.
    pub units_billed: u64,
    /// Devices that called under another's number, and were refused.
    pub impostors_refused: u64,
    /// Numbers that two copies of one memory called under, and that nobody may call under since.
    pub clones_quarantined: u64,
}

impl Plant {
    /// Lets a center join the authority, hear of all devices, and serve.
    pub async fn field(&mut self) -> anyhow::Result<Field> {
        let member = Member::center("fleet".parse()?);
        let (root, authority_url) = (self.trust().root_fingerprint(), url(self.authority_address));
        let desk = self.authority.desk();
        let token = desk.invite(&member, &authority_url, root, TOKEN_SECONDS, &self.actor).await?;
        let joined = join(&token, Arc::clone(&self.clock)).await?;
        let authority = client(&joined, &token.host, &authority_url, &self.clock)?;

        let store = open_store("", &self.directory.join("center"), Schema::Center).await?;
        let desk = Desk::new(store.clone(), Arc::clone(&self.clock));
        let files = self.directory.join("center").join("files");
        let settings = Settings { files, ..Settings::default() };
        let center = Arc::new(Center::new(member.clone(), desk, Arc::clone(&self.random), settings));
        center.pull(&authority).await?;

        let tls = HostTls::new(joined.trust()?, &joined.credential()?, Arc::clone(&self.clock))?;
        let limits = Limits { open_to_all: &[], ..Limits::default() };
        let address = self.services.serve(tls, Arc::clone(&center).router(), limits).await?;
        Ok(Field { center, store, member, address, authority })
    }
}

impl Field {
    /// Lets the center hear what its authority has to say by now.
    pub async fn follow(&self) -> anyhow::Result<()> {
        self.center.pull(&self.authority).await?;
        Ok(())
    }
}

/// Lets devices call: counters, a service call, a supply call, an impostor, and two copies of one memory.
///
/// # Errors
/// A call was refused that should not be, or taken that should not be.
pub async fn call(
    plant: &Plant,
    field: &Field,
    callers: &[DeviceNumber],
    devices: &Path,
    seed: u64,
) -> anyhow::Result<Calls> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut calls = Calls::default();
    for number in callers {
        let mut caller = Caller::switch_on(plant, field, flash_file(devices, number), random.next_u64())?;
        let pages = random.random_range(1..=PAGES_MAX);
        caller.device.count("total", pages)?;
        caller.call(Event::Counter).await?;
        calls.counter += 1;
        calls.units_billed += pages;
    }
    let mut callers = callers.iter();
    if let Some(number) = callers.next() {
        let mut caller = Caller::switch_on(plant, field, flash_file(devices, number), random.next_u64())?;
        caller.call(Event::Service { fault_code: "E-13" }).await?;
        calls.service += 1;
    }
    if let Some(number) = callers.next() {
        let mut caller = Caller::switch_on(plant, field, flash_file(devices, number), random.next_u64())?;
        caller.call(Event::Supply { consumable: "toner", remaining_percent: 5 }).await?;
        calls.supply += 1;
    }
    if let (Some(number), Some(other)) = (callers.next(), callers.next()) {
        let mut caller = Caller::switch_on(plant, field, flash_file(devices, number), random.next_u64())?;
        caller.call_as(other).await.with_context(|| format!("{number} called as {other}"))?;
        calls.impostors_refused += 1;
    }
    if let Some(number) = callers.next() {
        let mut caller = Caller::switch_on(plant, field, flash_file(devices, number), random.next_u64())?;
        caller.call_as_two().await.with_context(|| format!("two copies of {number} called"))?;
        let quarantined = field.center.desk().quarantines(1).await?;
        ensure!(quarantined.iter().any(|found| found.device == *number), "{number} is in no quarantine");
        calls.clones_quarantined += 1;
    }
    let tomorrow = plant.clock.epoch_seconds() + 86_400;
    let invoice = field.center.desk().invoice(0, tomorrow, None).await?;
    let billed: i64 = invoice.lines.iter().map(|line| line.units).sum();
    ensure!(u64::try_from(billed) == Ok(calls.units_billed), "{billed} pages are billed, not {calls:?}");
    Ok(calls)
}

/// Has the device whose memory this is ask the center whether there is something to do.
///
/// # Errors
/// The center does not take the call.
pub async fn poll(plant: &Plant, field: &Field, flash: &Path, seed: u64) -> anyhow::Result<()> {
    Caller::switch_on(plant, field, flash.to_owned(), seed)?.call(Event::Poll).await
}

/// Has the device whose memory this is call, which the center must refuse.
///
/// # Errors
/// The center takes the call.
pub async fn refuse(plant: &Plant, field: &Field, flash: &Path, seed: u64) -> anyhow::Result<()> {
    let mut caller = Caller::switch_on(plant, field, flash.to_owned(), seed)?;
    caller.device.make_call(Event::Poll)?;
    let answer = caller.send(|call| call).await;
    ensure!(is_refused(&answer, ProblemCode::NotAllowed), "{} was not refused", flash.display());
    Ok(())
}

/// A device that is switched on and can reach the center.
pub(super) struct Caller {
    pub(super) device: EmulatedDevice,
    center: Client,
}

impl Caller {
    pub(super) fn switch_on(plant: &Plant, field: &Field, flash: PathBuf, seed: u64) -> anyhow::Result<Self> {
        let mut device = EmulatedDevice::open(&flash, seed)?;
        let pack = device.pack()?.with_context(|| format!("{} holds nothing", flash.display()))?;
        let credential =
            Credential::new(vec![pack.client_certificate, pack.issuing_certificate], pack.secret_key);
        let trust = HostTrust::Root(plant.trust().root_fingerprint());
        let (host, clock) = (field.member.clone(), Arc::clone(&plant.clock));
        let center = Client::new(trust, Some(&credential), host, &url(field.address), clock)?;
        device.boot()?;
        Ok(Self { device, center })
    }

    pub(super) async fn call(&mut self, event: Event<'_>) -> anyhow::Result<()> {
        self.device.make_call(event)?;
        let answer = self.send(|call| call).await?;
        self.device.take_answer(&serde_json::to_vec(&answer)?)?;
        Ok(())
    }

    /// Makes a call that claims to be another device's, which the center must refuse, and then the true one.
    pub(super) async fn call_as(&mut self, other: &DeviceNumber) -> anyhow::Result<()> {
        let own = self.device.confirmed_number()?.context("the device has no number")?;
        self.device.make_call(Event::Poll)?;
        let refused = self.send(|call| call.replace(&own.to_string(), &other.to_string())).await;
        ensure!(is_refused(&refused, ProblemCode::NotAllowed), "an impostor was not refused");
        let answer = self.send(|call| call).await?;
        self.device.take_answer(&serde_json::to_vec(&answer)?)?;
        Ok(())
    }

    /// Copies the device's memory and lets both call: whichever comes second is found out, and what the
    /// first has counted since then is not billed.
    pub(super) async fn call_as_two(&mut self) -> anyhow::Result<()> {
        let mut copy = Self { device: self.device.copy(), center: self.center.clone() };
        copy.device.count("total", 2 * PAGES_MAX)?;
        copy.call(Event::Counter).await?;
        self.device.make_call(Event::Poll)?;
        let refused = self.send(|call| call).await;
        ensure!(is_refused(&refused, ProblemCode::Quarantined), "a second copy was not refused");
        Ok(())
    }

    /// Sends the call that has no answer, as `change` makes it.
    async fn send(&mut self, change: impl FnOnce(String) -> String) -> Result<CallAnswer, SendError> {
        let calling = self.device.calling()?;
        let call = String::from_utf8_lossy(calling.unanswered().unwrap_or_default()).into_owned();
        let document = change(call).into_bytes();
        Ok(self.center.post_document("/v1/calls", "application/json", document).await?)
    }
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Device(#[from] CallingError),
    #[error("the center did not take the call")]
    Center(#[from] CallError),
}

fn is_refused(answer: &Result<CallAnswer, SendError>, code: ProblemCode) -> bool {
    matches!(answer, Err(SendError::Center(CallError::Refused(problem))) if problem.code == code)
}
