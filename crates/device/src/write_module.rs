//! Who may write what into a device, and in which order.

use auth::PassPhrase;
use embedded_storage::nor_flash::NorFlash;
use identity::line::{
    self, ANSWER_FRAME_BYTES_MAX, Answer, CertificatePart, FrameError, Identity, Key, Pack, Refusal, Request,
    SECRET_KEY_BYTES_MAX, Session, SigningRequest, Transmission, Version, VersionRange, WriteResult,
    pack_digest,
};
use identity::{ApparatusId, DeviceNumber};
use zeroize::{Zeroize, Zeroizing};

use crate::held::{Held, HeldBuffer, HeldSymmetric, Holding};
use crate::key::{self, SecretKey, Signature};
use crate::nvram::{self, Nvram, NvramBuffer, OwnKey};
use crate::slots::{Slots, StoreError};
use crate::{Board, opening, proof};

/// The write module: what a station talks to. All that lasts is in the board's memories; the module
/// itself holds only the session, which a restart ends.
pub struct WriteModule<B> {
    pub(crate) board: B,
    session: Option<Session>,
}

// What a station asks for is not inlined: the buffers of all requests would lie in one frame of the
// stack side by side.
impl<B: Board> WriteModule<B> {
    /// The write module of a board that has just started.
    pub fn new(board: B) -> Self {
        Self { board, session: None }
    }

    /// Answers one frame: reads the request in `input`, which is wiped, writes the answer into
    /// `output` and returns its length.
    pub fn handle_frame(&mut self, input: &mut [u8], output: &mut [u8; ANSWER_FRAME_BYTES_MAX]) -> usize {
        let (version, answer) = self.answer(input);
        input.zeroize();
        line::encode(version, &answer, output).expect("every answer fits the longest answer's frame")
    }

    /// Opens a session and says who the device is.
    ///
    /// # Errors
    /// The memories cannot be read.
    #[inline(never)]
    pub fn identify(&mut self) -> Result<Identity, Refusal> {
        let mut bytes = [0; Session::LENGTH];
        self.board.fill_random(&mut bytes);
        let session = Session::new(bytes);
        self.session = Some(session);
        let holding = self.holding()?.map(|holding| holding.device_number);
        let number = self.device_number()?;
        let confirmed = holding.is_some() && holding == number;
        if confirmed {
            // The power may have failed before this was done.
            self.forget_what_was_before()?;
        }
        Ok(Identity {
            versions: VersionRange::OURS,
            product: self.board.product().clone(),
            hardware_uid: self.board.hardware_uid().clone(),
            session,
            holding,
            confirmed,
            key_identifier: self.board.pre_write_key().map(|key| key.identifier().clone()),
            chip_key: self.board.chip_key().map(|key| key.public_key().to_bytes()),
        })
    }

    /// Makes a key for this number, or finds the one that it made before, and asks for a certificate.
    /// The key never leaves the device.
    ///
    /// # Errors
    /// Why the device makes no key for this number.
    #[inline(never)]
    pub fn request_certificate(
        &mut self,
        session: Session,
        number: &DeviceNumber,
    ) -> Result<SigningRequest, Refusal> {
        self.require(session)?;
        self.require_product(number)?;
        if !B::MAKES_KEYS {
            return Err(Refusal::NoKeyMade);
        }
        let holding = self.holding()?;
        if let Some(confirmed) = self.device_number()?
            && (confirmed != *number || holding.as_ref().is_some_and(|holding| !holding.key_is_own))
        {
            return Err(Refusal::HoldsAnother);
        }
        let key = match self.own_key(number, holding.as_ref())? {
            Some(key) => key,
            None => self.make_key(number)?,
        };
        key::signing_request::<B>(&key, number)
    }

    /// Stores a pack and reads it back. The pack that the device already holds is taken again
    /// without writing, so a station may repeat itself.
    ///
    /// # Errors
    /// Why the pack was refused. Nothing was stored unless it is [`Refusal::StorageFailed`].
    #[inline(never)]
    pub fn receive(&mut self, transmission: &Transmission<'_>) -> Result<(), Refusal> {
        self.require(transmission.session)?;
        let pack = &transmission.pack;
        self.require_product(&pack.device_number)?;
        if !pack.is_within_limits() {
            return Err(Refusal::TooLong);
        }
        let holding = self.holding()?;
        if holding.as_ref().is_some_and(|holding| holding.digest == pack_digest(pack)) {
            return Ok(());
        }
        match (self.device_number()?, &holding) {
            (None, holding) => self.store(pack, holding.as_ref(), None),
            // A confirmed device whose store was damaged may get its own number back, and no other.
            (Some(own), None) if own == pack.device_number => self.store(pack, None, None),
            // One that was confirmed without its certificate may get that, and nothing else.
            (Some(_), Some(holding))
                if holding.is_owed_certificate()
                    && holding.device_number == pack.device_number
                    && pack.certificate.is_some_and(|part| part.key == Key::Own)
                    && pack.symmetric.is_none() =>
            {
                self.store_certificate(pack, holding)
            }
            _ => Err(Refusal::HoldsAnother),
        }
    }

    /// Takes a certificate for the key that the device made, as its firmware receives it over a connection
    /// of its own: the one that it was owed, when it first calls, or a renewed one. It takes the place of
    /// any before, because whoever stood at the port may have given the device a false one.
    ///
    /// # Errors
    /// Why the certificate was refused. Nothing was stored unless it is [`Refusal::StorageFailed`].
    #[inline(never)]
    pub fn install_certificate(&mut self, root: &[u8], issuing: &[u8], client: &[u8]) -> Result<(), Refusal> {
        let holding = self.holding()?.ok_or(Refusal::NothingStored)?;
        let pack = Pack {
            device_number: holding.device_number.clone(),
            certificate: Some(CertificatePart { root, issuing, client, key: Key::Own }),
            symmetric: None,
        };
        if !pack.is_within_limits() {
            return Err(Refusal::TooLong);
        }
        if holding.digest == pack_digest(&pack) {
            return Ok(());
        }
        // A candidate may be the identity that the other side knows already.
        if !holding.key_is_own || self.certificate_slots().has_candidate()? {
            return Err(Refusal::HoldsAnother);
        }
        self.store_certificate(&pack, &holding)
    }

    /// Proves to the station that the device holds its pack, as read back from flash.
    ///
    /// # Errors
    /// The session is over, the device holds no pack, or its memory fails.
    #[inline(never)]
    pub fn write_result(&mut self, session: Session, challenge: &[u8; 32]) -> Result<WriteResult, Refusal> {
        self.require(session)?;
        let holding = self.holding()?;
        proof::prove(&self.board, holding.as_ref().ok_or(Refusal::NothingStored)?, challenge)
    }

    /// Takes the number of the stored pack for its own: from now on the device takes no other pack.
    /// What it held before is wiped.
    ///
    /// # Errors
    /// The session is over, the device holds no pack, or its memory fails.
    #[inline(never)]
    pub fn confirm(&mut self, session: Session) -> Result<(), Refusal> {
        self.require(session)?;
        let holding = self.holding()?;
        self.adopt(&holding.as_ref().ok_or(Refusal::NothingStored)?.device_number)?;
        self.forget_what_was_before()
    }

    /// What the device holds.
    ///
    /// # Errors
    /// The memory cannot be read, or holds what this program does not know.
    pub fn held<'b>(&mut self, buffer: &'b mut HeldBuffer) -> Result<Option<Held<'b>>, StoreError> {
        self.certificate_slots().read(&Held::KINDS, &mut *buffer.0)?.map(Held::from_record).transpose()
    }

    /// Signs with the key of the device's certificate, or of the certificate that it is owed. Whatever
    /// is signed must begin with a label of its own, so that it is never taken for something else.
    ///
    /// # Errors
    /// The device has no such key, or its memory fails.
    #[inline(never)]
    pub fn sign(&mut self, message: &[u8]) -> Result<Signature, Refusal> {
        let holding = self.holding()?.filter(|holding| !holding.secret_key.is_empty());
        key::sign::<B>(&holding.ok_or(Refusal::NothingStored)?.secret_key, message)
    }

    /// Lends the device's symmetric credential, for as long as `act` takes. A pass phrase that is kept
    /// sealed is opened for this time only.
    ///
    /// # Errors
    /// The device has no symmetric credential, or its memory fails.
    #[inline(never)]
    pub fn with_pass_phrase<T>(
        &mut self,
        act: impl FnOnce(ApparatusId, &PassPhrase) -> T,
    ) -> Result<T, Refusal> {
        let holding = self.holding()?.ok_or(Refusal::NothingStored)?;
        let symmetric = holding.symmetric().ok_or(Refusal::NothingStored)?;
        Ok(act(symmetric.apparatus_id, &opening::pass_phrase(&self.board, &symmetric)?))
    }

    /// The board.
    pub fn board(&mut self) -> &mut B {
        &mut self.board
    }

    #[inline(never)]
    fn answer(&mut self, frame: &mut [u8]) -> (Version, Answer) {
        match line::decode::<Request<'_>>(frame) {
            Ok((version, request)) if version >= request.oldest_version() => (version, self.handle(&request)),
            Ok((version, _)) => (version, Answer::Refused(Refusal::UnsupportedVersion)),
            Err(FrameError::Version(_)) => (Version::MIN, Answer::Refused(Refusal::UnsupportedVersion)),
            Err(_) => (Version::MIN, Answer::Refused(Refusal::Malformed)),
        }
    }

    fn handle(&mut self, request: &Request<'_>) -> Answer {
        let refused = Answer::Refused;
        match request {
            Request::Identify => self.identify().map_or_else(refused, Answer::Identity),
            Request::KeyRequest { session, device_number } => {
                self.request_certificate(*session, device_number).map_or_else(refused, Answer::SigningRequest)
            }
            Request::Transmission(transmission) => {
                self.receive(transmission).map_or_else(refused, |()| Answer::Reception)
            }
            Request::ResultRequest { session, challenge } => {
                self.write_result(*session, challenge).map_or_else(refused, Answer::WriteResult)
            }
            Request::ResultResponse { session } => {
                self.confirm(*session).map_or_else(refused, |()| Answer::Done)
            }
        }
    }

    fn require(&self, session: Session) -> Result<(), Refusal> {
        if self.session == Some(session) { Ok(()) } else { Err(Refusal::Replayed) }
    }

    pub(crate) fn require_product(&self, number: &DeviceNumber) -> Result<(), Refusal> {
        if number.product() == self.board.product() { Ok(()) } else { Err(Refusal::WrongProduct) }
    }

    /// Stores the pack, all of it in one record, beside what of the device's own is `retained`.
    fn store(
        &mut self,
        pack: &Pack<'_>,
        holding: Option<&Holding>,
        retained: Option<HeldSymmetric<'_>>,
    ) -> Result<(), Refusal> {
        let secret_key = self.secret_key(pack, holding)?;
        require_key::<B>(pack, &secret_key)?;
        let pass_phrase = match &pack.symmetric {
            Some(part) => Some(opening::open_pass_phrase(&self.board, part.apparatus_id, part.sealed)?),
            None => None,
        };
        let received = pack.symmetric.as_ref().zip(pass_phrase.as_ref());
        let symmetric = received.map(|(part, opened)| HeldSymmetric::of(part, opened)).or(retained);
        let held = Held::of(pack, &secret_key, symmetric);
        Ok(self.certificate_slots().write(held.kind(), &held)?)
    }

    /// Stores the certificate of a device that keeps its key and all else.
    fn store_certificate(&mut self, pack: &Pack<'_>, holding: &Holding) -> Result<(), Refusal> {
        self.store(pack, Some(holding), holding.symmetric())?;
        self.forget_what_was_before()
    }

    /// The key that the device is to have with this pack; empty where there is none.
    fn secret_key(&mut self, pack: &Pack<'_>, holding: Option<&Holding>) -> Result<SecretKey, Refusal> {
        let number = &pack.device_number;
        match pack.certificate.map(|part| part.key) {
            Some(Key::Plain(key)) => copied(key),
            Some(Key::Sealed(sealed)) => {
                let mut room = Zeroizing::new([0; SECRET_KEY_BYTES_MAX]);
                copied(&opening::open(&self.board, &number.clone().into(), sealed, &mut *room)?)
            }
            Some(Key::Own) | None => Ok(self.own_key(number, holding)?.unwrap_or_default()),
        }
    }

    /// The key that the device made for this number: in what it holds, or in no pack yet.
    pub(crate) fn own_key(
        &mut self,
        number: &DeviceNumber,
        holding: Option<&Holding>,
    ) -> Result<Option<SecretKey>, Refusal> {
        if !B::MAKES_KEYS {
            return Ok(None);
        }
        if let Some(holding) = holding
            && holding.key_is_own
            && holding.device_number == *number
        {
            return Ok(Some(holding.secret_key.clone()));
        }
        let mut buffer = NvramBuffer::new();
        let own_key = nvram::read(&mut self.board, &mut buffer)?.own_key;
        own_key.filter(|key| key.device_number == *number).map(|key| copied(key.secret_key)).transpose()
    }

    #[inline(never)]
    pub(crate) fn make_key(&mut self, number: &DeviceNumber) -> Result<SecretKey, Refusal> {
        let secret_key = key::generate(&mut self.board)?;
        let mut buffer = NvramBuffer::new();
        let nvram = nvram::read(&mut self.board, &mut buffer)?;
        let own_key = Some(OwnKey { device_number: number.clone(), secret_key: &secret_key });
        nvram::write(&mut self.board, &Nvram { own_key, ..nvram })?;
        Ok(secret_key)
    }

    /// Makes the number the device's own, once.
    #[inline(never)]
    pub(crate) fn adopt(&mut self, number: &DeviceNumber) -> Result<(), StoreError> {
        let mut buffer = NvramBuffer::new();
        let nvram = nvram::read(&mut self.board, &mut buffer)?;
        if nvram.device_number.as_ref() == Some(number) && nvram.own_key.is_none() {
            return Ok(());
        }
        let adopted = Nvram { device_number: Some(number.clone()), own_key: None, ..nvram };
        nvram::write(&mut self.board, &adopted)
    }

    /// Wipes what the memories held before a pack was confirmed: other packs' secrets, and the key that
    /// the device made as long as it was in no pack.
    pub(crate) fn forget_what_was_before(&mut self) -> Result<(), Refusal> {
        self.certificate_slots().wipe_older()?;
        Ok(nvram::wipe_older(&mut self.board)?)
    }

    // The certificates are on the stack in here only.
    #[inline(never)]
    pub(crate) fn holding(&mut self) -> Result<Option<Holding>, Refusal> {
        let mut buffer = HeldBuffer::new();
        match self.held(&mut buffer)? {
            Some(held) => Ok(Some(Holding::of(&held).map_err(|_| Refusal::StorageFailed)?)),
            None => Ok(None),
        }
    }

    #[inline(never)]
    pub(crate) fn device_number(&mut self) -> Result<Option<DeviceNumber>, StoreError> {
        let mut buffer = NvramBuffer::new();
        Ok(nvram::read(&mut self.board, &mut buffer)?.device_number)
    }

    pub(crate) fn certificate_slots(&mut self) -> Slots<impl NorFlash> {
        let area = self.board.flash_areas().certificate;
        Slots::new(self.board.flash(), area)
    }
}

/// Whether the key that the device would have with this pack, empty for none, is what the pack needs.
pub(crate) fn require_key<B: Board>(pack: &Pack<'_>, secret_key: &[u8]) -> Result<(), Refusal> {
    match &pack.certificate {
        Some(CertificatePart { key: Key::Plain(_) | Key::Sealed(_), .. }) => {
            if key::is_usable::<B>(secret_key) { Ok(()) } else { Err(Refusal::UnusableKey) }
        }
        Some(CertificatePart { key: Key::Own, .. }) if !B::MAKES_KEYS || secret_key.is_empty() => {
            Err(Refusal::NoKeyMade)
        }
        Some(CertificatePart { key: Key::Own, client, .. }) => {
            if key::is_certified::<B>(secret_key, client)? {
                Ok(())
            } else {
                Err(Refusal::ForeignCertificate)
            }
        }
        // A number alone is for a device that has a key and is owed the certificate.
        None if pack.symmetric.is_none() && secret_key.is_empty() => Err(Refusal::NoKeyMade),
        None => Ok(()),
    }
}

fn copied(key: &[u8]) -> Result<SecretKey, Refusal> {
    heapless::Vec::from_slice(key).map(Zeroizing::new).map_err(|_| Refusal::TooLong)
}

impl From<StoreError> for Refusal {
    fn from(_: StoreError) -> Self {
        Self::StorageFailed
    }
}
