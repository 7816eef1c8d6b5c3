//! Calls: a device tells its center what happened, and takes along what the center wants of it.
//!
//! `POST /v1/calls`, or the operation `Call` of the SOAP service at `/soap`. Who calls is who the TLS
//! session says; the number in a call only has to be the same.
//!
//! A device numbers its calls: by the number of the boot, and within a boot from 1 on. Until it has an
//! answer it repeats the same call byte for byte, and gets the same answer, however often it asks. What the
//! center wants of the device is in the answers, until the device has said in a later call what came of it.
//!
//! An intermediate device (source A, 101) calls for devices that it manages. Either it speaks for them, in calls
//! of its own that name them, or it passes on the calls that they have made and numbered themselves, byte for byte;
//! the answer to those is theirs.
//!
//! Calls are chained: each answer carries a fresh [`Nonce`], and the next call says which one the device kept.
//! Two devices with one memory, or one with an old memory, cannot both say the right one. A device that makes
//! several calls before it can hear an answer ([`bundle`](crate::bundle)) names the call before instead.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine};
use identity::{DeviceNumber, FirmwareVersion};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most bytes of a call, JSON or SOAP.
pub const CALL_BYTES_MAX: usize = 16 * 1_024;
/// The most devices that one call registers.
pub const MANAGED_MAX: usize = 16;
/// The most counters in a notification.
pub const COUNTERS_MAX: usize = 16;
/// The most requests in an answer, and the most results in a call.
pub const REQUESTS_MAX: usize = 8;

/// What a device says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Call {
    /// The device, which must be the one that its certificate names.
    #[schema(value_type = String, example = "A123-654321")]
    pub device_number: DeviceNumber,
    /// How often the device was switched on.
    #[schema(value_type = u32, minimum = 1)]
    pub boot: NonZeroU32,
    /// The call's number since then.
    #[schema(value_type = u32, minimum = 1)]
    pub sequence: NonZeroU32,
    /// The nonce of the last answer that the device kept, [`Nonce::NONE`] before the first; or, where it has
    /// made a call since, [`Nonce::of_call`] of that. Absent from firmware that does not know it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous: Option<Nonce>,
    /// The managed device that the call is about, where an intermediate device speaks for another: event and
    /// results are that device's, and so are the requests in the answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "3013-000001")]
    pub on_behalf_of: Option<DeviceNumber>,
    /// What happened.
    pub event: Event,
    /// What came of the center's requests.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub results: Vec<RequestResult>,
    /// The firmware that it runs, where it says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "2.14.0")]
    pub firmware: Option<FirmwareVersion>,
}

/// What a device calls about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "call", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Event {
    /// What the counters stand at.
    Counter {
        /// Each counter once.
        counters: Vec<Counter>,
    },
    /// Something is broken.
    Service {
        /// The fault, as the product's service manual numbers it.
        fault_code: ShortText,
    },
    /// A consumable runs out.
    Supply {
        /// Which one.
        consumable: ShortText,
        /// How much is left, in percent.
        remaining_percent: Percent,
    },
    /// Something needs attention.
    Alarm {
        /// What.
        alarm: ShortText,
    },
    /// A person at the device pressed the button.
    Manual {
        /// What they want.
        note: ShortText,
    },
    /// The device manages others, and asks to be allowed to speak for them (source A Fig. 8).
    Manage {
        /// Each device once.
        #[schema(value_type = Vec<String>)]
        devices: Vec<DeviceNumber>,
    },
    /// Nothing; the device asks whether there is something for it to do.
    Poll,
}

impl Event {
    /// The kind of call, as a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Counter { .. } => "counter",
            Self::Service { .. } => "service",
            Self::Supply { .. } => "supply",
            Self::Alarm { .. } => "alarm",
            Self::Manual { .. } => "manual",
            Self::Manage { .. } => "manage",
            Self::Poll => "poll",
        }
    }
}

/// What one counter stands at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counter {
    /// Which counter.
    pub name: CounterName,
    /// What it stands at.
    pub value: CounterValue,
}

/// What the center answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallAnswer {
    /// The call's number in the center's journal.
    pub call: u64,
    /// When the center took it, in seconds since 1970.
    pub received: i64,
    /// What the device's next call is to name as `previous`. Absent from answers of centers that did not know it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nonce: Option<Nonce>,
    /// What the device is to do, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub requests: Vec<Request>,
}

/// Something that a device is to do, once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Its number, which rises from one request to the next.
    pub request: u64,
    /// What to do.
    pub command: Command,
}

/// What a device can be asked to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Say what the counters stand at.
    ReadCounters,
    /// Let a counter stand at this value from now on.
    SetInitialValue {
        /// Which counter.
        name: CounterName,
        /// What it stands at then.
        value: CounterValue,
    },
    /// Get a new certificate.
    RenewCertificate,
    /// Get a firmware package, and run it unless what runs is as new.
    FetchFirmware {
        /// Its name, by which `GET /v1/files/NAME` gives it.
        package: ShortText,
    },
    /// Get a firmware package, and run it although it may be older than what runs.
    RollBackFirmware {
        /// Its name, by which `GET /v1/files/NAME` gives it.
        package: ShortText,
    },
}

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestResult {
    /// The request's number.
    pub request: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// Whether a device has done what it was asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "camelCase", deny_unknown_fields)]
pub enum Outcome {
    /// It has.
    Done,
    /// It has not, and will not.
    Refused {
        /// Why.
        reason: ShortText,
    },
    /// It has tried, and could not.
    Failed {
        /// Why.
        reason: ShortText,
    },
}

/// 128 random bits of an answer, base64 in text. It is no secret; it is only never the same twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, format = "byte", min_length = 24, max_length = 24)]
pub struct Nonce([u8; Self::BYTES]);

impl Nonce {
    /// How many bytes it has.
    pub const BYTES: usize = 16;
    /// What a device names that has kept no answer yet: zeros.
    pub const NONE: Self = Self([0; Self::BYTES]);

    /// The nonce of these random bytes.
    pub const fn new(random: [u8; Self::BYTES]) -> Self {
        Self(random)
    }

    /// What a call names that was made while the one before had no answer: the beginning of the SHA-256 of
    /// that call as it is sent.
    pub fn of_call(sha256: &[u8; 32]) -> Self {
        Self(std::array::from_fn(|at| sha256[at]))
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl FromStr for Nonce {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        let bytes = BASE64_STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(NotAWord("a nonce is 16 bytes in base64"))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&BASE64_STANDARD.encode(self.0))
    }
}

impl TryFrom<String> for Nonce {
    type Error = NotAWord;

    fn try_from(text: String) -> Result<Self, NotAWord> {
        text.parse()
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        nonce.to_string()
    }
}

/// A text is not what it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotAWord(&'static str);

/// A counter's name: 1 to 32 small letters, digits and hyphens, such as `total` or `color-a4`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-z-]{1,32}$", example = "total")]
pub struct CounterName(String);

impl CounterName {
    const LENGTH_MAX: usize = 32;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CounterName {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        let is_allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if (1..=Self::LENGTH_MAX).contains(&text.len()) && text.bytes().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAWord("a counter's name is 1 to 32 small letters, digits and hyphens"))
        }
    }
}

/// What a counter stands at: up to 2^53 - 1, so that no JSON reader rounds it.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, ToSchema,
)]
#[serde(try_from = "u64", into = "u64")]
#[schema(value_type = u64, maximum = 9_007_199_254_740_991_u64)]
pub struct CounterValue(u64);

impl CounterValue {
    const MAX: u64 = (1 << 53) - 1;

    /// The value as a number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for CounterValue {
    type Error = NotAWord;

    fn try_from(number: u64) -> Result<Self, NotAWord> {
        if number <= Self::MAX { Ok(Self(number)) } else { Err(NotAWord("a counter ends at 2^53 - 1")) }
    }
}

impl FromStr for CounterValue {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        text.parse()
            .map_err(|_| NotAWord("a counter stands at a number"))
            .and_then(|value: u64| value.try_into())
    }
}

/// How much of something is left: 0 to 100 percent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "u8", into = "u8")]
#[schema(value_type = u8, maximum = 100)]
pub struct Percent(u8);

impl TryFrom<u8> for Percent {
    type Error = NotAWord;

    fn try_from(number: u8) -> Result<Self, NotAWord> {
        if number <= 100 { Ok(Self(number)) } else { Err(NotAWord("at most 100 percent are left")) }
    }
}

impl FromStr for Percent {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        text.parse().map_err(|_| NotAWord("percent are a number")).and_then(|number: u8| number.try_into())
    }
}

/// A few words for people: 1 to 120 characters, none of them a control character.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 120)]
pub struct ShortText(String);

impl ShortText {
    const LENGTH_MAX: usize = 120;

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShortText {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        let length = text.chars().count();
        if (1..=Self::LENGTH_MAX).contains(&length) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAWord("a text has 1 to 120 characters and no control characters"))
        }
    }
}

/// A text that is read from and written as a string.
macro_rules! text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = NotAWord;

            fn try_from(text: String) -> Result<Self, NotAWord> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text!(CounterName);
text!(ShortText);

/// A number that is written as a number.
macro_rules! number {
    ($name:ident, $number:ident) => {
        impl From<$name> for $number {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number!(CounterValue, u64);
number!(Percent, u8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_read_back() {
        for json in [
            r#"{"deviceNumber":"A123-654321","boot":3,"sequence":7,"event":{"call":"counter","counters":[{"name":"total","value":100}]},"results":[{"request":12,"outcome":{"outcome":"done"}}]}"#,
            r#"{"deviceNumber":"A123-654321","boot":3,"sequence":8,"event":{"call":"service","faultCode":"E-13"},"results":[{"request":13,"outcome":{"outcome":"refused","reason":"no such counter"}}]}"#,
            r#"{"deviceNumber":"A123-654321","boot":3,"sequence":9,"event":{"call":"supply","consumable":"toner","remainingPercent":5}}"#,
            r#"{"deviceNumber":"A123-654321","boot":4,"sequence":1,"event":{"call":"poll"}}"#,
            r#"{"deviceNumber":"A123-654321","boot":4,"sequence":2,"onBehalfOf":"3013-000001","event":{"call":"poll"}}"#,
            r#"{"deviceNumber":"A123-654321","boot":4,"sequence":3,"event":{"call":"manage","devices":["3013-000001"]}}"#,
            r#"{"deviceNumber":"A123-654321","boot":4,"sequence":2,"previous":"AAECAwQFBgcICQoLDA0ODw==","event":{"call":"poll"}}"#,
            r#"{"deviceNumber":"A123-654321","boot":4,"sequence":2,"event":{"call":"poll"},"results":[{"request":14,"outcome":{"outcome":"failed","reason":"no room"}}],"firmware":"2.14.0"}"#,
        ] {
            let call: Call = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&call).unwrap(), json);
        }
    }

    #[test]
    fn answers_read_back() {
        let json = r#"{"call":1,"received":1767225600,"nonce":"AAECAwQFBgcICQoLDA0ODw==","requests":[{"request":12,"command":{"command":"setInitialValue","name":"total","value":0}},{"request":13,"command":{"command":"readCounters"}}]}"#;
        let answer: CallAnswer = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&answer).unwrap(), json);
    }

    #[test]
    fn what_is_no_call_is_refused() {
        for (field, value) in [
            (r#""boot":3"#, r#""boot":0"#),
            (r#""sequence":7"#, r#""sequence":4294967296"#),
            (r#""value":100"#, r#""value":-1"#),
            (r#""value":100"#, r#""value":9007199254740992"#),
            (r#""name":"total""#, r#""name":"To tal""#),
            (r#""boot":3"#, r#""boot":3,"more":1"#),
            (r#""boot":3"#, r#""boot":3,"previous":"AAECAwQFBgcICQoLDA0O""#),
            (r#""boot":3"#, r#""boot":3,"previous":"AAECAwQFBgcICQoLDA0ODxAR""#),
        ] {
            let good = r#"{"deviceNumber":"A123-654321","boot":3,"sequence":7,"event":{"call":"counter","counters":[{"name":"total","value":100}]}}"#;
            let bad = good.replace(field, value);
            assert_ne!(good, bad);
            assert!(serde_json::from_str::<Call>(&bad).is_err(), "{bad}");
        }
        assert!("\u{7}".parse::<ShortText>().is_err());
        assert!("x".repeat(121).parse::<ShortText>().is_err());
        assert!("101".parse::<Percent>().is_err());
    }
}
