//! Boards that another is to take the place of, or has.

use identity::{DeviceNumber, HardwareUid};

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A number that goes from one board to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoardSwap {
    /// The number.
    pub number: DeviceNumber,
    /// When the old identity was voided and a new board could ask, in seconds since 1970.
    pub opened: i64,
    /// Why.
    pub reason: String,
    /// Until when it can.
    pub expires: i64,
    /// The chip of the old board, where that was known.
    pub former_hardware_uid: Option<HardwareUid>,
    /// The only chip that may ask, where that was said.
    pub expected_hardware_uid: Option<HardwareUid>,
    /// The request of the board that has taken the number.
    pub recovery: Option<u64>,
}

/// Lets a new board ask, in place of what was opened for the number before and not used.
///
/// # Errors
/// The store fails.
pub async fn open(transaction: &mut Transaction, swap: &BoardSwap) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE board_swap SET replaced = $2 WHERE number = $1 AND recovery IS NULL AND replaced IS NULL",
        swap.number.to_string(),
        swap.opened,
    )?;
    execute!(
        transaction,
        "INSERT INTO board_swap \
         (number, opened, reason, expires, former_hardware_uid, expected_hardware_uid) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        swap.number.to_string(),
        swap.opened,
        &swap.reason,
        swap.expires,
        swap.former_hardware_uid.as_ref().map(HardwareUid::to_string),
        swap.expected_hardware_uid.as_ref().map(HardwareUid::to_string),
    )?;
    Ok(())
}

/// Notes that a request has used what is open for the number; whether it was.
///
/// # Errors
/// The store fails.
pub async fn mark_used(
    transaction: &mut Transaction,
    number: &DeviceNumber,
    recovery: u64,
) -> Result<bool, StoreError> {
    let used = execute!(
        transaction,
        "UPDATE board_swap SET recovery = $2 WHERE number = $1 AND recovery IS NULL AND replaced IS NULL",
        number.to_string(),
        i64::try_from(recovery).unwrap_or(i64::MAX),
    )?;
    Ok(used == 1)
}

/// What is open for a number, expired or not.
///
/// # Errors
/// The store fails.
pub async fn open_for(
    snapshot: &mut Snapshot,
    number: &DeviceNumber,
) -> Result<Option<BoardSwap>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT number, opened, reason, expires, former_hardware_uid, expected_hardware_uid, recovery \
         FROM board_swap WHERE number = $1 AND recovery IS NULL AND replaced IS NULL",
        number.to_string(),
    )?;
    row.map(BoardSwap::try_from).transpose()
}

/// All swaps of a number, in order; without those that were replaced before they were used.
///
/// # Errors
/// The store fails.
pub async fn of_number(snapshot: &mut Snapshot, number: &DeviceNumber) -> Result<Vec<BoardSwap>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT number, opened, reason, expires, former_hardware_uid, expected_hardware_uid, recovery \
         FROM board_swap WHERE number = $1 AND replaced IS NULL ORDER BY opened, recovery",
        number.to_string(),
    )?;
    rows.into_iter().map(BoardSwap::try_from).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    number: String,
    opened: i64,
    reason: String,
    expires: i64,
    former_hardware_uid: Option<String>,
    expected_hardware_uid: Option<String>,
    recovery: Option<i64>,
}

impl TryFrom<Row> for BoardSwap {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let chip = |uid: Option<String>| uid.map(|uid| parsed("board_swap.hardware_uid", &uid)).transpose();
        Ok(Self {
            number: parsed("board_swap.number", &row.number)?,
            opened: row.opened,
            reason: row.reason,
            expires: row.expires,
            former_hardware_uid: chip(row.former_hardware_uid)?,
            expected_hardware_uid: chip(row.expected_hardware_uid)?,
            recovery: row.recovery.map(|recovery| count("board_swap.recovery", recovery)).transpose()?,
        })
    }
}
