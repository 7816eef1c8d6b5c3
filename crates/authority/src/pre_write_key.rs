//! Pre-write keys: made for a product, handed once to its firmware build, replaced and retired.
//!
//! A product has one current key. Rotating makes another and leaves the one before in use, for firmware
//! that was built with it; retiring erases it. The audit log and the lists name keys by their
//! identifiers only.

use cert::Fingerprint;
use identity::{HardwareUid, KeyIdentifier, ProductCode};
use message::problem::ProblemCode;
use seal::PreWriteKey as PreWriteKeyInUse;
use serde::Serialize;
use store::audit::{self, Actor};
use store::authority::apparatus;
use store::authority::pre_write_key::{self, PreWriteKey, Stage};
use store::authority::product;
use store::{Secret, StoreError, Transaction, Vault};

use crate::desk::Desk;
use crate::error::AuthorityError;

/// How many bytes a pre-write key has: it is a key of AES-256.
pub const PRE_WRITE_KEY_BYTES: usize = 32;

/// The key of one chip, derived from its product's pre-write key.
pub struct DeviceKey {
    /// The chip.
    pub hardware_uid: HardwareUid,
    /// The key, for this chip and nobody else.
    pub key: Secret,
}

/// A pre-write key in clear, for the firmware build and nobody else.
pub struct ExportedKey {
    /// Its public name.
    pub identifier: KeyIdentifier,
    /// Whose firmware is built with it.
    pub product: ProductCode,
    /// The key.
    pub key: Secret,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    key_identifier: &'a KeyIdentifier,
    product: &'a ProductCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<&'a KeyIdentifier>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Derived<'a> {
    key_identifier: &'a KeyIdentifier,
    product: &'a ProductCode,
    chips: usize,
    chips_sha256: String,
}

impl Desk {
    /// Makes a product's first pre-write key.
    ///
    /// # Errors
    /// No such product, it has a key already, the passphrase is wrong, or the store fails.
    pub async fn make_pre_write_key(
        &self,
        product: &ProductCode,
        passphrase: Secret,
        actor: &Actor,
    ) -> Result<PreWriteKey, AuthorityError> {
        self.next_pre_write_key(product, passphrase, actor, |current| match current {
            None => Ok("pre-write-key.make"),
            Some(current) => {
                let detail =
                    format!("{} has the key {} already: rotate it", current.product, current.identifier);
                Err(AuthorityError::refused(ProblemCode::Conflict, detail))
            }
        })
        .await
    }

    /// Makes a new current key for a product. The one before stays in use until it is retired.
    ///
    /// # Errors
    /// The product has no key yet, the passphrase is wrong, or the store fails.
    pub async fn rotate_pre_write_key(
        &self,
        product: &ProductCode,
        passphrase: Secret,
        actor: &Actor,
    ) -> Result<PreWriteKey, AuthorityError> {
        let none = format!("{product} has no pre-write key yet: make one");
        self.next_pre_write_key(product, passphrase, actor, |current| match current {
            Some(_) => Ok("pre-write-key.rotate"),
            None => Err(AuthorityError::refused(ProblemCode::NotFound, none)),
        })
        .await
    }

    /// All pre-write keys, without the keys themselves.
    ///
    /// # Errors
    /// The store fails.
    pub async fn pre_write_keys(&self) -> Result<Vec<PreWriteKey>, AuthorityError> {
        Ok(pre_write_key::all(&mut self.store.read().await?).await?)
    }

    /// Hands a key out, once. Whoever loses what is answered here makes another key.
    ///
    /// # Errors
    /// No such key, it was handed out before or is retired, the passphrase is wrong, or the store fails.
    pub async fn export_pre_write_key(
        &self,
        identifier: &KeyIdentifier,
        passphrase: Secret,
        actor: &Actor,
    ) -> Result<ExportedKey, AuthorityError> {
        let vault = Vault::unlock(&self.store, passphrase).await?;
        let (now, identifier, actor) = (self.now(), identifier.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move { export(transaction, now, &actor, &vault, identifier).await })
            })
            .await
    }

    /// The keys that are derived from a pre-write key for these chips, for the programming station that
    /// writes each into its chip. They can be had again; the log says for which chips, by a hash.
    ///
    /// # Errors
    /// No such key, it is retired, the passphrase is wrong, or the store fails.
    pub async fn derive_device_keys(
        &self,
        identifier: &KeyIdentifier,
        chips: Vec<HardwareUid>,
        passphrase: Secret,
        actor: &Actor,
    ) -> Result<Vec<DeviceKey>, AuthorityError> {
        let vault = Vault::unlock(&self.store, passphrase).await?;
        let (now, identifier, actor) = (self.now(), identifier.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let (found, sealed) = known(transaction, &identifier).await?;
                    let sealed = sealed.ok_or_else(|| {
                        let detail = format!("{identifier} is retired and erased");
                        AuthorityError::refused(ProblemCode::Conflict, detail)
                    })?;
                    let key = opened(&vault, &identifier, &sealed)?;
                    let listed: Vec<String> = chips.iter().map(ToString::to_string).collect();
                    let entry = Derived {
                        key_identifier: &identifier,
                        product: &found.product,
                        chips: chips.len(),
                        chips_sha256: Fingerprint::of(listed.join("\n").as_bytes()).to_string(),
                    };
                    audit::append(transaction, now, actor.as_str(), "pre-write-key.derive", &entry).await?;
                    let derive = |chip| DeviceKey {
                        key: Secret::new(key.for_chip(&chip).expose().to_vec()),
                        hardware_uid: chip,
                    };
                    Ok(chips.into_iter().map(derive).collect())
                })
            })
            .await
    }

    /// Retires a key that was replaced, and erases it.
    ///
    /// # Errors
    /// No such key, it is the product's current one or retired already, devices keep their pass phrases
    /// under it, or the store fails.
    pub async fn retire_pre_write_key(
        &self,
        identifier: &KeyIdentifier,
        actor: &Actor,
    ) -> Result<(), AuthorityError> {
        let (now, identifier, actor) = (self.now(), identifier.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let (found, _) = known(transaction, &identifier).await?;
                    if apparatus::is_kept_under(transaction, &identifier).await? {
                        let detail = format!(
                            "devices keep their pass phrases under {identifier}: an authenticator that is yet \
                             to come could not open them"
                        );
                        return Err(AuthorityError::refused(ProblemCode::Conflict, detail));
                    }
                    if !pre_write_key::retire(transaction, now, &identifier).await? {
                        let detail = match found.stage() {
                            Stage::Retired => format!("{identifier} is retired already"),
                            Stage::Current | Stage::Previous => {
                                format!(
                                    "{identifier} is the current key of {}: rotate it first",
                                    found.product
                                )
                            }
                        };
                        return Err(AuthorityError::refused(ProblemCode::Conflict, detail));
                    }
                    append(transaction, now, &actor, "pre-write-key.retire", &found, None).await
                })
            })
            .await
    }

    /// Makes the product's next key where `may`, which hears of the current one, names the action.
    async fn next_pre_write_key(
        &self,
        product: &ProductCode,
        passphrase: Secret,
        actor: &Actor,
        may: impl FnOnce(Option<&PreWriteKey>) -> Result<&'static str, AuthorityError> + Send + 'static,
    ) -> Result<PreWriteKey, AuthorityError> {
        let vault = Vault::unlock(&self.store, passphrase).await?;
        let mut key = vec![0; PRE_WRITE_KEY_BYTES];
        self.random.fill(&mut key);
        let key = Secret::new(key);
        let (now, product, actor) = (self.now(), product.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    if product::find(transaction, &product).await?.is_none() {
                        let detail = format!("no product {product} is known here");
                        return Err(AuthorityError::refused(ProblemCode::UnknownProduct, detail));
                    }
                    let (count, current) = pre_write_key::of_product(transaction, &product).await?;
                    let action = may(current.as_ref())?;
                    if let Some(current) = &current {
                        pre_write_key::replace(transaction, now, &current.identifier).await?;
                    }
                    let number = count + 1;
                    let next = new_key(&product, number, now)?;
                    let sealed = vault.seal(&pre_write_key_context(&next.identifier), key.expose())?;
                    pre_write_key::insert(transaction, &next, number, &sealed).await?;
                    let replaces = current.map(|current| current.identifier);
                    append(transaction, now, &actor, action, &next, replaces.as_ref()).await?;
                    Ok(next)
                })
            })
            .await
    }
}

fn new_key(product: &ProductCode, number: i64, now: i64) -> Result<PreWriteKey, StoreError> {
    let identifier = format!("{}-{number}", product.as_str()).parse();
    Ok(PreWriteKey {
        identifier: identifier.map_err(|_| StoreError::Corrupt { what: "pre_write_key.number" })?,
        product: product.clone(),
        made: now,
        exported: None,
        replaced: None,
        retired: None,
    })
}

/// A pre-write key out of the vault.
pub(crate) fn opened(
    vault: &Vault,
    identifier: &KeyIdentifier,
    sealed: &[u8],
) -> Result<PreWriteKeyInUse, AuthorityError> {
    let key = vault.open(&pre_write_key_context(identifier), sealed)?;
    let bytes = key.expose().try_into();
    let bytes = bytes.map_err(|_| StoreError::Corrupt { what: "pre_write_key.sealed_key" })?;
    Ok(PreWriteKeyInUse::new(identifier.clone(), bytes))
}

/// Hands a key out, once.
pub(crate) async fn export(
    transaction: &mut Transaction,
    now: i64,
    actor: &Actor,
    vault: &Vault,
    identifier: KeyIdentifier,
) -> Result<ExportedKey, AuthorityError> {
    let (found, sealed) = known(transaction, &identifier).await?;
    let refused = |said| {
        let detail = format!("{identifier} {said}: rotate the key of {}", found.product);
        AuthorityError::refused(ProblemCode::Conflict, detail)
    };
    let sealed = sealed.ok_or_else(|| refused("is retired and erased"))?;
    let key = vault.open(&pre_write_key_context(&identifier), &sealed)?;
    if !pre_write_key::mark_exported(transaction, now, &identifier).await? {
        return Err(refused("was exported before and is never shown again"));
    }
    append(transaction, now, actor, "pre-write-key.export", &found, None).await?;
    Ok(ExportedKey { identifier, product: found.product, key })
}

/// What the vault is told that a sealed pre-write key is.
pub(crate) fn pre_write_key_context(identifier: &KeyIdentifier) -> Vec<u8> {
    format!("pre-write key {identifier}").into_bytes()
}

async fn known(
    transaction: &mut Transaction,
    identifier: &KeyIdentifier,
) -> Result<(PreWriteKey, Option<Vec<u8>>), AuthorityError> {
    pre_write_key::find(transaction, identifier).await?.ok_or_else(|| {
        let detail = format!("no pre-write key {identifier} is known here");
        AuthorityError::refused(ProblemCode::NotFound, detail)
    })
}

async fn append(
    transaction: &mut Transaction,
    now: i64,
    actor: &Actor,
    action: &'static str,
    key: &PreWriteKey,
    replaces: Option<&KeyIdentifier>,
) -> Result<(), AuthorityError> {
    let body = Named { key_identifier: &key.identifier, product: &key.product, replaces };
    audit::append(transaction, now, actor.as_str(), action, &body).await.map_err(AuthorityError::from)
}
