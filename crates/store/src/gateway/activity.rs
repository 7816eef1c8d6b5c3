//! What stations did lately, and what was tried with one device.

use identity::{CredentialState, DeviceNumber, HardwareUid, MemberName};

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError};

/// What one station did since some time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StationActivity {
    /// The station.
    pub station: MemberName,
    /// Devices that proved what they hold.
    pub verified: u64,
    /// Tries that ended otherwise.
    pub failed: u64,
    /// When its last try began.
    pub last: i64,
}

/// A try with one device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Try {
    /// When it began.
    pub started: i64,
    /// The station.
    pub station: MemberName,
    /// The chip of the device.
    pub hardware_uid: HardwareUid,
    /// What its result was answered with; none while there is no result.
    pub state: Option<CredentialState>,
}

/// What each station did since `time`, by name.
///
/// # Errors
/// The store fails.
pub async fn of_stations(snapshot: &mut Snapshot, time: i64) -> Result<Vec<StationActivity>, StoreError> {
    let rows: Vec<(String, i64, i64, i64)> = fetch_all!(
        snapshot,
        "SELECT station, count(CASE WHEN state IN ('verified', 'written', 'intended') THEN 1 END), \
         count(CASE WHEN state NOT IN ('verified', 'written', 'intended') THEN 1 END), max(started) \
         FROM attempt WHERE started >= $1 GROUP BY station ORDER BY station",
        time,
    )?;
    rows.into_iter()
        .map(|(station, verified, failed, last)| {
            Ok(StationActivity {
                station: parsed("attempt.station", &station)?,
                verified: count("attempt", verified)?,
                failed: count("attempt", failed)?,
                last,
            })
        })
        .collect()
}

/// All tries with a device number, the first one first.
///
/// # Errors
/// The store fails.
pub async fn of_device(snapshot: &mut Snapshot, number: &DeviceNumber) -> Result<Vec<Try>, StoreError> {
    let rows: Vec<(i64, String, String, Option<String>)> = fetch_all!(
        snapshot,
        "SELECT started, station, hardware_uid, state FROM attempt WHERE number = $1 ORDER BY started",
        number.to_string(),
    )?;
    rows.into_iter()
        .map(|(started, station, hardware_uid, state)| {
            Ok(Try {
                started,
                station: parsed("attempt.station", &station)?,
                hardware_uid: parsed("attempt.hardware_uid", &hardware_uid)?,
                state: state.map(|state| parsed("attempt.state", &state)).transpose()?,
            })
        })
        .collect()
}
