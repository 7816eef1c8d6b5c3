//! The board as the write module sees it.

use core::ops::Range;

use device::nvram::{self, Nvram, NvramBuffer};
use device::slots::StoreError;
use device::{Board, FlashAreas};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use identity::{HardwareUid, ProductCode};
use seal::PreWriteKey;
use sha2::{Digest, Sha256};

use crate::chip::Words;
use crate::memory::{BLOCK_BYTES, Memory};

/// What this firmware is built for.
const PRODUCT: &str = "3012";

/// What it is built with, where the build was given a key (`build.rs`).
mod key {
    include!(concat!(env!("OUT_DIR"), "/pre_write_key.rs"));
}

/// The example board.
///
/// # Random numbers
/// The machine has no random number generator. The write module draws only session numbers, which
/// must never repeat but need not be secret: they are a hash of chip number, count of starts and
/// count of draws. The count of starts is the NVRAM's counter information, and is stored before the
/// first draw. Signatures need no random numbers (RFC 6979). A real board takes `fill_random`
/// from its chip's generator, and may then make keys of its own (`Board::MAKES_KEYS`).
pub struct ExampleBoard {
    product: ProductCode,
    hardware_uid: HardwareUid,
    pre_write_key: Option<PreWriteKey>,
    starts: u64,
    draws: u64,
    flash: Memory,
    nvram: Memory,
}

impl ExampleBoard {
    /// The board after a reset: counts the start.
    ///
    /// # Errors
    /// The NVRAM fails, or holds what this program does not know.
    pub fn start(uid: [u8; 16], flash: Words, nvram: Words) -> Result<Self, StoreError> {
        let mut board = Self {
            product: PRODUCT.parse().expect("the product code is well formed"),
            hardware_uid: HardwareUid::new(&uid).expect("a UID may have 16 bytes"),
            pre_write_key: key::PRE_WRITE_KEY.map(|(identifier, key)| {
                PreWriteKey::new(identifier.parse().expect("the key identifier is well formed"), key)
            }),
            starts: 0,
            draws: 0,
            flash: Memory::new(flash),
            nvram: Memory::new(nvram),
        };
        board.starts = board.count_start()?;
        Ok(board)
    }

    // Inlined, its buffer would lie on the stack as long as the program runs.
    #[inline(never)]
    fn count_start(&mut self) -> Result<u64, StoreError> {
        let mut buffer = NvramBuffer::new();
        let nvram = nvram::read(self, &mut buffer)?;
        let before = nvram.counter_information.first_chunk().copied().map_or(0, u64::from_le_bytes);
        let starts = before + 1;
        nvram::write(self, &Nvram { counter_information: &starts.to_le_bytes(), ..nvram })?;
        Ok(starts)
    }
}

impl Board for ExampleBoard {
    fn product(&self) -> &ProductCode {
        &self.product
    }

    fn hardware_uid(&self) -> &HardwareUid {
        &self.hardware_uid
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(32) {
            self.draws += 1;
            let digest = Sha256::new()
                .chain_update(b"touchmark example board")
                .chain_update(self.hardware_uid.as_bytes())
                .chain_update(self.starts.to_le_bytes())
                .chain_update(self.draws.to_le_bytes())
                .finalize();
            part.copy_from_slice(&digest[..part.len()]);
        }
    }

    fn pre_write_key(&self) -> Option<&PreWriteKey> {
        self.pre_write_key.as_ref()
    }

    fn flash(&mut self) -> impl NorFlash {
        &mut self.flash
    }

    fn flash_areas(&self) -> FlashAreas {
        FlashAreas {
            certificate: blocks(0..6),
            common_certificate: blocks(6..7),
            fixed_parameters: blocks(7..8),
            // The program runs from a memory of its own (memory.x).
            program: blocks(8..8),
        }
    }

    fn nvram(&mut self) -> impl NorFlash {
        &mut self.nvram
    }

    fn nvram_area(&self) -> Range<u32> {
        0..self.nvram.capacity() as u32
    }
}

fn blocks(range: Range<u32>) -> Range<u32> {
    range.start * BLOCK_BYTES as u32..range.end * BLOCK_BYTES as u32
}
