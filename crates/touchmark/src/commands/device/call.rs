//! `touchmark device call ...`: an emulated device calls home.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cert::Fingerprint;
use cert::tls::{Credential, HostTrust};
use device::Renewal;
use device::calling::{Event, Outcome, Report, RequestResult, Task, Text, Work};
use identity::{DeviceNumber, FirmwareVersion, Member, MemberName};
use message::call::{
    Call, CallAnswer, Command, Counter, CounterName, CounterValue, Percent, Request, ShortText,
};
use message::problem::ProblemCode;
use serde::Serialize;
use tokio::time::sleep;
use transport::{CallError, Client};

use super::renew::{self, Authority};
use super::{Edge, open};
use crate::config::ProxyConfig;
use crate::emulator::{EmulatedDevice, FetchError, HeldPack, Outbox};
use crate::failure::Failure;

/// What the device calls about.
#[derive(clap::Subcommand)]
pub enum CallCommand {
    /// What its counters stand at
    Counter {
        /// What a counter stands at now, such as total=1200; the others stand where they stood
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = counter)]
        counters: Vec<Counter>,
        #[command(flatten)]
        device: CallArguments,
    },
    /// Something is broken
    Service {
        /// The fault
        #[arg(long, value_name = "CODE")]
        fault_code: ShortText,
        #[command(flatten)]
        device: CallArguments,
    },
    /// A consumable runs out
    Supply {
        /// Which one
        #[arg(long, value_name = "NAME")]
        consumable: ShortText,
        /// How much is left, in percent
        #[arg(long, value_name = "PERCENT")]
        remaining: Percent,
        #[command(flatten)]
        device: CallArguments,
    },
    /// Something needs attention
    Alarm {
        /// What
        #[arg(long, value_name = "TEXT")]
        alarm: ShortText,
        #[command(flatten)]
        device: CallArguments,
    },
    /// A person at the device pressed the button
    Manual {
        /// What they want
        #[arg(long, value_name = "TEXT")]
        note: ShortText,
        #[command(flatten)]
        device: CallArguments,
    },
    /// Register the devices that it manages, so that it may speak for them
    Manage {
        /// A device; may be given more than once
        #[arg(long = "managed", value_name = "NUMBER", required = true)]
        devices: Vec<DeviceNumber>,
        #[command(flatten)]
        device: CallArguments,
    },
    /// Ask whether there is something to do
    Poll {
        #[command(flatten)]
        device: CallArguments,
    },
}

/// Which device calls whom.
#[derive(clap::Args)]
pub struct CallArguments {
    /// The file that is the device's memory
    #[arg(long, value_name = "FILE")]
    flash: PathBuf,
    /// The memory of the intermediate device that passes the call on, with its certificate
    #[arg(long, value_name = "FILE")]
    through: Option<PathBuf>,
    /// The managed device that the call is about, where this device speaks for it
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["through", "offline"])]
    about: Option<DeviceNumber>,
    /// The address of the center
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:7447")]
    center: String,
    /// The center's name, which its certificate must state
    #[arg(long, value_name = "NAME", default_value = "center")]
    center_name: MemberName,
    /// The address of the authority, where the device gets a new certificate if the center asks for one;
    /// without it that waits for `touchmark device renew`
    #[arg(long, value_name = "URL")]
    authority: Option<String>,
    /// The authority's name, which its certificate must state
    #[arg(long, value_name = "NAME", default_value = "authority")]
    authority_name: MemberName,
    #[command(flatten)]
    proxy: ProxyConfig,
    /// There is no network: keep the call, to be carried to the center with `device bundle export`
    #[arg(long)]
    offline: bool,
}

/// Runs the command: what had no answer is said first, then what is to be said, then what the answers ask for.
pub async fn run(command: CallCommand, edge: &Edge) -> anyhow::Result<()> {
    if command.device().offline {
        return run_offline(&command, edge);
    }
    let mut caller = Caller::switch_on(command.device(), edge)?;
    caller.finish_renewal(edge).await?;
    if let Some(about) = &command.device().about {
        caller.send_unanswered().await?;
        caller.report(about, &command).await?;
        return caller.print(edge);
    }
    if let CallCommand::Counter { counters, .. } = &command {
        for Counter { name, value } in counters {
            caller.device.count(name.as_str(), value.number())?;
        }
        require_counters(&mut caller.device, &caller.number)?;
    }
    caller.send_put_off().await?;
    caller.send_unanswered().await?;
    caller.call(command.event()).await?;
    for _ in 0..FURTHER_CALLS_MAX {
        caller.work(edge).await?;
        match caller.device.calling()?.owed() {
            Some(event) => caller.call(event).await?,
            None => break,
        }
    }
    caller.print(edge)
}

/// What `call --offline` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PutOff<'a> {
    device_number: &'a DeviceNumber,
    /// Calls that wait to be carried to the center.
    waiting: usize,
}

/// Makes the call and writes it down, behind those that wait already.
fn run_offline(command: &CallCommand, edge: &Edge) -> anyhow::Result<()> {
    let flash = &command.device().flash;
    let mut device = open(flash, edge)?;
    let number = pack_of(&mut device, flash)?.device_number;
    let mut outbox = Outbox::of(flash)?;
    device.boot()?;
    if let CallCommand::Counter { counters, .. } = command {
        for Counter { name, value } in counters {
            device.count(name.as_str(), value.number())?;
        }
        require_counters(&mut device, &number)?;
    }
    put_off(&mut device, &mut outbox)?;
    device.make_call(command.event())?;
    put_off(&mut device, &mut outbox)?;
    let waiting = outbox.waiting();
    let text = format!("{waiting} calls of {number} wait to be carried to the center");
    edge.output.object(&PutOff { device_number: &number, waiting }, text);
    Ok(())
}

/// Moves the call that has no answer out of the device's NVRAM: it is written down there before it is struck
/// out here.
pub(super) fn put_off(device: &mut EmulatedDevice, outbox: &mut Outbox) -> anyhow::Result<()> {
    let calling = device.calling()?;
    let Some(call) = calling.unanswered() else { return Ok(()) };
    outbox.put_off(std::str::from_utf8(call).context("the call in the device's NVRAM is none")?)?;
    device.put_off_call()?;
    Ok(())
}

fn require_counters(device: &mut EmulatedDevice, number: &DeviceNumber) -> anyhow::Result<()> {
    if device.calling()?.counters().is_empty() {
        return Err(Failure::usage(format!("{number} has no counters yet"))
            .advise("say what one stands at, such as --set total=0")
            .into());
    }
    Ok(())
}

/// How often the device calls again to do what it was asked; what is left then waits for its next call.
const FURTHER_CALLS_MAX: u32 = 4;

/// For how many seconds a center may not know a new certificate, of which it learns from the authority.
const REFUSALS_OF_NEW_MAX: u32 = 30;

/// What an intermediate device says of a request to a device that it manages.
fn outcome_of(request: &Request, report: &Report<'_>) -> RequestResult {
    let is_done = request.command == Command::ReadCounters && report.event == Event::Counter;
    let refused = || Outcome::refused("an intermediate device cannot do that for another");
    RequestResult { request: request.request, outcome: if is_done { Outcome::Done } else { refused() } }
}

impl CallCommand {
    /// What the counters of a managed device stand at, as the command says it.
    fn counters(&self) -> anyhow::Result<Vec<device::calling::Counter>> {
        let Self::Counter { counters, device } = self else { return Ok(Vec::new()) };
        if counters.is_empty() {
            let about = device.about.as_ref().map(ToString::to_string).unwrap_or_default();
            return Err(Failure::usage(format!("this device does not count for {about}"))
                .advise("say what its counters stand at, such as --set total=0")
                .into());
        }
        let of = |Counter { name, value }: &Counter| {
            let name = Text::new(name.as_str()).context("the name of a counter is too long")?;
            Ok(device::calling::Counter { name, value: value.number() })
        };
        counters.iter().map(of).collect()
    }

    fn device(&self) -> &CallArguments {
        match self {
            Self::Counter { device, .. }
            | Self::Service { device, .. }
            | Self::Supply { device, .. }
            | Self::Alarm { device, .. }
            | Self::Manual { device, .. }
            | Self::Manage { device, .. }
            | Self::Poll { device } => device,
        }
    }

    fn event(&self) -> Event<'_> {
        match self {
            Self::Counter { .. } => Event::Counter,
            Self::Service { fault_code, .. } => Event::Service { fault_code: fault_code.as_str() },
            Self::Supply { consumable, remaining, .. } => {
                Event::Supply { consumable: consumable.as_str(), remaining_percent: (*remaining).into() }
            }
            Self::Alarm { alarm, .. } => Event::Alarm { alarm: alarm.as_str() },
            Self::Manual { note, .. } => Event::Manual { note: note.as_str() },
            Self::Manage { devices, .. } => Event::Manage { devices },
            Self::Poll { .. } => Event::Poll,
        }
    }
}

fn counter(text: &str) -> Result<Counter, String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let name: CounterName = name.parse().map_err(|error| format!("{error}"))?;
    let value: CounterValue = value.parse().map_err(|error| format!("{error}"))?;
    Ok(Counter { name, value })
}

/// A device that is switched on and can reach its center.
struct Caller {
    device: EmulatedDevice,
    outbox: Outbox,
    number: DeviceNumber,
    client: Client,
    center: Center,
    authority: Option<Authority>,
    /// How often the center may still say that it does not know the device.
    refusals_to_bear: u32,
    made: Vec<Made>,
}

/// Where a device calls.
pub(super) struct Center {
    pub(super) name: MemberName,
    pub(super) url: String,
    pub(super) proxy: ProxyConfig,
}

/// A call that was answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    call: u64,
    received: i64,
    kind: &'static str,
    boot: u32,
    sequence: u32,
    requests: Vec<Request>,
}

/// What the command prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Called<'a> {
    device_number: &'a DeviceNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<FirmwareVersion>,
    calls: &'a [Made],
    counters: BTreeMap<&'a str, u64>,
}

impl Caller {
    fn switch_on(arguments: &CallArguments, edge: &Edge) -> anyhow::Result<Self> {
        let CallArguments { flash, through, center, center_name, authority, authority_name, proxy, .. } =
            arguments;
        let mut device = open(flash, edge)?;
        let number = device.confirmed_number()?.ok_or_else(|| no_pack(flash))?;
        let pack = match through {
            Some(through) => pack_of(&mut open(through, edge)?, through)?,
            None => pack_of(&mut device, flash)?,
        };
        let center = Center { name: center_name.clone(), url: center.clone(), proxy: proxy.clone() };
        // A device whose calls another passes on reaches no authority either.
        let authority = authority.clone().filter(|_| through.is_none());
        let authority =
            authority.map(|url| Authority { name: authority_name.clone(), url, proxy: proxy.clone() });
        let client = center.client(pack, edge)?;
        device.boot()?;
        let outbox = Outbox::of(flash)?;
        Ok(Self { device, outbox, number, client, center, authority, refusals_to_bear: 0, made: Vec::new() })
    }

    /// Has a new certificate confirmed that the device holds already. The one before may not count any more.
    async fn finish_renewal(&mut self, edge: &Edge) -> anyhow::Result<()> {
        if self.authority.is_some()
            && self.device.renewal()?? == Renewal::Confirmation
            && let Err(error) = self.renew(edge).await
        {
            edge.output.note(format!("the new certificate does not count yet: {error:#}"));
        }
        Ok(())
    }

    /// Takes the device through a renewal, where it knows an authority.
    async fn renew(&mut self, edge: &Edge) -> anyhow::Result<Outcome> {
        let authority = self.authority.as_ref().context("this device knows no authority")?;
        match renew::renew(&mut self.device, authority, edge).await {
            Ok(_) => {
                self.use_new_certificate(edge)?;
                Ok(Outcome::Done)
            }
            Err(error) => Ok(Outcome::refused(&error.downcast::<renew::Refused>()?.to_string())),
        }
    }

    fn use_new_certificate(&mut self, edge: &Edge) -> anyhow::Result<()> {
        let pack = self.device.pack()?.context("a device that calls holds a pack")?;
        self.client = self.center.client(pack, edge)?;
        self.refusals_to_bear = REFUSALS_OF_NEW_MAX;
        Ok(())
    }

    /// Sees to what the center has asked for and what takes the device some time.
    async fn work(&mut self, edge: &Edge) -> anyhow::Result<()> {
        while let Some(Task { request, work }) = self.device.calling()?.task().cloned() {
            let outcome = match work {
                Work::RenewCertificate if self.authority.is_none() => {
                    edge.output.note("the center asks for a new certificate: run `touchmark device renew`");
                    return Ok(());
                }
                Work::RenewCertificate => self.renew(edge).await?,
                Work::FetchFirmware { package } => self.fetch_firmware(&package, false).await?,
                Work::RollBackFirmware { package } => self.fetch_firmware(&package, true).await?,
            };
            self.device.finish_task(request, outcome)?;
        }
        Ok(())
    }

    async fn fetch_firmware(&mut self, package: &str, is_roll_back: bool) -> anyhow::Result<Outcome> {
        let fetched = self.device.fetch_firmware(&self.client, package, is_roll_back).await;
        fetched.map_err(|error| match error {
            FetchError::Broken(_) => Failure::new(format!("{} has not fetched {package} yet", self.number))
                .because(error)
                .advise("call again: what has come is kept, and it goes on from there")
                .into(),
            error => error.into(),
        })
    }

    /// Calls about a device that this one manages, and says of what the center asks of it what came of that: what its
    /// counters stand at was said, and nothing else can be done here.
    async fn report(&mut self, about: &DeviceNumber, command: &CallCommand) -> anyhow::Result<()> {
        let counters = command.counters()?;
        let mut report = Report { about, counters: &counters, event: command.event(), results: &[] };
        self.device.make_report(&report)?;
        self.send_unanswered().await?;
        let asked = self.made.last().map_or(&[][..], |made| &made.requests);
        let results: Vec<RequestResult> = asked.iter().map(|request| outcome_of(request, &report)).collect();
        if !results.is_empty() {
            (report.event, report.results) = (Event::Poll, &results);
            self.device.make_report(&report)?;
            self.send_unanswered().await?;
        }
        Ok(())
    }

    async fn call(&mut self, event: Event<'_>) -> anyhow::Result<()> {
        self.device.make_call(event)?;
        self.send_unanswered().await
    }

    /// Sends what was put off, now that there is a network: the center takes calls in their order only.
    async fn send_put_off(&mut self) -> anyhow::Result<()> {
        let calls = self.outbox.calls();
        for raw in &calls {
            let call: Call = serde_json::from_str(raw).context("a call that was put off is none")?;
            match self.post(raw.as_bytes()).await {
                Ok(answer) => {
                    self.device.take_late_answer(raw.as_bytes(), &serde_json::to_vec(&answer)?)?;
                    self.note(call, answer);
                }
                Err(error) if is_hopeless(&error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, raw, "a call is given up");
                }
                Err(error) => {
                    let what = format!("a call of {} that was put off has no answer", self.number);
                    return Err(Failure::new(what).because(error).advise(CALL_AGAIN).into());
                }
            }
        }
        if calls.is_empty() { Ok(()) } else { self.outbox.answered() }
    }

    /// Sends the call that has no answer, if there is one, and does what the answer asks.
    async fn send_unanswered(&mut self) -> anyhow::Result<()> {
        let calling = self.device.calling()?;
        let Some(raw) = calling.unanswered() else { return Ok(()) };
        let call: Call = serde_json::from_slice(raw).context("the call in the device's NVRAM is none")?;
        let document = raw.to_vec();
        let answer = loop {
            match self.post(&document).await {
                Ok(answer) => break answer,
                Err(CallError::Refused(problem))
                    if problem.code == ProblemCode::NotAllowed && self.refusals_to_bear > 0 =>
                {
                    self.refusals_to_bear -= 1;
                    sleep(Duration::from_secs(1)).await;
                }
                Err(error) => return Err(self.unanswered(error, &call)?),
            }
        };
        self.device.take_answer(&serde_json::to_vec(&answer)?)?;
        self.note(call, answer);
        Ok(())
    }

    async fn post(&self, raw: &[u8]) -> Result<CallAnswer, CallError> {
        self.client.post_document("/v1/calls", "application/json", raw.to_vec()).await
    }

    fn note(&mut self, call: Call, answer: CallAnswer) {
        self.made.push(Made {
            call: answer.call,
            received: answer.received,
            kind: call.event.kind(),
            boot: call.boot.get(),
            sequence: call.sequence.get(),
            requests: answer.requests,
        });
    }

    /// What to tell where there is no answer. A call that the center will never take is given up; any other
    /// is made again when the device calls next.
    fn unanswered(&mut self, error: CallError, call: &Call) -> anyhow::Result<anyhow::Error> {
        let advice = if is_hopeless(&error) || is_refused_for(call, &error) {
            self.device.give_up_call()?;
            "look at `touchmark center incidents`; this call is given up"
        } else {
            CALL_AGAIN
        };
        let what = format!("the call of {} has no answer", self.number);
        Ok(Failure::new(what).because(error).advise(advice).into())
    }

    fn print(mut self, edge: &Edge) -> anyhow::Result<()> {
        let calling = self.device.calling()?;
        let mut text = String::new();
        for made in &self.made {
            let Made { call, kind, boot, sequence, requests, .. } = made;
            text.push_str(&format!("call {call}: {kind}, number {sequence} of boot {boot}"));
            text.push_str(&match requests.len() {
                0 => "\n".to_owned(),
                count => format!(", answered with {count} requests\n"),
            });
        }
        let counters: BTreeMap<&str, u64> =
            calling.counters().iter().map(|counter| (&*counter.name, counter.value)).collect();
        for (name, value) in &counters {
            text.push_str(&format!("{name} stands at {value}\n"));
        }
        let firmware = self.device.running()?.map(|running| running.version);
        if let Some(version) = firmware {
            text.push_str(&format!("it runs version {version}\n"));
        }
        let called = Called { device_number: &self.number, firmware, calls: &self.made, counters };
        edge.output.object(&called, text.trim_end());
        Ok(())
    }
}

impl Center {
    pub(super) fn client(&self, pack: HeldPack, edge: &Edge) -> anyhow::Result<Client> {
        let root = HostTrust::Root(Fingerprint::of(&pack.root_certificate));
        let credential = credential_of(pack);
        let (member, clock) = (Member::center(self.name.clone()), Arc::clone(&edge.clock));
        let proxy = self.proxy.to(&self.url)?;
        Ok(Client::through(proxy.as_ref(), root, Some(&credential), member, &self.url, clock)?)
    }
}

const CALL_AGAIN: &str = "call again: the same call is made again, and counts once";

/// Whether the center will never take the call.
fn is_hopeless(error: &CallError) -> bool {
    use ProblemCode::{Conflict, MalformedRequest, TooLarge};
    matches!(error, CallError::Refused(problem)
        if matches!(problem.code, Conflict | MalformedRequest | TooLarge))
}

/// Whether the device may not speak for the one that the call is about.
fn is_refused_for(call: &Call, error: &CallError) -> bool {
    call.on_behalf_of.is_some()
        && matches!(error, CallError::Refused(problem) if problem.code == ProblemCode::NotAllowed)
}

/// What the device shows of itself.
pub(super) fn credential_of(pack: HeldPack) -> Credential {
    Credential::new(vec![pack.client_certificate, pack.issuing_certificate], pack.secret_key)
}

pub(super) fn pack_of(device: &mut EmulatedDevice, flash: &Path) -> anyhow::Result<HeldPack> {
    let pack = device.pack().with_context(|| format!("cannot read the pack in {}", flash.display()))?;
    pack.ok_or_else(|| no_pack(flash))
}

fn no_pack(flash: &Path) -> anyhow::Error {
    Failure::new(format!("the device in {} holds no pack", flash.display()))
        .advise("have a station write it first")
        .into()
}
