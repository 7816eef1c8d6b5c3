//! Whether a device is who it says it is.
//!
//! An ID that nobody has is examined like one that somebody has, and a credential of one form like
//! one of the other: in the same steps, with a decoy in the place of whatever does not exist.
//! `timing` measures that they take the same time.

use std::sync::Arc;

use auth::{Answer, Authenticated, ChannelBinding, PassPhrase, SpentNonce, SymmetricCredential, Verifier};
use identity::{ApparatusId, CredentialId, KeyIdentifier, ProductCode, Random};
use seal::{Binding, PreWriteKey, SEALED_OVERHEAD_MAX};
use store::Vault;
use store::authenticator::apparatus::Ciphertext;

use crate::error::AuthenticatorError;
use crate::secret::{Held, SecondForm, open_pass_phrase, seal_pass_phrase, seal_pre_write_key};

#[cfg(test)]
mod timing;

/// The one who examines.
pub(crate) struct Examiner {
    pub(crate) verifier: Verifier,
    vault: Arc<Vault>,
    decoy: Decoy,
}

/// A credential that nobody has, in both forms.
struct Decoy {
    id: ApparatusId,
    sealed_pass_phrase: Vec<u8>,
    second_form: SecondForm,
}

impl Examiner {
    /// An examiner whose secrets are sealed by this vault.
    pub(crate) fn new(
        verifier: Verifier,
        vault: Arc<Vault>,
        random: &dyn Random,
    ) -> Result<Self, AuthenticatorError> {
        let decoy = Decoy::new(&vault, random)?;
        Ok(Self { verifier, vault, decoy })
    }

    /// Checks the answer of a device over this connection; `held` is what is stored under its ID.
    ///
    /// # Errors
    /// What is stored cannot be opened.
    pub(crate) fn examine(
        &self,
        answer: &Answer,
        spent: SpentNonce,
        held: Option<&Held>,
        channel: &ChannelBinding,
    ) -> Result<Option<Authenticated>, AuthenticatorError> {
        let (id, decoy) = (answer.apparatus_id, &self.decoy);
        let (first_id, sealed) = match held {
            Some(Held::PassPhrase(sealed)) => (id, sealed),
            _ => (decoy.id, &decoy.sealed_pass_phrase),
        };
        let (second_id, second_form) = match held {
            Some(Held::SecondForm(second_form)) => (id, second_form),
            _ => (decoy.id, &decoy.second_form),
        };
        let first = open_pass_phrase(&self.vault, first_id, sealed)?;
        let second = second_form.open(&self.vault, second_id)?;
        let pass_phrase = if let Some(Held::SecondForm(_)) = held { second } else { first };
        let authenticated = self.verifier.verify(answer, spent, &pass_phrase, channel).ok();
        Ok(authenticated.filter(|_| held.is_some()))
    }
}

impl Decoy {
    fn new(vault: &Vault, random: &dyn Random) -> Result<Self, AuthenticatorError> {
        let credential = SymmetricCredential::random(random);
        let id = credential.apparatus_id;
        let product: ProductCode = "NONE".parse().expect("a product code");
        let key_identifier: KeyIdentifier = "NONE-1".parse().expect("a key identifier");
        let mut key = [0; PreWriteKey::BYTES];
        random.fill(&mut key);
        let mut sealed = [0; SymmetricCredential::BYTES + SEALED_OVERHEAD_MAX];
        let binding = Binding { product: &product, credential: &CredentialId::Apparatus(id) };
        let sealed = PreWriteKey::new(key_identifier.clone(), &key)
            .seal(&binding, &*credential.to_bytes(), random, &mut sealed)
            .expect("there is room for it");
        let second_form = SecondForm {
            sealed_pre_write_key: seal_pre_write_key(vault, &key_identifier, &key)?,
            ciphertext: Ciphertext { sealed: sealed.to_vec(), key_identifier, hardware_uid: None },
            product,
        };
        let sealed_pass_phrase = seal_pass_phrase(vault, id, &PassPhrase::random(random))?;
        Ok(Self { id, sealed_pass_phrase, second_form })
    }
}
