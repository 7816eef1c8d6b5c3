//! The CBOR of the words that travel: what has a text form travels as text, numbers as bytes.

use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};

use crate::profile::SymmetricForm;
use crate::{ApparatusId, DeviceNumber, HardwareUid, KeyIdentifier, ProductCode};

impl<C> Encode<C> for DeviceNumber {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        to.str(&self.text())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for DeviceNumber {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        from.str()?.parse().map_err(|_| decode::Error::message("not a device number"))
    }
}

impl<C> Encode<C> for ProductCode {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        to.str(self.as_str())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for ProductCode {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        from.str()?.parse().map_err(|_| decode::Error::message("not a product code"))
    }
}

impl<C> Encode<C> for HardwareUid {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        to.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for HardwareUid {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::new(from.bytes()?).map_err(|_| decode::Error::message("not a hardware UID"))
    }
}

impl<C> Encode<C> for KeyIdentifier {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        to.str(self.as_str())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for KeyIdentifier {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        from.str()?.parse().map_err(|_| decode::Error::message("not a key identifier"))
    }
}

impl<C> Encode<C> for ApparatusId {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        to.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for ApparatusId {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes = from.bytes()?.try_into().map_err(|_| decode::Error::message("not an apparatus ID"))?;
        Ok(Self::new(bytes))
    }
}

impl<C> Encode<C> for SymmetricForm {
    fn encode<W: Write>(&self, to: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        to.str(self.as_str())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for SymmetricForm {
    fn decode(from: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        from.str()?.parse().map_err(|_| decode::Error::message("not a form of a pass phrase"))
    }
}
