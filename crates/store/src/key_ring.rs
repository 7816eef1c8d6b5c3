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

impl KeyRing {
    /// Opens the ring, makes it (mode 0600) where it is missing, and erases all slots that are not in
    /// `named`, which is what the store's rows name.
    ///
    /// # Errors
    /// Another process has it open, or the file cannot be read or written.
    pub fn open(path: &Path, vault: Vault, named: &BTreeSet<Slot>) -> Result<Self, KeyRingError> {
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
        let slots = erase_all_but(&file, named).map_err(failed)?;
        Ok(Self { file: Arc::new(file), path: path.to_owned(), vault, slots: Mutex::new(slots) })
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
