//! The chains of a device's calls. The first has number 0; another begins with each release from quarantine, and with
//! each new board, whose memory knows of none before.

use identity::DeviceNumber;

use crate::{Snapshot, StoreError, Transaction};

/// Begins the next chain of a device by this entry of the journal; that of a new board names its key.
///
/// # Errors
/// The store fails.
pub async fn begin(
    transaction: &mut Transaction,
    device: &DeviceNumber,
    entry: u64,
    board_key_sha256: Option<&[u8; 32]>,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO chain (device, chain, entry, board_key_sha256) \
         SELECT $1, COALESCE(max(chain), 0) + 1, $2, $3 FROM chain WHERE device = $1",
        device.to_string(),
        entry.cast_signed(),
        board_key_sha256.map(<[u8; 32]>::as_slice),
    )?;
    Ok(())
}

/// Whether a chain has begun with the new board that came with this key.
///
/// # Errors
/// The store fails.
pub async fn has_begun(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
    board_key_sha256: &[u8; 32],
) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = fetch_optional!(
        snapshot,
        "SELECT chain FROM chain WHERE device = $1 AND board_key_sha256 = $2",
        device.to_string(),
        board_key_sha256.as_slice(),
    )?;
    Ok(row.is_some())
}
