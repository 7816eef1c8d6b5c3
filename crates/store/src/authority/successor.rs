//! Certificates that follow a number's first one: by renewal, by recovery, after a board swap.
//!
//! They live as first certificates do, by the state machine of `identity`, and [`apply`] is the only
//! function that changes their state. From *leased* on, which is when a device was handed one, centers
//! are told; *verified* is one that its device has shown.

use std::fmt;
use std::str::FromStr;

use identity::{CredentialId, CredentialState, DeviceNumber, HardwareUid, MemberName, ProductCode};
use serde::{Serialize, Serializer};

use super::ca::IssuingCaName;
use super::change::{self, ApplyError, Change, Step};
use super::credential;
use super::device_registration::{self, News};
use super::revocation::{self, Revoked};
use crate::audit::Cause;
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction, audit};

/// What a successor is called: its number, and its place among the certificates of that number, the first
/// of which has generation 1.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct SuccessorId {
    /// The device number.
    pub number: DeviceNumber,
    /// From 2 on.
    pub generation: u64,
}

/// Why a number gets another certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SuccessionCause {
    /// The device asks, and shows the certificate that it has.
    Renewal,
    /// The device has lost its certificate, or cannot use it.
    Recovery,
    /// Another board has taken the place of the device's.
    BoardSwap,
}

impl SuccessionCause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Renewal, Self::Recovery, Self::BoardSwap];

    /// The word as stored and shown: `board-swap`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Renewal => "renewal",
            Self::Recovery => "recovery",
            Self::BoardSwap => "board-swap",
        }
    }
}

/// A successor as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Successor {
    /// What it is called.
    pub id: SuccessorId,
    /// Why there is one.
    pub cause: SuccessionCause,
    /// Where it stands.
    pub state: CredentialState,
    /// The serial of its certificate.
    pub certificate_serial: Vec<u8>,
    /// SHA-256 of its public key info.
    pub public_key_sha256: Vec<u8>,
    /// The chip it is for, where that is known.
    pub hardware_uid: Option<HardwareUid>,
    /// When it was asked for, in seconds since 1970.
    pub intended: i64,
    /// The certificate, once it is signed.
    pub certificate: Option<Vec<u8>>,
    /// The CA that signed it.
    pub issuing_ca: Option<IssuingCaName>,
}

/// A successor that is about to be signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// The device number.
    pub number: DeviceNumber,
    /// Why there is to be one.
    pub cause: SuccessionCause,
    /// The serial of the certificate to be signed.
    pub certificate_serial: Vec<u8>,
    /// SHA-256 of its public key info.
    pub public_key_sha256: Vec<u8>,
    /// The chip it is for, where that is known.
    pub hardware_uid: Option<HardwareUid>,
}

/// Stores what is about to be signed, with an audit entry that names serial and key before they are used.
///
/// # Errors
/// The serial or the key was used before, also by a first certificate; the number has a successor that its
/// device has not shown yet; or the store fails.
pub async fn intend(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    intent: &Intent,
) -> Result<SuccessorId, StoreError> {
    if credential::uses(transaction, &intent.certificate_serial, &intent.public_key_sha256).await? {
        return Err(StoreError::Duplicate { constraint: "a first certificate's serial or key".to_owned() });
    }
    let (last,): (i64,) = fetch_one!(
        transaction,
        "SELECT coalesce(max(generation), 1) FROM successor WHERE number = $1",
        intent.number.to_string(),
    )?;
    let generation = count("successor.generation", last + 1)?;
    let id = SuccessorId { number: intent.number.clone(), generation };
    execute!(
        transaction,
        "INSERT INTO successor \
         (number, generation, cause, state, certificate_serial, public_key_sha256, hardware_uid, intended) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id.number.to_string(),
        last + 1,
        intent.cause.as_str(),
        CredentialState::Intended.as_str(),
        &intent.certificate_serial,
        &intent.public_key_sha256,
        intent.hardware_uid.as_ref().map(HardwareUid::to_string),
        cause.time,
    )?;
    let entry = Intended {
        successor: &id,
        cause: intent.cause,
        certificate_serial: hex::encode(&intent.certificate_serial),
        public_key_sha256: hex::encode(&intent.public_key_sha256),
        hardware_uid: intent.hardware_uid.as_ref(),
    };
    audit::append(transaction, cause.time, cause.actor, cause.action, &entry).await?;
    Ok(id)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Intended<'a> {
    successor: &'a SuccessorId,
    cause: SuccessionCause,
    certificate_serial: String,
    public_key_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hardware_uid: Option<&'a HardwareUid>,
}

/// Files the certificate of a successor that this CA has signed.
///
/// # Errors
/// The store fails.
pub async fn file(
    transaction: &mut Transaction,
    now: i64,
    id: &SuccessorId,
    issuing_ca: IssuingCaName,
    certificate: &[u8],
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE successor SET issued = $3, issuing_ca = $4, certificate = $5 \
         WHERE number = $1 AND generation = $2",
        id.number.to_string(),
        id.stored_generation(),
        now,
        issuing_ca.to_string(),
        certificate,
    )?;
    Ok(())
}

/// Takes each successor its steps further, appends one audit entry that lists them all, with `detail`
/// beside, and tells centers. The states they are in afterwards, in order.
///
/// # Errors
/// A step is not in the life cycle, or a successor stands elsewhere; then the unit of work must fail.
pub async fn apply(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    changes: &[Change<SuccessorId>],
    detail: &(impl Serialize + Sync),
) -> Result<Vec<CredentialState>, ApplyError> {
    use CredentialState::{Leased, Suspect, Verified, Voided};
    let steps = Step::all(changes)?;
    let mut changed = 0;
    let (mut news, mut revoked) = (Vec::new(), Vec::new());
    for step in &steps {
        let stored: Option<(Vec<u8>, Vec<u8>, Option<String>)> = fetch_optional!(
            transaction,
            "UPDATE successor SET state = $4 WHERE number = $1 AND generation = $2 AND state = $3 \
             RETURNING certificate_serial, public_key_sha256, issuing_ca",
            step.id.number.to_string(),
            step.id.stored_generation(),
            step.from.as_str(),
            step.to.as_str(),
        )?;
        let Some((certificate_serial, public_key_sha256, issuing_ca)) = stored else { continue };
        changed += 1;
        if step.to == Voided {
            revoked.extend(issuing_ca.clone().map(|issuing_ca| Revoked {
                number: step.id.number.to_string(),
                certificate_serial,
                issuing_ca,
            }));
        }
        // What was never signed is no center's business.
        let is_told = matches!(step.to, Leased | Verified | Suspect | Voided);
        news.extend(issuing_ca.filter(|_| is_told).map(|issuing_ca| News {
            number: step.id.number.to_string(),
            state: step.to,
            public_key_sha256,
            issuing_ca,
        }));
    }
    let states = change::close(transaction, cause, &steps, changed, detail).await?;
    device_registration::append(transaction, cause.time, news).await?;
    revocation::append(transaction, cause.time, revoked).await?;
    Ok(states)
}

/// The successors of a number in the order of their generations, without the abandoned ones.
///
/// # Errors
/// The store fails.
pub async fn of_number(snapshot: &mut Snapshot, number: &DeviceNumber) -> Result<Vec<Successor>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT number, generation, cause, state, certificate_serial, public_key_sha256, hardware_uid, \
         intended, certificate, issuing_ca FROM successor WHERE number = $1 AND state <> 'abandoned' ORDER BY generation",
        number.to_string(),
    )?;
    rows.into_iter().map(Successor::try_from).collect()
}

/// The successors of these numbers that are not void.
///
/// # Errors
/// The store fails.
pub async fn live_of(
    snapshot: &mut Snapshot,
    numbers: &[DeviceNumber],
) -> Result<Vec<Successor>, StoreError> {
    let rows: Vec<Row> = fetch_all_of!(
        snapshot,
        "SELECT number, generation, cause, state, certificate_serial, public_key_sha256, hardware_uid, \
         intended, certificate, issuing_ca FROM successor WHERE state NOT IN ('abandoned', 'voided') AND number IN (",
        numbers,
        |number| number.to_string(),
        ")"
    )?;
    rows.into_iter().map(Successor::try_from).collect()
}

/// The successors that were asked for last, the last first; of one device, or of all.
///
/// # Errors
/// The store fails.
pub async fn list(
    snapshot: &mut Snapshot,
    number: Option<&DeviceNumber>,
    limit: u32,
) -> Result<Vec<Successor>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT number, generation, cause, state, certificate_serial, public_key_sha256, hardware_uid, \
         intended, certificate, issuing_ca FROM successor WHERE number = coalesce($1, number) \
         ORDER BY intended DESC, number, generation DESC LIMIT $2",
        number.map(DeviceNumber::to_string),
        i64::from(limit),
    )?;
    rows.into_iter().map(Successor::try_from).collect()
}

/// Every successor, also the abandoned ones, by number and generation.
///
/// # Errors
/// The store fails.
pub async fn all(snapshot: &mut Snapshot) -> Result<Vec<Successor>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT number, generation, cause, state, certificate_serial, public_key_sha256, hardware_uid, \
         intended, certificate, issuing_ca FROM successor ORDER BY number, generation"
    )?;
    rows.into_iter().map(Successor::try_from).collect()
}

/// Successors whose signing was begun and is not finished.
///
/// # Errors
/// The store fails.
pub async fn intended(snapshot: &mut Snapshot) -> Result<Vec<Successor>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT number, generation, cause, state, certificate_serial, public_key_sha256, hardware_uid, \
         intended, certificate, issuing_ca FROM successor WHERE state = 'intended' ORDER BY number"
    )?;
    rows.into_iter().map(Successor::try_from).collect()
}

/// How many successors a number was meant to get since this time, whatever became of them.
///
/// # Errors
/// The store fails.
pub async fn count_since(
    snapshot: &mut Snapshot,
    number: &DeviceNumber,
    since: i64,
) -> Result<u64, StoreError> {
    let (found,): (i64,) = fetch_one!(
        snapshot,
        "SELECT count(*) FROM successor WHERE number = $1 AND intended >= $2",
        number.to_string(),
        since,
    )?;
    count("successor", found)
}

/// How many successors are in each state, by the factory and the product of their numbers; abandoned ones
/// are left out.
///
/// # Errors
/// The store fails.
pub async fn counts(
    snapshot: &mut Snapshot,
) -> Result<Vec<(MemberName, ProductCode, CredentialState, u64)>, StoreError> {
    let rows: Vec<(String, String, String, i64)> = fetch_all!(
        snapshot,
        "SELECT credential.factory, credential.product, successor.state, count(*) FROM successor \
         JOIN credential ON credential.number = successor.number WHERE successor.state <> 'abandoned' \
         GROUP BY credential.factory, credential.product, successor.state"
    )?;
    rows.into_iter()
        .map(|(factory, product, state, number)| {
            Ok((
                parsed("credential.factory", &factory)?,
                parsed("credential.product", &product)?,
                parsed("successor.state", &state)?,
                count("successor", number)?,
            ))
        })
        .collect()
}

/// Whether a successor has the serial or the key of any of these first certificates.
pub(super) async fn uses_any(
    snapshot: &mut Snapshot,
    intents: &[credential::Intent],
) -> Result<bool, StoreError> {
    let serials: Vec<(String,)> = fetch_all_of!(
        snapshot,
        "SELECT number FROM successor WHERE certificate_serial IN (",
        intents,
        |intent| intent.certificate_serial.clone(),
        ")"
    )?;
    let keys: Vec<(String,)> = fetch_all_of!(
        snapshot,
        "SELECT number FROM successor WHERE state <> 'abandoned' AND public_key_sha256 IN (",
        intents,
        |intent| intent.public_key_sha256.clone(),
        ")"
    )?;
    Ok(!serials.is_empty() || !keys.is_empty())
}

impl SuccessorId {
    fn stored_generation(&self) -> i64 {
        i64::try_from(self.generation).unwrap_or(i64::MAX)
    }
}

impl From<SuccessorId> for CredentialId {
    fn from(id: SuccessorId) -> Self {
        Self::Number(id.number)
    }
}

impl fmt::Display for SuccessionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for SuccessionCause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text is not the name of a cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownCause;

impl FromStr for SuccessionCause {
    type Err = UnknownCause;

    fn from_str(text: &str) -> Result<Self, UnknownCause> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text).ok_or(UnknownCause)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    number: String,
    generation: i64,
    cause: String,
    state: String,
    certificate_serial: Vec<u8>,
    public_key_sha256: Vec<u8>,
    hardware_uid: Option<String>,
    intended: i64,
    certificate: Option<Vec<u8>>,
    issuing_ca: Option<String>,
}

impl TryFrom<Row> for Successor {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let hardware_uid = row.hardware_uid.as_deref();
        Ok(Self {
            id: SuccessorId {
                number: parsed("successor.number", &row.number)?,
                generation: count("successor.generation", row.generation)?,
            },
            cause: parsed("successor.cause", &row.cause)?,
            state: parsed("successor.state", &row.state)?,
            certificate_serial: row.certificate_serial,
            public_key_sha256: row.public_key_sha256,
            hardware_uid: hardware_uid.map(|uid| parsed("successor.hardware_uid", uid)).transpose()?,
            intended: row.intended,
            certificate: row.certificate,
            issuing_ca: row.issuing_ca.map(|name| parsed("successor.issuing_ca", &name)).transpose()?,
        })
    }
}
