//! COSE_Encrypt0 (RFC 9052 clause 5.2), in the one form in which we write it and take it.
//!
//! ```text
//! 16([ << {1: algorithm, ? 4: key identifier} >>,    protected
//!      {parameter: value},                            unprotected: the IV, or the encapsulated key
//!      ciphertext and tag ])
//! ```
//!
//! An object that comes in is read, its head is written anew, and the two must be the same: so there
//! is no second encoding of anything, no other header, nothing in front and nothing behind.

use core::fmt;
use core::ops::Deref;

use heapless::Vec;
use identity::KeyIdentifier;
use minicbor::data::Tag;
use minicbor::decode::{self, Decoder};
use minicbor::encode::write::{Cursor, EndOfArray};
use minicbor::encode::{self, Encoder};
use zeroize::Zeroize;

use crate::Binding;

/// The longest secret that can be sealed. The longest in use, a P-384 key in PKCS#8, has 185 bytes.
pub const SECRET_BYTES_MAX: usize = 512;
/// How many bytes a sealed object has beyond its secret, at most.
pub const SEALED_OVERHEAD_MAX: usize = HEAD_BYTES_MAX + TAG_BYTES;

/// The tag of AES-GCM, behind the ciphertext.
pub(crate) const TAG_BYTES: usize = 16;

const OBJECT_TAG: u64 = 16;
const CONTEXT: &str = "Encrypt0";
const ALGORITHM: i64 = 1;
const KEY_IDENTIFIER: i64 = 4;

const PROTECTED_BYTES_MAX: usize = 1 + (1 + 2) + (1 + 2 + KeyIdentifier::LENGTH_MAX);
/// The longest value is an encapsulated P-256 point.
const VALUE_BYTES_MAX: usize = 65;
/// An object has a key identifier and a short value, or no key identifier and a long one.
const HEAD_BYTES_MAX: usize = 2 + (1 + 4) + (1 + 1 + 2 + VALUE_BYTES_MAX) + 3;
const ASSOCIATED_DATA_BYTES_MAX: usize =
    1 + (1 + CONTEXT.len()) + (2 + PROTECTED_BYTES_MAX) + (2 + Binding::BYTES_MAX);

/// All of an object but its ciphertext.
pub(crate) struct Header<'a> {
    pub(crate) algorithm: i64,
    pub(crate) key_identifier: Option<KeyIdentifier>,
    /// The label of the one unprotected parameter.
    pub(crate) parameter: i64,
    pub(crate) value: &'a [u8],
}

/// An object that came in.
pub(crate) struct Encrypt0<'a> {
    pub(crate) header: Header<'a>,
    pub(crate) ciphertext: &'a [u8],
    pub(crate) tag: &'a [u8; TAG_BYTES],
}

/// The room behind the head of an object that is being written.
pub(crate) struct Body<'a> {
    pub(crate) ciphertext: &'a mut [u8],
    pub(crate) tag: &'a mut [u8; TAG_BYTES],
}

impl<'a> Encrypt0<'a> {
    /// Reads an object, or says that it is none.
    pub(crate) fn read(sealed: &'a [u8]) -> Result<Self, OpenError> {
        let (header, body) = Header::read(sealed).map_err(|_| OpenError::Malformed)?;
        let head = &sealed[..sealed.len() - body.len()];
        if header.head(body.len()).map_err(|_| OpenError::Malformed)? != head {
            return Err(OpenError::Malformed);
        }
        let (ciphertext, tag) = body.split_last_chunk().ok_or(OpenError::Malformed)?;
        Ok(Self { header, ciphertext, tag })
    }
}

impl<'a> Header<'a> {
    /// What is authenticated together with the ciphertext: the Enc_structure of RFC 9052 clause 5.3.
    pub(crate) fn associated_data(&self, binding: &Binding) -> Vec<u8, ASSOCIATED_DATA_BYTES_MAX> {
        let write = || -> Result<_, OutOfRoom> {
            let external_data: Vec<u8, { Binding::BYTES_MAX }> = encoded(|to| to.encode(binding)?.ok())?;
            let protected = self.protected()?;
            encoded(|to| to.array(3)?.str(CONTEXT)?.bytes(&protected)?.bytes(&external_data)?.ok())
        };
        write().expect("the longest product code, credential and key identifier fit")
    }

    /// Writes the head of an object for this secret into `out`. Returns how long the object will be,
    /// and where the rest of it goes.
    pub(crate) fn write<'o>(&self, secret: &[u8], out: &'o mut [u8]) -> Result<(usize, Body<'o>), SealError> {
        if secret.len() > SECRET_BYTES_MAX {
            return Err(SealError::TooLong);
        }
        let head = self.head(secret.len() + TAG_BYTES).expect("our own heads fit");
        let length = head.len() + secret.len() + TAG_BYTES;
        let (place, body) = out.get_mut(..length).ok_or(SealError::NoRoom)?.split_at_mut(head.len());
        place.copy_from_slice(&head);
        let (ciphertext, tag) = body.split_last_chunk_mut().ok_or(SealError::NoRoom)?;
        Ok((length, Body { ciphertext, tag }))
    }

    /// Reads an object's header, and its ciphertext with the tag.
    fn read(sealed: &'a [u8]) -> Result<(Self, &'a [u8]), decode::Error> {
        let expect = |holds: bool| {
            if holds { Ok(()) } else { Err(decode::Error::message("not a sealed object")) }
        };
        let mut object = Decoder::new(sealed);
        expect(object.tag()? == Tag::new(OBJECT_TAG) && object.array()? == Some(3))?;

        let mut protected = Decoder::new(object.bytes()?);
        let parameters = protected.map()?;
        expect(protected.i64()? == ALGORITHM)?;
        let algorithm = protected.i64()?;
        let key_identifier = if parameters == Some(1) {
            None
        } else {
            expect(protected.i64()? == KEY_IDENTIFIER)?;
            let text = core::str::from_utf8(protected.bytes()?);
            let identifier = text.ok().and_then(|text| text.parse().ok());
            expect(identifier.is_some())?;
            identifier
        };

        expect(object.map()? == Some(1))?;
        let (parameter, value) = (object.i64()?, object.bytes()?);
        Ok((Self { algorithm, key_identifier, parameter, value }, object.bytes()?))
    }

    fn protected(&self) -> Result<Vec<u8, PROTECTED_BYTES_MAX>, OutOfRoom> {
        encoded(|to| {
            to.map(1 + u64::from(self.key_identifier.is_some()))?.i64(ALGORITHM)?.i64(self.algorithm)?;
            if let Some(identifier) = &self.key_identifier {
                to.i64(KEY_IDENTIFIER)?.bytes(identifier.as_str().as_bytes())?;
            }
            Ok(())
        })
    }

    fn head(&self, body_length: usize) -> Result<Vec<u8, HEAD_BYTES_MAX>, OutOfRoom> {
        let protected = self.protected()?;
        encoded(|to| {
            to.tag(Tag::new(OBJECT_TAG))?.array(3)?.bytes(&protected)?;
            to.map(1)?.i64(self.parameter)?.bytes(self.value)?;
            to.bytes_len(body_length as u64)?.ok()
        })
    }
}

type OutOfRoom = encode::Error<EndOfArray>;

/// What `write` encodes.
fn encoded<const N: usize>(
    write: impl FnOnce(&mut Encoder<Cursor<[u8; N]>>) -> Result<(), OutOfRoom>,
) -> Result<Vec<u8, N>, OutOfRoom> {
    let mut encoder = Encoder::new(Cursor::new([0; N]));
    write(&mut encoder)?;
    let cursor = encoder.into_writer();
    let length = cursor.position();
    let mut bytes = Vec::from_array(cursor.into_inner());
    bytes.truncate(length);
    Ok(bytes)
}

/// A secret that was sealed, in the caller's memory. It is wiped there when this is dropped.
pub struct Opened<'a>(&'a mut [u8]);

impl<'a> Opened<'a> {
    /// Has `open` decrypt into the first `length` bytes of `out`, and wipes them where it fails.
    pub(crate) fn from(
        out: &'a mut [u8],
        length: usize,
        open: impl FnOnce(&mut [u8]) -> Result<(), OpenError>,
    ) -> Result<Self, OpenError> {
        let opened = Self(out.get_mut(..length).ok_or(OpenError::NoRoom)?);
        open(opened.0)?;
        Ok(opened)
    }
}

impl Deref for Opened<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Why nothing was sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SealError {
    /// The secret is longer than [`SECRET_BYTES_MAX`].
    TooLong,
    /// The caller's memory is too short for the sealed object.
    NoRoom,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the secret is too long to be sealed",
            Self::NoRoom => "there is too little room for the sealed secret",
        })
    }
}

impl core::error::Error for SealError {}

/// Why a sealed object does not open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// It is no sealed object, or not of the kind that this key opens.
    Malformed,
    /// It names another key.
    OtherKey(KeyIdentifier),
    /// It was changed, or sealed with another key, or for another product or credential.
    NotAuthentic,
    /// The caller's memory is too short for the secret.
    NoRoom,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("not a sealed secret of the expected kind"),
            Self::OtherKey(identifier) => write!(f, "the secret is sealed under key {identifier}"),
            Self::NotAuthentic => {
                f.write_str("the sealed secret was changed, or is for another key, product or credential")
            }
            Self::NoRoom => f.write_str("there is too little room for the opened secret"),
        }
    }
}

impl core::error::Error for OpenError {}
