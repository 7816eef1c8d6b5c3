//! Roll-outs of firmware: to which share of a product's devices a package goes, and what came of it.

use std::fmt;
use std::str::FromStr;

use identity::{DeviceNumber, FirmwareVersion, ProductCode};

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A roll-out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rollout {
    /// Its number, from 1 on.
    pub id: u64,
    /// The product.
    pub product: ProductCode,
    /// The package that goes out.
    pub firmware: String,
    /// Its version.
    pub version: FirmwareVersion,
    /// The package that devices go back to, with its version, where it is being rolled back.
    pub previous: Option<(String, FirmwareVersion)>,
    /// The share of the product's devices that get it, in percent.
    pub share: u8,
    /// It is halted where more than so many percent of the results are no success.
    pub halt_above: u8,
    /// How many results there must be before it is halted so.
    pub minimum: u64,
    /// Where it stands.
    pub state: State,
    /// Why it stands there, in words; empty where it just runs.
    pub reason: String,
    /// When it began.
    pub started: i64,
    /// When it was changed last.
    pub changed: i64,
    /// What came of it.
    pub counts: Counts,
    /// What had come, when a person let it go on last: results, and those that are no success.
    pub before: (u64, u64),
}

/// What came of a roll-out.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Devices that were asked to fetch the package.
    pub asked: u64,
    /// Devices that run it.
    pub done: u64,
    /// Devices that will not run it.
    pub refused: u64,
    /// Devices that could not.
    pub failed: u64,
    /// Devices that went back to what they ran before.
    pub rolled_back: u64,
}

/// Where a roll-out stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Devices are asked as they call.
    Running,
    /// No device is asked, and none gets the package.
    Halted,
    /// Devices that run the package are asked to go back, as they call.
    RollingBack,
    /// Another came after it.
    Ended,
}

/// What a device is asked in a roll-out, each once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// To fetch the package.
    Fetch,
    /// To go back to the one before.
    RollBack,
}

/// How a step of a device ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepOutcome {
    /// It runs what it was asked to run.
    Done,
    /// It will not.
    Refused,
    /// It could not.
    Failed,
}

impl Rollout {
    /// How many results have come since a person let it go on last, and how many are no success.
    pub fn recent(&self) -> (u64, u64) {
        let Counts { done, refused, failed, .. } = self.counts;
        let (finished, unsuccessful) = self.before;
        ((done + refused + failed).saturating_sub(finished), (refused + failed).saturating_sub(unsuccessful))
    }
}

/// Begins a roll-out after all others, and ends the one that the product had. Its number.
///
/// # Errors
/// The store fails.
pub async fn begin(transaction: &mut Transaction, rollout: &Rollout) -> Result<u64, StoreError> {
    execute!(
        transaction,
        "UPDATE rollout SET state = 'ended', changed = $1 WHERE product = $2 AND state <> 'ended'",
        rollout.started,
        rollout.product.as_str(),
    )?;
    let (id,): (i64,) = fetch_one!(
        transaction,
        "INSERT INTO rollout (id, product, firmware, version, share, halt_above, minimum, state, reason, \
         started, changed, asked, done, refused, failed, rolled_back, finished_before, failed_before) \
         VALUES ((SELECT coalesce(max(id), 0) + 1 FROM rollout), $1, $2, $3, $4, $5, $6, $7, $8, $9, $9, \
         0, 0, 0, 0, 0, 0, 0) RETURNING id",
        rollout.product.as_str(),
        &rollout.firmware,
        rollout.version.to_string(),
        i64::from(rollout.share),
        i64::from(rollout.halt_above),
        rollout.minimum.cast_signed(),
        rollout.state.as_str(),
        &rollout.reason,
        rollout.started,
    )?;
    count("rollout.id", id)
}

/// Stores where a roll-out stands, its share, and what had come when it was let go on.
///
/// # Errors
/// The store fails.
pub async fn change(transaction: &mut Transaction, rollout: &Rollout, now: i64) -> Result<(), StoreError> {
    let (previous, version) = rollout.previous.clone().unzip();
    execute!(
        transaction,
        "UPDATE rollout SET share = $1, state = $2, reason = $3, changed = $4, previous = $5, \
         previous_version = $6, finished_before = $7, failed_before = $8 WHERE id = $9",
        i64::from(rollout.share),
        rollout.state.as_str(),
        &rollout.reason,
        now,
        previous,
        version.map(|version| version.to_string()),
        rollout.before.0.cast_signed(),
        rollout.before.1.cast_signed(),
        rollout.id.cast_signed(),
    )?;
    Ok(())
}

/// The roll-out of this number.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, id: u64) -> Result<Option<Rollout>, StoreError> {
    Ok(select(snapshot, Which { id, ..Which::default() }).await?.pop())
}

/// All roll-outs, the last first.
///
/// # Errors
/// The store fails.
pub async fn list(snapshot: &mut Snapshot) -> Result<Vec<Rollout>, StoreError> {
    select(snapshot, Which::default()).await
}

/// The roll-outs that give out a package, or go back to it, and have not ended.
///
/// # Errors
/// The store fails.
pub async fn of_firmware(snapshot: &mut Snapshot, name: &str) -> Result<Vec<Rollout>, StoreError> {
    select(snapshot, Which { firmware: name, ..Which::default() }).await
}

/// Notes that a device is asked a step of a roll-out by this request.
///
/// # Errors
/// It was asked before, or the store fails.
pub async fn ask(
    transaction: &mut Transaction,
    rollout: u64,
    device: &DeviceNumber,
    step: Step,
    request: u64,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO rollout_request (request, rollout, device, step) VALUES ($1, $2, $3, $4)",
        request.cast_signed(),
        rollout.cast_signed(),
        device.to_string(),
        step.as_str(),
    )?;
    if step == Step::Fetch {
        execute!(transaction, "UPDATE rollout SET asked = asked + 1 WHERE id = $1", rollout.cast_signed(),)?;
    }
    Ok(())
}

/// Which steps of a roll-out a device was asked.
///
/// # Errors
/// The store fails.
pub async fn steps(
    snapshot: &mut Snapshot,
    rollout: u64,
    device: &DeviceNumber,
) -> Result<Vec<Step>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(
        snapshot,
        "SELECT step FROM rollout_request WHERE rollout = $1 AND device = $2",
        rollout.cast_signed(),
        device.to_string(),
    )?;
    rows.into_iter().map(|(step,)| parsed("rollout_request.step", &step)).collect()
}

/// Which step of which roll-out this request asks for, where it is part of one and has no result yet.
///
/// # Errors
/// The store fails.
pub async fn of_request(
    snapshot: &mut Snapshot,
    request: u64,
) -> Result<Option<(Rollout, Step)>, StoreError> {
    let row: Option<(i64, String)> = fetch_optional!(
        snapshot,
        "SELECT rollout, step FROM rollout_request WHERE request = $1 AND outcome IS NULL",
        request.cast_signed(),
    )?;
    let Some((id, step)) = row else { return Ok(None) };
    let rollout = find(snapshot, count("rollout_request.rollout", id)?).await?;
    let rollout = rollout.ok_or(StoreError::Corrupt { what: "rollout_request.rollout" })?;
    Ok(Some((rollout, parsed("rollout_request.step", &step)?)))
}

/// What a device is asked and has not answered yet: each command, and where it is part of a roll-out, which
/// step it is and where the roll-out stands.
///
/// # Errors
/// The store fails.
pub async fn open_commands(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
) -> Result<Vec<(String, Option<(Step, State)>)>, StoreError> {
    let rows: Vec<(String, Option<String>, Option<String>)> = fetch_all!(
        snapshot,
        "SELECT request.command, rollout_request.step, rollout.state FROM request \
         LEFT JOIN rollout_request ON rollout_request.request = request.id \
         LEFT JOIN rollout ON rollout.id = rollout_request.rollout \
         WHERE request.device = $1 AND request.finished_by IS NULL ORDER BY request.id",
        device.to_string(),
    )?;
    rows.into_iter()
        .map(|(command, step, state)| {
            let part = step.zip(state).map(|(step, state)| {
                Ok::<_, StoreError>((
                    parsed("rollout_request.step", &step)?,
                    parsed("rollout.state", &state)?,
                ))
            });
            Ok((command, part.transpose()?))
        })
        .collect()
}

/// Notes how a step ended, once, and counts it. The roll-out's counts then.
///
/// # Errors
/// The store fails.
pub async fn finish(
    transaction: &mut Transaction,
    request: u64,
    (rollout, step): (&Rollout, Step),
    outcome: StepOutcome,
) -> Result<Counts, StoreError> {
    execute!(
        transaction,
        "UPDATE rollout_request SET outcome = $1 WHERE request = $2",
        outcome.as_str(),
        request.cast_signed(),
    )?;
    let mut counts = rollout.counts;
    match (step, outcome) {
        (Step::Fetch, StepOutcome::Done) => counts.done += 1,
        (Step::Fetch, StepOutcome::Refused) => counts.refused += 1,
        (Step::Fetch, StepOutcome::Failed) => counts.failed += 1,
        (Step::RollBack, StepOutcome::Done) => counts.rolled_back += 1,
        (Step::RollBack, StepOutcome::Refused | StepOutcome::Failed) => {}
    }
    execute!(
        transaction,
        "UPDATE rollout SET done = $1, refused = $2, failed = $3, rolled_back = $4 WHERE id = $5",
        counts.done.cast_signed(),
        counts.refused.cast_signed(),
        counts.failed.cast_signed(),
        counts.rolled_back.cast_signed(),
        rollout.id.cast_signed(),
    )?;
    Ok(counts)
}

/// Which roll-outs are meant; 0 and empty texts mean all.
#[derive(Clone, Copy, Default)]
struct Which<'a> {
    id: u64,
    firmware: &'a str,
}

async fn select(snapshot: &mut Snapshot, which: Which<'_>) -> Result<Vec<Rollout>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT id, product, firmware, version, previous, previous_version, share, halt_above, minimum, state, \
         reason, started, changed, asked, done, refused, failed, rolled_back, finished_before, failed_before \
         FROM rollout WHERE ($1 = 0 OR id = $1) \
         AND ($2 = '' OR (state <> 'ended' AND (firmware = $2 OR previous = $2))) ORDER BY id DESC",
        which.id.cast_signed(),
        which.firmware,
    )?;
    rows.into_iter().map(Rollout::try_from).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    product: String,
    firmware: String,
    version: String,
    previous: Option<String>,
    previous_version: Option<String>,
    share: i64,
    halt_above: i64,
    minimum: i64,
    state: String,
    reason: String,
    started: i64,
    changed: i64,
    asked: i64,
    done: i64,
    refused: i64,
    failed: i64,
    rolled_back: i64,
    finished_before: i64,
    failed_before: i64,
}

impl TryFrom<Row> for Rollout {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let percent = |what, value: i64| value.try_into().map_err(|_| StoreError::Corrupt { what });
        let previous_version =
            row.previous_version.map(|version| parsed("rollout.previous_version", &version)).transpose()?;
        Ok(Self {
            id: count("rollout.id", row.id)?,
            product: parsed("rollout.product", &row.product)?,
            firmware: row.firmware,
            version: parsed("rollout.version", &row.version)?,
            previous: row.previous.zip(previous_version),
            share: percent("rollout.share", row.share)?,
            halt_above: percent("rollout.halt_above", row.halt_above)?,
            minimum: count("rollout.minimum", row.minimum)?,
            state: parsed("rollout.state", &row.state)?,
            reason: row.reason,
            started: row.started,
            changed: row.changed,
            counts: Counts {
                asked: count("rollout.asked", row.asked)?,
                done: count("rollout.done", row.done)?,
                refused: count("rollout.refused", row.refused)?,
                failed: count("rollout.failed", row.failed)?,
                rolled_back: count("rollout.rolled_back", row.rolled_back)?,
            },
            before: (
                count("rollout.finished_before", row.finished_before)?,
                count("rollout.failed_before", row.failed_before)?,
            ),
        })
    }
}

/// A value of one of these types is stored as a word.
macro_rules! word {
    ($name:ident, $($variant:ident = $word:literal),+) => {
        impl $name {
            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

/// The text is none of the words for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a word that is known here")]
pub struct UnknownWord;

word!(State, Running = "running", Halted = "halted", RollingBack = "rolling-back", Ended = "ended");
word!(Step, Fetch = "fetch", RollBack = "roll-back");
word!(StepOutcome, Done = "done", Refused = "refused", Failed = "failed");
