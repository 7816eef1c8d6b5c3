//! The flash file: all that an emulated device remembers without power.
//!
//! | bytes | content |
//! | --- | --- |
//! | 16 | `touchmark flash1` |
//! | 8 | product code, filled up with zeros |
//! | 1 + 16 | length of the hardware UID, the UID, filled up with zeros |
//! | 7 | zeros |
//! | [`FLASH_BYTES`] | flash |
//! | [`NVRAM_BYTES`] | NVRAM |

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use device::Board;
use device::sim::{FLASH_BYTES, NVRAM_BYTES, SimBoard};
use identity::{HardwareUid, ProductCode};
use zeroize::Zeroizing;

use super::Memory;
use crate::durable::{Privacy, replace_file};

const MARK: &[u8; 16] = b"touchmark flash1";
const PRODUCT: usize = MARK.len();
const UID: usize = PRODUCT + ProductCode::LENGTH_MAX;
const HEADER_BYTES: usize = 48;
const FILE_BYTES: usize = HEADER_BYTES + FLASH_BYTES + NVRAM_BYTES;

/// Why a flash file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FlashFileError {
    /// It cannot be read.
    #[error("the flash file cannot be read")]
    Read(#[source] io::Error),
    /// It cannot be written.
    #[error("the flash file cannot be written")]
    Write(#[source] io::Error),
    /// A blank device was to be made where there is one.
    #[error("there is already a file")]
    Exists,
    /// It is something else.
    #[error("this is not the flash file of an emulated device")]
    NotAFlashFile,
}

pub(super) fn read(path: &Path, seed: u64) -> Result<SimBoard<Memory>, FlashFileError> {
    let mut content = Zeroizing::new(Vec::with_capacity(FILE_BYTES + 1));
    let file = File::open(path).map_err(FlashFileError::Read)?;
    file.take(FILE_BYTES as u64 + 1).read_to_end(&mut content).map_err(FlashFileError::Read)?;
    parse(&content, seed).ok_or(FlashFileError::NotAFlashFile)
}

pub(super) fn write(path: &Path, board: &SimBoard<Memory>) -> io::Result<()> {
    let mut content = Zeroizing::new(Vec::with_capacity(FILE_BYTES));
    content.extend_from_slice(MARK);
    content.extend_from_slice(board.product().as_str().as_bytes());
    content.resize(UID, 0);
    let uid = board.hardware_uid().as_bytes();
    content.push(uid.len() as u8);
    content.extend_from_slice(uid);
    content.resize(HEADER_BYTES, 0);
    content.extend_from_slice(board.flash_image());
    content.extend_from_slice(board.nvram_image());
    replace_file(path, Privacy::Owner, &content)
}

fn parse(content: &[u8], seed: u64) -> Option<SimBoard<Memory>> {
    if content.len() != FILE_BYTES || !content.starts_with(MARK) {
        return None;
    }
    let product = content[PRODUCT..UID].split(|byte| *byte == 0).next()?;
    let product = str::from_utf8(product).ok()?.parse().ok()?;
    let uid = &content[UID + 1..HEADER_BYTES];
    let uid = HardwareUid::new(uid.get(..content[UID].into())?).ok()?;
    let (flash, nvram) = content[HEADER_BYTES..].split_at(FLASH_BYTES);
    let memory = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
    Some(SimBoard::new(product, uid, seed, memory(flash), memory(nvram)))
}
