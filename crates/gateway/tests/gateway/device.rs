//! Devices under manufacture: the true write module on a board in memory.

use std::sync::Arc;

use device::WriteModule;
use device::sim::{FLASH_BYTES, NVRAM_BYTES, SimBoard};
use identity::line::{Refusal, Transmission};
use identity::{DeviceNumber, HardwareUid, KeyIdentifier};
use message::bytes::Bytes;
use message::lease::{AttemptId, LeaseRequest};
use message::pack::CredentialPack;
use message::result::{Confirmation, Proof};
use seal::{ChipKey, PreWriteKey};

type Board = SimBoard<Vec<u8>>;

/// The station's challenge, whichever station it is.
const CHALLENGE: [u8; 32] = [7; 32];

pub struct TestDevice {
    pub hardware_uid: HardwareUid,
    /// The number of the pack that it stored.
    pub holds: Option<DeviceNumber>,
    key_identifier: Option<KeyIdentifier>,
    chip_key: Option<Bytes>,
    module: WriteModule<Board>,
}

impl TestDevice {
    /// A device of 3012 with this chip, and no keys.
    pub fn new(chip: u32) -> Self {
        Self::build("3012", chip, |board| board)
    }

    /// A device whose firmware was built with this pre-write key.
    pub fn with_firmware(product: &str, chip: u32, key: &Arc<PreWriteKey>) -> Self {
        let device = Self::build(product, chip, |board| board.with_pre_write_key(Arc::clone(key)));
        Self { key_identifier: Some(key.identifier().clone()), ..device }
    }

    /// A device that has only the key which is derived for its chip from this pre-write key.
    pub fn with_derived_key(product: &str, chip: u32, key: &PreWriteKey) -> Self {
        let hardware_uid = HardwareUid::new(&chip.to_be_bytes()).unwrap();
        Self::with_firmware(product, chip, &Arc::new(key.for_chip(&hardware_uid)))
    }

    /// A device whose chip has a key of its own.
    pub fn with_chip_key(product: &str, chip: u32) -> Self {
        let key = ChipKey::new(&[chip as u8 + 1; ChipKey::BYTES]).unwrap();
        let public = Bytes(key.public_key().to_bytes().to_vec());
        let device = Self::build(product, chip, |board| board.with_chip_key(Arc::new(key)));
        Self { chip_key: Some(public), ..device }
    }

    fn build(product: &str, chip: u32, keys: impl FnOnce(Board) -> Board) -> Self {
        let hardware_uid = HardwareUid::new(&chip.to_be_bytes()).unwrap();
        let (flash, nvram) = (vec![0xff; FLASH_BYTES], vec![0xff; NVRAM_BYTES]);
        let board =
            SimBoard::new(product.parse().unwrap(), hardware_uid.clone(), u64::from(chip), flash, nvram);
        let module = WriteModule::new(keys(board));
        Self { hardware_uid, holds: None, key_identifier: None, chip_key: None, module }
    }

    pub fn request(&self, attempt: u8, number: &DeviceNumber) -> LeaseRequest {
        LeaseRequest {
            attempt: AttemptId::new([attempt; 16]),
            device_number: number.clone(),
            product: number.product().clone(),
            hardware_uid: self.hardware_uid.clone(),
            key_identifier: self.key_identifier.clone(),
            chip_key: self.chip_key.clone(),
            signing_request: None,
        }
    }

    /// The same of a device that makes its key itself, unless it refuses to.
    pub fn request_with_own_key(&mut self, attempt: u8, number: &DeviceNumber) -> LeaseRequest {
        let session = self.module.identify().unwrap().session;
        let request = self.module.request_certificate(session, number).ok();
        let signing_request = request.map(|request| Bytes(request.0.to_vec()));
        LeaseRequest { signing_request, ..self.request(attempt, number) }
    }

    /// Stores the pack and proves it.
    pub fn write(&mut self, number: &DeviceNumber, pack: CredentialPack) -> Proof {
        self.try_write(number, &pack).unwrap()
    }

    /// The same, unless the device refuses the pack.
    pub fn try_write(&mut self, number: &DeviceNumber, pack: &CredentialPack) -> Result<Proof, Refusal> {
        let session = self.module.identify().unwrap().session;
        let pack = pack.on_the_line(number).unwrap();
        self.module.receive(&Transmission { session, pack })?;
        self.holds = Some(number.clone());
        let told = self.module.write_result(session, &CHALLENGE).unwrap();
        Ok(Proof {
            hardware_uid: self.hardware_uid.clone(),
            challenge: Bytes(CHALLENGE.to_vec()),
            pack_digest: Bytes(told.pack_digest.to_vec()),
            signature: Some(Bytes(told.signature.to_vec())).filter(|signature| !signature.0.is_empty()),
            confirmation: told.confirmation.map(|said| Confirmation {
                apparatus_id: said.apparatus_id,
                station: Bytes(said.station.to_vec()),
                authority: Bytes(said.authority.to_vec()),
            }),
        })
    }
}
