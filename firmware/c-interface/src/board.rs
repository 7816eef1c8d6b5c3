//! A board that is written in C, as the write module sees it.

use core::ffi::{CStr, c_void};
use core::ops::Range;
use core::slice;

use device::nvram::NVRAM_BYTES_MAX;
use device::slots::{OVERHEAD_BYTES, UNIT_BYTES};
use device::{Board, FlashAreas, Held};
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use identity::{HardwareUid, ProductCode};
use seal::{ChipKey, PreWriteKey};

use crate::{TouchmarkArea, TouchmarkBoard, TouchmarkMemory};

/// A board whose functions are all there and whose areas lie in its memories.
pub struct CBoard {
    product: ProductCode,
    hardware_uid: HardwareUid,
    pre_write_key: Option<PreWriteKey>,
    chip_key: Option<ChipKey>,
    context: *mut c_void,
    fill_random: unsafe extern "C" fn(*mut c_void, *mut u8, u32),
    flash: Memory,
    flash_areas: FlashAreas,
    nvram: Memory,
    nvram_area: Range<u32>,
}

impl CBoard {
    /// The board that `board` describes, if it does.
    ///
    /// # Safety
    /// What `board` points to is what [`TouchmarkBoard`] says, and its functions keep their word for
    /// as long as this board is used.
    pub unsafe fn new(board: &TouchmarkBoard) -> Option<Self> {
        if board.product.is_null() || board.hardware_uid.is_null() {
            return None;
        }
        // SAFETY: the caller vouches for the text and its closing zero, and for the bytes.
        let (product, hardware_uid) = unsafe {
            let uid = slice::from_raw_parts(board.hardware_uid, board.hardware_uid_bytes as usize);
            (CStr::from_ptr(board.product), uid)
        };
        // SAFETY: the caller vouches for the keys, where they are given.
        let (pre_write_key, chip_key) = unsafe { (pre_write_key(board).ok()?, chip_key(board).ok()?) };
        let (flash, nvram) = (Memory::new(&board.flash)?, Memory::new(&board.nvram)?);
        Some(Self {
            product: product.to_str().ok()?.parse().ok()?,
            hardware_uid: HardwareUid::new(hardware_uid).ok()?,
            pre_write_key,
            chip_key,
            context: board.context,
            fill_random: board.fill_random?,
            flash_areas: FlashAreas {
                certificate: flash.slots(board.certificate, Held::BYTES_MAX)?,
                common_certificate: flash.area(board.common_certificate)?,
                fixed_parameters: flash.area(board.fixed_parameters)?,
                program: flash.area(board.program)?,
            },
            nvram_area: nvram.slots(board.nvram_area, NVRAM_BYTES_MAX)?,
            flash,
            nvram,
        })
    }
}

/// What should be a key is none.
struct NotAKey;

/// The pre-write key, if the board has one.
///
/// # Safety
/// As [`CBoard::new`].
unsafe fn pre_write_key(board: &TouchmarkBoard) -> Result<Option<PreWriteKey>, NotAKey> {
    if board.pre_write_key.is_null() {
        return Ok(None);
    }
    if board.key_identifier.is_null() {
        return Err(NotAKey);
    }
    // SAFETY: the caller vouches for the text and its closing zero, and for the bytes.
    let (identifier, key) = unsafe {
        (CStr::from_ptr(board.key_identifier), &*board.pre_write_key.cast::<[u8; PreWriteKey::BYTES]>())
    };
    let identifier = identifier.to_str().ok().and_then(|text| text.parse().ok()).ok_or(NotAKey)?;
    Ok(Some(PreWriteKey::new(identifier, key)))
}

/// The chip's own key, if it has one.
///
/// # Safety
/// As [`CBoard::new`].
unsafe fn chip_key(board: &TouchmarkBoard) -> Result<Option<ChipKey>, NotAKey> {
    if board.chip_key.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller vouches for the bytes.
    let scalar = unsafe { &*board.chip_key.cast::<[u8; ChipKey::BYTES]>() };
    ChipKey::new(scalar).map(Some).map_err(|_| NotAKey)
}

impl Board for CBoard {
    /// C firmware has a generator: `fill_random` is said to draw from it.
    const MAKES_KEYS: bool = true;

    fn product(&self) -> &ProductCode {
        &self.product
    }

    fn hardware_uid(&self) -> &HardwareUid {
        &self.hardware_uid
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        // SAFETY: pointer and length are those of `bytes`.
        unsafe { (self.fill_random)(self.context, bytes.as_mut_ptr(), length(bytes)) }
    }

    fn pre_write_key(&self) -> Option<&PreWriteKey> {
        self.pre_write_key.as_ref()
    }

    fn chip_key(&self) -> Option<&ChipKey> {
        self.chip_key.as_ref()
    }

    fn flash(&mut self) -> impl NorFlash {
        &mut self.flash
    }

    fn flash_areas(&self) -> FlashAreas {
        self.flash_areas.clone()
    }

    fn nvram(&mut self) -> impl NorFlash {
        &mut self.nvram
    }

    fn nvram_area(&self) -> Range<u32> {
        self.nvram_area.clone()
    }
}

/// A memory whose functions are all there.
struct Memory {
    context: *mut c_void,
    bytes: u32,
    read: unsafe extern "C" fn(*mut c_void, u32, *mut u8, u32) -> bool,
    program: unsafe extern "C" fn(*mut c_void, u32, *const u8, u32) -> bool,
    erase: unsafe extern "C" fn(*mut c_void, u32, u32) -> bool,
}

impl Memory {
    fn new(memory: &TouchmarkMemory) -> Option<Self> {
        let &TouchmarkMemory { context, bytes, read, program, erase } = memory;
        Some(Self { context, bytes, read: read?, program: program?, erase: erase? })
    }

    fn area(&self, area: TouchmarkArea) -> Option<Range<u32>> {
        (area.start <= area.end && area.end <= self.bytes).then_some(area.start..area.end)
    }

    /// An area of two slots that each have room for a record of so many bytes.
    fn slots(&self, area: TouchmarkArea, record_bytes: usize) -> Option<Range<u32>> {
        let unit = UNIT_BYTES as u32;
        let slot_bytes = (record_bytes + OVERHEAD_BYTES).next_multiple_of(UNIT_BYTES) as u32;
        self.area(area).filter(|area| {
            let bytes = area.end - area.start;
            area.start.is_multiple_of(unit) && bytes.is_multiple_of(2 * unit) && bytes / 2 >= slot_bytes
        })
    }
}

impl ErrorType for Memory {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Memory {
    const READ_SIZE: usize = UNIT_BYTES;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        // SAFETY: pointer and length are those of `bytes`, and the offset lies in the memory.
        done(unsafe { (self.read)(self.context, offset, bytes.as_mut_ptr(), length(bytes)) })
    }

    fn capacity(&self) -> usize {
        self.bytes as usize
    }
}

impl NorFlash for Memory {
    const WRITE_SIZE: usize = UNIT_BYTES;
    /// The smallest that any memory may have; the areas suit the blocks of this one.
    const ERASE_SIZE: usize = UNIT_BYTES;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        // SAFETY: the range lies in the memory.
        done(unsafe { (self.erase)(self.context, from, to) })
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        // SAFETY: pointer and length are those of `bytes`, and the offset lies in the memory.
        done(unsafe { (self.program)(self.context, offset, bytes.as_ptr(), length(bytes)) })
    }
}

fn done(succeeded: bool) -> Result<(), NorFlashErrorKind> {
    if succeeded { Ok(()) } else { Err(NorFlashErrorKind::Other) }
}

/// What is passed to C is a record or less, far shorter than 4 GiB.
fn length(bytes: &[u8]) -> u32 {
    bytes.len() as u32
}
