//! The JSON of calls and answers, as far as a device needs it.

use heapless::Vec;
use identity::{DeviceNumber, FirmwareVersion};
use serde::{Deserialize, Serialize};
use serde_json_core::str::{EscapedStr, EscapedStringFragment};

use super::{
    CALL_BYTES_MAX, COUNTER_NAME_BYTES_MAX, Calling, CallingError, Counter, NONCE_BYTES, REQUESTS_MAX,
    Report, RequestResult, Text, Work,
};

/// What a device calls about. Texts have 1 to 120 characters, none of them a control character.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// What its counters stand at, all of them.
    Counter,
    /// Something is broken.
    Service {
        /// The fault, as the product's service manual numbers it.
        fault_code: &'a str,
    },
    /// A consumable runs out.
    Supply {
        /// Which one.
        consumable: &'a str,
        /// How much is left, in percent.
        remaining_percent: u8,
    },
    /// Something needs attention.
    Alarm {
        /// What.
        alarm: &'a str,
    },
    /// A person at the device pressed the button.
    Manual {
        /// What they want.
        note: &'a str,
    },
    /// The device manages others, and asks to be allowed to speak for them.
    Manage {
        /// Each device once.
        devices: &'a [DeviceNumber],
    },
    /// Nothing; the device asks whether there is something for it to do.
    Poll,
}

/// What a device names that has kept no answer yet: 16 zero bytes in base64.
const NO_ANSWER: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

/// The next call of a device that remembers `calling`.
pub(super) fn call(
    calling: &Calling,
    number: &DeviceNumber,
    sequence: u32,
    event: Event<'_>,
) -> Result<Vec<u8, CALL_BYTES_MAX>, CallingError> {
    json(&Call {
        device_number: number,
        boot: calling.boot,
        sequence,
        previous: calling.previous.as_deref().unwrap_or(NO_ANSWER),
        on_behalf_of: None,
        event: body(event, &calling.counters),
        results: &calling.results,
        firmware: calling.firmware.map(FirmwareVersion::new),
    })
}

/// The same about a device that this one manages.
pub(super) fn report(
    calling: &Calling,
    number: &DeviceNumber,
    sequence: u32,
    report: &Report<'_>,
) -> Result<Vec<u8, CALL_BYTES_MAX>, CallingError> {
    json(&Call {
        device_number: number,
        boot: calling.boot,
        sequence,
        previous: calling.previous.as_deref().unwrap_or(NO_ANSWER),
        on_behalf_of: Some(report.about),
        event: body(report.event, report.counters),
        results: report.results,
        firmware: None,
    })
}

/// Whether a call, as [`call`] and [`report`] write it, is about another device.
pub(super) fn is_report(call: &[u8]) -> bool {
    let about = serde_json_core::from_slice::<About<'_>>(call);
    about.is_ok_and(|(about, _)| about.on_behalf_of.is_some())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct About<'a> {
    #[serde(borrow, default)]
    on_behalf_of: Option<EscapedStr<'a>>,
}

fn body<'a>(event: Event<'a>, counters: &'a [Counter]) -> EventBody<'a> {
    match event {
        Event::Counter => EventBody::Counter { counters },
        Event::Service { fault_code } => EventBody::Service { fault_code },
        Event::Supply { consumable, remaining_percent } => {
            EventBody::Supply { consumable, remaining_percent }
        }
        Event::Alarm { alarm } => EventBody::Alarm { alarm },
        Event::Manual { note } => EventBody::Manual { note },
        Event::Manage { devices } => EventBody::Manage { devices },
        Event::Poll => EventBody::Poll,
    }
}

fn json(call: &Call<'_>) -> Result<Vec<u8, CALL_BYTES_MAX>, CallingError> {
    let mut json = Vec::from_array([0; CALL_BYTES_MAX]);
    let length = serde_json_core::to_slice(call, &mut json).map_err(|_| CallingError::NoRoom)?;
    json.truncate(length);
    Ok(json)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a> {
    device_number: &'a DeviceNumber,
    boot: u32,
    sequence: u32,
    previous: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<&'a DeviceNumber>,
    event: EventBody<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    results: &'a [RequestResult],
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<FirmwareVersion>,
}

#[derive(Serialize)]
#[serde(tag = "call", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum EventBody<'a> {
    Counter { counters: &'a [Counter] },
    Service { fault_code: &'a str },
    Supply { consumable: &'a str, remaining_percent: u8 },
    Alarm { alarm: &'a str },
    Manual { note: &'a str },
    Manage { devices: &'a [DeviceNumber] },
    Poll,
}

/// What the center answers. Members that a device does not know are passed over.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    nonce: Option<EscapedStr<'a>>,
    #[serde(borrow, default)]
    pub requests: Vec<Request<'a>, REQUESTS_MAX>,
}

/// Something that a device is to do.
#[derive(Deserialize)]
pub(super) struct Request<'a> {
    pub request: u64,
    #[serde(borrow)]
    command: CommandBody<'a>,
}

#[derive(Deserialize)]
struct CommandBody<'a> {
    #[serde(borrow)]
    command: EscapedStr<'a>,
    #[serde(borrow, default)]
    name: Option<EscapedStr<'a>>,
    #[serde(default)]
    value: Option<u64>,
    #[serde(borrow, default)]
    package: Option<EscapedStr<'a>>,
}

/// What a device is to do.
pub(super) enum Command {
    ReadCounters,
    SetInitialValue { name: Text<COUNTER_NAME_BYTES_MAX>, value: u64 },
    Work(Work),
    Unknown,
}

impl<'a> Answer<'a> {
    pub fn read(json: &'a [u8]) -> Result<Self, CallingError> {
        let (answer, _) = serde_json_core::from_slice(json).map_err(|_| CallingError::Garbled)?;
        Ok(answer)
    }

    pub fn nonce(&self) -> Option<Text<NONCE_BYTES>> {
        self.nonce.as_ref().and_then(unescaped)
    }
}

impl Request<'_> {
    pub fn command(&self) -> Command {
        let CommandBody { command, name, value, package } = &self.command;
        let name = name.as_ref().and_then(unescaped);
        let package = package.as_ref().and_then(unescaped);
        match (command.0, name, value, package) {
            ("readCounters", ..) => Command::ReadCounters,
            ("setInitialValue", Some(name), Some(value), _) => {
                Command::SetInitialValue { name, value: *value }
            }
            ("renewCertificate", ..) => Command::Work(Work::RenewCertificate),
            ("fetchFirmware", _, _, Some(package)) => Command::Work(Work::FetchFirmware { package }),
            ("rollBackFirmware", _, _, Some(package)) => Command::Work(Work::RollBackFirmware { package }),
            _ => Command::Unknown,
        }
    }
}

/// The text, if there is room for all of it.
fn unescaped<const N: usize>(escaped: &EscapedStr<'_>) -> Option<Text<N>> {
    let mut text = heapless::String::new();
    for fragment in escaped.fragments() {
        match fragment.ok()? {
            EscapedStringFragment::NotEscaped(part) => text.push_str(part).ok()?,
            EscapedStringFragment::Escaped(character) => text.push(character).ok()?,
        }
    }
    Some(Text(text))
}
