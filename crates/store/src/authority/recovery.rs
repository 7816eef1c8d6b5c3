//! What devices asked for with their common certificates, what came of it, and how often they asked.

use std::fmt;
use std::str::FromStr;

use identity::{CommonBatch, DeviceNumber, HardwareUid};
use serde::{Serialize, Serializer};

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A request for an individual certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// What it goes by, from 1.
    pub recovery: u64,
    /// SHA-256 of the new key's public key info.
    pub public_key_sha256: Vec<u8>,
    /// The batch whose common certificate came with it.
    pub batch: CommonBatch,
    /// The number that the device claims.
    pub number: DeviceNumber,
    /// The chip that it claims.
    pub hardware_uid: HardwareUid,
    /// When it asked first, in seconds since 1970.
    pub asked: i64,
    /// Where it stands.
    pub state: RecoveryState,
    /// What speaks for the device, once something does.
    pub ground: Option<RecoveryGround>,
    /// When that was decided, and by whom.
    pub decided: Option<(i64, String)>,
}

/// A request that is new.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewRecovery {
    /// SHA-256 of the new key's public key info.
    pub public_key_sha256: Vec<u8>,
    /// The batch whose common certificate came with it.
    pub batch: CommonBatch,
    /// The number that the device claims.
    pub number: DeviceNumber,
    /// The chip that it claims.
    pub hardware_uid: HardwareUid,
}

macro_rules! words {
    ($(#[$note:meta])* $name:ident, $wrong:ident { $($(#[$variant_note:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$note])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name { $($(#[$variant_note])* $variant,)+ }

        impl $name {
            /// The word as stored and shown.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        /// The text is none of these words.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $wrong;

        impl FromStr for $name {
            type Err = $wrong;

            fn from_str(text: &str) -> Result<Self, $wrong> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err($wrong) }
            }
        }
    };
}

words! {
    /// Where a request stands.
    RecoveryState, UnknownRecoveryState {
        /// Nothing speaks for the device yet; a person decides.
        Pending = "pending",
        /// It may have its certificate, and has not been given it yet.
        Approved = "approved",
        /// A person has said no.
        Refused = "refused",
        /// It was given its certificate.
        Issued = "issued",
    }
}

words! {
    /// What speaks for a device.
    RecoveryGround, UnknownRecoveryGround {
        /// It has proved its pass phrase.
        PassPhrase = "pass-phrase",
        /// It has proved the key of its last certificate.
        FormerKey = "former-key",
        /// A person's word.
        Approval = "approval",
        /// A person has let a new board take the place of the old one.
        BoardSwap = "board-swap",
    }
}

/// Files a new request, which is pending; what it goes by.
///
/// # Errors
/// Its key was asked for before, there is no such batch, or the store fails.
pub async fn insert(transaction: &mut Transaction, now: i64, new: &NewRecovery) -> Result<u64, StoreError> {
    let (last,): (i64,) = fetch_one!(transaction, "SELECT coalesce(max(recovery), 0) FROM recovery")?;
    execute!(
        transaction,
        "INSERT INTO recovery (recovery, public_key_sha256, batch, number, hardware_uid, asked, state) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        last + 1,
        &new.public_key_sha256,
        new.batch.to_string(),
        new.number.to_string(),
        new.hardware_uid.to_string(),
        now,
        RecoveryState::Pending.as_str(),
    )?;
    count("recovery.recovery", last + 1)
}

/// The request of this name.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, recovery: u64) -> Result<Option<Recovery>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT recovery, public_key_sha256, batch, number, hardware_uid, asked, state, ground, decided, \
         decided_by FROM recovery WHERE recovery = $1",
        stored(recovery),
    )?;
    row.map(Recovery::try_from).transpose()
}

/// The request for this key.
///
/// # Errors
/// The store fails.
pub async fn of_key(
    snapshot: &mut Snapshot,
    public_key_sha256: &[u8],
) -> Result<Option<Recovery>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT recovery, public_key_sha256, batch, number, hardware_uid, asked, state, ground, decided, \
         decided_by FROM recovery WHERE public_key_sha256 = $1",
        public_key_sha256,
    )?;
    row.map(Recovery::try_from).transpose()
}

/// The requests for a number, in the order they came.
///
/// # Errors
/// The store fails.
pub async fn of_number(snapshot: &mut Snapshot, number: &DeviceNumber) -> Result<Vec<Recovery>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT recovery, public_key_sha256, batch, number, hardware_uid, asked, state, ground, decided, \
         decided_by FROM recovery WHERE number = $1 ORDER BY recovery",
        number.to_string(),
    )?;
    rows.into_iter().map(Recovery::try_from).collect()
}

/// The requests that came last, the last first; only those in this state, where one is named.
///
/// # Errors
/// The store fails.
pub async fn list(
    snapshot: &mut Snapshot,
    state: Option<RecoveryState>,
    limit: u32,
) -> Result<Vec<Recovery>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT recovery, public_key_sha256, batch, number, hardware_uid, asked, state, ground, decided, \
         decided_by FROM recovery WHERE $1 = '' OR state = $1 ORDER BY recovery DESC LIMIT $2",
        state.map_or("", RecoveryState::as_str),
        i64::from(limit),
    )?;
    rows.into_iter().map(Recovery::try_from).collect()
}

/// Decides a request that is pending, on this ground or, without any, to refuse it; whether it was pending.
///
/// # Errors
/// The store fails.
pub async fn decide(
    transaction: &mut Transaction,
    now: i64,
    recovery: u64,
    ground: Option<RecoveryGround>,
    by: &str,
) -> Result<bool, StoreError> {
    let state = if ground.is_some() { RecoveryState::Approved } else { RecoveryState::Refused };
    let decided = execute!(
        transaction,
        "UPDATE recovery SET state = $2, ground = $3, decided = $4, decided_by = $5 \
         WHERE recovery = $1 AND state = 'pending'",
        stored(recovery),
        state.as_str(),
        ground.map(RecoveryGround::as_str),
        now,
        by,
    )?;
    Ok(decided == 1)
}

/// Notes that a request that was approved has its certificate.
///
/// # Errors
/// The store fails.
pub async fn mark_issued(transaction: &mut Transaction, recovery: u64) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE recovery SET state = 'issued' WHERE recovery = $1 AND state = 'approved'",
        stored(recovery),
    )?;
    Ok(())
}

/// Counts one more request of a batch that nothing but the common certificate speaks for: how many it
/// were on this day, which goes by its number since 1970.
///
/// # Errors
/// The store fails.
pub async fn count_of_batch(
    transaction: &mut Transaction,
    batch: &CommonBatch,
    day: i64,
) -> Result<u64, StoreError> {
    count_one(transaction, &format!("batch {batch}"), day).await
}

/// As [`count_of_batch`], for a number that devices claim.
///
/// # Errors
/// The store fails.
pub async fn count_of_number(
    transaction: &mut Transaction,
    number: &DeviceNumber,
    day: i64,
) -> Result<u64, StoreError> {
    count_one(transaction, &format!("number {number}"), day).await
}

/// As [`count_of_batch`], for proofs that do not hold.
///
/// # Errors
/// The store fails.
pub async fn count_false_proof(
    transaction: &mut Transaction,
    batch: &CommonBatch,
    day: i64,
) -> Result<u64, StoreError> {
    count_one(transaction, &false_proofs_of(batch), day).await
}

/// How many requests of a batch were counted on a day.
///
/// # Errors
/// The store fails.
pub async fn unproved(snapshot: &mut Snapshot, batch: &CommonBatch, day: i64) -> Result<u64, StoreError> {
    counted(snapshot, &format!("batch {batch}"), day).await
}

/// How many proofs of a batch that did not hold were counted on a day.
///
/// # Errors
/// The store fails.
pub async fn false_proofs(snapshot: &mut Snapshot, batch: &CommonBatch, day: i64) -> Result<u64, StoreError> {
    counted(snapshot, &false_proofs_of(batch), day).await
}

fn false_proofs_of(batch: &CommonBatch) -> String {
    format!("false proofs of batch {batch}")
}

async fn counted(snapshot: &mut Snapshot, subject: &str, day: i64) -> Result<u64, StoreError> {
    let row: Option<(i64,)> = fetch_optional!(
        snapshot,
        "SELECT asked FROM recovery_count WHERE subject = $1 AND day = $2",
        subject,
        day,
    )?;
    count("recovery_count.asked", row.map_or(0, |(asked,)| asked))
}

async fn count_one(transaction: &mut Transaction, subject: &str, day: i64) -> Result<u64, StoreError> {
    let (asked,): (i64,) = fetch_one!(
        transaction,
        "INSERT INTO recovery_count (subject, day, asked) VALUES ($1, $2, 1) \
         ON CONFLICT (subject, day) DO UPDATE SET asked = recovery_count.asked + 1 RETURNING asked",
        subject,
        day,
    )?;
    count("recovery_count.asked", asked)
}

fn stored(recovery: u64) -> i64 {
    i64::try_from(recovery).unwrap_or(i64::MAX)
}

#[derive(sqlx::FromRow)]
struct Row {
    recovery: i64,
    public_key_sha256: Vec<u8>,
    batch: String,
    number: String,
    hardware_uid: String,
    asked: i64,
    state: String,
    ground: Option<String>,
    decided: Option<i64>,
    decided_by: Option<String>,
}

impl TryFrom<Row> for Recovery {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let ground = row.ground.as_deref().map(|ground| parsed("recovery.ground", ground));
        Ok(Self {
            recovery: count("recovery.recovery", row.recovery)?,
            public_key_sha256: row.public_key_sha256,
            batch: parsed("recovery.batch", &row.batch)?,
            number: parsed("recovery.number", &row.number)?,
            hardware_uid: parsed("recovery.hardware_uid", &row.hardware_uid)?,
            asked: row.asked,
            state: parsed("recovery.state", &row.state)?,
            ground: ground.transpose()?,
            decided: row.decided.zip(row.decided_by),
        })
    }
}
