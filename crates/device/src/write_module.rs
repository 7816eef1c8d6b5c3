//! Who may write what into a device, and in which order.

use identity::line::{
    self, ANSWER_FRAME_BYTES_MAX, Answer, FrameError, Identity, Pack, Refusal, Request, Session,
    Transmission, Version, VersionRange, WriteResult,
};
use zeroize::{Zeroize, Zeroizing};

use crate::nvram::{self, Nvram, NvramBuffer};
use crate::slots::{RecordKind, Slots, StoreError, UNIT_BYTES};
use crate::{Board, proof};

/// The write module: what a station talks to. All that lasts is in the board's memories; the module
/// itself holds only the session, which a restart ends.
pub struct WriteModule<B> {
    board: B,
    session: Option<Session>,
}

/// Room for a pack that was read from flash. It is wiped on drop.
pub struct PackBuffer(Zeroizing<[u8; Pack::BYTES_MAX.next_multiple_of(UNIT_BYTES)]>);

impl PackBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self(Zeroizing::new([0; _]))
    }
}

impl Default for PackBuffer {
    fn default() -> Self {
        Self::new()
    }
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
        let (version, answer) = match line::decode::<Request<'_>>(input) {
            Ok((version, request)) => (version, self.handle(&request).unwrap_or_else(Answer::Refused)),
            Err(FrameError::Version(_)) => (Version::MIN, Answer::Refused(Refusal::UnsupportedVersion)),
            Err(_) => (Version::MIN, Answer::Refused(Refusal::Malformed)),
        };
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
        let mut buffer = PackBuffer::new();
        let holding = self.pack(&mut buffer).map_err(storage_failed)?.map(|pack| pack.device_number);
        let confirmed = self.device_number()?;
        Ok(Identity {
            versions: VersionRange::OURS,
            product: self.board.product().clone(),
            hardware_uid: self.board.hardware_uid().clone(),
            session,
            confirmed: holding.is_some() && holding == confirmed,
            holding,
        })
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
        if pack.device_number.product() != self.board.product() {
            return Err(Refusal::WrongProduct);
        }
        if !pack.is_within_limits() {
            return Err(Refusal::TooLong);
        }
        let mut buffer = PackBuffer::new();
        let held = self.pack(&mut buffer).map_err(storage_failed)?;
        if held.as_ref() == Some(pack) {
            return Ok(());
        }
        // A confirmed device whose store was damaged may get its own number back, and no other.
        if let Some(own) = self.device_number()?
            && (held.is_some() || own != pack.device_number)
        {
            return Err(Refusal::HoldsAnother);
        }
        proof::signing_key(pack)?;
        self.certificate_slots().write(RecordKind::CertificatePack, pack).map_err(storage_failed)
    }

    /// Proves to the station that the device holds its pack, as read back from flash.
    ///
    /// # Errors
    /// The session is over, the device holds no pack, or its memory fails.
    #[inline(never)]
    pub fn write_result(&mut self, session: Session, challenge: &[u8; 32]) -> Result<WriteResult, Refusal> {
        self.require(session)?;
        let mut buffer = PackBuffer::new();
        let pack = self.pack(&mut buffer).map_err(storage_failed)?.ok_or(Refusal::NothingStored)?;
        proof::prove(&pack, self.board.hardware_uid(), challenge)
    }

    /// Takes the number of the stored pack for its own: from now on the device takes no other pack.
    ///
    /// # Errors
    /// The session is over, the device holds no pack, or its memory fails.
    #[inline(never)]
    pub fn confirm(&mut self, session: Session) -> Result<(), Refusal> {
        self.require(session)?;
        let mut buffer = PackBuffer::new();
        let pack = self.pack(&mut buffer).map_err(storage_failed)?.ok_or(Refusal::NothingStored)?;
        let number = Some(pack.device_number);
        let mut buffer = NvramBuffer::new();
        let nvram = nvram::read(&mut self.board, &mut buffer).map_err(storage_failed)?;
        if nvram.device_number == number {
            return Ok(());
        }
        let confirmed = Nvram { device_number: number, ..nvram };
        nvram::write(&mut self.board, &confirmed).map_err(storage_failed)
    }

    /// The pack that the device holds.
    ///
    /// # Errors
    /// The memory cannot be read, or holds what this program does not know.
    pub fn pack<'b>(&mut self, buffer: &'b mut PackBuffer) -> Result<Option<Pack<'b>>, StoreError> {
        self.certificate_slots()
            .read(RecordKind::CertificatePack, &mut *buffer.0)?
            .map(|body| minicbor::decode(body).map_err(|_| StoreError::Unknown))
            .transpose()
    }

    /// The board.
    pub fn board(&mut self) -> &mut B {
        &mut self.board
    }

    fn handle(&mut self, request: &Request<'_>) -> Result<Answer, Refusal> {
        match request {
            Request::Identify => self.identify().map(Answer::Identity),
            Request::Transmission(transmission) => self.receive(transmission).map(|()| Answer::Reception),
            Request::ResultRequest { session, challenge } => {
                self.write_result(*session, challenge).map(Answer::WriteResult)
            }
            Request::ResultResponse { session } => self.confirm(*session).map(|()| Answer::Done),
        }
    }

    fn require(&self, session: Session) -> Result<(), Refusal> {
        if self.session == Some(session) { Ok(()) } else { Err(Refusal::Replayed) }
    }

    fn device_number(&mut self) -> Result<Option<identity::DeviceNumber>, Refusal> {
        let mut buffer = NvramBuffer::new();
        nvram::read(&mut self.board, &mut buffer).map(|nvram| nvram.device_number).map_err(storage_failed)
    }

    fn certificate_slots(&mut self) -> Slots<impl embedded_storage::nor_flash::NorFlash> {
        let area = self.board.flash_areas().certificate;
        Slots::new(self.board.flash(), area)
    }
}

fn storage_failed(_: StoreError) -> Refusal {
    Refusal::StorageFailed
}
