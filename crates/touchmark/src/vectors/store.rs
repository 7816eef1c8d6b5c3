//! The reference's answers on a device's memory: how a record lies in its two slots, and which record a
//! pack becomes.

use std::sync::Arc;

use device::sim::{FLASH_BYTES, NVRAM_BYTES, SimBoard};
use device::slots::{RecordKind, Slots, StoreError};
use device::{Board, WriteModule};
use identity::line::Transmission;
use identity::{HardwareUid, ProductCode};
use minicbor::encode::{Encode, Encoder, Error, Write};
use seal::ChipKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::{Key, Refused, object};
use super::line_messages::{Hex, Pack};

/// Two slots, in JSON without the erased bytes at their ends.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct TwoSlots([Hex; 2]);

const ERASED: u8 = 0xff;
const KINDS: [RecordKind; 4] =
    [RecordKind::CertificatePack, RecordKind::Nvram, RecordKind::Credentials, RecordKind::Candidate];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WriteRecord {
    slots: TwoSlots,
    kind: u8,
    body: Hex,
}

pub(super) fn write_record(input: WriteRecord) -> Result<Value, Refused> {
    let kind = KINDS.into_iter().find(|kind| *kind as u8 == input.kind).ok_or(Refused)?;
    let mut board = input.slots.board()?;
    let area = board.flash_areas().certificate;
    Slots::new(board.flash(), area).write(kind, &AsItIs(&input.body.0)).map_err(|_| Refused)?;
    object("slots", TwoSlots::of(&board))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReadRecord {
    slots: TwoSlots,
}

pub(super) fn read_record(input: ReadRecord) -> Result<Value, Refused> {
    let mut board = input.slots.board()?;
    let area = board.flash_areas().certificate;
    let mut buffer = vec![0; FLASH_BYTES];
    for kind in KINDS {
        match Slots::new(board.flash(), area.clone()).read(&[kind], &mut buffer) {
            Ok(Some(body)) => return Ok(json!({ "kind": kind as u8, "body": Hex(body.to_vec()) })),
            Ok(None) => return object("blank", true),
            Err(StoreError::Unknown) => {}
            Err(_) => return Err(Refused),
        }
    }
    Err(Refused)
}

pub(super) fn read_candidate(input: ReadRecord) -> Result<Value, Refused> {
    let mut board = input.slots.board()?;
    let area = board.flash_areas().certificate;
    let mut buffer = vec![0; FLASH_BYTES];
    match Slots::new(board.flash(), area).read_candidate(&mut buffer).map_err(|_| Refused)? {
        Some(body) => Ok(json!({ "kind": RecordKind::Candidate as u8, "body": Hex(body.to_vec()) })),
        None => object("blank", true),
    }
}

pub(super) fn accept_candidate(input: ReadRecord) -> Result<Value, Refused> {
    let mut board = input.slots.board()?;
    let area = board.flash_areas().certificate;
    let mut slots = Slots::new(board.flash(), area);
    if !slots.has_candidate().map_err(|_| Refused)? {
        return Err(Refused);
    }
    slots.accept_candidate().map_err(|_| Refused)?;
    drop(slots);
    object("slots", TwoSlots::of(&board))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StorePack {
    product: ProductCode,
    hardware_uid: HardwareUid,
    pre_write_key: Option<Key>,
    chip_key: Option<Hex<[u8; 32]>>,
    pack: Pack,
}

pub(super) fn store_pack(input: StorePack) -> Result<Value, Refused> {
    let blank = TwoSlots([Hex(Vec::new()), Hex(Vec::new())]);
    let mut board = blank.board_of(input.product, input.hardware_uid)?;
    if let Some(key) = &input.pre_write_key {
        board = board.with_pre_write_key(Arc::new(key.pre_write_key()));
    }
    if let Some(key) = &input.chip_key {
        board = board.with_chip_key(Arc::new(ChipKey::new(&key.0).map_err(|_| Refused)?));
    }
    let mut device = WriteModule::new(board);
    let session = device.identify().map_err(|_| Refused)?.session;
    let transmission = Transmission { session, pack: input.pack.on_the_line() };
    device.receive(&transmission).map_err(|_| Refused)?;
    read_record(ReadRecord { slots: TwoSlots::of(device.board()) })
}

impl TwoSlots {
    /// A board whose certificate area holds the slots. What else it is does not matter to them.
    fn board(&self) -> Result<SimBoard<Vec<u8>>, Refused> {
        let product = "3012".parse().map_err(|_| Refused)?;
        self.board_of(product, HardwareUid::new(&[0; 4]).map_err(|_| Refused)?)
    }

    fn board_of(
        &self,
        product: ProductCode,
        hardware_uid: HardwareUid,
    ) -> Result<SimBoard<Vec<u8>>, Refused> {
        let nvram = vec![ERASED; NVRAM_BYTES];
        let blank = vec![ERASED; FLASH_BYTES];
        let area = SimBoard::new(product.clone(), hardware_uid.clone(), 0, blank.clone(), nvram.clone())
            .flash_areas()
            .certificate;
        let mut flash = blank;
        let slots = flash[area.start as usize..area.end as usize].chunks_exact_mut(area.len() / 2);
        for (place, content) in slots.zip(&self.0) {
            place.get_mut(..content.0.len()).ok_or(Refused)?.copy_from_slice(&content.0);
        }
        Ok(SimBoard::new(product, hardware_uid, 0, flash, nvram))
    }

    fn of(board: &SimBoard<Vec<u8>>) -> Self {
        let area = board.flash_areas().certificate;
        let flash = &board.flash_image()[area.start as usize..area.end as usize];
        let (a, b) = flash.split_at(flash.len() / 2);
        Self([a, b].map(|slot| {
            let length = slot.iter().rposition(|byte| *byte != ERASED).map_or(0, |last| last + 1);
            Hex(slot[..length].to_vec())
        }))
    }
}

/// CBOR that is already encoded.
struct AsItIs<'a>(&'a [u8]);

impl<C> Encode<C> for AsItIs<'_> {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), Error<W::Error>> {
        to.writer_mut().write_all(self.0).map_err(Error::write)
    }
}
