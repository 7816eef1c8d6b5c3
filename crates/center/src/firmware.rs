//! Firmware: which makers' keys count, and which packages there are.

use std::path::PathBuf;

use identity::ProductCode;
use package::{MakerKey, PackageError};
use serde::Serialize;
use store::audit::{self, Actor};
use store::center::firmware::{self, Firmware};
use store::center::rollout;
use store::{StoreError, Transaction};

use crate::desk::Desk;
use crate::error::CenterError;
use crate::files::{FileError, Files, Incoming};

impl Desk {
    /// The makers' keys, by product.
    ///
    /// # Errors
    /// The store fails.
    pub async fn maker_keys(&self) -> Result<Vec<firmware::MakerKey>, StoreError> {
        firmware::keys(&mut self.store.read().await?).await
    }

    /// Lets a maker's key sign a product's firmware from now on. Whether it is new.
    ///
    /// # Errors
    /// The store fails.
    pub async fn add_maker_key(
        &self,
        product: ProductCode,
        key: &MakerKey,
        actor: &Actor,
    ) -> Result<bool, StoreError> {
        let (now, actor) = (self.now(), actor.clone());
        let (name, point) = (key.name().to_string(), key.point().to_vec());
        let key = firmware::MakerKey { product, name, point, added: now };
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let is_new = firmware::add_key(transaction, &key).await?;
                    if is_new {
                        let body = AuditedKey { product: &key.product, key: &key.name };
                        audit::append(transaction, now, actor.as_str(), "maker-key.add", &body).await?;
                    }
                    Ok(is_new)
                })
            })
            .await
    }

    /// Takes no more packages that this key has signed; those that are there stay.
    ///
    /// # Errors
    /// The product has no such key, or the store fails.
    pub async fn remove_maker_key(
        &self,
        product: ProductCode,
        name: String,
        actor: &Actor,
    ) -> Result<(), CenterError> {
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    if !firmware::remove_key(transaction, &product, &name).await? {
                        return Err(CenterError::Unknown(format!("{product} has no maker's key {name}")));
                    }
                    let body = AuditedKey { product: &product, key: &name };
                    audit::append(transaction, now, actor.as_str(), "maker-key.remove", &body).await?;
                    Ok(())
                })
            })
            .await
    }

    /// All packages, by product, the last version first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn firmware(&self) -> Result<Vec<Firmware>, StoreError> {
        firmware::list(&mut self.store.read().await?).await
    }

    /// Takes in a package from a file, where a maker that is known here has signed it. The same package again
    /// changes nothing.
    ///
    /// # Errors
    /// It is no such package, there is another of the same product and version, or files or store fail.
    pub async fn add_firmware(
        &self,
        files: &Files,
        path: PathBuf,
        actor: &Actor,
    ) -> Result<Firmware, CenterError> {
        let keys = self.maker_keys().await?;
        let (files, now, actor) = (files.clone(), self.now(), actor.clone());
        let taken = tokio::task::spawn_blocking(move || -> Result<_, FileError> {
            let incoming = files.take_in(&path)?;
            let firmware = verified(&incoming, &keys, now)?;
            incoming.keep()?;
            Ok((incoming, firmware))
        });
        // The directory stays locked until the books name the package.
        let (incoming, firmware) = taken.await.map_err(|_| StoreError::Closed)??;
        let recorded =
            self.store.write(move |transaction| Box::pin(record(transaction, firmware, actor, now))).await;
        if let Err(CenterError::Conflict(_)) = recorded {
            incoming.discard();
        }
        recorded
    }

    /// Removes a package that no roll-out needs.
    ///
    /// # Errors
    /// There is none of this name, a roll-out needs it, or files or store fail.
    pub async fn remove_firmware(&self, files: &Files, name: &str, actor: &Actor) -> Result<(), CenterError> {
        let (now, actor, removed) = (self.now(), actor.clone(), name.to_owned());
        let done: Result<(), CenterError> = self
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    if let Some(rollout) = rollout::of_firmware(transaction, &removed).await?.first() {
                        let detail = format!("roll-out {} needs the package {removed}", rollout.id);
                        return Err(CenterError::Conflict(detail));
                    }
                    let found = firmware::find(transaction, &removed).await?;
                    let Some(found) = found else { return Err(unknown_firmware(&removed)) };
                    firmware::remove(transaction, &removed).await?;
                    let body = AuditedFirmware::of(&found);
                    audit::append(transaction, now, actor.as_str(), "firmware.remove", &body).await?;
                    Ok(())
                })
            })
            .await;
        done?;
        files.remove(name).map_err(|error| FileError::Directory(error).into())
    }
}

pub(crate) fn unknown_firmware(name: &str) -> CenterError {
    CenterError::Unknown(format!("there is no firmware package {name}"))
}

/// What the books say of a package, once it is sure that a maker signed it for its product.
fn verified(incoming: &Incoming, keys: &[firmware::MakerKey], now: i64) -> Result<Firmware, PackageError> {
    let key_name = incoming.head.key_name();
    let named: Vec<_> = keys.iter().filter(|key| key.name == key_name.to_string()).collect();
    let key = named.first().and_then(|key| MakerKey::from_point(&key.point).ok());
    let manifest = incoming.head.clone().verify(&key.ok_or(PackageError::OtherKey(key_name))?)?;
    if !named.iter().any(|key| key.product == manifest.product) {
        return Err(PackageError::OtherKey(key_name));
    }
    if (manifest.length, manifest.sha256) != (incoming.image_length, incoming.image_sha256) {
        return Err(PackageError::OtherImage);
    }
    Ok(Firmware {
        name: incoming.name.clone(),
        product: manifest.product,
        version: manifest.version,
        security: manifest.security,
        length: incoming.length,
        key_name: key_name.to_string(),
        added: now,
    })
}

async fn record(
    transaction: &mut Transaction,
    firmware: Firmware,
    actor: Actor,
    now: i64,
) -> Result<Firmware, CenterError> {
    let list = firmware::list(transaction).await?;
    let same = |other: &&Firmware| (&other.product, other.version) == (&firmware.product, firmware.version);
    match list.into_iter().find(|other| same(&other)) {
        Some(there) if there.name == firmware.name => return Ok(there),
        Some(there) => {
            let detail = format!(
                "there is another package of version {} for {}: {}",
                there.version, there.product, there.name
            );
            return Err(CenterError::Conflict(detail));
        }
        None => {}
    }
    firmware::add(transaction, &firmware).await?;
    let body = AuditedFirmware::of(&firmware);
    audit::append(transaction, now, actor.as_str(), "firmware.add", &body).await?;
    Ok(firmware)
}

#[derive(Serialize)]
struct AuditedKey<'a> {
    product: &'a ProductCode,
    key: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuditedFirmware<'a> {
    firmware: &'a str,
    product: &'a ProductCode,
    version: identity::FirmwareVersion,
    key_name: &'a str,
}

impl<'a> AuditedFirmware<'a> {
    fn of(firmware: &'a Firmware) -> Self {
        let Firmware { name, product, version, key_name, .. } = firmware;
        Self { firmware: name, product, version: *version, key_name }
    }
}
