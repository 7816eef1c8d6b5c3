//! The device's side of its calls: what it remembers of them, and what follows from an answer.
//!
//! A call is written down before it is sent, and struck out in the same write that keeps what its answer
//! asks for, and the nonce that the next call must name. So a call whose answer was lost is made again byte
//! for byte, whatever happened in between, a request is followed once, and the device is never taken for a
//! copy. Sockets and clocks are the firmware's: it sends [`Calling::unanswered`] when it can. Where there is no
//! network it keeps the call elsewhere ([`Calling::put_off`]) to be carried to the center, and the next call names
//! that call in place of an answer.
//!
//! All of it lies in the counter information of the NVRAM, as CBOR.

mod message;
mod record;

use base64ct::{Base64, Encoding};
use heapless::Vec;
use identity::{DeviceNumber, FirmwareVersion};
use minicbor::{Decode, Encode};
use serde::Serialize;
use sha2::{Digest, Sha256};

pub use message::Event;
pub use record::{CALLING_BYTES_MAX, Text};

use crate::Board;
use crate::nvram::{self, Nvram, NvramBuffer};
use crate::slots::StoreError;

/// The most bytes of a call that a device makes.
pub const CALL_BYTES_MAX: usize = 1_024;
/// The most counters that it has.
pub const COUNTERS_MAX: usize = 16;
/// The most requests in an answer, results in a call, and tasks at a time.
pub const REQUESTS_MAX: usize = 8;
/// The most bytes of a counter's name.
pub const COUNTER_NAME_BYTES_MAX: usize = 32;
/// The most bytes of a reason, and of a package's name.
pub const TEXT_BYTES_MAX: usize = 64;
/// What a counter ends at: 2^53 - 1, so that no JSON reader rounds it.
const COUNTER_MAX: u64 = (1 << 53) - 1;
/// A nonce in base64.
const NONCE_BYTES: usize = 24;
/// A nonce as it is.
const RAW_NONCE_BYTES: usize = 16;

/// What a device remembers of its calls.
#[derive(Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Calling {
    #[n(0)]
    boot: u32,
    #[n(1)]
    sequence: u32,
    /// The nonce of the last answer, or the name of a call that was put off since.
    #[n(2)]
    previous: Option<Text<NONCE_BYTES>>,
    #[cbor(n(3), with = "record::list")]
    counters: Vec<Counter, COUNTERS_MAX>,
    /// The call that has no answer yet, as it is sent; empty where there is none.
    #[cbor(n(4), with = "record::bytes")]
    unanswered: Vec<u8, CALL_BYTES_MAX>,
    /// What the next call takes along.
    #[cbor(n(5), with = "record::list")]
    results: Vec<RequestResult, REQUESTS_MAX>,
    /// The last request that was taken up.
    #[n(6)]
    followed: u64,
    /// Whether the center wants to know the counters.
    #[n(7)]
    counters_wanted: bool,
    #[cbor(n(8), with = "record::list")]
    tasks: Vec<Task, REQUESTS_MAX>,
    /// The version of the firmware that runs, where it says so.
    #[n(9)]
    firmware: Option<[u32; 3]>,
}

/// What one counter stands at.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
pub struct Counter {
    /// Which counter.
    #[n(0)]
    pub name: Text<COUNTER_NAME_BYTES_MAX>,
    /// What it stands at.
    #[n(1)]
    pub value: u64,
}

/// A request of the center that the firmware has to see to, and may take its time for.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Task {
    /// The request's number.
    #[n(0)]
    pub request: u64,
    /// What to do.
    #[n(1)]
    pub work: Work,
}

/// What a firmware can be asked to do.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Work {
    /// Get a new certificate: [`WriteModule::begin_renewal`](crate::WriteModule::begin_renewal).
    #[n(0)]
    RenewCertificate,
    /// Get this firmware package, and run it unless what runs is as new.
    #[n(1)]
    FetchFirmware {
        /// Its name.
        #[n(0)]
        package: Text<TEXT_BYTES_MAX>,
    },
    /// Get this firmware package, and run it although it may be older than what runs.
    #[n(2)]
    RollBackFirmware {
        /// Its name.
        #[n(0)]
        package: Text<TEXT_BYTES_MAX>,
    },
}

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
pub struct RequestResult {
    /// The request's number.
    #[n(0)]
    pub request: u64,
    /// What came of it.
    #[n(1)]
    pub outcome: Outcome,
}

/// What an intermediate device says of a device that it manages (source A Fig. 8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report<'a> {
    /// The managed device.
    pub about: &'a DeviceNumber,
    /// What its counters stand at, where that is what is said.
    pub counters: &'a [Counter],
    /// What happened to it.
    pub event: Event<'a>,
    /// What came of the center's requests to it.
    pub results: &'a [RequestResult],
}

/// Whether the device has done what it was asked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    /// It has.
    #[n(0)]
    Done,
    /// It has not, and will not.
    #[n(1)]
    Refused {
        /// Why.
        #[n(0)]
        reason: Text<TEXT_BYTES_MAX>,
    },
    /// It has tried, and could not.
    #[n(2)]
    Failed {
        /// Why.
        #[n(0)]
        reason: Text<TEXT_BYTES_MAX>,
    },
}

impl Outcome {
    /// Refused for this reason, of which as much is kept as there is room for.
    pub fn refused(reason: &str) -> Self {
        Self::Refused { reason: Text::beginning_of(reason) }
    }

    /// Failed for this reason, of which as much is kept as there is room for.
    pub fn failed(reason: &str) -> Self {
        Self::Failed { reason: Text::beginning_of(reason) }
    }
}

/// Why a device cannot go on calling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallingError {
    /// The memory fails, or has no room for so much.
    Store(StoreError),
    /// The counter information was written by other firmware.
    Foreign,
    /// It has been switched on, or has called, as often as it can count.
    Exhausted,
    /// The call is longer than a device can keep, or there are more counters than it can.
    NoRoom,
    /// The answer is none.
    Garbled,
}

impl Calling {
    /// What the device remembers.
    ///
    /// # Errors
    /// The memory fails, or other firmware has written it.
    pub fn of(board: &mut impl Board) -> Result<Self, CallingError> {
        let mut buffer = NvramBuffer::new();
        Self::from_bytes(nvram::read(board, &mut buffer)?.counter_information)
    }

    /// Writes it down: after a power cut the device remembers all of this, or all that it did before.
    ///
    /// # Errors
    /// The memory fails, or has no room for so much.
    pub fn keep(&self, board: &mut impl Board) -> Result<(), CallingError> {
        let mut room = [0; CALLING_BYTES_MAX];
        let counter_information = self.to_bytes(&mut room)?;
        let mut buffer = NvramBuffer::new();
        // What is read lies in the buffer, so the board is free to be written.
        let nvram = Nvram { counter_information, ..nvram::read(board, &mut buffer)? };
        Ok(nvram::write(board, &nvram)?)
    }

    /// Switches the device on: calls are numbered anew under a higher boot number. A call that has no
    /// answer keeps its own.
    ///
    /// # Errors
    /// [`CallingError::Exhausted`].
    pub fn boot(&mut self) -> Result<(), CallingError> {
        self.boot = self.boot.checked_add(1).ok_or(CallingError::Exhausted)?;
        self.sequence = 0;
        Ok(())
    }

    /// What stands on the device's counters.
    pub fn counters(&self) -> &[Counter] {
        &self.counters
    }

    /// Lets a counter stand at a value, as the device's work does.
    ///
    /// # Errors
    /// [`CallingError::NoRoom`] for one more counter, for so long a name, or for so high a value.
    pub fn count(&mut self, name: &str, value: u64) -> Result<(), CallingError> {
        if value > COUNTER_MAX {
            return Err(CallingError::NoRoom);
        }
        if let Some(counter) = self.counters.iter_mut().find(|counter| &*counter.name == name) {
            counter.value = value;
            return Ok(());
        }
        let name = Text::new(name).ok_or(CallingError::NoRoom)?;
        let place = self.counters.iter().take_while(|counter| *counter.name < *name).count();
        self.counters.insert(place, Counter { name, value }).map_err(|_| CallingError::NoRoom)
    }

    /// The call that has no answer yet, JSON as it is sent.
    pub fn unanswered(&self) -> Option<&[u8]> {
        (!self.unanswered.is_empty()).then_some(&self.unanswered)
    }

    /// Says from now on what firmware runs.
    pub fn set_firmware(&mut self, version: Option<FirmwareVersion>) {
        self.firmware = version.map(FirmwareVersion::parts);
    }

    /// Makes a new call, in the name of this device; only where the last one is answered.
    ///
    /// # Errors
    /// The call is too long, or cannot be numbered any more. The device remembers what it did before.
    pub fn make(&mut self, number: &DeviceNumber, event: Event<'_>) -> Result<(), CallingError> {
        let sequence = self.sequence.checked_add(1).ok_or(CallingError::Exhausted)?;
        self.unanswered = message::call(self, number, sequence, event)?;
        self.sequence = sequence;
        self.counters_wanted &= event != Event::Counter;
        Ok(())
    }

    /// Makes a new call about a device that this one manages; only where the last call is answered.
    ///
    /// # Errors
    /// As [`make`](Self::make).
    pub fn make_report(&mut self, number: &DeviceNumber, report: &Report<'_>) -> Result<(), CallingError> {
        let sequence = self.sequence.checked_add(1).ok_or(CallingError::Exhausted)?;
        self.unanswered = message::report(self, number, sequence, report)?;
        self.sequence = sequence;
        Ok(())
    }

    /// Takes the answer to the call that had none: its results have arrived, its nonce is kept, and each new
    /// request is followed, or becomes a task. What an answer to a call about a managed device asks is asked of that
    /// device, and for the firmware to see to.
    ///
    /// # Errors
    /// [`CallingError::Garbled`]; the call then still has no answer.
    pub fn take(&mut self, answer: &[u8]) -> Result<(), CallingError> {
        let answer = message::Answer::read(answer)?;
        let is_report = message::is_report(&self.unanswered);
        self.unanswered.clear();
        self.previous = answer.nonce();
        if !is_report {
            self.results.clear();
            self.follow_new(&answer);
        }
        Ok(())
    }

    /// Puts off the call that has no answer, with the results that it takes along: the firmware has written it
    /// down elsewhere, and carries it to the center. The next call names it.
    pub fn put_off(&mut self) {
        if !self.unanswered.is_empty() {
            self.previous = Some(name_of(&self.unanswered));
            if !message::is_report(&self.unanswered) {
                self.results.clear();
            }
            self.unanswered.clear();
        }
    }

    /// Takes the answer to a call that was put off: each new request is followed, and the nonce is kept where
    /// the device has made no call since.
    ///
    /// # Errors
    /// [`CallingError::Garbled`].
    pub fn take_late(&mut self, call: &[u8], answer: &[u8]) -> Result<(), CallingError> {
        let answer = message::Answer::read(answer)?;
        if self.unanswered.is_empty() && self.previous == Some(name_of(call)) {
            self.previous = answer.nonce();
        }
        if !message::is_report(call) {
            self.follow_new(&answer);
        }
        Ok(())
    }

    /// Gives up the call that has no answer: the center will never take it.
    pub fn give_up(&mut self) {
        self.unanswered.clear();
    }

    /// The next thing for the firmware to see to. It stays so until it is [finished](Self::finish), also
    /// after a restart.
    pub fn task(&self) -> Option<&Task> {
        self.tasks.first()
    }

    /// Says what came of a task; the center learns it with the next call. Where that takes enough along
    /// already, the task stays.
    pub fn finish(&mut self, request: u64, outcome: Outcome) {
        if let Some(index) = self.tasks.iter().position(|task| task.request == request)
            && self.results.push(RequestResult { request, outcome }).is_ok()
        {
            self.tasks.remove(index);
        }
    }

    /// What is still to be said to the center, where there is anything.
    pub fn owed(&self) -> Option<Event<'static>> {
        if self.counters_wanted && !self.counters.is_empty() {
            return Some(Event::Counter);
        }
        (!self.results.is_empty()).then_some(Event::Poll)
    }

    /// Follows the requests that were not followed before, as far as there is room for what comes of them; the
    /// center asks again for the others.
    fn follow_new(&mut self, answer: &message::Answer<'_>) {
        for request in &answer.requests {
            // A task keeps its room: it becomes a result.
            if request.request > self.followed && self.results.len() + self.tasks.len() < REQUESTS_MAX {
                self.followed = request.request;
                self.follow(request);
            }
        }
    }

    fn follow(&mut self, request: &message::Request<'_>) {
        let number = request.request;
        let outcome = match request.command() {
            message::Command::ReadCounters => {
                self.counters_wanted = true;
                Outcome::Done
            }
            message::Command::SetInitialValue { name, value } => match self.count(&name, value) {
                Ok(()) => Outcome::Done,
                Err(_) => Outcome::refused("this device has no room for that counter"),
            },
            message::Command::Work(work) => match self.tasks.push(Task { request: number, work }) {
                Ok(()) => return,
                Err(_) => Outcome::refused("this device has too much to do"),
            },
            message::Command::Unknown => Outcome::refused("this device cannot do that"),
        };
        self.results
            .push(RequestResult { request: number, outcome })
            .expect("whoever calls has seen to it that there is room");
    }
}

/// What a device remembers that has a new certificate: whatever asked it for one is done. Where other firmware has
/// written this, it stays as it was.
pub(crate) fn renewed<'b>(before: &'b [u8], room: &'b mut [u8; CALLING_BYTES_MAX]) -> &'b [u8] {
    let Ok(mut calling) = Calling::from_bytes(before) else { return before };
    while let Some(task) = calling.tasks.iter().find(|task| task.work == Work::RenewCertificate) {
        let (request, open) = (task.request, calling.tasks.len());
        calling.finish(request, Outcome::Done);
        if calling.tasks.len() == open {
            break;
        }
    }
    calling.to_bytes(room).unwrap_or(before)
}

/// What the next call names in place of an answer: the beginning of this call's SHA-256.
fn name_of(call: &[u8]) -> Text<NONCE_BYTES> {
    let digest = Sha256::digest(call);
    let mut room = [0; NONCE_BYTES];
    let name = Base64::encode(&digest[..RAW_NONCE_BYTES], &mut room).expect("16 bytes are 24 in base64");
    Text::new(name).expect("24 bytes fit")
}

impl From<StoreError> for CallingError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl core::fmt::Display for CallingError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Store(error) => write!(f, "the device's NVRAM cannot keep its calls: {error}"),
            Self::Foreign => f.write_str("the counter information is not what this device writes"),
            Self::Exhausted => f.write_str("the device cannot count its calls any further"),
            Self::NoRoom => f.write_str("the device has no room for so much"),
            Self::Garbled => f.write_str("the answer is none"),
        }
    }
}

impl core::error::Error for CallingError {}
