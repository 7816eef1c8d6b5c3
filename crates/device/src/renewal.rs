//! Renewal: a new key and a new certificate for a device that must never be without one that the other
//! side accepts.
//!
//! | step | kept | used meanwhile |
//! | --- | --- | --- |
//! | [`begin_renewal`](WriteModule::begin_renewal): a new key, and the request for its certificate | the key, in NVRAM | the old identity |
//! | [`receive_candidate`](WriteModule::receive_candidate): the certificate | beside the old identity, in the other slot | the old identity |
//! | the device authenticates with the candidate, until it has an answer | | either |
//! | [`accept_candidate`](WriteModule::accept_candidate): the other side has accepted it | in the old one's place | the new identity |
//!
//! Each step may be repeated, and [`renewal`](WriteModule::renewal) says which is next, also after a power cut:
//! the request is the same as before, so the authority answers with the same certificate. The authority
//! drops the old identity no earlier than the new one has authenticated, and the device no
//! earlier than it knows that. Where that answer is lost, the device still has both, and asks again.
//!
//! Where the center has asked for the renewal, its request is struck out in the write of the NVRAM that forgets the key:
//! before that write the renewal goes on, and after it there is nothing left to follow.

use identity::line::{CertificatePart, Key, Pack, Refusal, SigningRequest, pack_digest};

use crate::Board;
use crate::calling::{self, CALLING_BYTES_MAX};
use crate::held::{Held, HeldBuffer, Holding};
use crate::key::{self, Signature};
use crate::nvram::{self, Nvram, NvramBuffer};
use crate::slots::{RecordKind, StoreError};
use crate::write_module::{WriteModule, require_key};

/// What comes next in a device's renewal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Renewal {
    /// Nothing: none is under way.
    Idle,
    /// To ask, as who the device is, for the certificate, with the request of
    /// [`begin_renewal`](WriteModule::begin_renewal).
    Request,
    /// To authenticate with the candidate, and to ask whether it counts.
    Confirmation,
}

impl<B: Board> WriteModule<B> {
    /// Says what comes next in the device's renewal.
    ///
    /// # Errors
    /// The memories fail.
    #[inline(never)]
    pub fn renewal(&mut self) -> Result<Renewal, Refusal> {
        if self.certificate_slots().has_candidate()? {
            return Ok(Renewal::Confirmation);
        }
        let Some(holding) = self.renewable()? else { return Ok(Renewal::Idle) };
        Ok(match self.own_key(&holding.device_number, None)? {
            // The power failed while the candidate was accepted, or the identity before has been lost.
            Some(key) if *key == *holding.secret_key => Renewal::Confirmation,
            Some(_) => Renewal::Request,
            None => Renewal::Idle,
        })
    }

    /// Makes the key of the next certificate, or finds the one that was made before. The request for the
    /// certificate (PKCS#10 DER). The key never leaves the device, and is kept before this returns.
    ///
    /// # Errors
    /// [`Refusal::NoKeyMade`] where the board makes none, [`Refusal::NothingStored`] where the device has no
    /// certificate of its own, or a renewal waits for its confirmation.
    #[inline(never)]
    pub fn begin_renewal(&mut self) -> Result<SigningRequest, Refusal> {
        if !B::MAKES_KEYS {
            return Err(Refusal::NoKeyMade);
        }
        if self.renewal()? == Renewal::Confirmation {
            return Err(Refusal::HoldsAnother);
        }
        let number = self.renewable()?.ok_or(Refusal::NothingStored)?.device_number;
        let key = match self.own_key(&number, None)? {
            Some(key) => key,
            None => self.make_key(&number)?,
        };
        key::signing_request::<B>(&key, &number)
    }

    /// Stores the certificate that the authority gave for the request of
    /// [`begin_renewal`](Self::begin_renewal), beside the identity that the device uses. All else that the
    /// device holds is carried over.
    ///
    /// # Errors
    /// Why the certificate was refused. The device is who it was.
    #[inline(never)]
    pub fn receive_candidate(&mut self, root: &[u8], issuing: &[u8], client: &[u8]) -> Result<(), Refusal> {
        let holding = self.renewable()?.ok_or(Refusal::NothingStored)?;
        let pack = Pack {
            device_number: holding.device_number.clone(),
            certificate: Some(CertificatePart { root, issuing, client, key: Key::Own }),
            symmetric: None,
        };
        if !pack.is_within_limits() {
            return Err(Refusal::TooLong);
        }
        if self.candidate_holding()?.is_some_and(|candidate| candidate.digest == pack_digest(&pack)) {
            return Ok(());
        }
        if self.certificate_slots().has_candidate()? {
            return Err(Refusal::HoldsAnother);
        }
        let key = self.own_key(&holding.device_number, None)?.unwrap_or_default();
        require_key::<B>(&pack, &key)?;
        let held = Held::of(&pack, &key, holding.symmetric());
        Ok(self.certificate_slots().write(RecordKind::Candidate, &held)?)
    }

    /// What the device has its renewal confirmed with: the candidate or, where the identity before is gone
    /// already, what it holds.
    ///
    /// # Errors
    /// The memory cannot be read.
    pub fn candidate<'b>(&mut self, buffer: &'b mut HeldBuffer) -> Result<Option<Held<'b>>, StoreError> {
        if self.certificate_slots().has_candidate()? {
            self.certificate_slots().read_candidate(&mut *buffer.0)?.map(Held::from_record).transpose()
        } else {
            self.held(buffer)
        }
    }

    /// Signs with the key of [`candidate`](Self::candidate), as [`sign`](Self::sign) does with that in use.
    ///
    /// # Errors
    /// The device has no such key, or its memory fails.
    #[inline(never)]
    pub fn sign_as_candidate(&mut self, message: &[u8]) -> Result<Signature, Refusal> {
        let candidate = self.candidate_holding()?.filter(|candidate| !candidate.secret_key.is_empty());
        let candidate = candidate.ok_or(Refusal::NothingStored)?;
        key::sign::<B>(&candidate.secret_key, message)
    }

    /// Makes the candidate the device's identity and wipes the one before. To be called only when the
    /// authority has said that it counts: it does not know the old one any more.
    ///
    /// # Errors
    /// The memories fail; [`renewal`](Self::renewal) then says what is left to do.
    #[inline(never)]
    pub fn accept_candidate(&mut self) -> Result<(), Refusal> {
        self.certificate_slots().accept_candidate()?;
        self.forget_renewal_key(true)
    }

    /// Stays with the identity in use and wipes candidate and key. To be called only when the candidate
    /// was refused and the identity in use still counts.
    ///
    /// # Errors
    /// The memories fail; [`renewal`](Self::renewal) then says what is left to do.
    #[inline(never)]
    pub fn abandon_renewal(&mut self) -> Result<(), Refusal> {
        self.forget_renewal_key(false)?;
        Ok(self.certificate_slots().drop_candidate()?)
    }

    /// What the device holds, where that has a certificate and was confirmed.
    fn renewable(&mut self) -> Result<Option<Holding>, Refusal> {
        let number = self.device_number()?;
        Ok(self
            .holding()?
            .filter(|holding| holding.has_certificate && number.as_ref() == Some(&holding.device_number)))
    }

    pub(crate) fn candidate_holding(&mut self) -> Result<Option<Holding>, Refusal> {
        let mut buffer = HeldBuffer::new();
        let candidate = self.candidate(&mut buffer)?;
        candidate.map(|held| Holding::of(&held).map_err(|_| Refusal::StorageFailed)).transpose()
    }

    /// Wipes the key in the NVRAM, which is in the flash where it is still needed; in the same write, of a device
    /// that is renewed, what asked for it.
    fn forget_renewal_key(&mut self, is_renewed: bool) -> Result<(), Refusal> {
        let mut buffer = NvramBuffer::new();
        let nvram = nvram::read(&mut self.board, &mut buffer)?;
        if nvram.own_key.is_some() {
            let mut room = [0; CALLING_BYTES_MAX];
            let counter_information = if is_renewed {
                calling::renewed(nvram.counter_information, &mut room)
            } else {
                nvram.counter_information
            };
            nvram::write(&mut self.board, &Nvram { own_key: None, counter_information, ..nvram })?;
        }
        Ok(nvram::wipe_older(&mut self.board)?)
    }
}
