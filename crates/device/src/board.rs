//! What the write module needs of the board it runs on.

use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;
use identity::profile::KeyAlgorithm;
use identity::{HardwareUid, ProductCode};
use seal::{ChipKey, PreWriteKey};

/// The board: what firmware implements once, in an afternoon. Its two memories are NOR flash, or
/// anything that can be driven as such.
pub trait Board {
    /// The keys that the device signs with. The program holds no code for others.
    const KEY_ALGORITHMS: &'static [KeyAlgorithm] = &[KeyAlgorithm::P256];

    /// Whether the device makes a key of its own where a station asks it to. A board whose random
    /// numbers can be foretold must not. Where it does not, the program holds no code for it.
    const MAKES_KEYS: bool = false;

    /// What the board was built as.
    fn product(&self) -> &ProductCode;

    /// The number of its chip.
    fn hardware_uid(&self) -> &HardwareUid;

    /// Overwrites all of `bytes` from the chip's random number generator.
    fn fill_random(&mut self, bytes: &mut [u8]);

    /// The key that the firmware was built with or, where the product derives one for each chip, that
    /// the board was given. None where the product's packs are not sealed under one.
    fn pre_write_key(&self) -> Option<&PreWriteKey> {
        None
    }

    /// The key pair that the chip has by itself. None where it has none, or packs are not sealed to it.
    fn chip_key(&self) -> Option<&ChipKey> {
        None
    }

    /// Which of [`KEY_ALGORITHMS`](Self::KEY_ALGORITHMS) the device uses where it makes a key.
    fn own_key_algorithm(&self) -> KeyAlgorithm {
        Self::KEY_ALGORITHMS[0]
    }

    /// The flash memory (source A Fig. 5).
    fn flash(&mut self) -> impl NorFlash;

    /// What lies where in the flash memory.
    fn flash_areas(&self) -> FlashAreas;

    /// The NVRAM (source A Fig. 6).
    fn nvram(&mut self) -> impl NorFlash;

    /// Where in the NVRAM the record of [`nvram`](crate::nvram) lies: two slots.
    fn nvram_area(&self) -> Range<u32>;
}

/// The areas of the flash memory (source A Fig. 5), in bytes from its start; each begins and ends
/// with an erase block. The write module changes nothing but the certificate area.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlashAreas {
    /// Certificate: two [slots](crate::slots) for what the device [holds](crate::Held).
    pub certificate: Range<u32>,
    /// Common certificate, which one product family shares.
    pub common_certificate: Range<u32>,
    /// Fixed parameters.
    pub fixed_parameters: Range<u32>,
    /// Program.
    pub program: Range<u32>,
}
