//! Sealing to a key pair that the chip has by itself: HPKE (RFC 9180).
//!
//! The suite is HPKE-0 of draft-ietf-cose-hpke: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, in
//! base mode with an empty `info`; the Enc_structure is the associated data. The draft's numbers for
//! the algorithm and for `ek` are those that it assumes (docs/divergences.md).

use core::convert::Infallible;
use core::fmt;

use hpke::aead::{AeadTag, AesGcm128};
use hpke::inout::InOutBuf;
use hpke::kdf::HkdfSha256;
use hpke::kem::DhP256HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use identity::Random;

use crate::Binding;
use crate::cose::{Encrypt0, Header, OpenError, Opened, SealError};

type PublicKey = <DhP256HkdfSha256 as Kem>::PublicKey;
type SecretKey = <DhP256HkdfSha256 as Kem>::PrivateKey;
type EncapsulatedKey = <DhP256HkdfSha256 as Kem>::EncappedKey;

/// The public half of a chip's own key: a point of P-256.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChipPublicKey(PublicKey);

/// The secret half of a chip's own key. It is wiped when dropped and cannot be shown by accident.
pub struct ChipKey(SecretKey);

/// HPKE-0, used for integrated encryption.
const HPKE_0: i64 = 35;
/// The label of `ek`, the encapsulated key.
const ENCAPSULATED_KEY: i64 = -4;
const INFO: &[u8] = b"";

impl ChipPublicKey {
    /// How many bytes the key has: an uncompressed point.
    pub const BYTES: usize = 65;

    /// The key of this uncompressed point.
    ///
    /// # Errors
    /// The bytes are no point of P-256.
    pub fn new(point: &[u8]) -> Result<Self, InvalidChipKey> {
        PublicKey::from_bytes(point).map(Self).map_err(|_| InvalidChipKey)
    }

    /// The key as an uncompressed point.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        self.0.to_bytes().into()
    }

    /// Seals `secret` for this chip into the beginning of `out`, which has room where it is
    /// [`SEALED_OVERHEAD_MAX`](crate::SEALED_OVERHEAD_MAX) longer than the secret. Returns the object.
    ///
    /// # Errors
    /// The secret is too long, or `out` too short.
    pub fn seal<'o>(
        &self,
        binding: &Binding,
        secret: &[u8],
        random: &dyn Random,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], SealError> {
        let (encapsulated, mut context) = hpke::setup_sender_with_rng::<
            AesGcm128,
            HkdfSha256,
            DhP256HkdfSha256,
        >(&OpModeS::Base, &self.0, INFO, &mut Generator(random))
        .expect("a valid point agrees with any ephemeral key");
        let encapsulated = encapsulated.to_bytes();
        let header = Header {
            algorithm: HPKE_0,
            key_identifier: None,
            parameter: ENCAPSULATED_KEY,
            value: &encapsulated,
        };
        let (length, body) = header.write(secret, out)?;
        let buffer = InOutBuf::new(secret, body.ciphertext).map_err(|_| SealError::NoRoom)?;
        context
            .seal_inout_detached(buffer, &header.associated_data(binding))
            .map_err(|_| SealError::TooLong)?
            .write_exact(body.tag);
        Ok(&out[..length])
    }
}

impl ChipKey {
    /// How many bytes the key has.
    pub const BYTES: usize = 32;

    /// The key of this scalar, highest byte first; the caller wipes its own copy.
    ///
    /// # Errors
    /// The scalar is zero or not below the order of P-256.
    pub fn new(scalar: &[u8; Self::BYTES]) -> Result<Self, InvalidChipKey> {
        SecretKey::from_bytes(scalar).map(Self).map_err(|_| InvalidChipKey)
    }

    /// The public half.
    pub fn public_key(&self) -> ChipPublicKey {
        ChipPublicKey(DhP256HkdfSha256::sk_to_pk(&self.0))
    }

    /// Opens an object that was sealed for this chip, product and credential, into `out`.
    ///
    /// # Errors
    /// Why it does not open.
    pub fn open<'o>(
        &self,
        binding: &Binding,
        sealed: &[u8],
        out: &'o mut [u8],
    ) -> Result<Opened<'o>, OpenError> {
        let object = Encrypt0::read(sealed)?;
        let header = &object.header;
        if header.algorithm != HPKE_0
            || header.parameter != ENCAPSULATED_KEY
            || header.key_identifier.is_some()
        {
            return Err(OpenError::Malformed);
        }
        let encapsulated = EncapsulatedKey::from_bytes(header.value).map_err(|_| OpenError::Malformed)?;
        let tag = AeadTag::<AesGcm128>::from_bytes(object.tag).map_err(|_| OpenError::Malformed)?;
        Opened::from(out, object.ciphertext.len(), |secret| {
            let buffer = InOutBuf::new(object.ciphertext, secret).map_err(|_| OpenError::NoRoom)?;
            hpke::single_shot_open_inout_detached::<AesGcm128, HkdfSha256, DhP256HkdfSha256>(
                &OpModeR::Base,
                &self.0,
                &encapsulated,
                INFO,
                buffer,
                &header.associated_data(binding),
                &tag,
            )
            .map_err(|_| OpenError::NotAuthentic)
        })
    }
}

/// The bytes are no key of P-256.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidChipKey;

impl fmt::Display for InvalidChipKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a P-256 key")
    }
}

impl core::error::Error for InvalidChipKey {}

/// Our source of randomness, as HPKE takes it for the ephemeral key.
struct Generator<'a>(&'a dyn Random);

impl Generator<'_> {
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }
}

impl TryRng for Generator<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Generator<'_> {}
