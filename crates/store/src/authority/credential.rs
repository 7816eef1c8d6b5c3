//! The issue log: every credential, where it stands, and which certificate serial and key it has.
//!
//! [`apply`] is the only function that changes a credential's state: it asks the state machine of
//! `identity`, appends the audit entry, and tells centers and whoever asks for revoked certificates.

use identity::{CredentialState, DeviceNumber, MemberName, ProductCode};
use serde::Serialize;

use super::change::{self, ApplyError, Change, Step};
use super::{device_registration, revocation, successor};
use crate::audit::Cause;
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction, audit};

/// A credential as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    /// Its device number.
    pub number: DeviceNumber,
    /// The factory it was issued for.
    pub factory: MemberName,
    /// Where it stands.
    pub state: CredentialState,
    /// The serial of its certificate.
    pub certificate_serial: Vec<u8>,
    /// SHA-256 of its public key info.
    pub public_key_sha256: Vec<u8>,
}

/// A credential that is about to be signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// Its device number.
    pub number: DeviceNumber,
    /// The serial of the certificate to be signed.
    pub certificate_serial: Vec<u8>,
    /// SHA-256 of its public key info.
    pub public_key_sha256: Vec<u8>,
}

/// Takes each credential its steps further, and appends one audit entry that lists them all, with
/// `detail` beside. The states they are in afterwards, in order.
///
/// # Errors
/// A step is not in the life cycle, or a credential stands elsewhere; then the unit of work must fail.
pub async fn apply(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    changes: &[Change<DeviceNumber>],
    detail: &(impl Serialize + Sync),
) -> Result<Vec<CredentialState>, ApplyError> {
    let steps = Step::all(changes)?;
    let changed = execute_all!(
        transaction,
        "UPDATE credential SET state = new.column3 FROM (",
        steps,
        |step| (step.id.to_string(), step.from.as_str(), step.to.as_str()),
        ") AS new WHERE credential.number = new.column1 AND credential.state = new.column2"
    )?;
    let states = change::close(transaction, cause, &steps, changed, detail).await?;
    let abandoned: Vec<_> = steps.iter().filter(|step| step.to == CredentialState::Abandoned).collect();
    execute_all!(
        transaction,
        "UPDATE credential SET number = NULL WHERE number IN (",
        abandoned,
        |step| (step.id.to_string()),
        ")"
    )?;
    let reached: Vec<_> = steps.iter().map(|step| (step.id, step.to)).collect();
    device_registration::append_first(transaction, cause.time, &reached).await?;
    let voided = reached.iter().filter(|(_, state)| *state == CredentialState::Voided);
    let voided: Vec<_> = voided.map(|(number, _)| *number).collect();
    revocation::append_first(transaction, cause.time, &voided).await?;
    Ok(states)
}

/// Stores what is about to be signed for a factory: credentials that are intended, with an audit
/// entry that names each serial and key before it is used.
///
/// # Errors
/// A number, serial or key was used before, or the store fails. The key of an abandoned intent was not.
pub async fn intend(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    factory: &MemberName,
    intents: &[Intent],
) -> Result<(), StoreError> {
    if successor::uses_any(transaction, intents).await? {
        return Err(StoreError::Duplicate { constraint: "a successor's serial or key".to_owned() });
    }
    execute_all!(
        transaction,
        "INSERT INTO credential \
         (certificate_serial, number, product, factory, state, public_key_sha256, intended) ",
        intents,
        |intent| (
            intent.certificate_serial.clone(),
            intent.number.to_string(),
            intent.number.product().to_string(),
            factory.to_string(),
            CredentialState::Intended.as_str(),
            intent.public_key_sha256.clone(),
            cause.time,
        ),
        ""
    )?;
    let listed: Vec<_> = intents
        .iter()
        .map(|intent| Intended {
            number: &intent.number,
            certificate_serial: hex::encode(&intent.certificate_serial),
            public_key_sha256: hex::encode(&intent.public_key_sha256),
        })
        .collect();
    audit::append(transaction, cause.time, cause.actor, cause.action, &listed).await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Intended<'a> {
    number: &'a DeviceNumber,
    certificate_serial: String,
    public_key_sha256: String,
}

/// The credentials of these numbers, those that there are; abandoned ones are left out.
///
/// # Errors
/// The store fails.
pub async fn find_all(
    snapshot: &mut Snapshot,
    numbers: &[DeviceNumber],
) -> Result<Vec<Credential>, StoreError> {
    let rows: Vec<Row> = fetch_all_of!(
        snapshot,
        "SELECT number, factory, state, certificate_serial, public_key_sha256 FROM credential \
         WHERE number IN (",
        numbers,
        |number| number.to_string(),
        ")"
    )?;
    rows.into_iter().map(Credential::try_from).collect()
}

/// The credential of this number.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, number: &DeviceNumber) -> Result<Option<Credential>, StoreError> {
    Ok(find_all(snapshot, std::slice::from_ref(number)).await?.pop())
}

/// Credentials whose signing was begun and is not finished.
///
/// # Errors
/// The store fails.
pub async fn intended(snapshot: &mut Snapshot) -> Result<Vec<Credential>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT number, factory, state, certificate_serial, public_key_sha256 FROM credential \
         WHERE state = 'intended' ORDER BY number"
    )?;
    rows.into_iter().map(Credential::try_from).collect()
}

/// Whether a first certificate has this serial, or was to have it, or has this key.
///
/// # Errors
/// The store fails.
pub async fn uses(snapshot: &mut Snapshot, serial: &[u8], key: &[u8]) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = fetch_optional!(
        snapshot,
        "SELECT intended FROM credential \
         WHERE substr(certificate_serial, 1, 12) = substr($1, 1, 12) \
         OR state <> 'abandoned' AND substr(public_key_sha256, 1, 12) = substr($2, 1, 12) LIMIT 1",
        serial,
        key,
    )?;
    Ok(row.is_some())
}

/// How many credentials are in each state, by factory and product; abandoned ones are left out.
///
/// # Errors
/// The store fails.
pub async fn counts(
    snapshot: &mut Snapshot,
) -> Result<Vec<(MemberName, ProductCode, CredentialState, u64)>, StoreError> {
    let rows: Vec<(String, String, String, i64)> = fetch_all!(
        snapshot,
        "SELECT factory, product, state, count(*) FROM credential WHERE state <> 'abandoned' \
         GROUP BY factory, product, state ORDER BY factory, product, state"
    )?;
    rows.into_iter()
        .map(|(factory, product, state, number)| {
            Ok((
                parsed("credential.factory", &factory)?,
                parsed("credential.product", &product)?,
                parsed("credential.state", &state)?,
                count("credential", number)?,
            ))
        })
        .collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    number: String,
    factory: String,
    state: String,
    certificate_serial: Vec<u8>,
    public_key_sha256: Vec<u8>,
}

impl TryFrom<Row> for Credential {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            number: parsed("credential.number", &row.number)?,
            factory: parsed("credential.factory", &row.factory)?,
            state: parsed("credential.state", &row.state)?,
            certificate_serial: row.certificate_serial,
            public_key_sha256: row.public_key_sha256,
        })
    }
}
