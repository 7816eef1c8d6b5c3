//! The key ring: data keys that can be forgotten for good.
//!
//! Deleting a row erases nothing: logs, dead tuples and backups keep its bytes. So each secret is
//! sealed under a data key of its own, and the data keys, wrapped by the vault, stand in fixed
//! slots of one small file beside the store. [`KeyRing::erase`] overwrites a slot in place and
//! syncs; whatever remains elsewhere is ciphertext under a key that is gone.
//!
//! The order that survives any crash: seal (the slots are synced), then store the rows that name
//! them; mark a row to be forgotten, then erase, then take the slot out of the row. On opening, slots
//! that no row names are erased, which completes whatever a crash interrupted.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::vault::{Secret, Vault, VaultError, aes_key, open_under, seal_under};

/// Bytes of a slot: a wrapped key of 60, and padding so that no slot crosses a disk sector.
const SLOT_BYTES: usize = 64;
const KEY_BYTES: usize = 32;
const WRAPPED_BYTES: usize = 12 + KEY_BYTES + 16;
const ERASED: [u8; SLOT_BYTES] = [0; SLOT_BYTES];
/// Slots looked at together when a ring is opened.
const SLOTS_PER_READ: usize = 16 * 1_024;

/// Where a data key stands in the ring.
pub type Slot = i64;

/// Why a key ring does not open, or does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// Another process has the ring open.
    #[error("another process has the key ring {path} open")]
    InUse {
        /// The ring's file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("the key ring {path} cannot be read or written")]
    File {
        /// The ring's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The slot's key was erased: what it sealed is gone for good.
    #[error("the key in slot {slot} was erased")]
    Erased {
        /// The slot.
        slot: Slot,
    },
    /// A key or a secret does not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// An open key ring; one process at a time.
pub struct KeyRing {
    file: Arc<File>,
    path: PathBuf,
    vault: Vault,
    slots: Mutex<Slots>,
}

/// Which slots may be written next.
struct Slots {
    free: BTreeSet<Slot>,
    end: Slot,
}

/// A ring that this process has to itself and has not looked into yet.
pub struct LockedKeyRing {
    file: File,
    path: PathBuf,
}

impl LockedKeyRing {
    /// Opens the ring, and erases all slots that are not in `named`: what the store's rows name, looked
    /// up after locking, so that no other process has added any since.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(self, vault: Vault, named: &BTreeSet<Slot>) -> Result<KeyRing, KeyRingError> {
        let Self { file, path } = self;
        let slots = erase_all_but(&file, named)
            .map_err(|source| KeyRingError::File { path: path.clone(), source })?;
        Ok(KeyRing { file: Arc::new(file), path, vault, slots: Mutex::new(slots) })
    }
}

impl KeyRing {
    /// Takes the ring for this process, and makes it (mode 0600) where it is missing.
    ///
    /// # Errors
    /// Another process has it, or the file cannot be made.
    pub fn lock(path: &Path) -> Result<LockedKeyRing, KeyRingError> {
        let failed = |source| KeyRingError::File { path: path.to_owned(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => KeyRingError::InUse { path: path.to_owned() },
            TryLockError::Error(source) => failed(source),
        })?;
        sync_directory(path).map_err(failed)?;
        Ok(LockedKeyRing { file, path: path.to_owned() })
    }

    /// Seals each secret under a new data key of its own, and answers once the keys are durable. The
    /// bytes beside a secret are its context, as with [`Vault::seal`].
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn seal(&self, secrets: &[(&[u8], &[u8])]) -> Result<Vec<(Slot, Vec<u8>)>, KeyRingError> {
        let slots = self.take_slots(secrets.len());
        let mut writes = Vec::with_capacity(secrets.len());
        let mut sealed = Vec::with_capacity(secrets.len());
        for (slot, (context, secret)) in slots.into_iter().zip(secrets) {
            let mut key = Zeroizing::new([0; KEY_BYTES]);
            aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| VaultError::Cryptography)?;
            let mut content = ERASED;
            let wrapped = self.vault.seal(&slot_context(slot), key.as_slice())?;
            content[..WRAPPED_BYTES].copy_from_slice(&wrapped);
            writes.push((slot, content));
            sealed.push((slot, seal_under(&aes_key(key.as_slice())?, context, secret)?));
        }
        self.write(writes).await?;
        Ok(sealed)
    }

    /// Opens what [`KeyRing::seal`] gave for this slot and context.
    ///
    /// # Errors
    /// The key was erased, or the sealed bytes were changed.
    pub fn open_sealed(&self, slot: Slot, context: &[u8], sealed: &[u8]) -> Result<Secret, KeyRingError> {
        let mut content = ERASED;
        match self.file.read_exact_at(&mut content, offset(slot)) {
            Ok(()) if content != ERASED => {}
            Ok(()) => return Err(KeyRingError::Erased { slot }),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(KeyRingError::Erased { slot });
            }
            Err(source) => return Err(KeyRingError::File { path: self.path.clone(), source }),
        }
        let key = self.vault.open(&slot_context(slot), &content[..WRAPPED_BYTES])?;
        Ok(open_under(&aes_key(key.expose())?, context, sealed)?)
    }

    /// Overwrites these slots and answers once that is durable. An erased slot may be erased again.
    ///
    /// # Errors
    /// The file cannot be written; the slots must then be erased again.
    pub async fn erase(&self, slots: &[Slot]) -> Result<(), KeyRingError> {
        self.write(slots.iter().map(|slot| (*slot, ERASED)).collect()).await
    }

    /// Gives erased slots back for new keys, once no row of the store names them.
    pub fn release(&self, slots: &[Slot]) {
        self.slots().free.extend(slots);
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_slots(&self, wanted: usize) -> Vec<Slot> {
        let mut slots = self.slots();
        (0..wanted)
            .map(|_| {
                slots.free.pop_first().unwrap_or_else(|| {
                    slots.end += 1;
                    slots.end - 1
                })
            })
            .collect()
    }

    async fn write(&self, contents: Vec<(Slot, [u8; SLOT_BYTES])>) -> Result<(), KeyRingError> {
        let file = Arc::clone(&self.file);
        let written = tokio::task::spawn_blocking(move || {
            for (slot, content) in contents {
                file.write_all_at(&content, offset(slot))?;
            }
            file.sync_data()
        });
        written
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(|source| KeyRingError::File { path: self.path.clone(), source })
    }
}

fn erase_all_but(file: &File, named: &BTreeSet<Slot>) -> io::Result<Slots> {
    // A slot at the end that was written in part holds no whole key.
    let end = file.metadata()?.len().div_ceil(SLOT_BYTES as u64);
    file.set_len(end * SLOT_BYTES as u64)?;
    let mut slots = Slots { free: BTreeSet::new(), end: end as Slot };
    let mut buffer = vec![0; SLOTS_PER_READ * SLOT_BYTES];
    for start in (0..slots.end).step_by(SLOTS_PER_READ) {
        let length = SLOTS_PER_READ.min((slots.end - start) as usize) * SLOT_BYTES;
        file.read_exact_at(&mut buffer[..length], offset(start))?;
        for (slot, content) in (start..).zip(buffer[..length].as_chunks::<SLOT_BYTES>().0) {
            if named.contains(&slot) {
                continue;
            }
            if *content != ERASED {
                file.write_all_at(&ERASED, offset(slot))?;
            }
            slots.free.insert(slot);
        }
    }
    file.sync_all()?;
    Ok(slots)
}

fn offset(slot: Slot) -> u64 {
    slot.unsigned_abs() * SLOT_BYTES as u64
}

fn slot_context(slot: Slot) -> Vec<u8> {
    [b"key ring slot ".as_slice(), &slot.to_be_bytes()].concat()
}

/// Without this a crash may lose the new file, and with it all keys.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::TestDatabase;
    use crate::{Schema, Store};

    struct Place {
        database: TestDatabase,
        store: Store,
    }

    impl Place {
        async fn new() -> Self {
            let database = TestDatabase::sqlite();
            let store = Store::open(&database.url, Schema::Gateway).await.unwrap();
            Vault::create(&store, passphrase()).await.unwrap();
            Self { database, store }
        }

        fn path(&self) -> PathBuf {
            self.database.directory.path().join("keys")
        }

        async fn open(&self, named: &[Slot]) -> Result<KeyRing, KeyRingError> {
            let vault = Vault::unlock(&self.store, passphrase()).await?;
            KeyRing::lock(&self.path())?.open(vault, &named.iter().copied().collect())
        }
    }

    fn passphrase() -> Secret {
        Secret::new(b"correct horse battery staple".to_vec())
    }

    fn secrets(range: std::ops::Range<u32>) -> Vec<(Vec<u8>, Vec<u8>)> {
        range.map(|n| (format!("context {n}").into_bytes(), format!("secret {n}").into_bytes())).collect()
    }

    async fn seal(ring: &KeyRing, secrets: &[(Vec<u8>, Vec<u8>)]) -> Vec<(Slot, Vec<u8>)> {
        let borrowed: Vec<(&[u8], &[u8])> =
            secrets.iter().map(|(context, secret)| (context.as_slice(), secret.as_slice())).collect();
        ring.seal(&borrowed).await.unwrap()
    }

    #[tokio::test]
    async fn an_erased_slot_keeps_no_byte_of_its_key() {
        let place = Place::new().await;
        let ring = place.open(&[]).await.unwrap();
        let sealed = seal(&ring, &secrets(0..5)).await;
        let before = std::fs::read(place.path()).unwrap();
        ring.erase(&[1, 3]).await.unwrap();
        let after = std::fs::read(place.path()).unwrap();
        for (slot, ciphertext) in &sealed {
            let context = format!("context {slot}").into_bytes();
            let bytes = *slot as usize * SLOT_BYTES..(*slot as usize + 1) * SLOT_BYTES;
            if [1, 3].contains(slot) {
                assert_eq!(after[bytes], ERASED);
                let opened = ring.open_sealed(*slot, &context, ciphertext);
                assert!(matches!(opened, Err(KeyRingError::Erased { .. })));
            } else {
                assert_eq!(after[bytes.clone()], before[bytes]);
                let opened = ring.open_sealed(*slot, &context, ciphertext).unwrap();
                assert_eq!(opened.expose(), format!("secret {slot}").into_bytes());
            }
        }
    }

    #[tokio::test]
    async fn opening_erases_what_no_row_names_and_keeps_the_rest() {
        let place = Place::new().await;
        let ring = place.open(&[]).await.unwrap();
        let sealed = seal(&ring, &secrets(0..4)).await;
        drop(ring);
        let ring = place.open(&[0, 2]).await.unwrap();
        for (slot, ciphertext) in &sealed {
            let opened = ring.open_sealed(*slot, format!("context {slot}").as_bytes(), ciphertext);
            assert_eq!(opened.is_ok(), [0, 2].contains(slot), "slot {slot}");
        }
        let slots: Vec<Slot> = seal(&ring, &secrets(4..7)).await.into_iter().map(|(slot, _)| slot).collect();
        assert_eq!(slots, [1, 3, 4], "free slots are used before the file grows");
    }

    #[tokio::test]
    async fn an_erased_slot_is_used_again_only_after_its_release() {
        let place = Place::new().await;
        let ring = place.open(&[]).await.unwrap();
        seal(&ring, &secrets(0..2)).await;
        ring.erase(&[0]).await.unwrap();
        assert_eq!(seal(&ring, &secrets(2..3)).await[0].0, 2);
        ring.release(&[0]);
        assert_eq!(seal(&ring, &secrets(3..4)).await[0].0, 0);
    }

    #[tokio::test]
    async fn a_ring_is_private_and_opened_by_one_process() {
        let place = Place::new().await;
        let ring = place.open(&[]).await.unwrap();
        let mode = std::fs::metadata(place.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(place.open(&[]).await, Err(KeyRingError::InUse { .. })));
        drop(ring);
        assert!(place.open(&[]).await.is_ok());
    }

    #[tokio::test]
    async fn keys_do_not_open_in_another_slot() {
        let place = Place::new().await;
        let ring = place.open(&[]).await.unwrap();
        let sealed = seal(&ring, &secrets(0..2)).await;
        let mut bytes = std::fs::read(place.path()).unwrap();
        bytes.rotate_left(SLOT_BYTES);
        std::fs::write(place.path(), bytes).unwrap();
        assert!(ring.open_sealed(0, b"context 1", &sealed[1].1).is_err());
        assert!(ring.open_sealed(0, b"context 0", &sealed[0].1).is_err());
    }
}
