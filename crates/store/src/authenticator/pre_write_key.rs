//! Pre-write keys, source B table 700: what credentials in their second form are opened with.

use identity::KeyIdentifier;

use crate::{Snapshot, StoreError, Transaction};

/// The key of this name, sealed under the vault.
///
/// # Errors
/// The store fails.
pub async fn find(
    snapshot: &mut Snapshot,
    identifier: &KeyIdentifier,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(Vec<u8>,)> = fetch_optional!(
        snapshot,
        "SELECT sealed_key FROM pre_write_key WHERE identifier = $1",
        identifier.as_str(),
    )?;
    Ok(row.map(|(sealed_key,)| sealed_key))
}

/// Stores a key, sealed under the vault. Whether it is new.
///
/// # Errors
/// The store fails.
pub async fn insert(
    transaction: &mut Transaction,
    identifier: &KeyIdentifier,
    sealed_key: &[u8],
) -> Result<bool, StoreError> {
    let stored = execute!(
        transaction,
        "INSERT INTO pre_write_key (identifier, sealed_key) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        identifier.as_str(),
        sealed_key,
    )?;
    Ok(stored > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_both;
    use crate::{Schema, Store};

    #[tokio::test]
    async fn a_key_is_stored_once() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Authenticator).await.unwrap();
            let insert_as = async |sealed_key: &'static [u8]| {
                let identifier = "A123-1".parse().unwrap();
                let done: Result<bool, StoreError> = store
                    .write(move |transaction| {
                        Box::pin(async move { insert(transaction, &identifier, sealed_key).await })
                    })
                    .await;
                done.unwrap()
            };
            assert!(insert_as(&[1, 2, 3]).await);
            assert!(!insert_as(&[4, 5, 6]).await);
            let mut snapshot = store.read().await.unwrap();
            let found = find(&mut snapshot, &"A123-1".parse().unwrap()).await.unwrap();
            assert_eq!(found.as_deref(), Some(&[1, 2, 3][..]));
            assert_eq!(find(&mut snapshot, &"A123-2".parse().unwrap()).await.unwrap(), None);
        })
        .await;
    }
}
