//! All that a center stores of one device, for the page that shows its whole life.

use identity::{CredentialState, DeviceNumber, FirmwareVersion, HardwareUid};

use super::incident::Incident;
use super::journal::{Entry, Row as EntryRow};
use super::quarantine::{Quarantine, Row as QuarantineRow};
use super::request::{Request, Row as RequestRow};
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError};

/// A device as the authority names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registered {
    /// Where the certificate that it uses stands.
    pub state: CredentialState,
    /// Its chip, where the authority knows it.
    pub hardware_uid: Option<HardwareUid>,
    /// When the authority named it first, in seconds since 1970.
    pub registered: i64,
    /// What it said last that it runs.
    pub firmware: Option<FirmwareVersion>,
    /// How often it has called.
    pub calls: u64,
}

/// A key that the device is known by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// SHA-256 of the public key info.
    pub public_key_sha256: Vec<u8>,
    /// Where its certificate stands.
    pub state: CredentialState,
    /// The last second of the certificate, where it has one.
    pub expires: Option<i64>,
    /// When that came about.
    pub changed: i64,
}

/// A counter as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counter {
    /// Its name.
    pub name: String,
    /// What it is counted from next.
    pub base: u64,
    /// How many readings wait for a decision.
    pub held: u64,
}

/// The device; none where the authority has not named it.
///
/// # Errors
/// The store fails.
pub async fn registered(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
) -> Result<Option<Registered>, StoreError> {
    let row: Option<RegisteredRow> = fetch_optional!(
        snapshot,
        "SELECT state, hardware_uid, registered, firmware, \
         (SELECT count(journal.number) FROM journal WHERE journal.device = device.number) AS calls \
         FROM device WHERE number = $1",
        device.to_string(),
    )?;
    row.map(Registered::try_from).transpose()
}

/// The keys that the device is known by, the last first.
///
/// # Errors
/// The store fails.
pub async fn keys(snapshot: &mut Snapshot, device: &DeviceNumber) -> Result<Vec<Key>, StoreError> {
    let rows: Vec<(Vec<u8>, String, Option<i64>, i64)> = fetch_all!(
        snapshot,
        "SELECT public_key_sha256, state, expires, changed FROM device_key WHERE number = $1 \
         ORDER BY changed DESC, public_key_sha256",
        device.to_string(),
    )?;
    rows.into_iter()
        .map(|(public_key_sha256, state, expires, changed)| {
            Ok(Key { public_key_sha256, state: parsed("device_key.state", &state)?, expires, changed })
        })
        .collect()
}

/// Its counters.
///
/// # Errors
/// The store fails.
pub async fn counters(snapshot: &mut Snapshot, device: &DeviceNumber) -> Result<Vec<Counter>, StoreError> {
    let rows: Vec<(String, i64, i64)> = fetch_all!(
        snapshot,
        "SELECT name, base, (SELECT count(*) FROM reading WHERE reading.device = counter.device \
         AND reading.name = counter.name AND reading.state = 'held') FROM counter WHERE device = $1 ORDER BY name",
        device.to_string(),
    )?;
    rows.into_iter()
        .map(|(name, base, held)| {
            Ok(Counter { name, base: count("counter.base", base)?, held: count("reading", held)? })
        })
        .collect()
}

/// The last entries of the journal that it made or that are about it, the last first.
///
/// # Errors
/// The store fails.
pub async fn entries(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<EntryRow> = fetch_all!(
        snapshot,
        "SELECT id, time, kind, device, number, through, nonce, raw, hash FROM journal WHERE id IN ( \
         SELECT id FROM journal WHERE device = $1 UNION SELECT id FROM journal WHERE about = $1) \
         ORDER BY id DESC LIMIT $2",
        device.to_string(),
        i64::from(limit),
    )?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// What it was asked, the last first.
///
/// # Errors
/// The store fails.
pub async fn requests(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
    limit: u32,
) -> Result<Vec<Request>, StoreError> {
    let rows: Vec<RequestRow> = fetch_all!(
        snapshot,
        "SELECT id, device, command, queued, handed_out_by, finished_by, outcome FROM request \
         WHERE device = $1 ORDER BY id DESC LIMIT $2",
        device.to_string(),
        i64::from(limit),
    )?;
    rows.into_iter().map(Request::try_from).collect()
}

/// What was refused of it, the last first.
///
/// # Errors
/// The store fails.
pub async fn incidents(snapshot: &mut Snapshot, device: &DeviceNumber) -> Result<Vec<Incident>, StoreError> {
    let rows: Vec<(String, i64, i64, i64, String)> = fetch_all!(
        snapshot,
        "SELECT kind, count, first, last, detail FROM incident WHERE device = $1 ORDER BY last DESC, kind",
        device.to_string(),
    )?;
    rows.into_iter()
        .map(|(kind, number, first, last, detail)| {
            let count = count("incident.count", number)?;
            Ok(Incident { device: device.clone(), kind, count, first, last, detail })
        })
        .collect()
}

/// Its quarantines, the last first.
///
/// # Errors
/// The store fails.
pub async fn quarantines(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
) -> Result<Vec<Quarantine>, StoreError> {
    let rows: Vec<QuarantineRow> = fetch_all!(
        snapshot,
        "SELECT device, chain, entry, opened, since, following, following_last, straying, straying_last, \
         released_by FROM quarantine WHERE device = $1 ORDER BY chain DESC",
        device.to_string(),
    )?;
    rows.into_iter().map(Quarantine::try_from).collect()
}

#[derive(sqlx::FromRow)]
struct RegisteredRow {
    state: String,
    hardware_uid: Option<String>,
    registered: i64,
    firmware: Option<String>,
    calls: i64,
}

impl TryFrom<RegisteredRow> for Registered {
    type Error = StoreError;

    fn try_from(row: RegisteredRow) -> Result<Self, StoreError> {
        Ok(Self {
            state: parsed("device.state", &row.state)?,
            hardware_uid: row.hardware_uid.map(|uid| parsed("device.hardware_uid", &uid)).transpose()?,
            registered: row.registered,
            firmware: row.firmware.map(|version| parsed("device.firmware", &version)).transpose()?,
            calls: count("journal", row.calls)?,
        })
    }
}
