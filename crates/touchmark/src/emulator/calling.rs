//! What a device remembers of its calls, in the counter information of its NVRAM.
//!
//! A call is written down before it is sent, and struck out in the same write that keeps what its answer
//! asks for, and the nonce that the next call must name. So a call whose answer was lost is made again byte
//! for byte, whatever happened in between, a request is followed once, and the device is never taken for a copy.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use device::nvram::{self, Nvram, NvramBuffer};
use device::slots::StoreError;
use identity::DeviceNumber;
use message::call::{
    Call, CallAnswer, Command, Counter, CounterName, CounterValue, Event, Nonce, Outcome, REQUESTS_MAX,
    Request, RequestResult,
};
use serde::{Deserialize, Serialize};

use super::{EmulatedDevice, Silence};

/// A device's side of its calls.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Calling {
    boot: u32,
    sequence: u32,
    counters: BTreeMap<CounterName, CounterValue>,
    /// The call that has no answer yet, as it is sent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    unanswered: Option<String>,
    /// The nonce of the last answer.
    #[serde(default)]
    previous: Nonce,
    /// What the next call takes along.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    results: Vec<RequestResult>,
    /// The last request that was followed.
    #[serde(default)]
    followed: u64,
    /// Whether the center wants to know the counters.
    #[serde(default)]
    counters_wanted: bool,
}

/// Why a device cannot remember its calls.
#[derive(Debug, thiserror::Error)]
pub enum CallingError {
    /// The NVRAM fails, or has no room for so much.
    #[error("the device's NVRAM cannot keep its calls")]
    Nvram(#[source] StoreError),
    /// The device gives no answer.
    #[error(transparent)]
    Silence(#[from] Silence),
    /// The counter information was written by other firmware.
    #[error("the counter information in the device's NVRAM is not what this device writes")]
    Foreign(#[source] serde_json::Error),
    /// The device has no number yet.
    #[error("the device has no number yet")]
    NoNumber,
    /// It has been switched on, or has called, as often as it can count.
    #[error("the device cannot count its calls any further")]
    Exhausted,
}

impl Calling {
    /// What stands on the device's counters.
    pub fn counters(&self) -> &BTreeMap<CounterName, CounterValue> {
        &self.counters
    }

    /// Lets a counter stand at a value, as the device's work does.
    pub fn count(&mut self, name: CounterName, value: CounterValue) {
        self.counters.insert(name, value);
    }

    /// A counter notification of all counters.
    pub fn notification(&self) -> Event {
        let counter =
            |(name, value): (&CounterName, &CounterValue)| Counter { name: name.clone(), value: *value };
        Event::Counter { counters: self.counters.iter().map(counter).collect() }
    }

    /// The call that has no answer yet.
    pub fn unanswered(&self) -> Option<&str> {
        self.unanswered.as_deref()
    }

    /// What is still to be said to the center, where there is anything.
    pub fn owed(&self) -> Option<Event> {
        if self.counters_wanted && !self.counters.is_empty() {
            return Some(self.notification());
        }
        (!self.results.is_empty()).then_some(Event::Poll)
    }

    /// Makes a new call; only where the last one is answered.
    fn make(&mut self, number: &DeviceNumber, event: Event) -> Result<(), CallingError> {
        self.sequence = self.sequence.checked_add(1).ok_or(CallingError::Exhausted)?;
        let is_nonzero = "a device that calls was switched on, and numbers its calls from 1";
        let call = Call {
            device_number: number.clone(),
            boot: NonZeroU32::new(self.boot).expect(is_nonzero),
            sequence: NonZeroU32::new(self.sequence).expect(is_nonzero),
            previous: Some(self.previous),
            event,
            results: self.results.iter().take(REQUESTS_MAX).cloned().collect(),
        };
        if matches!(call.event, Event::Counter { .. }) {
            self.counters_wanted = false;
        }
        self.unanswered = Some(serde_json::to_string(&call).expect("a call is plain data"));
        Ok(())
    }

    /// Takes the answer to the call that had none: its results have arrived, its nonce is kept, and
    /// each new request is followed.
    fn take(&mut self, answer: &CallAnswer) {
        self.unanswered = None;
        self.previous = answer.nonce.unwrap_or(Nonce::NONE);
        self.results.clear();
        for Request { request, command } in &answer.requests {
            if *request > self.followed {
                self.followed = *request;
                let outcome = self.follow(command);
                self.results.push(RequestResult { request: *request, outcome });
            }
        }
    }

    fn follow(&mut self, command: &Command) -> Outcome {
        match command {
            Command::ReadCounters => {
                self.counters_wanted = true;
                Outcome::Done
            }
            Command::SetInitialValue { name, value } => {
                self.count(name.clone(), *value);
                Outcome::Done
            }
            Command::RenewCertificate | Command::FetchFirmware { .. } => {
                let reason = "this device cannot do that".parse().expect("it is a short text");
                Outcome::Refused { reason }
            }
        }
    }
}

impl EmulatedDevice {
    /// What the device remembers of its calls.
    ///
    /// # Errors
    /// The NVRAM fails, or other firmware has written it.
    pub fn calling(&mut self) -> Result<Calling, CallingError> {
        let mut buffer = NvramBuffer::new();
        let nvram = nvram::read(self.module.board(), &mut buffer).map_err(CallingError::Nvram)?;
        match nvram.counter_information {
            [] => Ok(Calling::default()),
            kept => serde_json::from_slice(kept).map_err(CallingError::Foreign),
        }
    }

    /// Switches the device on: calls are numbered anew under a higher boot number. A call that has no
    /// answer keeps its own.
    ///
    /// # Errors
    /// The NVRAM fails.
    pub fn boot(&mut self) -> Result<Calling, CallingError> {
        let mut calling = self.calling()?;
        calling.boot = calling.boot.checked_add(1).ok_or(CallingError::Exhausted)?;
        calling.sequence = 0;
        self.keep_calling(&calling)?;
        Ok(calling)
    }

    /// Lets a counter stand at a value, as the device's work does.
    ///
    /// # Errors
    /// The NVRAM fails.
    pub fn count(&mut self, name: CounterName, value: CounterValue) -> Result<Calling, CallingError> {
        let mut calling = self.calling()?;
        calling.count(name, value);
        self.keep_calling(&calling)?;
        Ok(calling)
    }

    /// Makes a call and writes it down. It is sent as it lies in [`Calling::unanswered`].
    ///
    /// # Errors
    /// The NVRAM fails, or the device has no number.
    pub fn make_call(&mut self, event: Event) -> Result<Calling, CallingError> {
        let number = self.confirmed_number().map_err(CallingError::Nvram)?.ok_or(CallingError::NoNumber)?;
        let mut calling = self.calling()?;
        calling.make(&number, event)?;
        self.keep_calling(&calling)?;
        Ok(calling)
    }

    /// Takes the answer to the call that had none, and does what it asks.
    ///
    /// # Errors
    /// The NVRAM fails; the call is then still without answer.
    pub fn take_answer(&mut self, answer: &CallAnswer) -> Result<Calling, CallingError> {
        let mut calling = self.calling()?;
        calling.take(answer);
        self.keep_calling(&calling)?;
        Ok(calling)
    }

    /// Gives up the call that has no answer: the center will never take it.
    ///
    /// # Errors
    /// The NVRAM fails.
    pub fn give_up_call(&mut self) -> Result<Calling, CallingError> {
        let mut calling = self.calling()?;
        calling.unanswered = None;
        self.keep_calling(&calling)?;
        Ok(calling)
    }

    fn keep_calling(&mut self, calling: &Calling) -> Result<(), CallingError> {
        let kept = serde_json::to_vec(calling).expect("what a device remembers is plain data");
        let written = self.with_power(|module| {
            let board = module.board();
            let mut buffer = NvramBuffer::new();
            // What is read lies in the buffer, so the board is free to be written.
            let nvram = Nvram { counter_information: &kept, ..nvram::read(board, &mut buffer)? };
            nvram::write(board, &nvram)
        })?;
        written.map_err(CallingError::Nvram)
    }
}
