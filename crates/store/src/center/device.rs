//! The register: which device is which, and by which keys it is known, as the authority says.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use identity::{CredentialState, DeviceNumber, FirmwareVersion, HardwareUid};

use super::counter::Counter;
use super::journal::{CallNumber, Head, LastCall, NONCE_BYTES};
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A device and one of its certificates as the authority says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its number.
    pub number: DeviceNumber,
    /// SHA-256 of the certificate's public key info.
    pub public_key_sha256: [u8; 32],
    /// SHA-256 of the certificate of the CA that issued it.
    pub issuer_sha256: [u8; 32],
    /// Its chip, where the authority knows it.
    pub hardware_uid: Option<HardwareUid>,
    /// Where the certificate stands.
    pub state: CredentialState,
    /// The last second of the certificate, where it has one.
    pub expires: Option<i64>,
    /// From when on the device is asked to renew it, where it is.
    pub renew_from: Option<i64>,
    /// When that came about.
    pub changed: i64,
}

/// The key that a device shows when it calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ShownKey {
    /// SHA-256 of the public key info.
    pub public_key_sha256: [u8; 32],
    /// SHA-256 of the certificate of the CA that signed its certificate.
    pub issuer_sha256: [u8; 32],
}

/// How a device stands when it calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Where the device stands; none where the authority has not named it.
    pub registered: Option<CredentialState>,
    /// Where the certificate of the key that it shows stands; none where the key is not its own.
    pub state: Option<CredentialState>,
    /// From when on that certificate is to be renewed, where it is.
    pub renew_from: Option<i64>,
    /// When the device was asked last to renew it by policy.
    pub renewal_asked: Option<i64>,
    /// Whether the CA that signed the certificate which it shows has issued for it.
    pub is_issuer_known: bool,
    /// Which chain of its calls goes on: 0 for the first, one more after each release from quarantine, and with each
    /// new board.
    pub chain: u64,
    /// The entry of the journal that this chain began with, 0 for the first.
    pub chain_began: u64,
    /// The first chain of the board that it has now.
    pub board_chain: u64,
    /// Whether it is in quarantine.
    pub is_quarantined: bool,
    /// Its last call of that chain.
    pub last_call: Option<LastCall>,
    /// How many requests are open for it.
    pub requests: u64,
    /// What it said last that it runs.
    pub firmware: Option<FirmwareVersion>,
    /// The number of its product's roll-out, where devices are asked something in one.
    pub rollout: Option<u64>,
    /// Its counters.
    pub counters: Vec<Counter>,
    /// Where the journal ends, to which the call is to be appended.
    pub journal: Head,
}

/// A device for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The device.
    pub number: DeviceNumber,
    /// Where the certificate that it uses stands.
    pub state: CredentialState,
    /// When anything of it changed.
    pub changed: i64,
    /// How often it has called.
    pub calls: u64,
    /// When it called last.
    pub last_called: Option<i64>,
    /// What it said last that it runs.
    pub firmware: Option<FirmwareVersion>,
}

/// Stores what the authority says of devices, one after the other, in place of what it said before of the
/// same key. A device stands where the best of its certificates does.
///
/// # Errors
/// The store fails.
pub async fn register(transaction: &mut Transaction, said: &[Device]) -> Result<(), StoreError> {
    let last: BTreeMap<_, &Device> = said.iter().map(|device| (&device.number, device)).collect();
    let devices: Vec<&Device> = last.into_values().collect();
    execute_all!(
        transaction,
        "INSERT INTO device (number, hardware_uid, state, registered, changed) ",
        devices,
        |device| (
            device.number.to_string(),
            device.hardware_uid.as_ref().map(HardwareUid::to_string),
            device.state.as_str(),
            device.changed,
            device.changed,
        ),
        " ON CONFLICT (number) DO UPDATE SET hardware_uid = excluded.hardware_uid, changed = excluded.changed"
    )?;
    let last: BTreeMap<_, &Device> =
        said.iter().map(|device| ((&device.number, device.public_key_sha256), device)).collect();
    let keys: Vec<&Device> = last.into_values().collect();
    execute_all!(
        transaction,
        "INSERT INTO device_key (number, public_key_sha256, issuer_sha256, state, expires, renew_from, \
         changed) ",
        keys,
        |key| (
            key.number.to_string(),
            key.public_key_sha256.to_vec(),
            key.issuer_sha256.to_vec(),
            key.state.as_str(),
            key.expires,
            key.renew_from,
            key.changed,
        ),
        " ON CONFLICT (number, public_key_sha256) DO UPDATE SET issuer_sha256 = excluded.issuer_sha256, \
         state = excluded.state, expires = excluded.expires, renew_from = excluded.renew_from, \
         changed = excluded.changed"
    )?;
    execute_all!(
        transaction,
        "UPDATE device SET state = (SELECT state FROM device_key WHERE device_key.number = device.number \
         ORDER BY CASE state WHEN 'verified' THEN 1 WHEN 'suspect' THEN 2 WHEN 'leased' THEN 3 ELSE 4 END \
         LIMIT 1) WHERE number IN (",
        devices,
        |device| (device.number.to_string()),
        ")"
    )?;
    Ok(())
}

/// Whether the authority has named this device.
///
/// # Errors
/// The store fails.
pub async fn is_registered(snapshot: &mut Snapshot, number: &DeviceNumber) -> Result<bool, StoreError> {
    let row: Option<(i64,)> =
        fetch_optional!(snapshot, "SELECT registered FROM device WHERE number = $1", number.to_string())?;
    Ok(row.is_some())
}

/// How a device stands that shows this key, or for which another speaks: all that is needed to take its call, in
/// one look. The authority need not have named it.
///
/// # Errors
/// The store fails.
pub async fn standing(
    snapshot: &mut Snapshot,
    number: &DeviceNumber,
    shown: Option<&ShownKey>,
) -> Result<Standing, StoreError> {
    let mut found = standings(snapshot, &[(number, shown)]).await?;
    found.remove(number).ok_or(StoreError::Corrupt { what: "device" })
}

/// How many devices stand, each once, as [`standing`] says it of one.
///
/// # Errors
/// The store fails.
pub async fn standings(
    snapshot: &mut Snapshot,
    devices: &[(&DeviceNumber, Option<&ShownKey>)],
) -> Result<HashMap<DeviceNumber, Standing>, StoreError> {
    let rows: Vec<StandingRow> = fetch_all_of!(
        snapshot,
        "SELECT asked.column1 AS number, device.state AS registered, \
         shown.state, shown.renew_from, shown.renewal_asked, \
         (SELECT count(*) FROM device_key WHERE device_key.number = device.number \
         AND device_key.issuer_sha256 = asked.column3) AS keys_of_issuer, \
         last.id AS last_id, last.number AS last_number, last.nonce AS last_nonce, last.chained, \
         current.chain, current.entry AS chain_began, (SELECT max(chain) FROM chain \
         WHERE chain.device = asked.column1 AND board_key_sha256 IS NOT NULL) AS board_chain, \
         (SELECT count(*) FROM quarantine WHERE quarantine.device = asked.column1 AND released_by IS NULL) \
         AS quarantines, \
         (SELECT count(*) FROM request WHERE request.device = asked.column1 AND finished_by IS NULL) \
         AS requests, firmware, (SELECT max(rollout.id) FROM rollout \
         WHERE rollout.product = asked.column4 AND rollout.state IN ('running', 'rolling-back')) AS rollout, \
         head.id AS head_id, head.time AS head_time, head.hash AS head_hash, \
         counter.name AS counter, counter.base, counter.held FROM (",
        devices,
        |asked| (
            asked.0.to_string(),
            asked.1.map_or(&[][..], |shown| &shown.public_key_sha256[..]),
            asked.1.map_or(&[][..], |shown| &shown.issuer_sha256[..]),
            asked.0.product().as_str(),
        ),
        ") AS asked \
         LEFT JOIN device ON device.number = asked.column1 \
         LEFT JOIN device_key AS shown ON shown.number = asked.column1 \
         AND shown.public_key_sha256 = asked.column2 AND shown.issuer_sha256 = asked.column3 \
         LEFT JOIN journal AS head ON head.id = (SELECT max(id) FROM journal) \
         LEFT JOIN chain AS current ON current.device = asked.column1 AND current.chain = \
         (SELECT max(chain) FROM chain WHERE chain.device = asked.column1) \
         LEFT JOIN journal AS last ON last.id = \
         (SELECT id FROM journal WHERE journal.device = asked.column1 AND journal.number IS NOT NULL \
         AND journal.chain = COALESCE(current.chain, 0) ORDER BY journal.number DESC LIMIT 1) \
         LEFT JOIN counter ON counter.device = asked.column1"
    )?;
    let mut found = HashMap::with_capacity(devices.len());
    for row in rows {
        let counter = row.counter().transpose()?;
        let standing: &mut Standing = match found.entry(parsed("device.number", &row.number)?) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(row.standing()?),
        };
        standing.counters.extend(counter);
    }
    Ok(found)
}

/// Notes that a device is asked now to renew the certificate of this key.
///
/// # Errors
/// The store fails.
pub async fn note_renewal_asked(
    transaction: &mut Transaction,
    number: &DeviceNumber,
    public_key_sha256: &[u8; 32],
    now: i64,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE device_key SET renewal_asked = $1 WHERE number = $2 AND public_key_sha256 = $3",
        now,
        number.to_string(),
        public_key_sha256.as_slice(),
    )?;
    Ok(())
}

/// Stores what a device says that it runs.
///
/// # Errors
/// The store fails.
pub async fn set_firmware(
    transaction: &mut Transaction,
    number: &DeviceNumber,
    version: FirmwareVersion,
) -> Result<(), StoreError> {
    let sql = "UPDATE device SET firmware = $1 WHERE number = $2";
    execute!(transaction, sql, version.to_string(), number.to_string())?;
    Ok(())
}

/// Devices in the order of their numbers, after `after`.
///
/// # Errors
/// The store fails.
pub async fn list(snapshot: &mut Snapshot, after: &str, limit: u32) -> Result<Vec<Listed>, StoreError> {
    let rows: Vec<ListedRow> = fetch_all!(
        snapshot,
        "SELECT number, state, changed, \
         (SELECT count(journal.number) FROM journal WHERE journal.device = device.number) AS calls, \
         (SELECT max(time) FROM journal WHERE journal.device = device.number AND journal.number IS NOT NULL) \
         AS last_called, firmware FROM device WHERE number > $1 ORDER BY number LIMIT $2",
        after,
        i64::from(limit),
    )?;
    rows.into_iter().map(Listed::try_from).collect()
}

/// How many devices are in each state.
///
/// # Errors
/// The store fails.
pub async fn counts(snapshot: &mut Snapshot) -> Result<Vec<(CredentialState, u64)>, StoreError> {
    let rows: Vec<(String, i64)> =
        fetch_all!(snapshot, "SELECT state, count(*) FROM device GROUP BY state ORDER BY state")?;
    rows.into_iter()
        .map(|(state, number)| Ok((parsed("device.state", &state)?, count("device", number)?)))
        .collect()
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    number: String,
    state: String,
    changed: i64,
    calls: i64,
    last_called: Option<i64>,
    firmware: Option<String>,
}

impl TryFrom<ListedRow> for Listed {
    type Error = StoreError;

    fn try_from(row: ListedRow) -> Result<Self, StoreError> {
        Ok(Self {
            number: parsed("device.number", &row.number)?,
            state: parsed("device.state", &row.state)?,
            changed: row.changed,
            calls: count("journal", row.calls)?,
            last_called: row.last_called,
            firmware: row.firmware.map(|version| parsed("device.firmware", &version)).transpose()?,
        })
    }
}

/// One for each counter of the device, or one without.
#[derive(sqlx::FromRow)]
struct StandingRow {
    number: String,
    registered: Option<String>,
    state: Option<String>,
    renew_from: Option<i64>,
    renewal_asked: Option<i64>,
    keys_of_issuer: i64,
    last_id: Option<i64>,
    last_number: Option<i64>,
    last_nonce: Option<Vec<u8>>,
    chained: Option<i64>,
    chain: Option<i64>,
    chain_began: Option<i64>,
    board_chain: Option<i64>,
    quarantines: i64,
    requests: i64,
    firmware: Option<String>,
    rollout: Option<i64>,
    head_id: Option<i64>,
    head_time: Option<i64>,
    head_hash: Option<Vec<u8>>,
    counter: Option<String>,
    base: Option<i64>,
    held: Option<i64>,
}

impl StandingRow {
    fn counter(&self) -> Option<Result<Counter, StoreError>> {
        let (name, base, held) = (self.counter.as_ref()?, self.base?, self.held?);
        let counter = |base| Counter { name: name.clone(), base, is_held: held != 0 };
        Some(count("counter.base", base).map(counter))
    }

    fn last_call(&self) -> Result<Option<LastCall>, StoreError> {
        let (Some(id), Some(number)) = (self.last_id, self.last_number) else { return Ok(None) };
        let nonce = self.last_nonce.as_deref().map(<[u8; NONCE_BYTES]>::try_from).transpose();
        Ok(Some(LastCall {
            id: count("journal.id", id)?,
            number: CallNumber::from_stored(number)?,
            nonce: nonce.map_err(|_| StoreError::Corrupt { what: "journal.nonce" })?,
            is_chained: self.chained == Some(1),
        }))
    }

    /// What it says of the device, without its counters.
    fn standing(self) -> Result<Standing, StoreError> {
        let last_call = self.last_call()?;
        let journal = match (self.head_id, self.head_time, self.head_hash) {
            (Some(id), Some(time), Some(hash)) => Head { id: count("journal.id", id)?, time, hash },
            _ => Head::of_nothing(),
        };
        Ok(Standing {
            chain: count("chain.chain", self.chain.unwrap_or(0))?,
            chain_began: count("chain.entry", self.chain_began.unwrap_or(0))?,
            board_chain: count("chain.chain", self.board_chain.unwrap_or(0))?,
            is_quarantined: self.quarantines > 0,
            last_call,
            registered: self.registered.map(|state| parsed("device.state", &state)).transpose()?,
            state: self.state.map(|state| parsed("device_key.state", &state)).transpose()?,
            renew_from: self.renew_from,
            renewal_asked: self.renewal_asked,
            is_issuer_known: self.keys_of_issuer > 0,
            requests: count("request", self.requests)?,
            firmware: self.firmware.map(|version| parsed("device.firmware", &version)).transpose()?,
            rollout: self.rollout.map(|id| count("rollout.id", id)).transpose()?,
            counters: Vec::new(),
            journal,
        })
    }
}
