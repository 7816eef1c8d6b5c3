//! Recovery: a device that has lost its certificate, or cannot use it, or a board that has none yet, gets one
//! under its [common certificate](crate::common_certificate).
//!
//! A device that still holds its old identity goes the way of a [renewal](crate::Renewal), with both side by
//! side. A blank board has nothing to lose: what it receives is its record at once, and its number once the
//! authority has accepted the certificate. Each step may be repeated, also after a power cut: the request is the same until
//! then, and so is the answer.

use identity::DeviceNumber;
use identity::line::{CertificatePart, Key, Pack, Refusal, SigningRequest, pack_digest};

use crate::Board;
use crate::held::Held;
use crate::key;
use crate::slots::RecordKind;
use crate::write_module::{WriteModule, require_key};

impl<B: Board> WriteModule<B> {
    /// Makes the key of the certificate that the device asks for, or finds the one that it made before, and
    /// the request for this number.
    ///
    /// # Errors
    /// The number is another product's or the device has another, or the board makes no keys.
    #[inline(never)]
    pub fn begin_recovery(&mut self, number: &DeviceNumber) -> Result<SigningRequest, Refusal> {
        self.require_product(number)?;
        if self.device_number()?.is_some_and(|own| own != *number) {
            return Err(Refusal::HoldsAnother);
        }
        match self.begin_renewal() {
            Err(Refusal::NothingStored) => {}
            begun => return begun,
        }
        let key = match self.own_key(number, None)? {
            Some(key) => key,
            None => self.make_key(number)?,
        };
        key::signing_request::<B>(&key, number)
    }

    /// Stores the certificate that the authority gave for the request of
    /// [`begin_recovery`](Self::begin_recovery).
    ///
    /// # Errors
    /// Why the certificate was refused. The device is who it was.
    #[inline(never)]
    pub fn receive_recovered(
        &mut self,
        number: &DeviceNumber,
        root: &[u8],
        issuing: &[u8],
        client: &[u8],
    ) -> Result<(), Refusal> {
        match self.receive_candidate(root, issuing, client) {
            Err(Refusal::NothingStored) => {}
            received => return received,
        }
        let pack = Pack {
            device_number: number.clone(),
            certificate: Some(CertificatePart { root, issuing, client, key: Key::Own }),
            symmetric: None,
        };
        if !pack.is_within_limits() {
            return Err(Refusal::TooLong);
        }
        if self.holding()?.is_some_and(|holding| holding.digest == pack_digest(&pack)) {
            return Ok(());
        }
        let key = self.own_key(number, None)?.unwrap_or_default();
        require_key::<B>(&pack, &key)?;
        Ok(self.certificate_slots().write(RecordKind::Candidate, &Held::of(&pack, &key, None))?)
    }

    /// Takes the certificate and the number for its own. To be called only when the authority has said
    /// that the certificate counts.
    ///
    /// # Errors
    /// The certificate is another number's, or the memories fail; then the same again mends it.
    #[inline(never)]
    pub fn accept_recovered(&mut self, number: &DeviceNumber) -> Result<(), Refusal> {
        if self.candidate_holding()?.is_none_or(|candidate| candidate.device_number != *number) {
            return Err(Refusal::HoldsAnother);
        }
        // In this order: a board that forgot its key before it has its number would make another one.
        self.adopt(number)?;
        self.accept_candidate()
    }
}
