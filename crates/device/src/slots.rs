//! A record that a power cut leaves old or new, never half: two slots, written in turn.
//!
//! A slot, in units of 32 bytes so that it suits every flash whose word divides 32:
//!
//! | unit | content |
//! | --- | --- |
//! | 0 | header: mark, kind, sequence number, length of the body, check sum over body and header |
//! | 1 | commit word |
//! | 2 .. | body, the last unit filled up with `0xff` |
//!
//! Writing takes the slot that does not hold the newest record: erase, body, header, read back and
//! compare the check sum, and only then the commit word. A slot counts when its commit word and its
//! check sum are right; of two that count, the higher sequence number is the record.
//!
//! The slot that does not hold the record may hold the one before it. Where that must not stay, it is
//! [wiped](Slots::wipe_older).
//!
//! It may also hold a *candidate* ([`RecordKind::Candidate`]), which is to take the record's place but has not
//! done so yet: both can be read. As long as a candidate is the newer of two that count, the older one is
//! the record. A candidate is [accepted](Slots::accept_candidate) by erasing the record before it: what is
//! left alone is the record. So no moment is without a record, and no third state has to be kept.
//!
//! The header says what kind of record the body is, so a reader that does not know the kind leaves
//! it alone. A new kind of record is a new [`RecordKind`].

use core::ops::Range;

use crc::{CRC_32_ISO_HDLC, Crc, Digest};
use embedded_storage::nor_flash::{NorFlash, NorFlashError, NorFlashErrorKind};
use minicbor::Encode;
use zeroize::{Zeroize, Zeroizing};

/// What a slot is made of.
pub const UNIT_BYTES: usize = 32;
/// What a slot takes beside the body.
pub const OVERHEAD_BYTES: usize = 2 * UNIT_BYTES;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const MARK: [u8; 4] = *b"TMR1";
/// Neither erased flash nor zeroed flash nor anything in between by chance.
const COMMIT_WORD: [u8; UNIT_BYTES] = *b"\xa5\x5atouchmark: record is complete\xa5";

/// What a record's body is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordKind {
    /// [`Held`](crate::Held) in CBOR: certificates with a key that came in clear, and nothing else.
    CertificatePack = 1,
    /// [`Nvram`](crate::nvram::Nvram) in CBOR.
    Nvram = 2,
    /// [`Held`](crate::Held) in CBOR.
    Credentials = 3,
    /// [`Held`](crate::Held) in CBOR: a candidate beside an older record, and the record where it is alone.
    Candidate = 4,
}

/// Why a record cannot be read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreError {
    /// The memory itself refused.
    Flash(NorFlashErrorKind),
    /// The memory did not keep what was written to it.
    ReadBack,
    /// The record is longer than a slot, or than the reader's buffer.
    TooLong,
    /// The record is whole, but of another kind or form than this program knows; it is left alone.
    Unknown,
}

impl core::fmt::Display for StoreError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Flash(_) => "the memory refused an operation",
            Self::ReadBack => "the memory did not keep what was written to it",
            Self::TooLong => "the record does not fit its slot",
            Self::Unknown => "the record is not of a form that this program knows",
        })
    }
}

impl core::error::Error for StoreError {}

/// The two slots of one record: the two halves of an area of a flash.
pub struct Slots<F> {
    flash: F,
    area: Range<u32>,
}

impl<F: NorFlash> Slots<F> {
    const UNIT_SUITS_FLASH: () =
        assert!(UNIT_BYTES.is_multiple_of(F::WRITE_SIZE) && UNIT_BYTES.is_multiple_of(F::READ_SIZE));

    /// The slots in `area`, of which each half is a whole number of erase blocks.
    pub fn new(flash: F, area: Range<u32>) -> Self {
        let () = Self::UNIT_SUITS_FLASH;
        Self { flash, area }
    }

    /// Reads the body of the record, which is of one of these kinds, into `buffer`; none where none
    /// was ever written.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] where the record is of another kind.
    pub fn read<'b>(
        &mut self,
        kinds: &[RecordKind],
        buffer: &'b mut [u8],
    ) -> Result<Option<&'b [u8]>, StoreError> {
        let Some((slot, header)) = self.record()? else { return Ok(None) };
        if !kinds.iter().any(|kind| *kind as u8 == header.kind) {
            return Err(StoreError::Unknown);
        }
        self.read_body(slot, header, buffer).map(Some)
    }

    /// Reads the body of the candidate into `buffer`; none where none stands beside a record.
    ///
    /// # Errors
    /// The memory fails, or the buffer is too short.
    pub fn read_candidate<'b>(&mut self, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>, StoreError> {
        let Some((slot, header)) = self.candidate()? else { return Ok(None) };
        self.read_body(slot, header, buffer).map(Some)
    }

    /// Whether a candidate stands beside the record.
    ///
    /// # Errors
    /// The memory fails.
    pub fn has_candidate(&mut self) -> Result<bool, StoreError> {
        Ok(self.candidate()?.is_some())
    }

    /// Writes the record. Until this returns, and at any moment that the power fails, the record is
    /// the old one or the new one. A candidate is overwritten. A record of kind
    /// [`RecordKind::Candidate`] becomes one itself, where there is a record.
    ///
    /// # Errors
    /// The record is the old one then, unless the commit word could not be read back.
    pub fn write(&mut self, kind: RecordKind, body: &impl Encode<()>) -> Result<(), StoreError> {
        let (slot, sequence) = match self.record()? {
            Some((slot, header)) => (slot.other(), header.sequence.wrapping_add(1)),
            None => (Slot::A, 0),
        };
        self.erase(slot)?;
        let header = self.program_body(slot, kind, sequence, body)?;
        self.program(self.offset(slot), &header.to_bytes())?;
        if self.checked_header(slot)? != Some(header) {
            return Err(StoreError::ReadBack);
        }
        self.program(self.commit_offset(slot), &COMMIT_WORD)?;
        if self.is_committed(slot)? { Ok(()) } else { Err(StoreError::ReadBack) }
    }

    /// Erases what was before the record. It takes back nothing: record and candidate stay what they
    /// are, at any moment that the power fails.
    ///
    /// # Errors
    /// The memory fails; some of the slot may be left.
    pub fn wipe_older(&mut self) -> Result<(), StoreError> {
        match (self.record()?, self.candidate()?) {
            (Some((slot, _)), None) => self.wipe(slot.other()),
            _ => Ok(()),
        }
    }

    /// Makes the candidate the record, and erases the one before. At any moment that the power fails the
    /// record is the old one, with the candidate beside it, or the candidate.
    ///
    /// # Errors
    /// The memory fails; some of the old record may be left.
    pub fn accept_candidate(&mut self) -> Result<(), StoreError> {
        match self.candidate()? {
            Some((slot, _)) => self.wipe(slot.other()),
            None => self.wipe_older(),
        }
    }

    /// Erases the candidate, if there is one; the record stays.
    ///
    /// # Errors
    /// The memory fails; some of the candidate may be left.
    pub fn drop_candidate(&mut self) -> Result<(), StoreError> {
        match self.candidate()? {
            Some((slot, _)) => self.wipe(slot),
            None => Ok(()),
        }
    }

    fn record(&mut self) -> Result<Option<(Slot, Header)>, StoreError> {
        let [newer, older] = self.committed()?;
        Ok(if is_candidate(newer) { older.or(newer) } else { newer })
    }

    fn candidate(&mut self) -> Result<Option<(Slot, Header)>, StoreError> {
        let [newer, older] = self.committed()?;
        Ok(newer.filter(|_| is_candidate(newer) && older.is_some()))
    }

    /// The slots that count, the newer one first.
    fn committed(&mut self) -> Result<[Option<(Slot, Header)>; 2], StoreError> {
        let (a, b) = (self.committed_header(Slot::A)?, self.committed_header(Slot::B)?);
        Ok(match (a, b) {
            (Some(a), Some(b)) if a.is_newer_than(b) => [Some((Slot::A, a)), Some((Slot::B, b))],
            (Some(a), None) => [Some((Slot::A, a)), None],
            (a, b) => [b.map(|b| (Slot::B, b)), a.map(|a| (Slot::A, a))],
        })
    }

    fn committed_header(&mut self, slot: Slot) -> Result<Option<Header>, StoreError> {
        if self.is_committed(slot)? { self.checked_header(slot) } else { Ok(None) }
    }

    fn read_body<'b>(
        &mut self,
        slot: Slot,
        header: Header,
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], StoreError> {
        let length = header.length as usize;
        let room = buffer.get_mut(..length.next_multiple_of(UNIT_BYTES)).ok_or(StoreError::TooLong)?;
        self.read_units(self.body_offset(slot), room)?;
        Ok(&room[..length])
    }

    fn wipe(&mut self, slot: Slot) -> Result<(), StoreError> {
        if self.is_blank(slot)? {
            return Ok(());
        }
        self.erase(slot)?;
        if self.is_blank(slot)? { Ok(()) } else { Err(StoreError::ReadBack) }
    }

    fn is_blank(&mut self, slot: Slot) -> Result<bool, StoreError> {
        let mut unit = Zeroizing::new([0; UNIT_BYTES]);
        for offset in (self.offset(slot)..self.offset(slot) + self.slot_bytes()).step_by(UNIT_BYTES) {
            self.read_units(offset, &mut *unit)?;
            if unit.iter().any(|byte| *byte != 0xff) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_committed(&mut self, slot: Slot) -> Result<bool, StoreError> {
        let mut unit = [0; UNIT_BYTES];
        self.read_units(self.commit_offset(slot), &mut unit)?;
        Ok(unit == COMMIT_WORD)
    }

    /// The header of a slot whose check sum is right.
    fn checked_header(&mut self, slot: Slot) -> Result<Option<Header>, StoreError> {
        let mut unit = Zeroizing::new([0; UNIT_BYTES]);
        self.read_units(self.offset(slot), &mut *unit)?;
        let Some(header) = Header::from_bytes(&unit) else { return Ok(None) };
        if header.length > self.slot_bytes() - OVERHEAD_BYTES as u32 {
            return Ok(None);
        }
        let mut digest = CRC.digest();
        let mut offset = self.body_offset(slot);
        let mut left = header.length as usize;
        while left > 0 {
            self.read_units(offset, &mut *unit)?;
            let part = left.min(UNIT_BYTES);
            digest.update(&unit[..part]);
            offset += UNIT_BYTES as u32;
            left -= part;
        }
        Ok((header.check_sum_over(digest) == header.check_sum).then_some(header))
    }

    fn erase(&mut self, slot: Slot) -> Result<(), StoreError> {
        let from = self.offset(slot);
        self.flash.erase(from, from + self.slot_bytes()).map_err(flash_error)
    }

    fn program_body(
        &mut self,
        slot: Slot,
        kind: RecordKind,
        sequence: u32,
        body: &impl Encode<()>,
    ) -> Result<Header, StoreError> {
        let start = self.body_offset(slot);
        let end = self.offset(slot) + self.slot_bytes();
        let mut writer = BodyWriter {
            flash: &mut self.flash,
            offset: start,
            end,
            unit: Zeroizing::new([0xff; UNIT_BYTES]),
            filled: 0,
            digest: CRC.digest(),
        };
        minicbor::encode(body, &mut writer)
            .map_err(|error| error.into_write().unwrap_or(StoreError::Unknown))?;
        let length = writer.offset - start + writer.filled as u32;
        if writer.filled > 0 {
            writer.program_unit()?;
        }
        let header = Header { kind: kind as u8, sequence, length, check_sum: 0 };
        let check_sum = header.check_sum_over(writer.digest);
        Ok(Header { check_sum, ..header })
    }

    fn program(&mut self, offset: u32, unit: &[u8; UNIT_BYTES]) -> Result<(), StoreError> {
        self.flash.write(offset, unit).map_err(flash_error)
    }

    fn read_units(&mut self, offset: u32, units: &mut [u8]) -> Result<(), StoreError> {
        self.flash.read(offset, units).map_err(flash_error)
    }

    fn slot_bytes(&self) -> u32 {
        (self.area.end - self.area.start) / 2
    }

    fn offset(&self, slot: Slot) -> u32 {
        match slot {
            Slot::A => self.area.start,
            Slot::B => self.area.start + self.slot_bytes(),
        }
    }

    fn commit_offset(&self, slot: Slot) -> u32 {
        self.offset(slot) + UNIT_BYTES as u32
    }

    fn body_offset(&self, slot: Slot) -> u32 {
        self.offset(slot) + OVERHEAD_BYTES as u32
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    A,
    B,
}

impl Slot {
    fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Header {
    kind: u8,
    sequence: u32,
    length: u32,
    check_sum: u32,
}

impl Header {
    fn to_bytes(self) -> [u8; UNIT_BYTES] {
        let mut unit = [0xff; UNIT_BYTES];
        unit[..4].copy_from_slice(&MARK);
        unit[4] = self.kind;
        unit[8..12].copy_from_slice(&self.sequence.to_le_bytes());
        unit[12..16].copy_from_slice(&self.length.to_le_bytes());
        unit[16..20].copy_from_slice(&self.check_sum.to_le_bytes());
        unit
    }

    fn from_bytes(unit: &[u8; UNIT_BYTES]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([unit[at], unit[at + 1], unit[at + 2], unit[at + 3]]);
        let header = Self { kind: unit[4], sequence: word(8), length: word(12), check_sum: word(16) };
        (unit[..4] == MARK).then_some(header)
    }

    /// Completes the check sum of the body with the header's own words.
    fn check_sum_over(self, mut body: Digest<'static, u32>) -> u32 {
        body.update(&[self.kind]);
        body.update(&self.sequence.to_le_bytes());
        body.update(&self.length.to_le_bytes());
        body.finalize()
    }

    /// The two slots are one write apart, so this holds even where the number has wrapped.
    fn is_newer_than(self, other: Self) -> bool {
        self.sequence.wrapping_sub(other.sequence) < 1 << 31
    }
}

/// Programs what is written to it unit by unit, so that no second copy of a record is needed.
struct BodyWriter<'f, F> {
    flash: &'f mut F,
    offset: u32,
    end: u32,
    unit: Zeroizing<[u8; UNIT_BYTES]>,
    filled: usize,
    digest: Digest<'static, u32>,
}

impl<F: NorFlash> BodyWriter<'_, F> {
    fn program_unit(&mut self) -> Result<(), StoreError> {
        if self.offset >= self.end {
            return Err(StoreError::TooLong);
        }
        self.flash.write(self.offset, &*self.unit).map_err(flash_error)?;
        self.offset += UNIT_BYTES as u32;
        self.unit.zeroize();
        self.unit.fill(0xff);
        self.filled = 0;
        Ok(())
    }
}

impl<F: NorFlash> minicbor::encode::Write for BodyWriter<'_, F> {
    type Error = StoreError;

    fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        self.digest.update(bytes);
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(UNIT_BYTES - self.filled));
            self.unit[self.filled..][..part.len()].copy_from_slice(part);
            self.filled += part.len();
            bytes = rest;
            if self.filled == UNIT_BYTES {
                self.program_unit()?;
            }
        }
        Ok(())
    }
}

fn is_candidate(slot: Option<(Slot, Header)>) -> bool {
    slot.is_some_and(|(_, header)| header.kind == RecordKind::Candidate as u8)
}

pub(crate) fn flash_error(error: impl NorFlashError) -> StoreError {
    StoreError::Flash(error.kind())
}

#[cfg(test)]
pub(crate) mod tests {
    //! Stores with a planted fault, to show that the sweep of power cuts can fail.

    use super::*;

    /// A writer that commits before there is anything to commit.
    pub(crate) fn write_commit_word_first<F: NorFlash>(
        slots: &mut Slots<F>,
        body: &impl Encode<()>,
    ) -> Result<(), StoreError> {
        let (slot, sequence) = match slots.record()? {
            Some((slot, header)) => (slot.other(), header.sequence + 1),
            None => (Slot::A, 0),
        };
        slots.erase(slot)?;
        slots.program(slots.commit_offset(slot), &COMMIT_WORD)?;
        let header = slots.program_body(slot, RecordKind::CertificatePack, sequence, body)?;
        slots.program(slots.offset(slot), &header.to_bytes())
    }

    /// A writer that knows only one slot.
    pub(crate) fn write_in_place<F: NorFlash>(
        slots: &mut Slots<F>,
        body: &impl Encode<()>,
    ) -> Result<(), StoreError> {
        let (slot, sequence) =
            slots.record()?.map_or((Slot::A, 0), |(slot, header)| (slot, header.sequence + 1));
        slots.erase(slot)?;
        let header = slots.program_body(slot, RecordKind::CertificatePack, sequence, body)?;
        slots.program(slots.offset(slot), &header.to_bytes())?;
        slots.program(slots.commit_offset(slot), &COMMIT_WORD)
    }

    /// A reader that believes the commit word alone; returns which body it would take.
    pub(crate) fn read_without_check_sum<F: NorFlash>(
        slots: &mut Slots<F>,
        buffer: &mut [u8],
    ) -> Result<usize, StoreError> {
        let mut newest: Option<(Slot, Header)> = None;
        for slot in [Slot::A, Slot::B] {
            let mut unit = [0; UNIT_BYTES];
            slots.read_units(slots.offset(slot), &mut unit)?;
            if slots.is_committed(slot)? {
                let header = Header::from_bytes(&unit).ok_or(StoreError::Unknown)?;
                if newest.is_none_or(|(_, other)| header.is_newer_than(other)) {
                    newest = Some((slot, header));
                }
            }
        }
        let Some((slot, header)) = newest else { return Ok(0) };
        let length = header.length as usize;
        slots.read_units(slots.body_offset(slot), &mut buffer[..length])?;
        Ok(length)
    }
}
