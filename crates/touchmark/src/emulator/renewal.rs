//! An emulated device's renewal: what the `device` crate does, with the memory kept in the flash file.

use device::slots::StoreError;
use device::{HeldBuffer, Renewal};
use identity::line::{Refusal, SigningRequest};

use super::{EmulatedDevice, HeldPack, Silence};

impl EmulatedDevice {
    /// What comes next in the device's renewal.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn renewal(&mut self) -> Result<Result<Renewal, Refusal>, Silence> {
        self.with_power(|module| module.renewal())
    }

    /// Makes the key of the next certificate, or finds the one that was made before.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn begin_renewal(&mut self) -> Result<Result<SigningRequest, Refusal>, Silence> {
        self.with_power(|module| module.begin_renewal())
    }

    /// Stores the next certificate beside the one in use.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn receive_candidate(
        &mut self,
        root: &[u8],
        issuing: &[u8],
        client: &[u8],
    ) -> Result<Result<(), Refusal>, Silence> {
        self.with_power(|module| module.receive_candidate(root, issuing, client))
    }

    /// What the device has its renewal confirmed with.
    ///
    /// # Errors
    /// The flash cannot be read, or holds what this program does not know.
    pub fn candidate(&mut self) -> Result<Option<HeldPack>, StoreError> {
        let mut buffer = HeldBuffer::new();
        Ok(self.module.candidate(&mut buffer)?.map(HeldPack::of))
    }

    /// Signs with the key of the candidate: `r` and `s`.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn sign_as_candidate(&mut self, message: &[u8]) -> Result<Result<Vec<u8>, Refusal>, Silence> {
        self.with_power(|module| module.sign_as_candidate(message).map(|signature| signature.to_vec()))
    }

    /// Takes the candidate for its identity, and wipes the one before.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn accept_candidate(&mut self) -> Result<Result<(), Refusal>, Silence> {
        self.with_power(|module| module.accept_candidate())
    }

    /// Stays with the identity in use.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn abandon_renewal(&mut self) -> Result<Result<(), Refusal>, Silence> {
        self.with_power(|module| module.abandon_renewal())
    }
}
