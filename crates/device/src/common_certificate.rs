//! The common certificate (source A Figs. 5 and 6): what the devices of a batch share, and a device may ask
//! with for an individual certificate when it has nothing else.
//!
//! It is programmed with the firmware, into its area of the flash, and copied to the NVRAM; either copy
//! will do. In flash it is four bytes of check sum, highest first, and the same CBOR as in the NVRAM.

use crc::{CRC_32_ISO_HDLC, Crc};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use minicbor::encode::write::Cursor;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::nvram::{self, Nvram, NvramBuffer};
use crate::slots::{StoreError, UNIT_BYTES, flash_error};
use crate::{Board, key};

/// The most bytes that either copy takes.
pub const COMMON_CERTIFICATE_BYTES_MAX: usize = 32 * UNIT_BYTES;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const CHECK_SUM_BYTES: usize = 4;

/// A common certificate with its key.
#[derive(Clone, Copy, Encode, Decode)]
pub struct CommonCertificate<'a> {
    /// The certificate, X.509 DER.
    #[cbor(b(0), with = "minicbor::bytes")]
    pub certificate: &'a [u8],
    /// Its key, PKCS#8 DER.
    #[cbor(b(1), with = "minicbor::bytes")]
    pub secret_key: &'a [u8],
}

/// Room for a common certificate that was read. It is wiped on drop.
pub struct CommonCertificateBuffer(Zeroizing<[u8; COMMON_CERTIFICATE_BYTES_MAX]>);

impl CommonCertificateBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self(Zeroizing::new([0; COMMON_CERTIFICATE_BYTES_MAX]))
    }
}

impl Default for CommonCertificateBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// The device's common certificate: from flash or, where that copy is damaged, from the NVRAM. None
/// where neither holds one that fits its key.
///
/// # Errors
/// A memory fails, or the NVRAM holds what this program does not know.
pub fn read<'b, B: Board>(
    board: &mut B,
    buffer: &'b mut CommonCertificateBuffer,
) -> Result<Option<CommonCertificate<'b>>, StoreError> {
    let area = board.flash_areas().common_certificate;
    let length = COMMON_CERTIFICATE_BYTES_MAX.min(area.len());
    let read = board.flash().read(area.start, &mut buffer.0[..length]);
    read.map_err(flash_error)?;
    let from_flash = checked(&*buffer.0).is_some_and(|body| decoded::<B>(body).is_some());
    if !from_flash {
        let mut nvram_buffer = NvramBuffer::new();
        let copy = nvram::read(board, &mut nvram_buffer)?.common_certificate;
        // What is damaged in flash must not be read again in place of a copy that is not there.
        buffer.0.fill(0xff);
        let room = buffer.0.get_mut(CHECK_SUM_BYTES..CHECK_SUM_BYTES + copy.len());
        room.ok_or(StoreError::TooLong)?.copy_from_slice(copy);
    }
    Ok(decoded::<B>(&buffer.0[CHECK_SUM_BYTES..]))
}

/// Gives the device its common certificate, as its maker does with the firmware: in flash and NVRAM. At any
/// moment that the power fails one of the copies is the old one or the new one.
///
/// # Errors
/// A memory fails, or has no room for it.
pub fn write(board: &mut impl Board, common: &CommonCertificate<'_>) -> Result<(), StoreError> {
    let mut copy = Zeroizing::new([0xff; COMMON_CERTIFICATE_BYTES_MAX]);
    let mut cursor = Cursor::new(&mut copy[CHECK_SUM_BYTES..]);
    minicbor::encode(common, &mut cursor).map_err(|_| StoreError::TooLong)?;
    let end = CHECK_SUM_BYTES + cursor.position();
    let check_sum = CRC.checksum(&copy[CHECK_SUM_BYTES..end]);
    copy[..CHECK_SUM_BYTES].copy_from_slice(&check_sum.to_be_bytes());

    let mut buffer = NvramBuffer::new();
    let nvram = Nvram { common_certificate: &copy[CHECK_SUM_BYTES..end], ..nvram::read(board, &mut buffer)? };
    nvram::write(board, &nvram)?;
    let area = board.flash_areas().common_certificate;
    let mut flash = board.flash();
    flash.erase(area.start, area.end).map_err(flash_error)?;
    flash.write(area.start, &copy[..end.next_multiple_of(UNIT_BYTES)]).map_err(flash_error)
}

/// What is behind the check sum, where that is right.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (check_sum, rest) = bytes.split_first_chunk::<CHECK_SUM_BYTES>()?;
    let mut decoder = minicbor::Decoder::new(rest);
    decoder.skip().ok()?;
    let body = rest.get(..decoder.position())?;
    (CRC.checksum(body) == u32::from_be_bytes(*check_sum)).then_some(body)
}

/// The common certificate in CBOR, where its key is its own.
fn decoded<B: Board>(body: &[u8]) -> Option<CommonCertificate<'_>> {
    let common: CommonCertificate<'_> = minicbor::decode(body).ok()?;
    key::is_certified::<B>(common.secret_key, common.certificate).ok()?.then_some(common)
}
