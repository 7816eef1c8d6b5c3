//! The keys that tokens are signed with, shared by all instances of an authenticator.

use crate::{Snapshot, StoreError, Transaction};

/// A key pair on P-256.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SigningKey {
    /// Its name, which tokens carry.
    pub id: String,
    /// The public key, an uncompressed point.
    pub public_key: Vec<u8>,
    /// The private key, sealed under the vault.
    pub sealed_private_key: Vec<u8>,
    /// When it was made.
    pub created: i64,
}

/// Stores a key, unless another instance has stored one since `newer_than`.
///
/// # Errors
/// The store fails.
pub async fn insert_unless(
    transaction: &mut Transaction,
    key: &SigningKey,
    newer_than: i64,
) -> Result<bool, StoreError> {
    let newest: Option<(i64,)> = fetch_optional!(
        transaction,
        "SELECT created FROM signing_key WHERE created > $1 LIMIT 1",
        newer_than,
    )?;
    if newest.is_some() {
        return Ok(false);
    }
    execute!(
        transaction,
        "INSERT INTO signing_key (id, public_key, sealed_private_key, created) VALUES ($1, $2, $3, $4)",
        &key.id,
        &key.public_key,
        &key.sealed_private_key,
        key.created,
    )?;
    Ok(true)
}

/// The keys that were made after `since`, the newest first.
///
/// # Errors
/// The store fails.
pub async fn made_since(snapshot: &mut Snapshot, since: i64) -> Result<Vec<SigningKey>, StoreError> {
    fetch_all!(
        snapshot,
        "SELECT id, public_key, sealed_private_key, created FROM signing_key WHERE created > $1 \
         ORDER BY created DESC, id",
        since,
    )
}

/// Forgets the keys that were made at `before` or earlier.
///
/// # Errors
/// The store fails.
pub async fn forget(transaction: &mut Transaction, before: i64) -> Result<u64, StoreError> {
    execute!(transaction, "DELETE FROM signing_key WHERE created <= $1", before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_both;
    use crate::{Schema, Store};

    fn key(id: &str, created: i64) -> SigningKey {
        SigningKey { id: id.to_owned(), public_key: vec![4], sealed_private_key: vec![5], created }
    }

    #[tokio::test]
    async fn two_instances_make_one_key_and_old_ones_are_forgotten() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Authenticator).await.unwrap();
            let insert = async |key: SigningKey, newer_than: i64| {
                let done: Result<bool, StoreError> = store
                    .write(move |transaction| {
                        Box::pin(async move { insert_unless(transaction, &key, newer_than).await })
                    })
                    .await;
                done.unwrap()
            };
            assert!(insert(key("a", 100), 0).await);
            assert!(!insert(key("b", 100), 50).await);
            assert!(insert(key("c", 200), 150).await);
            let ids = async |since| {
                let keys = made_since(&mut store.read().await.unwrap(), since).await.unwrap();
                keys.into_iter().map(|key| key.id).collect::<Vec<_>>()
            };
            assert_eq!(ids(0).await, ["c", "a"]);
            assert_eq!(ids(100).await, ["c"]);
            let forgotten: Result<u64, StoreError> =
                store.write(|transaction| Box::pin(forget(transaction, 100))).await;
            assert_eq!(forgotten.unwrap(), 1);
            assert_eq!(ids(0).await, ["c"]);
        })
        .await;
    }
}
