//! The vault: seals secrets at rest under a key that follows from a passphrase.
//!
//! The passphrase comes from an unlock file, which a person keeps off the disk that the store is on;
//! Argon2id (RFC 9106) makes the vault key from it, which lives in memory only. The store holds the
//! salt, the cost, and one sealed known text by which a wrong passphrase is noticed.
//!
//! Nonces and data keys come from the operating system's generator on every call, not from
//! `identity::Random`: a replayed nonce would break AES-GCM.

use std::path::{Path, PathBuf};
use std::{fs, io};

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::{Snapshot, Store, StoreError, Transaction};

/// The fewest bytes of a passphrase; `openssl rand -base64 32` gives 44.
pub const PASSPHRASE_BYTES_MIN: usize = 16;
/// The most bytes of an unlock file.
const PASSPHRASE_BYTES_MAX: u64 = 4_096;
const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const CHECK_CONTEXT: &[u8] = b"vault check";
const CHECK_TEXT: &[u8] = b"the passphrase is right";

/// Cost of deriving the vault key (RFC 9106 clause 4, second recommendation, on one lane).
const MEMORY_KIB: u32 = 64 * 1_024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// Secret bytes: wiped on drop, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over the secret; the caller keeps no copy.
    pub fn new(secret: Vec<u8>) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The secret, for the one who needs it now.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Why a vault stays shut, or what it sealed cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The unlock file cannot be read.
    #[error("the unlock file {path} cannot be read")]
    UnlockFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The passphrase is too short to resist guessing, or longer than any passphrase.
    #[error(
        "an unlock file holds {PASSPHRASE_BYTES_MIN} to {PASSPHRASE_BYTES_MAX} bytes: make one with `openssl rand -base64 32`"
    )]
    UnsuitablePassphrase,
    /// The store has no vault yet.
    #[error("this store has no vault yet: it was never initialised")]
    Missing,
    /// The store has a vault already.
    #[error("this store has a vault already: it was initialised before")]
    Exists,
    /// Another passphrase made this vault.
    #[error("the passphrase in the unlock file is not the one that this store was made with")]
    WrongPassphrase,
    /// What should be opened was not sealed by this vault for this purpose, or was changed since.
    #[error("a sealed secret was changed, or was sealed for something else")]
    NotSealedHere,
    /// The cryptographic library failed: our fault.
    #[error("the cryptographic library failed")]
    Cryptography,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a passphrase; white space around it does not count.
///
/// # Errors
/// The file cannot be read, or its content is too short or too long.
pub fn read_unlock_file(path: &Path) -> Result<Secret, VaultError> {
    let unreadable = |source| VaultError::UnlockFile { path: path.to_owned(), source };
    if fs::metadata(path).map_err(unreadable)?.len() > PASSPHRASE_BYTES_MAX {
        return Err(VaultError::UnsuitablePassphrase);
    }
    let content = Zeroizing::new(fs::read(path).map_err(unreadable)?);
    let passphrase = content.trim_ascii();
    if passphrase.len() < PASSPHRASE_BYTES_MIN {
        return Err(VaultError::UnsuitablePassphrase);
    }
    Ok(Secret::new(passphrase.to_vec()))
}

/// An open vault.
pub struct Vault {
    key: RandomizedNonceKey,
}

impl Vault {
    /// Makes the store's vault, once.
    ///
    /// # Errors
    /// There is one already, or the passphrase is too short.
    pub async fn create(store: &Store, passphrase: Secret) -> Result<Self, VaultError> {
        if passphrase.expose().len() < PASSPHRASE_BYTES_MIN {
            return Err(VaultError::UnsuitablePassphrase);
        }
        let mut salt = vec![0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| VaultError::Cryptography)?;
        let cost = Cost { salt, memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES };
        let (vault, cost) = derive(passphrase, cost).await?;
        let check = vault.seal(CHECK_CONTEXT, CHECK_TEXT)?;
        store
            .write(move |transaction| Box::pin(async move { insert(transaction, &cost, &check).await }))
            .await
            .map_err(|error| match error {
                StoreError::Duplicate { .. } => VaultError::Exists,
                other => VaultError::Store(other),
            })?;
        Ok(vault)
    }

    /// Opens the store's vault.
    ///
    /// # Errors
    /// There is none, or another passphrase made it.
    pub async fn unlock(store: &Store, passphrase: Secret) -> Result<Self, VaultError> {
        let (cost, check) = find(&mut store.read().await?).await?.ok_or(VaultError::Missing)?;
        let (vault, _) = derive(passphrase, cost).await?;
        vault.open(CHECK_CONTEXT, &check).map_err(|_| VaultError::WrongPassphrase)?;
        Ok(vault)
    }

    /// Encrypts `secret` with AES-256-GCM. `context` says what it is, and must be said again to open
    /// it, so that sealed secrets cannot be exchanged for one another.
    ///
    /// # Errors
    /// The cryptographic library fails.
    pub fn seal(&self, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, VaultError> {
        seal_under(&self.key, context, secret)
    }

    /// Decrypts what [`Vault::seal`] gave for the same context.
    ///
    /// # Errors
    /// It was changed, or sealed for another context or by another vault.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Secret, VaultError> {
        open_under(&self.key, context, sealed)
    }
}

/// AES-256-GCM under `key`: nonce, ciphertext, tag.
pub(crate) fn seal_under(
    key: &RandomizedNonceKey,
    context: &[u8],
    secret: &[u8],
) -> Result<Vec<u8>, VaultError> {
    let mut sealed = Zeroizing::new(secret.to_vec());
    let nonce = key
        .seal_in_place_append_tag(Aad::from(context), &mut *sealed)
        .map_err(|_| VaultError::Cryptography)?;
    Ok([nonce.as_ref().as_slice(), &sealed].concat())
}

pub(crate) fn open_under(
    key: &RandomizedNonceKey,
    context: &[u8],
    sealed: &[u8],
) -> Result<Secret, VaultError> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(VaultError::NotSealedHere)?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let length = key
        .open_in_place(Nonce::from(nonce), Aad::from(context), &mut buffer)
        .map_err(|_| VaultError::NotSealedHere)?
        .len();
    buffer.truncate(length);
    Ok(Secret(buffer))
}

pub(crate) fn aes_key(bytes: &[u8]) -> Result<RandomizedNonceKey, VaultError> {
    RandomizedNonceKey::new(&AES_256_GCM, bytes).map_err(|_| VaultError::Cryptography)
}

#[derive(Clone)]
struct Cost {
    salt: Vec<u8>,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Deriving takes a good part of a second of one core, so it runs beside the other tasks.
async fn derive(passphrase: Secret, cost: Cost) -> Result<(Vault, Cost), VaultError> {
    let derived = tokio::task::spawn_blocking(move || {
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_BYTES))
            .map_err(|_| StoreError::Corrupt { what: "vault" })?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose(), &cost.salt, key.as_mut_slice())
            .map_err(|_| VaultError::Cryptography)?;
        Ok((Vault { key: aes_key(key.as_slice())? }, cost))
    });
    derived.await.map_err(|_| VaultError::Cryptography)?
}

async fn insert(transaction: &mut Transaction, cost: &Cost, check: &[u8]) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO vault (id, salt, memory_kib, passes, lanes, check_sealed) VALUES (1, $1, $2, $3, $4, $5)",
        &cost.salt,
        i64::from(cost.memory_kib),
        i64::from(cost.passes),
        i64::from(cost.lanes),
        check,
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    salt: Vec<u8>,
    memory_kib: i64,
    passes: i64,
    lanes: i64,
    check_sealed: Vec<u8>,
}

async fn find(snapshot: &mut Snapshot) -> Result<Option<(Cost, Vec<u8>)>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT salt, memory_kib, passes, lanes, check_sealed FROM vault WHERE id = 1"
    )?;
    let Some(row) = row else { return Ok(None) };
    let small = |number: i64| u32::try_from(number).map_err(|_| StoreError::Corrupt { what: "vault" });
    let cost = Cost {
        salt: row.salt,
        memory_kib: small(row.memory_kib)?,
        passes: small(row.passes)?,
        lanes: small(row.lanes)?,
    };
    Ok(Some((cost, row.check_sealed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schema;
    use crate::testing::on_both;

    fn passphrase() -> Secret {
        Secret::new(b"correct horse battery staple".to_vec())
    }

    #[tokio::test]
    async fn only_the_passphrase_that_made_it_opens_a_vault() {
        on_both(async |database| {
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            assert!(matches!(Vault::unlock(&store, passphrase()).await, Err(VaultError::Missing)));
            let short = Secret::new(b"short".to_vec());
            assert!(matches!(Vault::create(&store, short).await, Err(VaultError::UnsuitablePassphrase)));

            let vault = Vault::create(&store, passphrase()).await.unwrap();
            assert!(matches!(Vault::create(&store, passphrase()).await, Err(VaultError::Exists)));
            let sealed = vault.seal(b"what", b"secret").unwrap();
            let again = Vault::unlock(&store, passphrase()).await.unwrap();
            assert_eq!(again.open(b"what", &sealed).unwrap().expose(), b"secret");
            let wrong = Secret::new(b"correct horse battery stapler".to_vec());
            assert!(matches!(Vault::unlock(&store, wrong).await, Err(VaultError::WrongPassphrase)));
        })
        .await;
    }

    #[tokio::test]
    async fn what_was_changed_or_sealed_for_something_else_does_not_open() {
        let database = crate::testing::TestDatabase::sqlite();
        let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
        let vault = Vault::create(&store, passphrase()).await.unwrap();
        let sealed = vault.seal(b"this", b"secret").unwrap();
        assert_ne!(vault.seal(b"this", b"secret").unwrap(), sealed, "a nonce is never used twice");
        assert!(matches!(vault.open(b"that", &sealed), Err(VaultError::NotSealedHere)));
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(vault.open(b"this", &changed).is_err(), "byte {position}");
            assert!(vault.open(b"this", &sealed[..position]).is_err(), "cut at {position}");
        }
    }

    #[test]
    fn an_unlock_file_is_trimmed_and_long_enough() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("unlock");
        assert!(matches!(read_unlock_file(&path), Err(VaultError::UnlockFile { .. })));
        fs::write(&path, "correct horse battery staple\n").unwrap();
        assert_eq!(read_unlock_file(&path).unwrap().expose(), passphrase().expose());
        for unsuitable in ["   short        \n".to_owned(), "x".repeat(5_000)] {
            fs::write(&path, unsuitable).unwrap();
            assert!(matches!(read_unlock_file(&path), Err(VaultError::UnsuitablePassphrase)));
        }
    }
}
