//! The gateway while it serves: the desk, the key ring and the link to the authority.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cert::{DeviceVerifier, Trust};
use identity::{Member, MemberName};
use message::trust::StationTrust;
use store::audit::Actor;
use store::gateway::pack;
use store::{KeyRing, KeyRingError, Secret, Store, StoreError, Vault, VaultError};
use tokio::sync::{Mutex, Notify};
use transport::TrustKeeper;

use crate::desk::Desk;
use crate::error::GatewayError;
use crate::upstream::Upstream;

/// A serving gateway. One process at a time has the key ring open.
pub struct Gateway {
    pub(crate) desk: Desk,
    pub(crate) ring: KeyRing,
    pub(crate) upstream: Arc<dyn Upstream>,
    pub(crate) devices: DeviceVerifier,
    pub(crate) trust: TrustKeeper,
    /// Which CAs of devices stations trust, as each said last since this gateway was opened.
    pub(crate) stations: std::sync::Mutex<BTreeMap<MemberName, StationTrust>>,
    pub(crate) actor: Actor,
    /// Held while stock is filled up, so that two runs do not reserve for the same need.
    pub(crate) replenishing: Mutex<()>,
    /// Rings when there is something in the outbox or to erase.
    pub(crate) work: Notify,
}

/// Why a gateway does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The vault stays shut.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The key ring does not open.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key for bundles cannot be made.
    #[error("the key for bundles cannot be made")]
    BundleKey(#[source] GatewayError),
}

impl Gateway {
    /// Makes the vault of a new gateway. One that was made before with the same passphrase is as good,
    /// so that joining can be repeated.
    ///
    /// # Errors
    /// The passphrase is too short, or another one made the vault.
    pub async fn init(store: &Store, passphrase: Secret) -> Result<(), OpenError> {
        match Vault::create(store, passphrase.clone()).await {
            Err(VaultError::Exists) => Vault::unlock(store, passphrase).await,
            made => made,
        }?;
        Ok(())
    }

    /// Opens a gateway to serve. `key_ring` is the key ring's file, beside the store.
    ///
    /// # Errors
    /// The passphrase is wrong, another process serves already, or the store fails.
    pub async fn open(
        desk: Desk,
        passphrase: Secret,
        key_ring: &Path,
        trust: impl Into<TrustKeeper>,
        upstream: Arc<dyn Upstream>,
    ) -> Result<Arc<Self>, OpenError> {
        let trust: TrustKeeper = trust.into();
        let vault = Vault::unlock(&desk.store, passphrase).await?;
        let key_ring = KeyRing::lock(key_ring)?;
        let named = pack::named_slots(&mut desk.store.read().await?).await?;
        let gateway = Arc::new(Self {
            ring: key_ring.open(vault, &named)?,
            upstream,
            devices: DeviceVerifier::new(trust.trust().clone()),
            trust,
            stations: std::sync::Mutex::default(),
            actor: Actor::member(&Member::gateway(desk.factory.clone())),
            replenishing: Mutex::new(()),
            work: Notify::new(),
            desk,
        });
        gateway.make_first_bundle_key().await.map_err(OpenError::BundleKey)?;
        Ok(gateway)
    }

    /// The gateway's books.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Whom the gateway trusts.
    pub fn trust(&self) -> &Trust {
        self.trust.trust()
    }
}
