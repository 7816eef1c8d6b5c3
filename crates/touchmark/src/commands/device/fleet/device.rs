//! A device of a fleet: who it is, and what it remembers of its calls, in this process or in a flash file.

use anyhow::Context;
use cert::Fingerprint;
use cert::tls::Credential;
use device::calling::{CALLING_BYTES_MAX, Calling, Event};
use identity::DeviceNumber;
use message::call::Call;

use crate::emulator::EmulatedDevice;

/// A device of the fleet.
pub struct Device {
    pub number: DeviceNumber,
    /// What it shows of itself.
    pub credential: Credential,
    memory: Memory,
    /// The calls that it has made since it was switched on.
    pub calls: Vec<Made>,
}

/// A call that was made.
pub struct Made {
    pub boot: u32,
    pub sequence: u32,
    pub digest: Fingerprint,
}

enum Memory {
    /// What its NVRAM would hold.
    Here(Vec<u8>),
    Flash(Box<EmulatedDevice>),
}

impl Device {
    /// A device that has never called, which is switched on now.
    pub fn new(number: DeviceNumber, credential: Credential) -> anyhow::Result<Self> {
        let mut device = Self { number, credential, memory: Memory::Here(Vec::new()), calls: Vec::new() };
        device.change(|calling, _| calling.boot())?;
        Ok(device)
    }

    /// The device with this memory, which is switched on now.
    pub fn with_flash(
        number: DeviceNumber,
        credential: Credential,
        mut flash: EmulatedDevice,
    ) -> anyhow::Result<Self> {
        flash.boot()?;
        Ok(Self { number, credential, memory: Memory::Flash(Box::new(flash)), calls: Vec::new() })
    }

    /// Counts one more, makes the next call and writes it down.
    pub fn make_call(&mut self) -> anyhow::Result<()> {
        let calling = self.calling()?;
        let total = calling.counters().iter().find(|counter| &*counter.name == COUNTER);
        let total = total.map_or(0, |counter| counter.value) + 1;
        match &mut self.memory {
            Memory::Here(_) => self.change(|calling, number| {
                calling.count(COUNTER, total)?;
                calling.make(number, Event::Counter)
            })?,
            Memory::Flash(flash) => {
                flash.count(COUNTER, total)?;
                flash.make_call(Event::Counter)?;
            }
        }
        let raw = self.unanswered()?.context("a call was made")?;
        let call: Call = serde_json::from_slice(&raw).context("a call was made that is none")?;
        let (boot, sequence) = (call.boot.get(), call.sequence.get());
        self.calls.push(Made { boot, sequence, digest: Fingerprint::of(&raw) });
        Ok(())
    }

    /// The call that has no answer yet.
    pub fn unanswered(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.calling()?.unanswered().map(<[u8]>::to_vec))
    }

    /// Takes the answer to that call.
    pub fn take_answer(&mut self, answer: &[u8]) -> anyhow::Result<()> {
        match &mut self.memory {
            Memory::Here(_) => self.change(|calling, _| calling.take(answer)),
            Memory::Flash(flash) => Ok(flash.take_answer(answer).map(drop)?),
        }
    }

    fn calling(&mut self) -> anyhow::Result<Calling> {
        match &mut self.memory {
            Memory::Here(bytes) => Ok(Calling::from_bytes(bytes)?),
            Memory::Flash(flash) => Ok(flash.calling()?),
        }
    }

    /// Changes what is remembered in this process.
    fn change(
        &mut self,
        change: impl FnOnce(&mut Calling, &DeviceNumber) -> Result<(), device::calling::CallingError>,
    ) -> anyhow::Result<()> {
        if let Memory::Here(bytes) = &mut self.memory {
            let mut calling = Calling::from_bytes(bytes)?;
            change(&mut calling, &self.number)?;
            *bytes = calling.to_bytes(&mut [0; CALLING_BYTES_MAX])?.to_vec();
        }
        Ok(())
    }
}

const COUNTER: &str = "total";
