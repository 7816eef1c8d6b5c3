//! The apparatus register, source B tables 704, 706 and 708: who may authenticate, and with what secret.

use identity::{ApparatusId, DeviceNumber, HardwareUid, KeyIdentifier};

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// A credential that may authenticate.
#[derive(Clone, PartialEq, Eq)]
pub struct Apparatus {
    /// The device that holds it, by the number on its plate.
    pub device_number: DeviceNumber,
    /// What it authenticates with.
    pub secret: Secret,
}

/// In which form a credential's secret is stored.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The pass phrase, sealed under the vault.
    PassPhrase(Vec<u8>),
    /// The second form.
    Ciphertext(Ciphertext),
}

/// A credential as its device keeps it, opened only to authenticate.
#[derive(Clone, PartialEq, Eq)]
pub struct Ciphertext {
    /// The sealed object.
    pub sealed: Vec<u8>,
    /// The pre-write key that opens it.
    pub key_identifier: KeyIdentifier,
    /// The chip, where the key is derived for it.
    pub hardware_uid: Option<HardwareUid>,
}

/// What a registration meets in the register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registered {
    /// It is stored now.
    Stored,
    /// It was stored before, for the same device, or was revoked before: nothing changes.
    Before,
    /// The apparatus ID belongs to another device.
    OtherDevice,
    /// The device has another credential, which was not revoked.
    SecondCredential,
}

/// How many credentials there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// May authenticate.
    pub registered: i64,
    /// Are refused for good.
    pub revoked: i64,
}

/// The credential of this ID, if it may authenticate.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, id: ApparatusId) -> Result<Option<Apparatus>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT device_number, sealed_pass_phrase, ciphertext, key_identifier, hardware_uid FROM apparatus \
         WHERE id = $1 AND revoked IS NULL",
        id.text().as_str(),
    )?;
    row.map(Apparatus::try_from).transpose()
}

/// Stores a credential, unless it contradicts what is there.
///
/// # Errors
/// The store fails.
pub async fn register(
    transaction: &mut Transaction,
    id: ApparatusId,
    apparatus: &Apparatus,
    now: i64,
) -> Result<Registered, StoreError> {
    let number = apparatus.device_number.text();
    let same_id: Option<(Option<String>, Option<i64>)> = fetch_optional!(
        transaction,
        "SELECT device_number, revoked FROM apparatus WHERE id = $1",
        id.text().as_str(),
    )?;
    if let Some((device_number, revoked)) = same_id {
        let is_same = revoked.is_some() || device_number.as_deref() == Some(number.as_str());
        return Ok(if is_same { Registered::Before } else { Registered::OtherDevice });
    }
    let same_device: Option<(i64,)> = fetch_optional!(
        transaction,
        "SELECT registered FROM apparatus WHERE device_number = $1 AND revoked IS NULL",
        number.as_str(),
    )?;
    if same_device.is_some() {
        return Ok(Registered::SecondCredential);
    }
    let (pass_phrase, ciphertext) = match &apparatus.secret {
        Secret::PassPhrase(sealed) => (Some(sealed), None),
        Secret::Ciphertext(ciphertext) => (None, Some(ciphertext)),
    };
    execute!(
        transaction,
        "INSERT INTO apparatus \
         (id, device_number, sealed_pass_phrase, ciphertext, key_identifier, hardware_uid, registered) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id.text().as_str(),
        number.as_str(),
        pass_phrase,
        ciphertext.map(|ciphertext| &ciphertext.sealed),
        ciphertext.map(|ciphertext| ciphertext.key_identifier.as_str()),
        ciphertext.and_then(|ciphertext| ciphertext.hardware_uid.as_ref()).map(HardwareUid::to_string),
        now,
    )?;
    Ok(Registered::Stored)
}

/// Refuses a credential for good and forgets its secret; also one that was never heard of, so
/// that it is refused when it comes. Since when it is revoked.
///
/// # Errors
/// The store fails.
pub async fn revoke(
    transaction: &mut Transaction,
    id: ApparatusId,
    reason: &str,
    now: i64,
) -> Result<i64, StoreError> {
    let (since,): (i64,) = fetch_one!(
        transaction,
        "INSERT INTO apparatus (id, revoked, reason) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET sealed_pass_phrase = NULL, ciphertext = NULL, \
         revoked = COALESCE(apparatus.revoked, excluded.revoked), \
         reason = COALESCE(apparatus.reason, excluded.reason) RETURNING revoked",
        id.text().as_str(),
        now,
        reason,
    )?;
    Ok(since)
}

/// How many credentials there are.
///
/// # Errors
/// The store fails.
pub async fn counts(snapshot: &mut Snapshot) -> Result<Counts, StoreError> {
    let (all, revoked): (i64, i64) = fetch_one!(snapshot, "SELECT COUNT(*), COUNT(revoked) FROM apparatus")?;
    Ok(Counts { registered: all - revoked, revoked })
}

#[derive(sqlx::FromRow)]
struct Row {
    device_number: String,
    sealed_pass_phrase: Option<Vec<u8>>,
    ciphertext: Option<Vec<u8>>,
    key_identifier: Option<String>,
    hardware_uid: Option<String>,
}

impl TryFrom<Row> for Apparatus {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let secret = match (row.sealed_pass_phrase, row.ciphertext, row.key_identifier) {
            (Some(sealed), None, None) => Secret::PassPhrase(sealed),
            (None, Some(sealed), Some(identifier)) => Secret::Ciphertext(Ciphertext {
                sealed,
                key_identifier: parsed("apparatus.key_identifier", &identifier)?,
                hardware_uid: row
                    .hardware_uid
                    .map(|uid| parsed("apparatus.hardware_uid", &uid))
                    .transpose()?,
            }),
            _ => return Err(StoreError::Corrupt { what: "apparatus.sealed_pass_phrase" }),
        };
        Ok(Self { device_number: parsed("apparatus.device_number", &row.device_number)?, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::on_both;
    use crate::{Schema, Store};

    fn id(n: u8) -> ApparatusId {
        ApparatusId::new([n; 16])
    }

    fn apparatus(number: &str) -> Apparatus {
        Apparatus { device_number: number.parse().unwrap(), secret: Secret::PassPhrase(vec![1, 2, 3]) }
    }

    async fn try_register(store: &Store, id: ApparatusId, number: &str) -> Registered {
        register_as(store, id, apparatus(number)).await
    }

    async fn register_as(store: &Store, id: ApparatusId, apparatus: Apparatus) -> Registered {
        let done: Result<_, StoreError> = store
            .write(move |transaction| {
                Box::pin(async move { register(transaction, id, &apparatus, 10).await })
            })
            .await;
        done.unwrap()
    }

    async fn revoke_at(store: &Store, id: ApparatusId, now: i64) -> i64 {
        let done: Result<_, StoreError> = store
            .write(move |transaction| Box::pin(async move { revoke(transaction, id, "stolen", now).await }))
            .await;
        done.unwrap()
    }

    async fn is_known(store: &Store, id: ApparatusId) -> bool {
        find(&mut store.read().await.unwrap(), id).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn a_credential_belongs_to_one_device_and_a_device_has_one() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Authenticator).await.unwrap();
            assert_eq!(try_register(&store, id(1), "A123-654321").await, Registered::Stored);
            assert_eq!(try_register(&store, id(1), "A123-654321").await, Registered::Before);
            assert_eq!(try_register(&store, id(1), "A123-654322").await, Registered::OtherDevice);
            assert_eq!(try_register(&store, id(2), "A123-654321").await, Registered::SecondCredential);

            let found = find(&mut store.read().await.unwrap(), id(1)).await.unwrap().unwrap();
            assert!(found == apparatus("A123-654321"));
            assert!(!is_known(&store, id(2)).await);
        })
        .await;
    }

    #[tokio::test]
    async fn revoked_is_for_good_and_frees_the_device() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Authenticator).await.unwrap();
            try_register(&store, id(1), "A123-654321").await;
            assert_eq!(revoke_at(&store, id(1), 20).await, 20);
            assert_eq!(revoke_at(&store, id(1), 30).await, 20);
            assert!(!is_known(&store, id(1)).await);
            assert_eq!(try_register(&store, id(1), "A123-654321").await, Registered::Before);
            assert!(!is_known(&store, id(1)).await);
            assert_eq!(try_register(&store, id(2), "A123-654321").await, Registered::Stored);

            // Revoked before it was registered.
            assert_eq!(revoke_at(&store, id(3), 40).await, 40);
            assert_eq!(try_register(&store, id(3), "A123-654323").await, Registered::Before);
            assert!(!is_known(&store, id(3)).await);

            let counted = counts(&mut store.read().await.unwrap()).await.unwrap();
            assert_eq!(counted, Counts { registered: 1, revoked: 2 });
        })
        .await;
    }

    #[tokio::test]
    async fn the_second_form_is_read_back_and_forgotten_when_it_is_revoked() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Authenticator).await.unwrap();
            let second = |hardware_uid| Apparatus {
                secret: Secret::Ciphertext(Ciphertext {
                    sealed: vec![4, 5, 6],
                    key_identifier: "A123-1".parse().unwrap(),
                    hardware_uid,
                }),
                ..apparatus("A123-654321")
            };
            let of_chip = second(Some("0011223344556677".parse().unwrap()));
            assert_eq!(register_as(&store, id(1), of_chip.clone()).await, Registered::Stored);
            assert!(find(&mut store.read().await.unwrap(), id(1)).await.unwrap().unwrap() == of_chip);

            revoke_at(&store, id(1), 20).await;
            let mut snapshot = store.read().await.unwrap();
            let (kept,): (Option<Vec<u8>>,) =
                fetch_one!(snapshot, "SELECT ciphertext FROM apparatus").unwrap();
            assert_eq!(kept, None);
            drop(snapshot);

            let of_product = second(None);
            assert_eq!(register_as(&store, id(2), of_product.clone()).await, Registered::Stored);
            assert!(find(&mut store.read().await.unwrap(), id(2)).await.unwrap().unwrap() == of_product);
        })
        .await;
    }
}
