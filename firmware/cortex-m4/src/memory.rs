//! Flash memory, as this machine can have it: a RAM that survives a reset, under the rules of flash.
//!
//! Erasing sets whole blocks to ones, a word is programmed once after that, and a reset takes effect
//! between two words. A real board uses its flash controller's driver in place of this file.

use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

use crate::chip::Words;

/// The bytes that are programmed at once.
const WORD_BYTES: usize = 4;
/// The bytes that are erased at once.
pub const BLOCK_BYTES: usize = 2_048;
const ERASED: u32 = u32::MAX;

/// A memory that can be driven as NOR flash.
pub struct Memory {
    words: Words,
}

impl Memory {
    /// The memory in these words.
    pub fn new(words: Words) -> Self {
        Self { words }
    }

    fn read_word(&mut self, index: usize) -> Result<u32, NorFlashErrorKind> {
        self.words.get(index).map(|word| word.read()).ok_or(NorFlashErrorKind::OutOfBounds)
    }

    fn write_word(&mut self, index: usize, value: u32) -> Result<(), NorFlashErrorKind> {
        self.words.get(index).map(|mut word| word.write(value)).ok_or(NorFlashErrorKind::OutOfBounds)
    }
}

impl ErrorType for Memory {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Memory {
    const READ_SIZE: usize = WORD_BYTES;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        for (index, word) in (offset as usize / WORD_BYTES..).zip(bytes.as_chunks_mut().0) {
            *word = self.read_word(index)?.to_le_bytes();
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.words.len() * WORD_BYTES
    }
}

impl NorFlash for Memory {
    const WRITE_SIZE: usize = WORD_BYTES;
    const ERASE_SIZE: usize = BLOCK_BYTES;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        (from as usize / WORD_BYTES..to as usize / WORD_BYTES)
            .try_for_each(|index| self.write_word(index, ERASED))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        for (index, word) in (offset as usize / WORD_BYTES..).zip(bytes.as_chunks().0) {
            if self.read_word(index)? != ERASED {
                return Err(NorFlashErrorKind::Other);
            }
            self.write_word(index, u32::from_le_bytes(*word))?;
        }
        Ok(())
    }
}
