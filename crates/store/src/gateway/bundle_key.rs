//! The key that packs in bundles are sealed to.

use crate::gateway::pack::SealedSecret;
use crate::{Slot, Snapshot, StoreError, Transaction};

/// The key of now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BundleKey {
    /// Its public half.
    pub public: Vec<u8>,
    /// Its secret half, encrypted under a data key of the key ring.
    pub secret: SealedSecret,
}

/// The key of now, where one was made.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot) -> Result<Option<BundleKey>, StoreError> {
    let row: Option<(Vec<u8>, Slot, Vec<u8>)> =
        fetch_optional!(snapshot, "SELECT public_key, slot, sealed FROM bundle_key WHERE id = 1")?;
    Ok(row.map(|(public, slot, sealed)| BundleKey { public, secret: SealedSecret { slot, sealed } }))
}

/// Takes a new key in place of the one of now.
///
/// # Errors
/// The store fails.
pub async fn replace(transaction: &mut Transaction, key: &BundleKey) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO bundle_key (id, public_key, slot, sealed) VALUES (1, $1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET public_key = excluded.public_key, slot = excluded.slot, \
         sealed = excluded.sealed",
        key.public.as_slice(),
        key.secret.slot,
        key.secret.sealed.as_slice(),
    )?;
    Ok(())
}
