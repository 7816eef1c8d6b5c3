//! A device certificate, encoded once, whose fields are then overwritten in place.
//!
//! Two device certificates of one CA, one maker and the same lengths differ in six fields only:
//! serial, both times, device number, public key, and the identifier of that key. The certificate
//! builder makes the first of them; its bytes with those six fields overwritten are, byte for byte,
//! what the builder would make for the next. That costs a hundredth of the builder's time.

use std::ops::Range;

use cert::lint::reading::ToBeSigned;
use const_oid::db::rfc4519::SERIAL_NUMBER;
use const_oid::db::rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER;
use der::{Encode, ErrorKind, Tag};

use crate::profile::KEY_IDENTIFIER_OCTETS;

/// An encoded certificate and where its changing fields lie in it.
pub(crate) struct Template {
    bytes: Vec<u8>,
    serial: Range<usize>,
    not_before: Range<usize>,
    not_after: Range<usize>,
    number: Range<usize>,
    public_key_info: Range<usize>,
    point: Range<usize>,
    key_identifier: Range<usize>,
}

/// The changing fields: content octets of the same lengths as the template's.
pub(crate) struct Fields<'a> {
    pub(crate) serial: &'a [u8],
    pub(crate) not_before: &'a [u8],
    pub(crate) not_after: &'a [u8],
    pub(crate) number: &'a [u8],
    pub(crate) point: &'a [u8],
    pub(crate) key_identifier: &'a [u8],
}

impl Template {
    /// Finds the changing fields of `bytes`, the to-be-signed part of a device certificate, by
    /// reading its structure. (Searching for their content would one day find it elsewhere.)
    pub(crate) fn new(bytes: Vec<u8>) -> der::Result<Self> {
        let fields = ToBeSigned::read(&bytes)?;
        let position = |part: &[u8]| {
            let start = part.as_ptr().addr() - bytes.as_ptr().addr();
            start..start + part.len()
        };
        let attributes = fields.subject_attributes()?;
        let number = attributes.iter().find(|attribute| attribute.kind == SERIAL_NUMBER);
        let number = number.ok_or(ErrorKind::Failed)?.value.value();
        let point = position(fields.public_key.subject_public_key.raw_bytes());
        let public_key_info_length = usize::try_from(fields.public_key.encoded_len()?)?;
        let identifier = fields.extension(ID_CE_SUBJECT_KEY_IDENTIFIER).ok_or(ErrorKind::Failed)?.value();
        let identifier =
            identifier.last_chunk::<KEY_IDENTIFIER_OCTETS>().ok_or(Tag::OctetString.length_error())?;
        Ok(Self {
            serial: position(fields.serial),
            not_before: position(fields.not_before.value()),
            not_after: position(fields.not_after.value()),
            number: position(number),
            public_key_info: point.end - public_key_info_length..point.end,
            point,
            key_identifier: position(identifier),
            bytes,
        })
    }

    /// The certificate with these fields.
    ///
    /// # Panics
    /// Where a field is not of the template's length; whoever picks the template sees to that.
    pub(crate) fn fill(&self, fields: &Fields<'_>) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[self.serial.clone()].copy_from_slice(fields.serial);
        bytes[self.not_before.clone()].copy_from_slice(fields.not_before);
        bytes[self.not_after.clone()].copy_from_slice(fields.not_after);
        bytes[self.number.clone()].copy_from_slice(fields.number);
        bytes[self.point.clone()].copy_from_slice(fields.point);
        bytes[self.key_identifier.clone()].copy_from_slice(fields.key_identifier);
        bytes
    }

    /// The public key info within a filled template.
    pub(crate) fn public_key_info<'a>(&self, filled: &'a [u8]) -> &'a [u8] {
        &filled[self.public_key_info.clone()]
    }
}
