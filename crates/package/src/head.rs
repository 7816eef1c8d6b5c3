//! The head of a package: COSE_Sign1 (RFC 9052 clause 4.2), in the one form in which we write and take it.
//!
//! ```text
//! 18([ << {1: -7, 4: key name} >>,                                           protected: ES256
//!      {},
//!      << [1, product, [major, minor, patch], security, length, SHA-256] >>, manifest, format version 1
//!      r and s ])
//! ```
//!
//! A head that comes in is read, written anew, and the two must be the same: so there is no second
//! encoding of anything. What follows it, to the end of the package, is the image.

use core::fmt;

use heapless::Vec;
use identity::{FirmwareVersion, ProductCode};
use minicbor::data::Tag;
use minicbor::decode::{self, Decoder};
use minicbor::encode::write::{Cursor, EndOfArray};
use minicbor::encode::{self, Encoder};
use p256::ecdsa::Signature;

use crate::key::{KeyName, MakerKey};

/// The most bytes of a head.
pub const HEAD_BYTES_MAX: usize = 192;

const SIGN1_TAG: u64 = 18;
const CONTEXT: &str = "Signature1";
const ALGORITHM: i64 = 1;
/// ECDSA with SHA-256 (RFC 9053 clause 2.1), here always on P-256.
const ES256: i64 = -7;
const KEY_IDENTIFIER: i64 = 4;
const FORMAT_VERSION: u8 = 1;
const SIGNATURE_BYTES: usize = 64;
const PROTECTED_BYTES_MAX: usize = 16;
const MANIFEST_BYTES_MAX: usize = 80;

/// A head as it is written.
pub type HeadBytes = Vec<u8, HEAD_BYTES_MAX>;
type Encoded<const N: usize> = Result<Vec<u8, N>, encode::Error<EndOfArray>>;

/// What a maker says of an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// The product that it is for.
    pub product: ProductCode,
    /// Its version.
    pub version: FirmwareVersion,
    /// Its security number. The maker raises it when no device may go back behind this version any more,
    /// and leaves it where going back is harmless.
    pub security: u32,
    /// How many bytes the image has.
    pub length: u64,
    /// SHA-256 of the image.
    pub sha256: [u8; 32],
}

/// The head of a package whose signature nobody has checked yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    manifest: Manifest,
    key: KeyName,
    signature: [u8; SIGNATURE_BYTES],
    bytes: usize,
}

/// Why a package is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PackageError {
    /// It does not begin as a package does.
    Malformed,
    /// It is signed with another key than the one to check it with.
    OtherKey(KeyName),
    /// The signature does not hold.
    NotAuthentic,
    /// The image is not the one that was signed.
    OtherImage,
}

impl Manifest {
    /// What the maker signs with the key of this name: the Sig_structure of RFC 9052 clause 4.4.
    pub fn to_be_signed(&self, key: KeyName) -> HeadBytes {
        let write = || -> Encoded<HEAD_BYTES_MAX> {
            let (protected, manifest) = (protected(key)?, self.encoded()?);
            encoded(|to| to.array(4)?.str(CONTEXT)?.bytes(&protected)?.bytes(&[])?.bytes(&manifest)?.ok())
        };
        write().expect("the longest product code fits")
    }

    /// The head with this signature, which is DER as cryptographic libraries give it.
    ///
    /// # Errors
    /// It is no signature on P-256.
    pub fn head(&self, key: KeyName, signature: &[u8]) -> Result<HeadBytes, PackageError> {
        let signature = Signature::from_der(signature).map_err(|_| PackageError::NotAuthentic)?;
        let mut plain = [0; SIGNATURE_BYTES];
        plain.copy_from_slice(&signature.to_bytes());
        Ok(written(self, key, &plain))
    }

    fn encoded(&self) -> Encoded<MANIFEST_BYTES_MAX> {
        encoded(|to| {
            to.array(6)?.u8(FORMAT_VERSION)?.str(self.product.as_str())?.array(3)?;
            for part in self.version.parts() {
                to.u32(part)?;
            }
            to.u32(self.security)?.u64(self.length)?.bytes(&self.sha256)?.ok()
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, decode::Error> {
        let mut from = Decoder::new(bytes);
        expect(from.array()? == Some(6) && from.u8()? == FORMAT_VERSION)?;
        let product = from.str()?.parse().map_err(|_| decode::Error::message("a product code"))?;
        expect(from.array()? == Some(3))?;
        let version = FirmwareVersion::new([from.u32()?, from.u32()?, from.u32()?]);
        let (security, length) = (from.u32()?, from.u64()?);
        let sha256 = from.bytes()?.try_into().map_err(|_| decode::Error::message("a hash"))?;
        Ok(Self { product, version, security, length, sha256 })
    }
}

impl Head {
    /// Reads the head with which a package begins; the package may go on, or end there.
    ///
    /// # Errors
    /// No package begins so.
    pub fn read(package: &[u8]) -> Result<Self, PackageError> {
        let head = Self::decode(package).map_err(|_| PackageError::Malformed)?;
        let canonical = written(&head.manifest, head.key, &head.signature);
        if canonical[..] == package[..head.bytes] { Ok(head) } else { Err(PackageError::Malformed) }
    }

    /// The name of the key that it says it is signed with.
    pub fn key_name(&self) -> KeyName {
        self.key
    }

    /// How many bytes of the package it takes; the image follows.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the maker says, once it is sure that the maker says so.
    ///
    /// # Errors
    /// This key has not signed it.
    pub fn verify(self, key: &MakerKey) -> Result<Manifest, PackageError> {
        if key.name() != self.key {
            return Err(PackageError::OtherKey(self.key));
        }
        let message = self.manifest.to_be_signed(self.key);
        if key.has_signed(&message, &self.signature) {
            Ok(self.manifest)
        } else {
            Err(PackageError::NotAuthentic)
        }
    }

    fn decode(package: &[u8]) -> Result<Self, decode::Error> {
        let mut object = Decoder::new(package);
        expect(object.tag()? == Tag::new(SIGN1_TAG) && object.array()? == Some(4))?;
        let mut protected = Decoder::new(object.bytes()?);
        expect(protected.map()? == Some(2) && protected.i64()? == ALGORITHM && protected.i64()? == ES256)?;
        expect(protected.i64()? == KEY_IDENTIFIER)?;
        let key = KeyName::from_bytes(protected.bytes()?).ok_or(decode::Error::message("a key's name"))?;
        expect(object.map()? == Some(0))?;
        let manifest = Manifest::decode(object.bytes()?)?;
        let signature = object.bytes()?.try_into().map_err(|_| decode::Error::message("a signature"))?;
        Ok(Self { manifest, key, signature, bytes: object.position() })
    }
}

fn written(manifest: &Manifest, key: KeyName, signature: &[u8; SIGNATURE_BYTES]) -> HeadBytes {
    let write = || -> Encoded<HEAD_BYTES_MAX> {
        let (protected, manifest) = (protected(key)?, manifest.encoded()?);
        encoded(|to| {
            to.tag(Tag::new(SIGN1_TAG))?.array(4)?.bytes(&protected)?.map(0)?;
            to.bytes(&manifest)?.bytes(signature)?.ok()
        })
    };
    write().expect("the longest product code fits")
}

fn protected(key: KeyName) -> Encoded<PROTECTED_BYTES_MAX> {
    encoded(|to| to.map(2)?.i64(ALGORITHM)?.i64(ES256)?.i64(KEY_IDENTIFIER)?.bytes(key.as_bytes())?.ok())
}

fn expect(holds: bool) -> Result<(), decode::Error> {
    if holds { Ok(()) } else { Err(decode::Error::message("not the head of a package")) }
}

/// What `write` encodes.
fn encoded<const N: usize>(
    write: impl FnOnce(&mut Encoder<Cursor<[u8; N]>>) -> Result<(), encode::Error<EndOfArray>>,
) -> Encoded<N> {
    let mut encoder = Encoder::new(Cursor::new([0; N]));
    write(&mut encoder)?;
    let cursor = encoder.into_writer();
    let length = cursor.position();
    let mut bytes = Vec::from_array(cursor.into_inner());
    bytes.truncate(length);
    Ok(bytes)
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("not a firmware package"),
            Self::OtherKey(key) => {
                write!(f, "the package is signed with the key {key}, which is not known here")
            }
            Self::NotAuthentic => f.write_str("the package's signature does not hold"),
            Self::OtherImage => f.write_str("the image is not the one that the maker signed"),
        }
    }
}

impl core::error::Error for PackageError {}
