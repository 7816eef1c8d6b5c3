//! The whole stock at a glance, for whoever checks that every credential is accounted for.

use identity::{CredentialId, CredentialState, DeviceNumber, HardwareUid};

use crate::statement::parsed;
use crate::{Snapshot, StoreError};

/// One credential as the gateway knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its name.
    pub credential: CredentialId,
    /// Where it stands.
    pub state: CredentialState,
    /// The device number it belongs to.
    pub device_number: Option<DeviceNumber>,
    /// The device it was last leased to.
    pub hardware_uid: Option<HardwareUid>,
    /// When its lease runs out, in seconds since 1970.
    pub expires: Option<i64>,
    /// When its device had confirmed it, in seconds since 1970.
    pub completed: Option<i64>,
    /// Whether its secret's data key still stands in the key ring.
    pub has_key: bool,
    /// Whether a record about it waits for the authority.
    pub is_waiting: bool,
}

/// Every credential, by name.
///
/// # Errors
/// The store fails.
pub async fn lines(snapshot: &mut Snapshot) -> Result<Vec<Line>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT id, state, device_number, hardware_uid, expires, completed, slot, \
         (SELECT max(outbox.sequence) FROM outbox WHERE outbox.credential = credential.id) AS waiting \
         FROM credential ORDER BY id"
    )?;
    rows.into_iter().map(Line::try_from).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    state: String,
    device_number: Option<String>,
    hardware_uid: Option<String>,
    expires: Option<i64>,
    completed: Option<i64>,
    slot: Option<i64>,
    waiting: Option<i64>,
}

impl TryFrom<Row> for Line {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let (number, hardware_uid) = (row.device_number.as_deref(), row.hardware_uid.as_deref());
        Ok(Self {
            credential: parsed("credential.id", &row.id)?,
            state: parsed("credential.state", &row.state)?,
            device_number: number.map(|number| parsed("credential.device_number", number)).transpose()?,
            hardware_uid: hardware_uid.map(|uid| parsed("credential.hardware_uid", uid)).transpose()?,
            expires: row.expires,
            completed: row.completed,
            has_key: row.slot.is_some(),
            is_waiting: row.waiting.is_some(),
        })
    }
}
