//! `touchmark device call ...`: an emulated device calls home.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use cert::Fingerprint;
use cert::tls::{Credential, HostTrust};
use device::calling::{Event, Outcome, Work};
use identity::{DeviceNumber, FirmwareVersion, Member, MemberName};
use message::call::{Call, CallAnswer, Counter, CounterName, CounterValue, Percent, Request, ShortText};
use message::problem::ProblemCode;
use serde::Serialize;
use transport::{CallError, Client};

use super::{Edge, open};
use crate::config::ProxyConfig;
use crate::emulator::{EmulatedDevice, FetchError, HeldPack};
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
    /// The address of the center
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:7447")]
    center: String,
    /// The center's name, which its certificate must state
    #[arg(long, value_name = "NAME", default_value = "center")]
    center_name: MemberName,
    #[command(flatten)]
    proxy: ProxyConfig,
}

/// Runs the command: what had no answer is said first, then what is to be said, then what the answers ask for.
pub async fn run(command: CallCommand, edge: &Edge) -> anyhow::Result<()> {
    let mut caller = Caller::switch_on(command.device(), edge)?;
    if let CallCommand::Counter { counters, .. } = &command {
        for Counter { name, value } in counters {
            caller.device.count(name.as_str(), value.number())?;
        }
        caller.require_counters()?;
    }
    caller.send_unanswered().await?;
    caller.call(command.event()).await?;
    for _ in 0..FURTHER_CALLS_MAX {
        caller.work().await?;
        match caller.device.calling()?.owed() {
            Some(event) => caller.call(event).await?,
            None => break,
        }
    }
    caller.print(edge)
}

/// How often the device calls again to do what it was asked; what is left then waits for its next call.
const FURTHER_CALLS_MAX: u32 = 4;

impl CallCommand {
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
    number: DeviceNumber,
    client: Client,
    made: Vec<Made>,
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
        let mut device = open(&arguments.flash, edge)?;
        let number = device.confirmed_number()?.ok_or_else(|| no_pack(&arguments.flash))?;
        let pack = match &arguments.through {
            Some(through) => pack_of(&mut open(through, edge)?, through)?,
            None => pack_of(&mut device, &arguments.flash)?,
        };
        let root = HostTrust::Root(Fingerprint::of(&pack.root_certificate));
        let chain = vec![pack.client_certificate, pack.issuing_certificate];
        let credential = Credential::new(chain, pack.secret_key);
        let center = Member::center(arguments.center_name.clone());
        let clock = Arc::clone(&edge.clock);
        let proxy = arguments.proxy.to(&arguments.center)?;
        let client =
            Client::through(proxy.as_ref(), root, Some(&credential), center, &arguments.center, clock)?;
        device.boot()?;
        Ok(Self { device, number, client, made: Vec::new() })
    }

    /// Sees to what the center has asked for and what takes the device some time.
    async fn work(&mut self) -> anyhow::Result<()> {
        while let Some(task) = self.device.calling()?.task() {
            let outcome = match &task.work {
                Work::RenewCertificate => Outcome::refused("this device cannot do that"),
                Work::FetchFirmware { package } => self.fetch_firmware(package, false).await?,
                Work::RollBackFirmware { package } => self.fetch_firmware(package, true).await?,
            };
            self.device.finish_task(task.request, outcome)?;
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

    fn require_counters(&mut self) -> anyhow::Result<()> {
        if self.device.calling()?.counters().is_empty() {
            return Err(Failure::usage(format!("{} has no counters yet", self.number))
                .advise("say what one stands at, such as --set total=0")
                .into());
        }
        Ok(())
    }

    async fn call(&mut self, event: Event<'_>) -> anyhow::Result<()> {
        self.device.make_call(event)?;
        self.send_unanswered().await
    }

    /// Sends the call that has no answer, if there is one, and does what the answer asks.
    async fn send_unanswered(&mut self) -> anyhow::Result<()> {
        let calling = self.device.calling()?;
        let Some(raw) = calling.unanswered() else { return Ok(()) };
        let call: Call = serde_json::from_slice(raw).context("the call in the device's NVRAM is none")?;
        let document = raw.to_vec();
        let answered: Result<CallAnswer, CallError> =
            self.client.post_document("/v1/calls", "application/json", document).await;
        let answer = match answered {
            Ok(answer) => answer,
            Err(error) => return Err(self.unanswered(error)?),
        };
        self.device.take_answer(&serde_json::to_vec(&answer)?)?;
        self.made.push(Made {
            call: answer.call,
            received: answer.received,
            kind: call.event.kind(),
            boot: call.boot.get(),
            sequence: call.sequence.get(),
            requests: answer.requests,
        });
        Ok(())
    }

    /// What to tell where there is no answer. A call that the center will never take is given up; any other
    /// is made again when the device calls next.
    fn unanswered(&mut self, error: CallError) -> anyhow::Result<anyhow::Error> {
        use ProblemCode::{Conflict, MalformedRequest, TooLarge};
        let is_hopeless = matches!(&error, CallError::Refused(problem)
            if matches!(problem.code, Conflict | MalformedRequest | TooLarge));
        let advice = if is_hopeless {
            self.device.give_up_call()?;
            "look at `touchmark center incidents`; this call is given up"
        } else {
            "call again: the same call is made again, and counts once"
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

fn pack_of(device: &mut EmulatedDevice, flash: &Path) -> anyhow::Result<HeldPack> {
    let pack = device.pack().with_context(|| format!("cannot read the pack in {}", flash.display()))?;
    pack.ok_or_else(|| no_pack(flash))
}

fn no_pack(flash: &Path) -> anyhow::Error {
    Failure::new(format!("the device in {} holds no pack", flash.display()))
        .advise("have a station write it first")
        .into()
}
