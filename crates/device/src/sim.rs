//! A board in memory, for tests and for the emulator: NOR flash whose power fails where it is told to.
//!
//! The memories behave like the real thing: programming only clears bits of an erased word, erasing
//! takes whole blocks, and a word or block that was being changed when the power failed may hold
//! anything between old and new ([`Tear`]). [`sweep`] tries an act with a cut at every moment.

mod sweep;

use alloc::sync::Arc;
use core::ops::Range;

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use identity::profile::KeyAlgorithm;
use identity::{HardwareUid, ProductCode};
use seal::{ChipKey, PreWriteKey};
use sha2::{Digest, Sha256};

use crate::{Board, FlashAreas};

pub use sweep::{Cuts, sweep};

/// The bytes that are programmed at once.
pub const WORD_BYTES: usize = 4;
/// The bytes that are erased at once.
pub const BLOCK_BYTES: usize = 2_048;
/// The bytes of the flash memory.
pub const FLASH_BYTES: usize = 9 * BLOCK_BYTES;
/// The bytes of the NVRAM.
pub const NVRAM_BYTES: usize = 2 * BLOCK_BYTES;

/// A board whose memories are `M`, such as `Vec<u8>`: [`FLASH_BYTES`] and [`NVRAM_BYTES`] long, all
/// `0xff` when new.
#[derive(Clone)]
pub struct SimBoard<M> {
    product: ProductCode,
    hardware_uid: HardwareUid,
    pre_write_key: Option<Arc<PreWriteKey>>,
    chip_key: Option<Arc<ChipKey>>,
    own_key_algorithm: KeyAlgorithm,
    flash: M,
    nvram: M,
    supply: Supply,
    generator: Generator,
}

impl<M: AsRef<[u8]> + AsMut<[u8]>> SimBoard<M> {
    /// A board with these memories and no keys; what its random number generator gives follows from
    /// `seed`.
    ///
    /// # Panics
    /// Where a memory has the wrong length.
    pub fn new(product: ProductCode, hardware_uid: HardwareUid, seed: u64, flash: M, nvram: M) -> Self {
        assert_eq!(flash.as_ref().len(), FLASH_BYTES, "the length of the flash memory");
        assert_eq!(nvram.as_ref().len(), NVRAM_BYTES, "the length of the NVRAM");
        Self {
            product,
            hardware_uid,
            pre_write_key: None,
            chip_key: None,
            own_key_algorithm: KeyAlgorithm::P256,
            flash,
            nvram,
            supply: Supply::default(),
            generator: Generator { seed, draws: 0 },
        }
    }

    /// The board with firmware that was built with this key.
    pub fn with_pre_write_key(self, key: Arc<PreWriteKey>) -> Self {
        Self { pre_write_key: Some(key), ..self }
    }

    /// The board with a chip that has this key.
    pub fn with_chip_key(self, key: Arc<ChipKey>) -> Self {
        Self { chip_key: Some(key), ..self }
    }

    /// The board with firmware that makes such keys.
    pub fn with_own_key_algorithm(self, algorithm: KeyAlgorithm) -> Self {
        Self { own_key_algorithm: algorithm, ..self }
    }

    /// The power supply of board and memories.
    pub fn supply(&mut self) -> &mut Supply {
        &mut self.supply
    }

    /// The content of the flash memory.
    pub fn flash_image(&self) -> &[u8] {
        self.flash.as_ref()
    }

    /// The content of the NVRAM.
    pub fn nvram_image(&self) -> &[u8] {
        self.nvram.as_ref()
    }
}

impl<M: AsRef<[u8]> + AsMut<[u8]>> Board for SimBoard<M> {
    const KEY_ALGORITHMS: &'static [KeyAlgorithm] = KeyAlgorithm::ALL;
    const MAKES_KEYS: bool = true;

    fn product(&self) -> &ProductCode {
        &self.product
    }

    fn hardware_uid(&self) -> &HardwareUid {
        &self.hardware_uid
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        self.generator.fill(bytes);
    }

    fn pre_write_key(&self) -> Option<&PreWriteKey> {
        self.pre_write_key.as_deref()
    }

    fn chip_key(&self) -> Option<&ChipKey> {
        self.chip_key.as_deref()
    }

    fn own_key_algorithm(&self) -> KeyAlgorithm {
        self.own_key_algorithm
    }

    fn flash(&mut self) -> impl NorFlash {
        Memory { bytes: self.flash.as_mut(), supply: &mut self.supply }
    }

    fn flash_areas(&self) -> FlashAreas {
        let blocks = |range: Range<u32>| {
            let size = BLOCK_BYTES as u32;
            range.start * size..range.end * size
        };
        FlashAreas {
            certificate: blocks(0..6),
            common_certificate: blocks(6..7),
            fixed_parameters: blocks(7..8),
            program: blocks(8..9),
        }
    }

    fn nvram(&mut self) -> impl NorFlash {
        Memory { bytes: self.nvram.as_mut(), supply: &mut self.supply }
    }

    fn nvram_area(&self) -> Range<u32> {
        0..NVRAM_BYTES as u32
    }
}

/// What a power cut leaves of the word or block that was being changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tear {
    /// As it was.
    Clean,
    /// Each bit old or new, as follows from the seed.
    Noisy(u64),
}

/// Whatever runs on a board whose power can fail: the board alone, or with what stands around it.
pub trait Powered: Clone {
    /// The power supply of the board.
    fn supply(&mut self) -> &mut Supply;
}

impl<M: AsRef<[u8]> + AsMut<[u8]> + Clone> Powered for SimBoard<M> {
    fn supply(&mut self) -> &mut Supply {
        &mut self.supply
    }
}

/// The power supply: counts changes of the memories, and fails where it is told to.
#[derive(Clone, Default)]
pub struct Supply {
    changes: u32,
    cut: Option<(u32, Tear)>,
    is_off: bool,
}

impl Supply {
    /// Lets `changes` more words be programmed or blocks be erased, and cuts the power in the next.
    pub fn cut_after(&mut self, changes: u32, tear: Tear) {
        self.cut = Some((self.changes.wrapping_add(changes), tear));
    }

    /// Whether the power is cut.
    pub fn is_off(&self) -> bool {
        self.is_off
    }

    /// Puts the power on again, and takes back a cut that has not come yet.
    pub fn restore(&mut self) {
        self.is_off = false;
        self.cut = None;
    }

    /// How many words were programmed and blocks erased so far.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    fn require(&self) -> Result<(), NorFlashErrorKind> {
        if self.is_off { Err(NorFlashErrorKind::Other) } else { Ok(()) }
    }

    /// Counts a change; says how it tears where the power fails in it.
    fn change(&mut self) -> Option<Tear> {
        let tear = self.cut.take_if(|(at, _)| *at == self.changes).map(|(_, tear)| tear);
        self.is_off |= tear.is_some();
        self.changes = self.changes.wrapping_add(1);
        tear
    }
}

struct Memory<'a> {
    bytes: &'a mut [u8],
    supply: &'a mut Supply,
}

impl Memory<'_> {
    /// Changes `range` from what it holds to `new`, or part of the way where the power fails.
    fn change(&mut self, range: Range<usize>, new: impl Fn(usize) -> u8) -> Result<(), NorFlashErrorKind> {
        self.supply.require()?;
        let tear = self.supply.change();
        let mut noise = match tear {
            None => None,
            Some(Tear::Clean) => return Err(NorFlashErrorKind::Other),
            Some(Tear::Noisy(seed)) => Some(Noise(seed ^ u64::from(self.supply.changes))),
        };
        for (index, byte) in self.bytes[range].iter_mut().enumerate() {
            let is_new = noise.as_mut().map_or(0xff, |noise| noise.next() as u8);
            *byte = (*byte & !is_new) | (new(index) & is_new);
        }
        self.supply.require()
    }
}

impl ErrorType for Memory<'_> {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Memory<'_> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        self.supply.require()?;
        check_read(self, offset, bytes.len())?;
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Memory<'_> {
    const WRITE_SIZE: usize = WORD_BYTES;
    const ERASE_SIZE: usize = BLOCK_BYTES;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        (from as usize..to as usize)
            .step_by(BLOCK_BYTES)
            .try_for_each(|block| self.change(block..block + BLOCK_BYTES, |_| 0xff))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        for (number, word) in bytes.chunks(WORD_BYTES).enumerate() {
            let start = offset as usize + number * WORD_BYTES;
            let range = start..start + WORD_BYTES;
            if self.bytes[range.clone()].iter().any(|byte| *byte != 0xff) {
                return Err(NorFlashErrorKind::Other);
            }
            self.change(range, |index| word[index])?;
        }
        Ok(())
    }
}

/// The chip's random number generator: reproducible, and what it gave says nothing of what comes.
#[derive(Clone)]
struct Generator {
    seed: u64,
    draws: u64,
}

impl Generator {
    fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(32) {
            let drawn = Sha256::new()
                .chain_update(self.seed.to_le_bytes())
                .chain_update(self.draws.to_le_bytes())
                .finalize();
            part.copy_from_slice(&drawn[..part.len()]);
            self.draws += 1;
        }
    }
}

/// SplitMix64: what torn words hold.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
