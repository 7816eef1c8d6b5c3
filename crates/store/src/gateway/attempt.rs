//! Attempts: every try of a station to write a device, with the answer its result was given.

use identity::{CredentialState, DeviceNumber, HardwareUid, MemberName};

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// One try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The station's random name for it.
    pub id: String,
    /// The number that was to be written.
    pub number: DeviceNumber,
    /// Who tries.
    pub station: MemberName,
    /// The chip of the device.
    pub hardware_uid: HardwareUid,
    /// The device's signing request, where the answer was that its certificate is owed.
    pub owed_request: Option<Vec<u8>>,
    /// The result that was reported, as it was received, and the state that was answered.
    pub result: Option<(String, CredentialState)>,
}

/// Finds an attempt.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, id: &str) -> Result<Option<Attempt>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT id, number, station, hardware_uid, owed_request, outcome, state FROM attempt WHERE id = $1",
        id,
    )?;
    row.map(Attempt::try_from).transpose()
}

/// Stores a new attempt, begun at `now`. Only before its result.
///
/// # Errors
/// There is one of this name already, or the store fails.
pub async fn insert(transaction: &mut Transaction, now: i64, attempt: &Attempt) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO attempt (id, number, station, hardware_uid, started, owed_request) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        &attempt.id,
        attempt.number.to_string(),
        attempt.station.as_str(),
        attempt.hardware_uid.to_string(),
        now,
        attempt.owed_request.as_ref(),
    )?;
    Ok(())
}

/// Stores the result of an attempt and the state that it is answered with, for when it is repeated.
///
/// # Errors
/// The store fails.
pub async fn answer(
    transaction: &mut Transaction,
    id: &str,
    outcome: &str,
    state: CredentialState,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE attempt SET outcome = $2, state = $3 WHERE id = $1",
        id,
        outcome,
        state.as_str()
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    number: String,
    station: String,
    hardware_uid: String,
    owed_request: Option<Vec<u8>>,
    outcome: Option<String>,
    state: Option<String>,
}

impl TryFrom<Row> for Attempt {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let state = row.state.map(|state| parsed("attempt.state", &state)).transpose()?;
        Ok(Self {
            id: row.id,
            number: parsed("attempt.number", &row.number)?,
            station: parsed("attempt.station", &row.station)?,
            hardware_uid: parsed("attempt.hardware_uid", &row.hardware_uid)?,
            owed_request: row.owed_request,
            result: row.outcome.zip(state),
        })
    }
}
