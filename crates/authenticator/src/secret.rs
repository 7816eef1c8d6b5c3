//! Secrets as they lie in the store, and how they are opened.
//!
//! A pass phrase is sealed by the vault for its own apparatus ID. In the second form there is none:
//! the store has the ciphertext that the device keeps, and the pre-write key that opens it, which is
//! sealed by the vault for its own identifier.

use auth::{PassPhrase, SymmetricCredential};
use identity::{ApparatusId, CredentialId, HardwareUid, KeyIdentifier, ProductCode};
use seal::{Binding, PreWriteKey};
use store::authenticator::apparatus::Ciphertext;
use store::{Secret, Vault, VaultError};
use zeroize::Zeroizing;

use crate::error::AuthenticatorError;

/// Seals a pass phrase, so that it opens for its own ID only.
pub(crate) fn seal_pass_phrase(
    vault: &Vault,
    id: ApparatusId,
    pass_phrase: &PassPhrase,
) -> Result<Vec<u8>, VaultError> {
    vault.seal(&pass_phrase_context(id), pass_phrase.expose())
}

/// Opens what [`seal_pass_phrase`] gave.
pub(crate) fn open_pass_phrase(
    vault: &Vault,
    id: ApparatusId,
    sealed: &[u8],
) -> Result<PassPhrase, AuthenticatorError> {
    let secret: Secret = vault.open(&pass_phrase_context(id), sealed)?;
    let bytes = secret.expose().try_into().map_err(|_| VaultError::NotSealedHere)?;
    Ok(PassPhrase::new(bytes))
}

/// Seals a pre-write key, so that it opens for its own identifier only.
pub(crate) fn seal_pre_write_key(
    vault: &Vault,
    identifier: &KeyIdentifier,
    key: &[u8; PreWriteKey::BYTES],
) -> Result<Vec<u8>, VaultError> {
    vault.seal(&pre_write_key_context(identifier), key)
}

/// What is stored of a credential that somebody has.
#[derive(Clone)]
pub(crate) enum Held {
    /// The sealed pass phrase.
    PassPhrase(Vec<u8>),
    /// The second form.
    SecondForm(SecondForm),
}

/// A credential in its second form, for devices of a product, and the sealed pre-write key that opens it.
#[derive(Clone)]
pub(crate) struct SecondForm {
    pub(crate) product: ProductCode,
    pub(crate) ciphertext: Ciphertext,
    pub(crate) sealed_pre_write_key: Vec<u8>,
}

impl SecondForm {
    /// Opens the pass phrase, in the same steps whether the key is one of a product or of a chip.
    pub(crate) fn open(&self, vault: &Vault, id: ApparatusId) -> Result<PassPhrase, AuthenticatorError> {
        let identifier = &self.ciphertext.key_identifier;
        let key: Secret = vault.open(&pre_write_key_context(identifier), &self.sealed_pre_write_key)?;
        let key = key.expose().try_into().map_err(|_| VaultError::NotSealedHere)?;
        let of_product = PreWriteKey::new(identifier.clone(), key);
        let of_chip = of_product.for_chip(self.ciphertext.hardware_uid.as_ref().unwrap_or(&no_chip()));
        let key = if self.ciphertext.hardware_uid.is_some() { of_chip } else { of_product };

        let binding = Binding { product: &self.product, credential: &CredentialId::Apparatus(id) };
        let mut buffer = Zeroizing::new([0; SymmetricCredential::BYTES]);
        let opened = key.open(&binding, &self.ciphertext.sealed, &mut *buffer)?;
        let credential =
            SymmetricCredential::from_bytes(&opened).map_err(|_| AuthenticatorError::NotACredential)?;
        if credential.apparatus_id != id {
            return Err(AuthenticatorError::NotACredential);
        }
        Ok(credential.pass_phrase)
    }
}

/// A chip that a key is derived for where none is asked for, so that it takes as long.
fn no_chip() -> HardwareUid {
    HardwareUid::new(&[0; HardwareUid::LENGTH_MAX]).expect("it has the length of one")
}

fn pass_phrase_context(id: ApparatusId) -> Vec<u8> {
    [b"pass phrase ".as_slice(), id.as_bytes()].concat()
}

fn pre_write_key_context(identifier: &KeyIdentifier) -> Vec<u8> {
    format!("pre-write key {identifier}").into_bytes()
}
