//! Sealing for devices. A product's pre-write key comes out of the vault once, not once a pack.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use identity::profile::Sealing;
use identity::{CredentialId, DeviceNumber, KeyIdentifier, ProductCode};
use message::bytes::{Bytes, SecretBytes};
use message::pack::{PackKey, Sealed};
use message::problem::ProblemCode;
use seal::{Binding, PreWriteKey, SEALED_OVERHEAD_MAX};
use store::authority::pack::{self, Pack};
use store::authority::pre_write_key;
use store::authority::product::Product;
use store::{Snapshot, StoreError};

use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::pre_write_key::opened;

/// The pre-write keys that were needed since the authority was opened.
#[derive(Default)]
pub(crate) struct OpenedKeys(Mutex<HashMap<KeyIdentifier, Arc<PreWriteKey>>>);

/// What only one device, or only the devices of one product, can open.
#[derive(Clone)]
pub(crate) enum Seal {
    /// Under a pre-write key, or what is derived from it for one chip.
    Key(Arc<PreWriteKey>),
    /// To a chip's own key.
    Chip(Box<seal::ChipPublicKey>),
}

impl Authority {
    /// The key that packs of this product are sealed under now.
    ///
    /// # Errors
    /// The product has none, or the store or the vault fails.
    pub(crate) async fn current_key(
        &self,
        snapshot: &mut Snapshot,
        product: &ProductCode,
    ) -> Result<Arc<PreWriteKey>, AuthorityError> {
        let (_, current) = pre_write_key::of_product(snapshot, product).await?;
        let current = current.ok_or_else(|| {
            let detail = format!(
                "{product} has no pre-write key yet: make one with `touchmark authority pre-write-key make {product}`"
            );
            AuthorityError::refused(ProblemCode::NoPreWriteKey, detail)
        })?;
        self.key_of(snapshot, product, &current.identifier).await
    }

    /// The key of this name, which firmware of the product is still built with or once was.
    ///
    /// # Errors
    /// The product has no such key any more, or the store or the vault fails.
    pub(crate) async fn key_of(
        &self,
        snapshot: &mut Snapshot,
        product: &ProductCode,
        identifier: &KeyIdentifier,
    ) -> Result<Arc<PreWriteKey>, AuthorityError> {
        let found = pre_write_key::find(snapshot, identifier).await?;
        let of_product = found.filter(|(key, _)| key.product == *product);
        let Some(sealed) = of_product.and_then(|(_, sealed)| sealed) else {
            self.opened_keys.forget(identifier);
            let detail = format!("{product} has no pre-write key {identifier}, or it is retired");
            return Err(AuthorityError::refused(ProblemCode::NoPreWriteKey, detail));
        };
        if let Some(key) = self.opened_keys.get(identifier) {
            return Ok(key);
        }
        let key = Arc::new(opened(&self.vault, identifier, &sealed)?);
        self.opened_keys.keep(&key);
        Ok(key)
    }

    /// How the keys of certificates that are made ahead of their devices are sealed, for those products
    /// where they are.
    ///
    /// # Errors
    /// A product has no key for it, or the store or the vault fails.
    pub(crate) async fn seals(
        &self,
        snapshot: &mut Snapshot,
        products: &HashMap<ProductCode, Product>,
    ) -> Result<HashMap<ProductCode, Seal>, AuthorityError> {
        let mut seals = HashMap::new();
        for (code, _) in products.iter().filter(|(_, product)| product.profile.sealing() != Sealing::Plain) {
            seals.insert(code.clone(), Seal::Key(self.current_key(snapshot, code).await?));
        }
        Ok(seals)
    }

    /// Seals a secret of this credential.
    ///
    /// # Errors
    /// The secret is longer than any that we seal.
    pub(crate) fn seal(
        &self,
        seal: &Seal,
        product: &ProductCode,
        credential: &CredentialId,
        secret: &[u8],
    ) -> Result<Sealed, AuthorityError> {
        let (binding, random) = (Binding { product, credential }, self.desk.random.as_ref());
        let mut object = vec![0; secret.len() + SEALED_OVERHEAD_MAX];
        let sealed = match seal {
            Seal::Key(key) => key.seal(&binding, secret, random, &mut object),
            Seal::Chip(key) => key.seal(&binding, secret, random, &mut object),
        };
        let length = sealed.map_err(AuthorityError::Seal)?.len();
        object.truncate(length);
        let key_identifier = match seal {
            Seal::Key(key) => Some(key.identifier().clone()),
            Seal::Chip(_) => None,
        };
        Ok(Sealed { key_identifier, ciphertext: Bytes(object) })
    }
}

/// The key of a certificate on its way.
impl Authority {
    /// A new key as it is stored, and as it travels.
    ///
    /// # Errors
    /// The vault fails, or the key is longer than any that we seal.
    pub(crate) fn wrap_key(
        &self,
        seal: Option<&Seal>,
        number: &DeviceNumber,
        secret_key: &[u8],
    ) -> Result<(pack::Key, PackKey), AuthorityError> {
        let Some(seal) = seal else {
            let stored = self.vault.seal(&device_key_context(number), secret_key)?;
            let travelling = PackKey::Plain(SecretBytes::new(secret_key.to_vec()));
            return Ok((pack::Key::Plain(Some(stored)), travelling));
        };
        let sealed = self.seal(seal, number.product(), &number.clone().into(), secret_key)?;
        let stored = pack::Key::Sealed {
            key_identifier: sealed.key_identifier.clone(),
            ciphertext: Some(sealed.ciphertext.0.clone()),
        };
        Ok((stored, PackKey::Sealed(sealed)))
    }

    /// A stored key, once more as it travels.
    ///
    /// # Errors
    /// It was erased, or the vault fails.
    pub(crate) fn stored_key(&self, pack: &Pack) -> Result<PackKey, AuthorityError> {
        let erased = StoreError::Corrupt { what: "pack.sealed_key" };
        match &pack.key {
            pack::Key::Plain(stored) => {
                let key =
                    self.vault.open(&device_key_context(&pack.number), stored.as_ref().ok_or(erased)?)?;
                Ok(PackKey::Plain(SecretBytes::new(key.expose().to_vec())))
            }
            pack::Key::Sealed { key_identifier, ciphertext } => Ok(PackKey::Sealed(Sealed {
                key_identifier: key_identifier.clone(),
                ciphertext: Bytes(ciphertext.clone().ok_or(erased)?),
            })),
            pack::Key::Own => Ok(PackKey::DeviceOwn),
        }
    }
}

/// What the vault is told that a device's sealed key is.
fn device_key_context(number: &DeviceNumber) -> Vec<u8> {
    format!("key of device {number}").into_bytes()
}

/// Each change is one step, so a panic elsewhere leaves the map whole.
impl OpenedKeys {
    fn get(&self, identifier: &KeyIdentifier) -> Option<Arc<PreWriteKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(identifier).map(Arc::clone)
    }

    fn keep(&self, key: &Arc<PreWriteKey>) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.identifier().clone(), Arc::clone(key));
    }

    fn forget(&self, identifier: &KeyIdentifier) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(identifier);
    }
}
