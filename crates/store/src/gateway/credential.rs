//! Credentials in a factory's stock: where each stands, its encrypted pack, and who holds it.
//!
//! [`apply`] is the only function that changes a credential's state: it asks the state machine of
//! `identity` and appends the audit entry.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{Context, SHA256};
use identity::{
    CredentialState, DeviceNumber, HardwareUid, IllegalTransition, MemberName, ProductCode, Serial,
    Transition,
};
use serde::Serialize;

use crate::audit::{self, Cause};
use crate::statement::{count, parsed};
use crate::{Slot, Snapshot, StoreError, Transaction};

/// A credential as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    /// Its device number.
    pub number: DeviceNumber,
    /// Where it stands.
    pub state: CredentialState,
    /// Its pack, once that has arrived.
    pub pack: Option<Pack>,
    /// To whom it was last leased.
    pub lease: Option<Lease>,
    /// The write completion flag's date: when the device had confirmed.
    pub completed: Option<i64>,
    /// Why it is suspect or voided.
    pub reason: Option<String>,
}

/// A pack in stock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pack {
    /// Its creation date.
    pub created: i64,
    /// The root certificate.
    pub root: Vec<u8>,
    /// The issuing certificate.
    pub issuing: Vec<u8>,
    /// The client certificate.
    pub certificate: Vec<u8>,
    /// The digest that the device must find when it reads the pack back.
    pub digest: Vec<u8>,
    /// The secret key under its data key; none once it was erased.
    pub secret: Option<SealedSecret>,
}

/// A secret key, encrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedSecret {
    /// Where its data key stands in the key ring.
    pub slot: Slot,
    /// The ciphertext.
    pub sealed: Vec<u8>,
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

/// Why a state was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// There is no credential of this number.
    #[error("there is no credential for {0}")]
    Unknown(DeviceNumber),
    /// The life cycle does not have this step.
    #[error("{number}: {source}")]
    Illegal {
        /// The credential.
        number: DeviceNumber,
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
    changes: &[(DeviceNumber, &[Transition])],
    detail: &(impl Serialize + Sync),
) -> Result<Vec<CredentialState>, ApplyError> {
    let mut steps = Vec::with_capacity(changes.len());
    for (number, transitions) in changes {
        let from = state(transaction, number).await?.ok_or_else(|| ApplyError::Unknown(number.clone()))?;
        let to = transitions
            .iter()
            .try_fold(from, |state, transition| state.after(*transition))
            .map_err(|source| ApplyError::Illegal { number: number.clone(), source })?;
        steps.push(Step { number, from, to });
    }
    execute_all!(
        transaction,
        "UPDATE credential SET state = new.column2 FROM (",
        steps,
        |step| (step.number.to_string(), step.to.as_str()),
        ") AS new WHERE credential.number = new.column1"
    )?;
    let body = AuditBody { credentials: &steps, detail };
    audit::append(transaction, cause.time, cause.actor, cause.action, &body).await?;
    Ok(steps.iter().map(|step| step.to).collect())
}

#[derive(Serialize)]
struct Step<'a> {
    number: &'a DeviceNumber,
    from: CredentialState,
    to: CredentialState,
}

#[derive(Serialize)]
struct AuditBody<'a, D> {
    credentials: &'a [Step<'a>],
    detail: &'a D,
}

/// Reserves new numbers: credentials that are intended.
///
/// # Errors
/// A number was reserved before, or the store fails.
pub async fn reserve(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    numbers: &[DeviceNumber],
) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "INSERT INTO credential (number, product, digits, serial, state, reserved) ",
        numbers,
        |number| (
            number.to_string(),
            number.product().to_string(),
            i64::from(number.serial().digits()),
            number.serial().value() as i64,
            CredentialState::Intended.as_str(),
            cause.time,
        ),
        ""
    )?;
    audit::append(transaction, cause.time, cause.actor, cause.action, &numbers).await
}

/// Files packs that have arrived, all of one root and one issuing CA. Their states change by [`apply`].
///
/// # Errors
/// The store fails.
pub async fn file_packs(
    transaction: &mut Transaction,
    packs: &[(DeviceNumber, Pack)],
) -> Result<(), StoreError> {
    for of_one_chain in packs.chunk_by(|(_, a), (_, b)| a.root == b.root && a.issuing == b.issuing) {
        let Some((_, Pack { root, issuing, .. })) = of_one_chain.first() else { continue };
        let chain = &chain(transaction, root, issuing).await?;
        for (number, pack) in of_one_chain {
            execute!(
                transaction,
                "UPDATE credential SET created = $2, chain = $3, certificate = $4, pack_digest = $5, \
                 sealed = $6, slot = $7 WHERE number = $1",
                number.to_string(),
                pack.created,
                chain,
                &pack.certificate,
                &pack.digest,
                pack.secret.as_ref().map(|secret| &secret.sealed),
                pack.secret.as_ref().map(|secret| secret.slot),
            )?;
        }
    }
    Ok(())
}

/// Notes to whom the pack goes. Its state changes by [`apply`].
///
/// # Errors
/// The store fails.
pub async fn set_lease(
    transaction: &mut Transaction,
    number: &DeviceNumber,
    lease: &Lease,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE credential SET hardware_uid = $2, attempt = $3, station = $4, expires = $5, reason = NULL \
         WHERE number = $1",
        number.to_string(),
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
/// The store fails.
pub async fn set_completed(
    transaction: &mut Transaction,
    number: &DeviceNumber,
    now: i64,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE credential SET completed = $2, reason = NULL WHERE number = $1",
        number.to_string(),
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
    number: &DeviceNumber,
    reason: &str,
) -> Result<(), StoreError> {
    execute!(transaction, "UPDATE credential SET reason = $2 WHERE number = $1", number.to_string(), reason)?;
    Ok(())
}

/// Takes erased slots out of their rows, with the ciphertext that nobody can read any more.
///
/// # Errors
/// The store fails.
pub async fn forget_secrets(transaction: &mut Transaction, slots: &[Slot]) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "UPDATE credential SET slot = NULL, sealed = NULL WHERE slot IN (",
        slots,
        |slot| (*slot),
        ")"
    )?;
    Ok(())
}

/// The credential of this number.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, number: &DeviceNumber) -> Result<Option<Credential>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT number, state, created, root, issuing, certificate, pack_digest, sealed, slot, \
         hardware_uid, attempt, station, expires, completed, reason \
         FROM credential LEFT JOIN chain ON chain.id = credential.chain WHERE number = $1",
        number.to_string(),
    )?;
    row.map(Credential::try_from).transpose()
}

/// The number that a chip has proved to hold.
///
/// # Errors
/// The store fails.
pub async fn verified_on(
    snapshot: &mut Snapshot,
    hardware_uid: &HardwareUid,
) -> Result<Option<DeviceNumber>, StoreError> {
    let row: Option<(String,)> = fetch_optional!(
        snapshot,
        "SELECT number FROM credential WHERE hardware_uid = $1 AND state = 'verified'",
        hardware_uid.to_string(),
    )?;
    row.map(|(number,)| parsed("credential.number", &number)).transpose()
}

/// How many credentials are in each state, by product; abandoned ones are left out.
///
/// # Errors
/// The store fails.
pub async fn counts(snapshot: &mut Snapshot) -> Result<Vec<(ProductCode, CredentialState, u64)>, StoreError> {
    let rows: Vec<(String, String, i64)> = fetch_all!(
        snapshot,
        "SELECT product, state, count(*) FROM credential WHERE state <> 'abandoned' \
         GROUP BY product, state ORDER BY product, state"
    )?;
    rows.into_iter()
        .map(|(product, state, number)| {
            Ok((
                parsed("credential.product", &product)?,
                parsed("credential.state", &state)?,
                count("credential", number)?,
            ))
        })
        .collect()
}

/// How many devices of each product confirmed from `start` until before `end`.
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
        "SELECT product, count(*) FROM credential WHERE completed >= $1 AND completed < $2 GROUP BY product",
        start,
        end,
    )?;
    rows.into_iter()
        .map(|(product, number)| Ok((parsed("credential.product", &product)?, count("credential", number)?)))
        .collect()
}

/// Reserved numbers whose packs have not arrived, lowest first.
///
/// # Errors
/// The store fails.
pub async fn reserved(snapshot: &mut Snapshot, limit: usize) -> Result<Vec<DeviceNumber>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(
        snapshot,
        "SELECT number FROM credential WHERE state = 'intended' ORDER BY product, digits, serial LIMIT $1",
        limit as i64,
    )?;
    rows.iter().map(|(number,)| parsed("credential.number", number)).collect()
}

/// The highest serial from `first` to `last` that was ever reserved for the product.
///
/// # Errors
/// The store fails.
pub async fn last_serial(
    snapshot: &mut Snapshot,
    product: &ProductCode,
    first: Serial,
    last: Serial,
) -> Result<Option<Serial>, StoreError> {
    let (highest,): (Option<i64>,) = fetch_one!(
        snapshot,
        "SELECT max(serial) FROM credential \
         WHERE product = $1 AND digits = $2 AND serial >= $3 AND serial <= $4",
        product.as_str(),
        i64::from(first.digits()),
        first.value() as i64,
        last.value() as i64,
    )?;
    let Some(highest) = highest else { return Ok(None) };
    let value = count("credential.serial", highest)?;
    Serial::new(value, first.digits()).map(Some).ok_or(StoreError::Corrupt { what: "credential.serial" })
}

/// Leased credentials whose lease ran out before `now`, the oldest first.
///
/// # Errors
/// The store fails.
pub async fn expired(
    snapshot: &mut Snapshot,
    now: i64,
    limit: usize,
) -> Result<Vec<DeviceNumber>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(
        snapshot,
        "SELECT number FROM credential WHERE state = 'leased' AND expires < $1 ORDER BY expires LIMIT $2",
        now,
        limit as i64,
    )?;
    rows.iter().map(|(number,)| parsed("credential.number", number)).collect()
}

/// Slots of the key ring whose packs nobody needs any more.
///
/// # Errors
/// The store fails.
pub async fn slots_to_erase(snapshot: &mut Snapshot, limit: usize) -> Result<Vec<Slot>, StoreError> {
    let rows: Vec<(Slot,)> = fetch_all!(
        snapshot,
        "SELECT slot FROM credential WHERE slot IS NOT NULL AND state IN ('verified', 'voided') LIMIT $1",
        limit as i64,
    )?;
    Ok(rows.into_iter().map(|(slot,)| slot).collect())
}

/// All slots of the key ring that some row names.
///
/// # Errors
/// The store fails.
pub async fn named_slots(snapshot: &mut Snapshot) -> Result<BTreeSet<Slot>, StoreError> {
    let rows: Vec<(Slot,)> = fetch_all!(snapshot, "SELECT slot FROM credential WHERE slot IS NOT NULL")?;
    Ok(rows.into_iter().map(|(slot,)| slot).collect())
}

async fn state(
    snapshot: &mut Snapshot,
    number: &DeviceNumber,
) -> Result<Option<CredentialState>, StoreError> {
    let row: Option<(String,)> =
        fetch_optional!(snapshot, "SELECT state FROM credential WHERE number = $1", number.to_string())?;
    row.map(|(state,)| parsed("credential.state", &state)).transpose()
}

/// The row of these two certificates, made where there is none yet.
async fn chain(transaction: &mut Transaction, root: &[u8], issuing: &[u8]) -> Result<String, StoreError> {
    let mut digest = Context::new(&SHA256);
    digest.update(root);
    digest.update(issuing);
    let id = hex::encode(digest.finish());
    execute!(
        transaction,
        "INSERT INTO chain (id, root, issuing) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
        &id,
        root,
        issuing,
    )?;
    Ok(id)
}

#[derive(sqlx::FromRow)]
struct Row {
    number: String,
    state: String,
    created: Option<i64>,
    root: Option<Vec<u8>>,
    issuing: Option<Vec<u8>>,
    certificate: Option<Vec<u8>>,
    pack_digest: Option<Vec<u8>>,
    sealed: Option<Vec<u8>>,
    slot: Option<Slot>,
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
        let secret = row.slot.zip(row.sealed).map(|(slot, sealed)| SealedSecret { slot, sealed });
        let pack = match (row.created, row.root, row.issuing, row.certificate, row.pack_digest) {
            (Some(created), Some(root), Some(issuing), Some(certificate), Some(digest)) => {
                Some(Pack { created, root, issuing, certificate, digest, secret })
            }
            _ => None,
        };
        let lease = match (row.hardware_uid, row.attempt, row.station, row.expires) {
            (Some(hardware_uid), Some(attempt), Some(station), Some(expires)) => Some(Lease {
                hardware_uid: parsed("credential.hardware_uid", &hardware_uid)?,
                attempt,
                station: parsed("credential.station", &station)?,
                expires,
            }),
            _ => None,
        };
        Ok(Self {
            number: parsed("credential.number", &row.number)?,
            state: parsed("credential.state", &row.state)?,
            pack,
            lease,
            completed: row.completed,
            reason: row.reason,
        })
    }
}
