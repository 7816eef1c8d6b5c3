//! Bundles on their way to and from peers that no network joins to this side: which come next, which wait.
//! Each role's schema that speaks in bundles has these tables.

use crate::statement::count;
use crate::{Snapshot, StoreError, Transaction};

/// How far the conversation with a peer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// The last bundle for it.
    pub sent: u64,
    /// The last of these that it is known to have taken; later ones are kept.
    pub acknowledged: u64,
    /// The last bundle from it that was taken.
    pub taken: u64,
}

/// What a bundle that arrives is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// The one that comes next.
    Next,
    /// One that arrived before, then.
    Double {
        /// When it arrived, in seconds since 1970.
        received: i64,
    },
    /// Another one than that of the same number which arrived before.
    Changed {
        /// When the other one arrived.
        received: i64,
    },
    /// One that comes after one that is missing.
    Gap {
        /// The one that is missing.
        missing: u64,
    },
}

impl Arrival {
    /// Why a bundle of this number is not taken in, in a sentence; nothing where it comes next.
    pub fn fault(self, sequence: u64) -> Option<String> {
        match self {
            Self::Next => None,
            Self::Double { .. } => Some(format!("bundle {sequence} was taken in before")),
            Self::Changed { .. } => Some(format!(
                "bundle {sequence} was taken in before and said something else: there are two of its \
                 sender, or its books were put back to an earlier day"
            )),
            Self::Gap { missing } => {
                Some(format!("bundle {sequence} cannot be taken in: bundle {missing} comes before it"))
            }
        }
    }
}

/// A bundle that waits to be dealt with, or to be taken by its receiver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// The other end.
    pub peer: String,
    /// Its number.
    pub sequence: u64,
    /// The whole of it, signed.
    pub document: Vec<u8>,
}

/// How far the conversation with a peer is.
///
/// # Errors
/// The store fails.
pub async fn standing(snapshot: &mut Snapshot, peer: &str) -> Result<Standing, StoreError> {
    let row: Option<(i64, i64, i64)> =
        fetch_optional!(snapshot, "SELECT sent, acknowledged, taken FROM bundle_peer WHERE peer = $1", peer)?;
    let Some((sent, acknowledged, taken)) = row else { return Ok(Standing::default()) };
    Ok(Standing {
        sent: count("bundle_peer.sent", sent)?,
        acknowledged: count("bundle_peer.acknowledged", acknowledged)?,
        taken: count("bundle_peer.taken", taken)?,
    })
}

/// The bundles for a peer that it is not known to have taken, in order.
///
/// # Errors
/// The store fails.
pub async fn kept(snapshot: &mut Snapshot, peer: &str) -> Result<Vec<Waiting>, StoreError> {
    let rows: Vec<(String, i64, Vec<u8>)> = fetch_all!(
        snapshot,
        "SELECT peer, sequence, document FROM bundle_sent WHERE peer = $1 ORDER BY sequence",
        peer,
    )?;
    waiting(rows)
}

/// The bundles that arrived and are not dealt with, those of one peer in order.
///
/// # Errors
/// The store fails.
pub async fn arrived(snapshot: &mut Snapshot) -> Result<Vec<Waiting>, StoreError> {
    let rows: Vec<(String, i64, Vec<u8>)> = fetch_all!(
        snapshot,
        "SELECT peer, sequence, document FROM bundle_received WHERE document IS NOT NULL \
         ORDER BY peer, sequence",
    )?;
    waiting(rows)
}

/// What a bundle of this number and hash would be if it arrived now.
///
/// # Errors
/// The store fails.
pub async fn look(
    snapshot: &mut Snapshot,
    peer: &str,
    sequence: u64,
    sha256: &[u8],
) -> Result<Arrival, StoreError> {
    let before: Option<(Vec<u8>, i64)> = fetch_optional!(
        snapshot,
        "SELECT sha256, received FROM bundle_received WHERE peer = $1 AND sequence = $2",
        peer,
        sequence.cast_signed(),
    )?;
    if let Some((before, received)) = before {
        let is_same = before == sha256;
        return Ok(if is_same { Arrival::Double { received } } else { Arrival::Changed { received } });
    }
    let (last,): (Option<i64>,) =
        fetch_one!(snapshot, "SELECT max(sequence) FROM bundle_received WHERE peer = $1", peer)?;
    let next = count("bundle_received.sequence", last.unwrap_or_default())? + 1;
    Ok(if sequence == next { Arrival::Next } else { Arrival::Gap { missing: next } })
}

/// Stores the bundle that comes next, with all of it where it is still to be dealt with. [`look`] says
/// whether it does.
///
/// # Errors
/// One of this number arrived before, or the store fails.
pub async fn receive(
    transaction: &mut Transaction,
    peer: &str,
    sequence: u64,
    sha256: &[u8],
    now: i64,
    document: Option<&[u8]>,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO bundle_received (peer, sequence, sha256, received, document) VALUES ($1, $2, $3, $4, $5)",
        peer,
        sequence.cast_signed(),
        sha256,
        now,
        document,
    )?;
    Ok(())
}

/// Notes that a peer's bundle is dealt with; its contents are forgotten.
///
/// # Errors
/// The store fails.
pub async fn take(transaction: &mut Transaction, peer: &str, sequence: u64) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE bundle_received SET document = NULL WHERE peer = $1 AND sequence = $2",
        peer,
        sequence.cast_signed(),
    )?;
    execute!(
        transaction,
        "INSERT INTO bundle_peer (peer, sent, acknowledged, taken) VALUES ($1, 0, 0, $2) \
         ON CONFLICT (peer) DO UPDATE SET taken = excluded.taken",
        peer,
        sequence.cast_signed(),
    )?;
    Ok(())
}

/// Keeps a bundle for a peer. Its number is that of the last one and one.
///
/// # Errors
/// There is one of this number, or the store fails.
pub async fn keep(
    transaction: &mut Transaction,
    peer: &str,
    sequence: u64,
    document: &[u8],
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO bundle_sent (peer, sequence, document) VALUES ($1, $2, $3)",
        peer,
        sequence.cast_signed(),
        document,
    )?;
    execute!(
        transaction,
        "INSERT INTO bundle_peer (peer, sent, acknowledged, taken) VALUES ($1, $2, 0, 0) \
         ON CONFLICT (peer) DO UPDATE SET sent = excluded.sent",
        peer,
        sequence.cast_signed(),
    )?;
    Ok(())
}

/// The peer has taken all bundles up to this one: they are kept no longer. One that was never made counts
/// for nothing.
///
/// # Errors
/// The store fails.
pub async fn acknowledge(transaction: &mut Transaction, peer: &str, sequence: u64) -> Result<(), StoreError> {
    let sequence = sequence.cast_signed();
    execute!(
        transaction,
        "UPDATE bundle_peer SET acknowledged = $2 WHERE peer = $1 AND acknowledged < $2 AND sent >= $2",
        peer,
        sequence,
    )?;
    execute!(
        transaction,
        "DELETE FROM bundle_sent WHERE peer = $1 AND sequence <= \
         (SELECT acknowledged FROM bundle_peer WHERE peer = $1)",
        peer,
    )?;
    Ok(())
}

fn waiting(rows: Vec<(String, i64, Vec<u8>)>) -> Result<Vec<Waiting>, StoreError> {
    rows.into_iter()
        .map(|(peer, sequence, document)| {
            Ok(Waiting { peer, sequence: count("bundle.sequence", sequence)?, document })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_both;
    use crate::{Schema, Store};

    async fn receive_next(store: &Store, sequence: u64, sha256: u8) -> Arrival {
        let done: Result<Arrival, StoreError> = store
            .write(move |transaction| {
                Box::pin(async move {
                    let arrival = look(transaction, "peer", sequence, &[sha256]).await?;
                    if arrival == Arrival::Next {
                        receive(transaction, "peer", sequence, &[sha256], 7, Some(b"document")).await?;
                    }
                    Ok(arrival)
                })
            })
            .await;
        done.unwrap()
    }

    #[tokio::test]
    async fn bundles_arrive_once_each_and_in_order() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            assert_eq!(receive_next(&store, 2, 2).await, Arrival::Gap { missing: 1 });
            assert_eq!(receive_next(&store, 0, 0).await, Arrival::Gap { missing: 1 });
            assert_eq!(receive_next(&store, 1, 1).await, Arrival::Next);
            assert_eq!(receive_next(&store, 1, 1).await, Arrival::Double { received: 7 });
            assert_eq!(receive_next(&store, 1, 9).await, Arrival::Changed { received: 7 });
            assert_eq!(receive_next(&store, 2, 2).await, Arrival::Next);
            let mut snapshot = store.read().await.unwrap();
            let found = arrived(&mut snapshot).await.unwrap();
            assert_eq!(found.iter().map(|one| one.sequence).collect::<Vec<_>>(), [1, 2]);
            assert_eq!(standing(&mut snapshot, "peer").await.unwrap().taken, 0);
            drop(snapshot);
            let done: Result<(), StoreError> =
                store.write(|transaction| Box::pin(take(transaction, "peer", 1))).await;
            done.unwrap();
            let mut snapshot = store.read().await.unwrap();
            assert_eq!(arrived(&mut snapshot).await.unwrap().len(), 1);
            assert_eq!(standing(&mut snapshot, "peer").await.unwrap().taken, 1);
        })
        .await;
    }

    #[tokio::test]
    async fn bundles_are_kept_until_they_are_known_to_be_taken() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            let done: Result<(), StoreError> = store
                .write(|transaction| {
                    Box::pin(async move {
                        for sequence in 1..=3 {
                            keep(transaction, "peer", sequence, &[sequence as u8]).await?;
                        }
                        // What was never made cannot have been taken; what was taken stays taken.
                        acknowledge(transaction, "peer", 4).await?;
                        acknowledge(transaction, "peer", 2).await?;
                        acknowledge(transaction, "peer", 1).await
                    })
                })
                .await;
            done.unwrap();
            let mut snapshot = store.read().await.unwrap();
            let found = kept(&mut snapshot, "peer").await.unwrap();
            assert_eq!(found, [Waiting { peer: "peer".to_owned(), sequence: 3, document: vec![3] }]);
            let found = standing(&mut snapshot, "peer").await.unwrap();
            assert_eq!(found, Standing { sent: 3, acknowledged: 2, taken: 0 });
        })
        .await;
    }
}
