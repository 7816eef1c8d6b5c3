//! Nonces that were given out: each is answered at most once, by whichever instance hears the answer.

use crate::{Snapshot, StoreError, Transaction};

/// Notes a nonce that is given out.
///
/// # Errors
/// The store fails; [`StoreError::Duplicate`] for a nonce that is out already.
pub async fn insert(transaction: &mut Transaction, nonce: &[u8; 16], expires: i64) -> Result<(), StoreError> {
    execute!(transaction, "INSERT INTO nonce (nonce, expires) VALUES ($1, $2)", nonce.as_slice(), expires,)?;
    Ok(())
}

/// Removes a nonce. Whether it was there and good.
///
/// # Errors
/// The store fails.
pub async fn spend(transaction: &mut Transaction, nonce: &[u8], now: i64) -> Result<bool, StoreError> {
    let row: Option<(i64,)> =
        fetch_optional!(transaction, "DELETE FROM nonce WHERE nonce = $1 RETURNING expires", nonce)?;
    Ok(row.is_some_and(|(expires,)| now < expires))
}

/// Removes what nobody has answered in time.
///
/// # Errors
/// The store fails.
pub async fn sweep(transaction: &mut Transaction, now: i64) -> Result<u64, StoreError> {
    execute!(transaction, "DELETE FROM nonce WHERE expires <= $1", now)
}

/// How many nonces are out.
///
/// # Errors
/// The store fails.
pub async fn count(snapshot: &mut Snapshot) -> Result<u64, StoreError> {
    let (count,): (i64,) = fetch_one!(snapshot, "SELECT COUNT(*) FROM nonce")?;
    crate::statement::count("nonce", count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_both;
    use crate::{Schema, Store};

    async fn give_out(store: &Store, nonce: [u8; 16], expires: i64) {
        let done: Result<(), StoreError> = store
            .write(move |transaction| Box::pin(async move { insert(transaction, &nonce, expires).await }))
            .await;
        done.unwrap();
    }

    async fn answer(store: &Store, nonce: [u8; 16], now: i64) -> bool {
        let done: Result<bool, StoreError> = store
            .write(move |transaction| Box::pin(async move { spend(transaction, &nonce, now).await }))
            .await;
        done.unwrap()
    }

    #[tokio::test]
    async fn of_a_thousand_answers_one_counts_also_over_instances_and_restarts() {
        on_both(async |database| {
            let one = Store::open(&database.url, Schema::Authenticator).await.unwrap();
            let other = Store::open(&database.url, Schema::Authenticator).await.unwrap();
            give_out(&one, [7; 16], 30).await;
            let answers = (0..1_000).map(|n| answer(if n % 2 == 0 { &one } else { &other }, [7; 16], 29));
            let counted = futures_util::future::join_all(answers).await;
            assert_eq!(counted.into_iter().filter(|is_good| *is_good).count(), 1);

            one.close().await;
            let again = Store::open(&database.url, Schema::Authenticator).await.unwrap();
            assert!(!answer(&again, [7; 16], 29).await);
        })
        .await;
    }

    #[tokio::test]
    async fn a_nonce_ends() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Authenticator).await.unwrap();
            give_out(&store, [1; 16], 30).await;
            assert!(!answer(&store, [1; 16], 30).await);
            assert!(!answer(&store, [1; 16], 1).await, "an expired nonce is gone with its first answer");

            give_out(&store, [2; 16], 30).await;
            give_out(&store, [3; 16], 31).await;
            let swept: Result<u64, StoreError> =
                store.write(|transaction| Box::pin(sweep(transaction, 30))).await;
            assert_eq!(swept.unwrap(), 1);
            assert_eq!(count(&mut store.read().await.unwrap()).await.unwrap(), 1);
            assert!(answer(&store, [3; 16], 30).await);
        })
        .await;
    }
}
