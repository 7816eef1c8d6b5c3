//! What only the receiver of a bundle can read: HPKE (RFC 9180) in base mode, with DHKEM(P-256,
//! HKDF-SHA256), HKDF-SHA256 and AES-256-GCM.
//!
//! The receiver makes a key for the exchange and sends its public half along with what it asks; it erases
//! the key once it has all answers. Then nothing that was carried can be read again, whoever kept a copy.
//! Who sealed is not this room's question: the bundle around it is signed.

use message::bundle::{Bundle, Party, SealedContents};
use message::bytes::Bytes;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_P256_HKDF_SHA256_AES_256;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey};
use zeroize::Zeroizing;

/// What the key is used for, as HPKE's `info`.
const INFO: &[u8] = b"touchmark bundle";

/// A key that was made to receive secrets: its halves, the secret one wiped when dropped.
pub struct ReceiverKey {
    /// The public half, an uncompressed P-256 point.
    pub public: Vec<u8>,
    /// The secret half.
    pub secret: Zeroizing<Vec<u8>>,
}

/// Contents are not sealed, or do not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The library made no key.
    #[error("the cryptographic library could not make a key")]
    Generation,
    /// The public key is none.
    #[error("the key that the answer should be sealed to is no point of P-256")]
    PublicKey,
    /// They were sealed to another key or for another bundle, or were changed.
    #[error("the packs were sealed to another key, or for another bundle")]
    Sealed,
}

impl ReceiverKey {
    /// A new key, from the operating system's generator.
    ///
    /// # Errors
    /// The library fails.
    pub fn generate() -> Result<Self, EnvelopeError> {
        let (public, secret) = SUITE.generate_key_pair().map_err(|_| EnvelopeError::Generation)?;
        Ok(Self { public: public.0, secret: Zeroizing::new(secret.secret_bytes().to_vec()) })
    }
}

/// Which bundle secrets travel in; they open in no other.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Who sends it.
    pub from: &'a Party,
    /// Who receives it.
    pub to: &'a Party,
    /// Its number.
    pub sequence: u64,
}

impl<'a> From<&'a Bundle> for Place<'a> {
    fn from(bundle: &'a Bundle) -> Self {
        Self { from: &bundle.from, to: &bundle.to, sequence: bundle.sequence }
    }
}

impl Place<'_> {
    fn associated_data(&self) -> Vec<u8> {
        // No party has a space in it.
        format!("{} {} {}", self.from, self.to, self.sequence).into_bytes()
    }
}

/// Seals contents to the public half of the receiver's key.
///
/// # Errors
/// The key is no point of the curve.
pub fn seal(public: &[u8], place: Place<'_>, contents: &[u8]) -> Result<SealedContents, EnvelopeError> {
    let key = HpkePublicKey(public.to_vec());
    let (EncapsulatedSecret(encapsulated), ciphertext) =
        SUITE.seal(INFO, &place.associated_data(), contents, &key).map_err(|_| EnvelopeError::PublicKey)?;
    Ok(SealedContents { encapsulated_key: Bytes(encapsulated), ciphertext: Bytes(ciphertext) })
}

/// Opens contents with the secret half of the key.
///
/// # Errors
/// They were sealed to another key or for another bundle.
pub fn unseal(
    secret: &[u8],
    place: Place<'_>,
    sealed: &SealedContents,
) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let key = HpkePrivateKey::from(secret.to_vec());
    let encapsulated = EncapsulatedSecret(sealed.encapsulated_key.0.clone());
    SUITE
        .open(&encapsulated, INFO, &place.associated_data(), &sealed.ciphertext.0, &key)
        .map(Zeroizing::new)
        .map_err(|_| EnvelopeError::Sealed)
}

static SUITE: &dyn Hpke = DH_KEM_P256_HKDF_SHA256_AES_256;
