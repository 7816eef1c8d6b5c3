//! What authenticators are told: each record once, numbered without gaps.
//!
//! A record names what it is about; its secret is looked up when it is told. So nothing secret is
//! stored twice, and what is revoked is never told again.

use identity::{ApparatusId, KeyIdentifier};

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// Its number, from 1.
    pub sequence: u64,
    /// The credential that it is about; with a key, the first that is kept under it.
    pub apparatus_id: ApparatusId,
    /// What happened.
    pub event: Event,
    /// Why the credential was revoked since, where it was.
    pub revoked: Option<String>,
}

/// What authenticators must know of a credential.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The pre-write key that its device keeps it under.
    PreWriteKey(KeyIdentifier),
    /// A device holds it.
    Registered,
    /// It is refused from now on, for good.
    Revoked {
        /// Why.
        reason: String,
    },
}

/// Appends records.
///
/// # Errors
/// The store fails.
pub async fn append(
    transaction: &mut Transaction,
    events: &[(ApparatusId, Event)],
) -> Result<(), StoreError> {
    let (last,): (i64,) = fetch_one!(transaction, "SELECT coalesce(max(sequence), 0) FROM registration")?;
    let numbered: Vec<Numbered> =
        (last + 1..).zip(events).map(|(sequence, (id, event))| Numbered { sequence, id, event }).collect();
    execute_all!(
        transaction,
        "INSERT INTO registration (sequence, event, apparatus_id, key_identifier, reason) ",
        numbered,
        |numbered| (
            numbered.sequence,
            numbered.event.word(),
            numbered.id.to_string(),
            numbered.event.key_identifier(),
            numbered.event.reason(),
        ),
        ""
    )?;
    Ok(())
}

/// The pre-write keys, of these, that authenticators were told.
///
/// # Errors
/// The store fails.
pub async fn told_keys(
    snapshot: &mut Snapshot,
    keys: &[KeyIdentifier],
) -> Result<Vec<KeyIdentifier>, StoreError> {
    let rows: Vec<(String,)> = fetch_all_of!(
        snapshot,
        "SELECT key_identifier FROM registration WHERE key_identifier IN (",
        keys,
        |key| key.to_string(),
        ")"
    )?;
    rows.iter().map(|(key,)| parsed("registration.key_identifier", key)).collect()
}

/// The records after the one of this number, `limit` of them at most.
///
/// # Errors
/// The store fails.
pub async fn after(
    snapshot: &mut Snapshot,
    sequence: u64,
    limit: usize,
) -> Result<Vec<Registration>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT registration.sequence, registration.event, registration.apparatus_id, \
         registration.key_identifier, registration.reason, revocation.reason AS revoked \
         FROM registration LEFT JOIN registration AS revocation \
         ON revocation.apparatus_id = registration.apparatus_id AND revocation.event = 'revoked' \
         WHERE registration.sequence > $1 ORDER BY registration.sequence LIMIT $2",
        i64::try_from(sequence).unwrap_or(i64::MAX),
        i64::try_from(limit).unwrap_or(i64::MAX),
    )?;
    rows.into_iter().map(Registration::try_from).collect()
}

struct Numbered<'a> {
    sequence: i64,
    id: &'a ApparatusId,
    event: &'a Event,
}

const PRE_WRITE_KEY: &str = "pre-write-key";
const REGISTERED: &str = "registered";
const REVOKED: &str = "revoked";

impl Event {
    fn word(&self) -> &'static str {
        match self {
            Self::PreWriteKey(_) => PRE_WRITE_KEY,
            Self::Registered => REGISTERED,
            Self::Revoked { .. } => REVOKED,
        }
    }

    fn key_identifier(&self) -> Option<String> {
        match self {
            Self::PreWriteKey(key) => Some(key.to_string()),
            Self::Registered | Self::Revoked { .. } => None,
        }
    }

    fn reason(&self) -> Option<String> {
        match self {
            Self::Revoked { reason } => Some(reason.clone()),
            Self::PreWriteKey(_) | Self::Registered => None,
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    sequence: i64,
    event: String,
    apparatus_id: String,
    key_identifier: Option<String>,
    reason: Option<String>,
    revoked: Option<String>,
}

impl TryFrom<Row> for Registration {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let event = match (row.event.as_str(), row.key_identifier, row.reason) {
            (PRE_WRITE_KEY, Some(key), None) => {
                Event::PreWriteKey(parsed("registration.key_identifier", &key)?)
            }
            (REGISTERED, None, None) => Event::Registered,
            (REVOKED, None, Some(reason)) => Event::Revoked { reason },
            _ => return Err(StoreError::Corrupt { what: "registration.event" }),
        };
        Ok(Self {
            sequence: count("registration.sequence", row.sequence)?,
            apparatus_id: parsed("registration.apparatus_id", &row.apparatus_id)?,
            event,
            revoked: row.revoked,
        })
    }
}
