//! Emulated devices: the write module of the `device` crate on a board in memory.
//!
//! A device answers over whatever a real one would: frames over any stream, TCP or a serial line
//! ([`serve_stream`], [`serve_tcp`], [`serve_serial`]), SOAP over HTTP ([`serve_http`]). Like a real one it
//! talks to one peer at a time. Its memory is kept in a [flash file](EmulatedDevice::open) or only
//! in the process, and its power can be cut at any word ([`EmulatedDevice::cut_power_after`]).
//!
//! A new way to reach a device is a file of its own that ends in `EmulatedDevice`'s methods, and a
//! [`Port`].

mod calling;
mod firmware;
mod flash_file;
mod line;
mod outbox;
mod port;
mod recovery;
mod renewal;
mod soap;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth::{PassPhrase, SymmetricCredential};
use device::sim::{FLASH_BYTES, NVRAM_BYTES, SimBoard, Tear};
use device::slots::StoreError;
use device::{Board, Held, HeldBuffer, WriteModule, nvram};
use identity::line::{
    ANSWER_FRAME_BYTES_MAX, Identity, Refusal, Session, SigningRequest, Transmission, WriteResult,
};
use identity::profile::{KeyAlgorithm, SymmetricForm};
use identity::{ApparatusId, DeviceNumber, HardwareUid, ProductCode};
use seal::{ChipKey, PreWriteKey};
use zeroize::Zeroizing;

pub use calling::CallingError;
pub use firmware::{FetchError, FixedParametersError, ProgramError};
pub use flash_file::FlashFileError;
pub use line::{open_serial, serve_serial, serve_stream, serve_tcp};
pub use outbox::{CALLS_MAX, Outbox, SentBundle};
pub use port::{Port, PortAddress, UnknownPort};
pub use recovery::HeldCommonCertificate;
pub use soap::serve_http;

type Memory = Zeroizing<Vec<u8>>;

/// A device in memory.
pub struct EmulatedDevice {
    module: WriteModule<SimBoard<Memory>>,
    /// Where the memory is kept, and what the supply had counted when it was last kept.
    file: Option<(PathBuf, u32)>,
}

/// Why an emulated device gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Silence {
    /// Its power is cut.
    #[error("the device has no power")]
    NoPower,
    /// What it wrote could not be kept.
    #[error("the flash file cannot be written")]
    FlashFile(#[source] std::io::Error),
}

/// What a device holds, as read back from its memory.
pub struct HeldPack {
    /// Its number.
    pub device_number: DeviceNumber,
    /// The root certificate, DER. Empty, as the two that follow, where it has no certificate.
    pub root_certificate: Vec<u8>,
    /// The certificate of the CA that signed the client certificate, DER.
    pub issuing_certificate: Vec<u8>,
    /// The device's own certificate, DER.
    pub client_certificate: Vec<u8>,
    /// Its key, PKCS#8 DER; empty where it has none.
    pub secret_key: Zeroizing<Vec<u8>>,
    /// Its symmetric credential, and how the pass phrase is kept.
    pub symmetric: Option<(ApparatusId, SymmetricForm)>,
}

impl HeldPack {
    fn of(held: Held<'_>) -> Self {
        Self {
            device_number: held.device_number,
            root_certificate: held.root_certificate.to_vec(),
            issuing_certificate: held.issuing_certificate.to_vec(),
            client_certificate: held.client_certificate.to_vec(),
            secret_key: Zeroizing::new(held.secret_key.to_vec()),
            symmetric: held.symmetric.map(|symmetric| (symmetric.apparatus_id, symmetric.form)),
        }
    }
}

impl EmulatedDevice {
    /// A blank device that lives as long as the process. Its sessions follow from `seed`.
    pub fn new(product: ProductCode, hardware_uid: HardwareUid, seed: u64) -> Self {
        let erased = |length| Zeroizing::new(vec![0xff; length]);
        let board = SimBoard::new(product, hardware_uid, seed, erased(FLASH_BYTES), erased(NVRAM_BYTES));
        Self { module: WriteModule::new(board), file: None }
    }

    /// The device with firmware that was built with this key.
    pub fn with_pre_write_key(self, key: PreWriteKey) -> Self {
        self.on_board(|board| board.with_pre_write_key(Arc::new(key)))
    }

    /// The device with a chip that has this key.
    pub fn with_chip_key(self, key: ChipKey) -> Self {
        self.on_board(|board| board.with_chip_key(Arc::new(key)))
    }

    /// The device with firmware that makes such keys.
    pub fn with_own_key_algorithm(self, algorithm: KeyAlgorithm) -> Self {
        self.on_board(|board| board.with_own_key_algorithm(algorithm))
    }

    /// A blank device that keeps its memory in a new file at `path`, readable by its owner only.
    ///
    /// # Errors
    /// The file exists already or cannot be written.
    pub fn create(
        path: &Path,
        product: ProductCode,
        hardware_uid: HardwareUid,
        seed: u64,
    ) -> Result<Self, FlashFileError> {
        if path.exists() {
            return Err(FlashFileError::Exists);
        }
        let mut device = Self::new(product, hardware_uid, seed);
        device.save_as(path).map_err(FlashFileError::Write)?;
        device.file = Some((path.to_owned(), device.changes()));
        Ok(device)
    }

    /// The device whose memory is kept in the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read or is not a flash file.
    pub fn open(path: &Path, seed: u64) -> Result<Self, FlashFileError> {
        let board = flash_file::read(path, seed)?;
        Ok(Self { module: WriteModule::new(board), file: Some((path.to_owned(), 0)) })
    }

    /// Writes the device's memory to `path`, whole or not at all, readable by its owner only.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_as(&mut self, path: &Path) -> std::io::Result<()> {
        flash_file::write(path, self.module.board())
    }

    /// Another device with the same memory, as a cloner makes one. It is kept in no file.
    #[must_use]
    pub fn copy(&mut self) -> Self {
        Self { module: WriteModule::new(self.module.board().clone()), file: None }
    }

    /// Answers one frame; what the device wrote is kept before it answers.
    ///
    /// # Errors
    /// The device gives no answer.
    pub fn handle_frame(&mut self, frame: &mut [u8]) -> Result<Vec<u8>, Silence> {
        self.with_power(|module| {
            let mut answer = [0; ANSWER_FRAME_BYTES_MAX];
            let length = module.handle_frame(frame, &mut answer);
            answer[..length].to_vec()
        })
    }

    /// Opens a session and says who the device is.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn identify(&mut self) -> Result<Result<Identity, Refusal>, Silence> {
        self.with_power(WriteModule::identify)
    }

    /// Makes a key for this number, or finds the one that it made before.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn request_certificate(
        &mut self,
        session: Session,
        number: &DeviceNumber,
    ) -> Result<Result<SigningRequest, Refusal>, Silence> {
        self.with_power(|module| module.request_certificate(session, number))
    }

    /// Stores a pack.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn receive(&mut self, transmission: &Transmission<'_>) -> Result<Result<(), Refusal>, Silence> {
        self.with_power(|module| module.receive(transmission))
    }

    /// Proves that the device holds its pack.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn write_result(
        &mut self,
        session: Session,
        challenge: &[u8; 32],
    ) -> Result<Result<WriteResult, Refusal>, Silence> {
        self.with_power(|module| module.write_result(session, challenge))
    }

    /// Makes the pack's number the device's own.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn confirm(&mut self, session: Session) -> Result<Result<(), Refusal>, Silence> {
        self.with_power(|module| module.confirm(session))
    }

    /// Takes the certificate that the device is owed, outside of any session.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn install_certificate(
        &mut self,
        root: &[u8],
        issuing: &[u8],
        client: &[u8],
    ) -> Result<Result<(), Refusal>, Silence> {
        self.with_power(|module| module.install_certificate(root, issuing, client))
    }

    /// Signs with the key of the device's certificate, or of the one that it is owed: `r` and `s`.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn sign(&mut self, message: &[u8]) -> Result<Result<Vec<u8>, Refusal>, Silence> {
        self.with_power(|module| module.sign(message).map(|signature| signature.to_vec()))
    }

    /// The product that the device was built as.
    pub fn product(&mut self) -> ProductCode {
        self.module.board().product().clone()
    }

    /// The device's chip.
    pub fn hardware_uid(&mut self) -> HardwareUid {
        self.module.board().hardware_uid().clone()
    }

    /// The pack in the device's flash.
    ///
    /// # Errors
    /// The flash cannot be read, or holds what this program does not know.
    pub fn pack(&mut self) -> Result<Option<HeldPack>, StoreError> {
        let mut buffer = HeldBuffer::new();
        Ok(self.module.held(&mut buffer)?.map(HeldPack::of))
    }

    /// The symmetric credential in the device's flash, opened as the device opens it to authenticate.
    ///
    /// # Errors
    /// The device has none, or cannot read or open it.
    pub fn symmetric_credential(&mut self) -> Result<SymmetricCredential, Refusal> {
        self.module.with_pass_phrase(|apparatus_id, pass_phrase| SymmetricCredential {
            apparatus_id,
            pass_phrase: PassPhrase::new(pass_phrase.expose()),
        })
    }

    /// The number that the device has in its NVRAM, once its pack is confirmed.
    ///
    /// # Errors
    /// The NVRAM cannot be read, or holds what this program does not know.
    pub fn confirmed_number(&mut self) -> Result<Option<DeviceNumber>, StoreError> {
        let mut buffer = nvram::NvramBuffer::new();
        Ok(nvram::read(self.module.board(), &mut buffer)?.device_number)
    }

    /// Lets the device change `changes` more words or blocks of its memory, and cuts its power in
    /// the next.
    pub fn cut_power_after(&mut self, changes: u32, tear: Tear) {
        self.module.board().supply().cut_after(changes, tear);
    }

    /// Whether the power is cut.
    pub fn is_off(&mut self) -> bool {
        self.module.board().supply().is_off()
    }

    /// Starts the device again after a power cut: its memory is as the cut left it.
    pub fn power_on(&mut self) {
        let mut board = self.module.board().clone();
        board.supply().restore();
        self.module = WriteModule::new(board);
    }

    fn on_board(mut self, change: impl FnOnce(SimBoard<Memory>) -> SimBoard<Memory>) -> Self {
        let board = change(self.module.board().clone());
        Self { module: WriteModule::new(board), ..self }
    }

    /// Lets the module act, keeps what it wrote, and hands its answer out if the power held.
    fn with_power<T>(
        &mut self,
        act: impl FnOnce(&mut WriteModule<SimBoard<Memory>>) -> T,
    ) -> Result<T, Silence> {
        if self.is_off() {
            return Err(Silence::NoPower);
        }
        let answer = act(&mut self.module);
        self.keep().map_err(Silence::FlashFile)?;
        if self.is_off() { Err(Silence::NoPower) } else { Ok(answer) }
    }

    fn keep(&mut self) -> std::io::Result<()> {
        let changes = self.changes();
        if let Some((path, kept)) = &mut self.file
            && *kept != changes
        {
            flash_file::write(path, self.module.board())?;
            *kept = changes;
        }
        Ok(())
    }

    fn changes(&mut self) -> u32 {
        self.module.board().supply().changes()
    }
}
