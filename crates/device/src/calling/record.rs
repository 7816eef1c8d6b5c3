//! What a device remembers of its calls, as it lies in the NVRAM: CBOR.

use core::ops::Deref;

use heapless::String;
use minicbor::decode::{self, Decode, Decoder};
use minicbor::encode::{self, Encode, Encoder, Write};
use serde::{Serialize, Serializer};

use super::{Calling, CallingError};
use crate::nvram::NVRAM_BYTES_MAX;

/// The most bytes that it takes: no more than the NVRAM has.
pub const CALLING_BYTES_MAX: usize = NVRAM_BYTES_MAX;

impl Calling {
    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Of no bytes: a device that has never called.
    ///
    /// # Errors
    /// [`CallingError::Foreign`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CallingError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        minicbor::decode(bytes).map_err(|_| CallingError::Foreign)
    }

    /// Writes all that the device remembers into `room`.
    ///
    /// # Errors
    /// [`CallingError::NoRoom`].
    pub fn to_bytes<'r>(&self, room: &'r mut [u8; CALLING_BYTES_MAX]) -> Result<&'r [u8], CallingError> {
        let left = {
            let mut left = &mut room[..];
            minicbor::encode(self, &mut left).map_err(|_| CallingError::NoRoom)?;
            left.len()
        };
        Ok(&room[..CALLING_BYTES_MAX - left])
    }
}

/// A text of at most `N` bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text<const N: usize>(pub(super) String<N>);

impl<const N: usize> Text<N> {
    /// The text, if there is room for it.
    pub fn new(text: &str) -> Option<Self> {
        String::try_from(text).ok().map(Self)
    }

    /// As much of the text as there is room for.
    pub fn beginning_of(text: &str) -> Self {
        let mut beginning = String::new();
        let _ = text.chars().try_for_each(|character| beginning.push(character));
        Self(beginning)
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> Serialize for Text<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<C, const N: usize> Encode<C> for Text<N> {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        to.str(self)?.ok()
    }
}

impl<'b, C, const N: usize> Decode<'b, C> for Text<N> {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::new(from.str()?).ok_or_else(|| decode::Error::message("a longer text than there may be"))
    }
}

/// A byte string with a greatest length.
pub(super) mod bytes {
    use heapless::Vec;
    use minicbor::decode::{self, Decoder};
    use minicbor::encode::{self, Encoder, Write};

    pub fn encode<C, W: Write, const N: usize>(
        bytes: &Vec<u8, N>,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        to.bytes(bytes)?.ok()
    }

    pub fn decode<C, const N: usize>(from: &mut Decoder<'_>, _: &mut C) -> Result<Vec<u8, N>, decode::Error> {
        Vec::from_slice(from.bytes()?).map_err(|_| decode::Error::message("more bytes than there may be"))
    }
}

/// A list with a greatest length.
pub(super) mod list {
    use heapless::Vec;
    use minicbor::decode::{self, Decode, Decoder};
    use minicbor::encode::{self, Encode, Encoder, Write};

    pub fn encode<C, T: Encode<C>, W: Write, const N: usize>(
        list: &Vec<T, N>,
        to: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        to.encode_with(list.as_slice(), context)?.ok()
    }

    pub fn decode<'b, C, T: Decode<'b, C>, const N: usize>(
        from: &mut Decoder<'b>,
        context: &mut C,
    ) -> Result<Vec<T, N>, decode::Error> {
        let mut list = Vec::new();
        for item in from.array_iter_with(context)? {
            list.push(item?).map_err(|_| decode::Error::message("more items than there may be"))?;
        }
        Ok(list)
    }
}
