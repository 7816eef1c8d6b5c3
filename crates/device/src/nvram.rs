//! The NVRAM (source A Fig. 6): what a device keeps beside its certificate.
//!
//! All fields are one record in two [slots](crate::slots), so a power cut leaves all old or all new.

use identity::DeviceNumber;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::Board;
use crate::slots::{RecordKind, Slots, StoreError, UNIT_BYTES};

/// The most bytes of the record.
pub const NVRAM_BYTES_MAX: usize = 62 * UNIT_BYTES;

/// What the NVRAM holds.
#[derive(Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Nvram<'a> {
    /// The device's number. It is written when a pack is confirmed; from then on the device takes
    /// no other identity.
    #[n(0)]
    pub device_number: Option<DeviceNumber>,
    /// What the device's operation starts from.
    #[cbor(b(1), with = "minicbor::bytes")]
    pub initial_operational_value: &'a [u8],
    /// What its applications start from.
    #[cbor(b(2), with = "minicbor::bytes")]
    pub initial_application_value: &'a [u8],
    /// The device's counters, as its firmware writes them.
    #[cbor(b(3), with = "minicbor::bytes")]
    pub counter_information: &'a [u8],
    /// The common certificate, a second copy beside that in flash.
    #[cbor(b(4), with = "minicbor::bytes")]
    pub common_certificate: &'a [u8],
    /// The key that the device made and that is in no pack yet, or not in the one that it uses. It is gone
    /// once a pack is confirmed, or a renewal has come to its end.
    #[b(5)]
    pub own_key: Option<OwnKey<'a>>,
}

/// A key that the device made.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct OwnKey<'a> {
    /// The number that it was made for.
    #[n(0)]
    pub(crate) device_number: DeviceNumber,
    /// The key, PKCS#8 DER.
    #[cbor(b(1), with = "minicbor::bytes")]
    pub(crate) secret_key: &'a [u8],
}

/// Room for a record that was read. It is wiped on drop.
pub struct NvramBuffer(Zeroizing<[u8; NVRAM_BYTES_MAX]>);

impl NvramBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self(Zeroizing::new([0; NVRAM_BYTES_MAX]))
    }
}

impl Default for NvramBuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads the NVRAM; a blank one reads as empty fields.
///
/// # Errors
/// The memory fails, or holds what this program does not know.
pub fn read<'b>(board: &mut impl Board, buffer: &'b mut NvramBuffer) -> Result<Nvram<'b>, StoreError> {
    let area = board.nvram_area();
    match Slots::new(board.nvram(), area).read(&[RecordKind::Nvram], &mut *buffer.0)? {
        Some(body) => minicbor::decode(body).map_err(|_| StoreError::Unknown),
        None => Ok(Nvram::default()),
    }
}

/// Writes the NVRAM: after a power cut it holds all that it held before, or all of `nvram`.
///
/// # Errors
/// The memory fails.
pub fn write(board: &mut impl Board, nvram: &Nvram<'_>) -> Result<(), StoreError> {
    let area = board.nvram_area();
    Slots::new(board.nvram(), area).write(RecordKind::Nvram, nvram)
}

/// Removes what the NVRAM held before.
pub(crate) fn wipe_older(board: &mut impl Board) -> Result<(), StoreError> {
    let area = board.nvram_area();
    Slots::new(board.nvram(), area).wipe_older()
}
