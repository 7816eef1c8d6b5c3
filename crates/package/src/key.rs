//! The maker's public key, and the hash of an image.

use core::fmt;

use p256::PublicKey;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::pkcs8::DecodePublicKey;
use sha2::{Digest, Sha256};

/// The public key of a maker: P-256. Devices have it in their fixed parameters, centers in their books.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MakerKey(PublicKey);

/// The public name of a maker's key: the first 8 bytes of SHA-256 over its uncompressed point (SEC 1).
/// It says which key to try, and proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyName([u8; Self::BYTES]);

/// The bytes are no public key on P-256.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidMakerKey;

impl MakerKey {
    /// The bytes of a point, uncompressed.
    pub const POINT_BYTES: usize = 65;

    /// The key of this point (SEC 1).
    ///
    /// # Errors
    /// It is none.
    pub fn from_point(point: &[u8]) -> Result<Self, InvalidMakerKey> {
        PublicKey::from_sec1_bytes(point).map(Self).map_err(|_| InvalidMakerKey)
    }

    /// The key in this public key info (RFC 5480), DER.
    ///
    /// # Errors
    /// It holds none.
    pub fn from_public_key_info(der: &[u8]) -> Result<Self, InvalidMakerKey> {
        PublicKey::from_public_key_der(der).map(Self).map_err(|_| InvalidMakerKey)
    }

    /// The key as an uncompressed point (SEC 1).
    pub fn point(&self) -> [u8; Self::POINT_BYTES] {
        let mut point = [0; Self::POINT_BYTES];
        point.copy_from_slice(self.0.to_sec1_point(false).as_bytes());
        point
    }

    /// Its public name.
    pub fn name(&self) -> KeyName {
        let digest = Sha256::digest(self.point());
        let mut name = [0; KeyName::BYTES];
        name.copy_from_slice(&digest[..KeyName::BYTES]);
        KeyName(name)
    }

    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| VerifyingKey::from(&self.0).verify(message, &signature).is_ok())
    }
}

impl KeyName {
    pub(crate) const BYTES: usize = 8;

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for InvalidMakerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a public key on P-256")
    }
}

impl core::error::Error for InvalidMakerKey {}

/// SHA-256 over an image, part by part.
#[derive(Clone, Default)]
pub struct ImageDigest(Sha256);

impl ImageDigest {
    /// The digest of no byte yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next part of the image.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// The hash of all parts.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
