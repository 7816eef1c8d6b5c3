//! How often proofs have failed lately, by bucket.

use crate::{StoreError, Transaction};

/// Counts one failure in a bucket, from 1 again where the last one was before `forgotten`. The count.
///
/// # Errors
/// The store fails.
pub async fn note(
    transaction: &mut Transaction,
    bucket: u32,
    now: i64,
    forgotten: i64,
) -> Result<u64, StoreError> {
    let (failures,): (i64,) = fetch_one!(
        transaction,
        "INSERT INTO failure (bucket, failures, last) VALUES ($1, 1, $2) \
         ON CONFLICT (bucket) DO UPDATE SET last = excluded.last, \
         failures = CASE WHEN failure.last < $3 THEN 1 ELSE failure.failures + 1 END RETURNING failures",
        i64::from(bucket),
        now,
        forgotten,
    )?;
    crate::statement::count("failure.failures", failures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_both;
    use crate::{Schema, Store};

    #[tokio::test]
    async fn failures_add_up_until_they_are_forgotten() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Authenticator).await.unwrap();
            let note_at = async |bucket, now: i64| {
                let done: Result<u64, StoreError> =
                    store.write(move |transaction| Box::pin(note(transaction, bucket, now, now - 600))).await;
                done.unwrap()
            };
            assert_eq!(note_at(1, 1_000).await, 1);
            assert_eq!(note_at(1, 1_001).await, 2);
            assert_eq!(note_at(2, 1_001).await, 1);
            assert_eq!(note_at(1, 1_601).await, 3);
            assert_eq!(note_at(1, 2_202).await, 1);
        })
        .await;
    }
}
