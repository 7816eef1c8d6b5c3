//! COSE_Sign1 (RFC 9052 clause 4.2), in the one form in which we write it and take it.
//!
//! ```text
//! 18([ << {1: algorithm, 33: [certificates]} >>,    protected; 33 is x5chain (RFC 9360)
//!      {},                                          unprotected
//!      payload,
//!      signature ])
//! ```
//!
//! An object that comes in is read and written anew, and the two must be the same: so there is no second
//! encoding of anything, no other header, nothing in front and nothing behind.

use identity::profile::KeyAlgorithm;
use minicbor::data::Tag;
use minicbor::decode::{self, Decoder};
use minicbor::encode::Encoder;

const OBJECT_TAG: u64 = 18;
const CONTEXT: &str = "Signature1";
/// What the signature is for, beside all else that a certificate's key may sign.
const EXTERNAL_DATA: &[u8] = b"touchmark bundle";
const ALGORITHM: i64 = 1;
const CERTIFICATE_CHAIN: i64 = 33;
/// RFC 9053 clause 2.1.
const ES256: i64 = -7;
const ES384: i64 = -35;
/// The sender's certificate, the CA that issued it, and the root.
const CERTIFICATES_MAX: u64 = 3;

/// A signed object, in parts.
pub(crate) struct Sign1<'a> {
    pub(crate) algorithm: KeyAlgorithm,
    /// The signer's certificate first, then those above it, DER.
    pub(crate) chain: Vec<&'a [u8]>,
    pub(crate) payload: &'a [u8],
    /// `r` and `s`.
    pub(crate) signature: &'a [u8],
}

impl<'a> Sign1<'a> {
    /// Reads the object at the beginning of `bytes`, and how long it is; nothing where there is none.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (object, length) = Self::decode(bytes).ok()?;
        (object.write() == bytes[..length]).then_some((object, length))
    }

    /// The object as it travels.
    pub(crate) fn write(&self) -> Vec<u8> {
        let protected = protected(self.algorithm, &self.chain);
        encoded(|to| {
            to.tag(Tag::new(OBJECT_TAG))?.array(4)?.bytes(&protected)?.map(0)?;
            to.bytes(self.payload)?.bytes(self.signature)?.ok()
        })
    }

    fn decode(bytes: &'a [u8]) -> Result<(Self, usize), decode::Error> {
        let expect = |holds: bool| {
            if holds { Ok(()) } else { Err(decode::Error::message("not a signed bundle")) }
        };
        let mut object = Decoder::new(bytes);
        expect(object.tag()? == Tag::new(OBJECT_TAG) && object.array()? == Some(4))?;
        let mut protected = Decoder::new(object.bytes()?);
        expect(protected.map()? == Some(2) && protected.i64()? == ALGORITHM)?;
        let algorithm = match protected.i64()? {
            ES256 => KeyAlgorithm::P256,
            ES384 => KeyAlgorithm::P384,
            _ => return Err(decode::Error::message("another algorithm")),
        };
        expect(protected.i64()? == CERTIFICATE_CHAIN)?;
        let certificates = protected.array()?.filter(|count| (2..=CERTIFICATES_MAX).contains(count));
        let certificates = certificates.ok_or_else(|| decode::Error::message("another chain"))?;
        let chain = (0..certificates).map(|_| protected.bytes()).collect::<Result<_, _>>()?;
        expect(object.map()? == Some(0))?;
        let (payload, signature) = (object.bytes()?, object.bytes()?);
        Ok((Self { algorithm, chain, payload, signature }, object.position()))
    }
}

/// What is signed: the Sig_structure of RFC 9052 clause 4.4.
pub(crate) fn to_be_signed(algorithm: KeyAlgorithm, chain: &[&[u8]], payload: &[u8]) -> Vec<u8> {
    let protected = protected(algorithm, chain);
    encoded(|to| to.array(4)?.str(CONTEXT)?.bytes(&protected)?.bytes(EXTERNAL_DATA)?.bytes(payload)?.ok())
}

fn protected(algorithm: KeyAlgorithm, chain: &[&[u8]]) -> Vec<u8> {
    let algorithm = match algorithm {
        KeyAlgorithm::P256 => ES256,
        KeyAlgorithm::P384 => ES384,
    };
    encoded(|to| {
        to.map(2)?.i64(ALGORITHM)?.i64(algorithm)?;
        to.i64(CERTIFICATE_CHAIN)?.array(chain.len() as u64)?;
        for certificate in chain {
            to.bytes(certificate)?;
        }
        Ok(())
    })
}

type Refused = minicbor::encode::Error<core::convert::Infallible>;

fn encoded(write: impl FnOnce(&mut Encoder<Vec<u8>>) -> Result<(), Refused>) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder).expect("a vector takes whatever is written");
    encoder.into_writer()
}
