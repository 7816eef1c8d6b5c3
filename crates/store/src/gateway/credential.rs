//! Credentials at a factory, certificates and symmetric ones: where each stands, and who holds it.
//!
//! [`apply`] is the only function that changes a credential's state: it asks the state machine of
//! `identity` and appends the audit entry. What is in a credential's pack is in [`pack`](super::pack),
//! how credentials come to be in [`number`](super::number) and [`apparatus`](super::apparatus).

use identity::profile::CredentialKind;
use identity::{
    CredentialId, CredentialState, DeviceNumber, HardwareUid, IllegalTransition, KeyIdentifier, MemberName,
    ProductCode, Transition,
};
use serde::Serialize;

use crate::audit::{self, Cause};
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A credential as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    /// Its name.
    pub id: CredentialId,
    /// Where it stands.
    pub state: CredentialState,
    /// The device it belongs to; none for a symmetric credential in stock.
    pub device_number: Option<DeviceNumber>,
    /// The pre-write key that its pack is sealed under, where it is.
    pub key_identifier: Option<KeyIdentifier>,
    /// To whom it was last leased.
    pub lease: Option<Lease>,
    /// The write completion flag's date: when the device had confirmed.
    pub completed: Option<i64>,
    /// Why it is suspect or voided.
    pub reason: Option<String>,
}

impl Credential {
    /// Whether the device has proved a key that it made, and its certificate is still to come.
    pub fn is_owed(&self) -> bool {
        self.state == CredentialState::Intended && self.completed.is_some()
    }

    /// Whether the authority disputes what the device had confirmed; no proof settles that.
    pub fn is_disputed(&self) -> bool {
        self.state == CredentialState::Suspect && self.completed.is_some()
    }
}

/// Who has a pack, and until when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The chip of the only device that it may go to.
    pub hardware_uid: HardwareUid,
    /// The attempt that the lease in force is for.
    pub attempt: String,
    /// The station that asked.
    pub station: MemberName,
    /// When the lease runs out.
    pub expires: i64,
}

/// How many credentials of one sort there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Count {
    /// The product.
    pub product: ProductCode,
    /// Which kind.
    pub kind: CredentialKind,
    /// Where they stand.
    pub state: CredentialState,
    /// The pre-write key that their packs are sealed under, where they are.
    pub key_identifier: Option<KeyIdentifier>,
    /// How many.
    pub number: u64,
}

/// Why a state was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// There is no credential of this name.
    #[error("there is no credential {0}")]
    Unknown(CredentialId),
    /// The life cycle does not have this step.
    #[error("{id}: {source}")]
    Illegal {
        /// The credential.
        id: CredentialId,
        /// The step.
        source: IllegalTransition,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes each credential the given steps further, and appends one audit entry that lists them all,
/// with `detail` beside. The states they are in afterwards, in order.
///
/// # Errors
/// A step is not in the life cycle of a credential; then nothing at all is changed.
pub async fn apply(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    changes: &[(CredentialId, &[Transition])],
    detail: &(impl Serialize + Sync),
) -> Result<Vec<CredentialState>, ApplyError> {
    let mut steps = Vec::with_capacity(changes.len());
    for (id, transitions) in changes {
        let from = state(transaction, id).await?.ok_or_else(|| ApplyError::Unknown(id.clone()))?;
        let to = transitions
            .iter()
            .try_fold(from, |state, transition| state.after(*transition))
            .map_err(|source| ApplyError::Illegal { id: id.clone(), source })?;
        steps.push(Step { id, from, to });
    }
    execute_all!(
        transaction,
        "UPDATE credential SET state = new.column2 FROM (",
        steps,
        |step| (step.id.to_string(), step.to.as_str()),
        ") AS new WHERE credential.id = new.column1"
    )?;
    let body = AuditBody { credentials: &steps, detail };
    audit::append(transaction, cause.time, cause.actor, cause.action, &body).await?;
    Ok(steps.iter().map(|step| step.to).collect())
}

#[derive(Serialize)]
struct Step<'a> {
    id: &'a CredentialId,
    from: CredentialState,
    to: CredentialState,
}

#[derive(Serialize)]
struct AuditBody<'a, D> {
    credentials: &'a [Step<'a>],
    detail: &'a D,
}

/// Notes to whom the pack goes. Its state changes by [`apply`].
///
/// # Errors
/// The device number has another symmetric credential, or the store fails.
pub async fn set_lease(
    transaction: &mut Transaction,
    id: &CredentialId,
    device_number: &DeviceNumber,
    lease: &Lease,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE credential SET device_number = $2, hardware_uid = $3, attempt = $4, station = $5, \
         expires = $6, reason = NULL WHERE id = $1",
        id.to_string(),
        device_number.to_string(),
        lease.hardware_uid.to_string(),
        &lease.attempt,
        lease.station.as_str(),
        lease.expires,
    )?;
    Ok(())
}

/// Sets the write completion flag, with its date.
///
/// # Errors
/// The chip has confirmed another number, or the store fails.
pub async fn set_completed(
    transaction: &mut Transaction,
    id: &CredentialId,
    now: i64,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE credential SET completed = $2, reason = NULL WHERE id = $1",
        id.to_string(),
        now
    )?;
    Ok(())
}

/// Notes why it is suspect or voided.
///
/// # Errors
/// The store fails.
pub async fn set_reason(
    transaction: &mut Transaction,
    id: &CredentialId,
    reason: &str,
) -> Result<(), StoreError> {
    execute!(transaction, "UPDATE credential SET reason = $2 WHERE id = $1", id.to_string(), reason)?;
    Ok(())
}

/// The credential of this name.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, id: &CredentialId) -> Result<Option<Credential>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT id, state, device_number, key_identifier, hardware_uid, attempt, station, expires, \
         completed, reason FROM credential WHERE id = $1",
        id.to_string(),
    )?;
    row.map(Credential::try_from).transpose()
}

/// The symmetric credential that belongs to this device.
///
/// # Errors
/// The store fails.
pub async fn symmetric_of(
    snapshot: &mut Snapshot,
    number: &DeviceNumber,
) -> Result<Option<Credential>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT id, state, device_number, key_identifier, hardware_uid, attempt, station, expires, \
         completed, reason FROM credential WHERE device_number = $1 AND kind = 'symmetric'",
        number.to_string(),
    )?;
    row.map(Credential::try_from).transpose()
}

/// The number that a chip has confirmed to hold.
///
/// # Errors
/// The store fails.
pub async fn confirmed_on(
    snapshot: &mut Snapshot,
    hardware_uid: &HardwareUid,
) -> Result<Option<DeviceNumber>, StoreError> {
    let row: Option<(String,)> = fetch_optional!(
        snapshot,
        "SELECT device_number FROM credential \
         WHERE hardware_uid = $1 AND completed IS NOT NULL AND state <> 'voided' LIMIT 1",
        hardware_uid.to_string(),
    )?;
    row.map(|(number,)| parsed("credential.device_number", &number)).transpose()
}

/// How many credentials of each sort there are; abandoned ones are left out.
///
/// # Errors
/// The store fails.
pub async fn counts(snapshot: &mut Snapshot) -> Result<Vec<Count>, StoreError> {
    let rows: Vec<(String, String, String, Option<String>, i64)> = fetch_all!(
        snapshot,
        "SELECT product, kind, state, key_identifier, count(*) FROM credential WHERE state <> 'abandoned' \
         GROUP BY product, kind, state, key_identifier ORDER BY product, kind, state, key_identifier"
    )?;
    rows.into_iter()
        .map(|(product, kind, state, key_identifier, number)| {
            Ok(Count {
                product: parsed("credential.product", &product)?,
                kind: parsed("credential.kind", &kind)?,
                state: parsed("credential.state", &state)?,
                key_identifier: key_identifier
                    .map(|identifier| parsed("credential.key_identifier", &identifier))
                    .transpose()?,
                number: count("credential", number)?,
            })
        })
        .collect()
}

/// How many devices of each product have proved a key of their own and are owed a certificate.
///
/// # Errors
/// The store fails.
pub async fn owed(snapshot: &mut Snapshot) -> Result<Vec<(ProductCode, u64)>, StoreError> {
    let rows: Vec<(String, i64)> = fetch_all!(
        snapshot,
        "SELECT product, count(*) FROM credential WHERE completed IS NOT NULL AND state = 'intended' \
         GROUP BY product"
    )?;
    rows.into_iter().map(by_product).collect()
}

/// How many devices of each product confirmed all that they were given from `start` until before `end`.
///
/// # Errors
/// The store fails.
pub async fn completed_between(
    snapshot: &mut Snapshot,
    start: i64,
    end: i64,
) -> Result<Vec<(ProductCode, u64)>, StoreError> {
    let rows: Vec<(String, i64)> = fetch_all!(
        snapshot,
        "SELECT product, count(DISTINCT device_number) FROM credential \
         WHERE completed >= $1 AND completed < $2 AND state NOT IN ('intended', 'suspect') GROUP BY product",
        start,
        end,
    )?;
    rows.into_iter().map(by_product).collect()
}

/// Leased credentials whose lease ran out before `now`, the oldest first.
///
/// # Errors
/// The store fails.
pub async fn expired(
    snapshot: &mut Snapshot,
    now: i64,
    limit: usize,
) -> Result<Vec<CredentialId>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(
        snapshot,
        "SELECT id FROM credential WHERE state = 'leased' AND expires < $1 ORDER BY expires LIMIT $2",
        now,
        limit as i64,
    )?;
    rows.iter().map(|(id,)| parsed("credential.id", id)).collect()
}

async fn state(snapshot: &mut Snapshot, id: &CredentialId) -> Result<Option<CredentialState>, StoreError> {
    let row: Option<(String,)> =
        fetch_optional!(snapshot, "SELECT state FROM credential WHERE id = $1", id.to_string())?;
    row.map(|(state,)| parsed("credential.state", &state)).transpose()
}

fn by_product((product, number): (String, i64)) -> Result<(ProductCode, u64), StoreError> {
    Ok((parsed("credential.product", &product)?, count("credential", number)?))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    state: String,
    device_number: Option<String>,
    key_identifier: Option<String>,
    hardware_uid: Option<String>,
    attempt: Option<String>,
    station: Option<String>,
    expires: Option<i64>,
    completed: Option<i64>,
    reason: Option<String>,
}

impl TryFrom<Row> for Credential {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let lease = match (row.hardware_uid, row.attempt, row.station, row.expires) {
            (Some(hardware_uid), Some(attempt), Some(station), Some(expires)) => Some(Lease {
                hardware_uid: parsed("credential.hardware_uid", &hardware_uid)?,
                attempt,
                station: parsed("credential.station", &station)?,
                expires,
            }),
            _ => None,
        };
        let number = row.device_number.as_deref();
        let key_identifier = row.key_identifier.as_deref();
        Ok(Self {
            id: parsed("credential.id", &row.id)?,
            state: parsed("credential.state", &row.state)?,
            device_number: number.map(|number| parsed("credential.device_number", number)).transpose()?,
            key_identifier: key_identifier
                .map(|identifier| parsed("credential.key_identifier", identifier))
                .transpose()?,
            lease,
            completed: row.completed,
            reason: row.reason,
        })
    }
}
