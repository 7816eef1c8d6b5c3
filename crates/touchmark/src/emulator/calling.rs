//! An emulated device's calls: what it remembers of them lies in its NVRAM, as the `device` crate writes it.

use device::calling::{Calling, Event, Outcome, Report};
use device::slots::StoreError;

use super::firmware::ProgramError;
use super::{EmulatedDevice, Silence};

/// Why a device cannot call.
#[derive(Debug, thiserror::Error)]
pub enum CallingError {
    /// It cannot remember its calls.
    #[error(transparent)]
    Calling(#[from] device::calling::CallingError),
    /// The device gives no answer.
    #[error(transparent)]
    Silence(#[from] Silence),
    /// The NVRAM cannot be read.
    #[error("the device's NVRAM cannot be read")]
    Nvram(#[source] StoreError),
    /// The device has no number yet.
    #[error("the device has no number yet")]
    NoNumber,
    /// The device cannot say what firmware it runs.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

impl EmulatedDevice {
    /// What the device remembers of its calls.
    ///
    /// # Errors
    /// The NVRAM fails, or other firmware has written it.
    pub fn calling(&mut self) -> Result<Calling, CallingError> {
        Ok(Calling::of(self.module.board())?)
    }

    /// Switches the device on: calls are numbered anew under a higher boot number. A call that has no
    /// answer keeps its own.
    ///
    /// # Errors
    /// The NVRAM fails.
    pub fn boot(&mut self) -> Result<Calling, CallingError> {
        self.change_calling(Calling::boot)
    }

    /// Lets a counter stand at a value, as the device's work does.
    ///
    /// # Errors
    /// The NVRAM fails, or has no room.
    pub fn count(&mut self, name: &str, value: u64) -> Result<Calling, CallingError> {
        self.change_calling(|calling| calling.count(name, value))
    }

    /// Makes a call and writes it down. It is sent as it lies in [`Calling::unanswered`].
    ///
    /// # Errors
    /// The NVRAM fails, or the device has no number.
    pub fn make_call(&mut self, event: Event<'_>) -> Result<Calling, CallingError> {
        let number = self.confirmed_number().map_err(CallingError::Nvram)?.ok_or(CallingError::NoNumber)?;
        let running = self.running()?;
        self.change_calling(|calling| {
            calling.set_firmware(running.map(|running| running.version));
            calling.make(&number, event)
        })
    }

    /// Makes a call about a device that this one manages, and writes it down.
    ///
    /// # Errors
    /// The NVRAM fails, or the device has no number.
    pub fn make_report(&mut self, report: &Report<'_>) -> Result<Calling, CallingError> {
        let number = self.confirmed_number().map_err(CallingError::Nvram)?.ok_or(CallingError::NoNumber)?;
        self.change_calling(|calling| calling.make_report(&number, report))
    }

    /// Takes the answer, JSON, to the call that had none, and does what it asks.
    ///
    /// # Errors
    /// The NVRAM fails, or the answer is none; the call is then still without answer.
    pub fn take_answer(&mut self, answer: &[u8]) -> Result<Calling, CallingError> {
        self.change_calling(|calling| calling.take(answer))
    }

    /// Gives up the call that has no answer: the center will never take it.
    ///
    /// # Errors
    /// The NVRAM fails.
    pub fn give_up_call(&mut self) -> Result<Calling, CallingError> {
        self.change_calling(|calling| {
            calling.give_up();
            Ok(())
        })
    }

    /// Puts off the call that has no answer: it is written down elsewhere.
    ///
    /// # Errors
    /// The NVRAM fails.
    pub fn put_off_call(&mut self) -> Result<Calling, CallingError> {
        self.change_calling(|calling| {
            calling.put_off();
            Ok(())
        })
    }

    /// Takes the answer, JSON, to a call that was put off, and does what it asks.
    ///
    /// # Errors
    /// The NVRAM fails, or the answer is none.
    pub fn take_late_answer(&mut self, call: &[u8], answer: &[u8]) -> Result<Calling, CallingError> {
        self.change_calling(|calling| calling.take_late(call, answer))
    }

    /// Says what came of a task, for the next call to take along.
    ///
    /// # Errors
    /// The NVRAM fails.
    pub fn finish_task(&mut self, request: u64, outcome: Outcome) -> Result<Calling, CallingError> {
        self.change_calling(|calling| {
            calling.finish(request, outcome);
            Ok(())
        })
    }

    fn change_calling(
        &mut self,
        change: impl FnOnce(&mut Calling) -> Result<(), device::calling::CallingError>,
    ) -> Result<Calling, CallingError> {
        let mut calling = self.calling()?;
        change(&mut calling)?;
        self.with_power(|module| calling.keep(module.board()))??;
        Ok(calling)
    }
}
