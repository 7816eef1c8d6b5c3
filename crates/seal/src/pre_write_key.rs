//! Sealing under a key that the device has before it is written.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use identity::{HardwareUid, KeyIdentifier, Random};
use sha2::Sha256;
use zeroize::ZeroizeOnDrop;

use crate::Binding;
use crate::cose::{Encrypt0, Header, OpenError, Opened, SealError};

/// A pre-write key: 256 random bits that a product's firmware is built with, or what was derived from
/// them for one chip. It is wiped when dropped and cannot be shown by accident.
#[derive(ZeroizeOnDrop)]
pub struct PreWriteKey {
    #[zeroize(skip)]
    identifier: KeyIdentifier,
    key: [u8; PreWriteKey::BYTES],
}

/// AES-256-GCM (RFC 9053 clause 4.1).
const A256GCM: i64 = 3;
/// The label of the IV (RFC 9052 clause 3.1).
const IV: i64 = 5;
const IV_BYTES: usize = 12;

/// Tells keys of chips from all else that a pre-write key may ever be used for.
const CHIP_LABEL: &[u8] = b"touchmark chip key 1";

impl PreWriteKey {
    /// How many bytes a key has.
    pub const BYTES: usize = 32;

    /// The key of this name; the caller wipes its own copy.
    pub fn new(identifier: KeyIdentifier, key: &[u8; Self::BYTES]) -> Self {
        Self { identifier, key: *key }
    }

    /// The key's public name.
    pub fn identifier(&self) -> &KeyIdentifier {
        &self.identifier
    }

    /// The secret, for the one who builds it into a device.
    pub fn expose(&self) -> &[u8; Self::BYTES] {
        &self.key
    }

    /// The key for one chip of the product. It has the same name, opens nothing of another chip's, and
    /// leads nowhere back, so that one opened device does not open a lot.
    ///
    /// HKDF-SHA-256 of label and chip, each behind its length in four bytes. The pre-write key is
    /// uniformly random, so HKDF needs no extraction (RFC 5869 clause 3.3).
    pub fn for_chip(&self, chip: &HardwareUid) -> Self {
        let hkdf = Hkdf::<Sha256>::from_prk(&self.key).expect("a pre-write key is as long as a digest");
        let chip = chip.as_bytes();
        let length = |field: &[u8]| u32::try_from(field.len()).expect("fields are short").to_be_bytes();
        let info = [&length(CHIP_LABEL), CHIP_LABEL, &length(chip), chip];
        let mut derived = Self { identifier: self.identifier.clone(), key: [0; Self::BYTES] };
        hkdf.expand_multi_info(&info, &mut derived.key).expect("one block is within what HKDF gives");
        derived
    }

    /// Seals `secret` for this key's devices into the beginning of `out`, which has room where it is
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
        let mut iv = [0; IV_BYTES];
        random.fill(&mut iv);
        let header = Header {
            algorithm: A256GCM,
            key_identifier: Some(self.identifier.clone()),
            parameter: IV,
            value: &iv,
        };
        let (length, body) = header.write(secret, out)?;
        let buffer = InOutBuf::new(secret, body.ciphertext).map_err(|_| SealError::NoRoom)?;
        *body.tag = self
            .cipher()
            .encrypt_inout_detached((&iv).into(), &header.associated_data(binding), buffer)
            .map_err(|_| SealError::TooLong)?
            .into();
        Ok(&out[..length])
    }

    /// Opens an object that was sealed under this key for this product and credential, into `out`.
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
        let identifier = identifier_of(&object)?;
        if *identifier != self.identifier {
            return Err(OpenError::OtherKey(identifier.clone()));
        }
        let iv: &[u8; IV_BYTES] = object.header.value.try_into().map_err(|_| OpenError::Malformed)?;
        Opened::from(out, object.ciphertext.len(), |secret| {
            let buffer = InOutBuf::new(object.ciphertext, secret).map_err(|_| OpenError::NoRoom)?;
            self.cipher()
                .decrypt_inout_detached(
                    iv.into(),
                    &object.header.associated_data(binding),
                    buffer,
                    object.tag.into(),
                )
                .map_err(|_| OpenError::NotAuthentic)
        })
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new((&self.key).into())
    }
}

/// Which pre-write key a sealed object asks for. Nothing of it is authentic until it is opened.
///
/// # Errors
/// [`OpenError::Malformed`] where it is no object that a pre-write key opens.
pub fn key_identifier(sealed: &[u8]) -> Result<KeyIdentifier, OpenError> {
    identifier_of(&Encrypt0::read(sealed)?).cloned()
}

fn identifier_of<'a>(object: &'a Encrypt0) -> Result<&'a KeyIdentifier, OpenError> {
    let header = &object.header;
    let is_ours = header.algorithm == A256GCM && header.parameter == IV && header.value.len() == IV_BYTES;
    header.key_identifier.as_ref().filter(|_| is_ours).ok_or(OpenError::Malformed)
}
