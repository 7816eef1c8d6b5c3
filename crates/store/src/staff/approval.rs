//! What one person proposed and another must approve. Each step has its audit entry.

use serde::Serialize;

use super::StaffName;
use crate::audit::{self, Actor};
use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// Something proposed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Approval {
    /// Its number.
    pub id: i64,
    /// What is to be done, noun and verb as in the audit log.
    pub action: String,
    /// With what, as JSON text.
    pub body: String,
    /// Who proposed it.
    pub proposed_by: StaffName,
    /// When.
    pub proposed: i64,
    /// From when on it can no longer be approved.
    pub expires: i64,
    /// How it was decided, if it was.
    pub decision: Option<Decision>,
}

/// How a proposal was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Who decided.
    pub by: StaffName,
    /// When.
    pub time: i64,
    /// Whether it was approved.
    pub is_approved: bool,
}

/// Why something is not decided.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// There is no such proposal.
    #[error("there is no proposal of this number")]
    Unknown,
    /// It was decided before.
    #[error("this proposal is decided already")]
    Decided,
    /// It waited too long.
    #[error("this proposal has expired: propose it again")]
    Expired,
    /// Who proposes does not approve.
    #[error("another person must approve what you proposed")]
    SamePerson,
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Row = (i64, String, String, String, i64, i64, Option<String>, Option<i64>, Option<i64>);

#[derive(Serialize)]
struct Proposed<'a> {
    approval: i64,
    action: &'a str,
    body: &'a str,
}

/// Proposes `action`; its number.
///
/// # Errors
/// The store fails.
pub async fn propose(
    transaction: &mut Transaction,
    action: &str,
    body: &str,
    by: &StaffName,
    now: i64,
    expires: i64,
) -> Result<i64, StoreError> {
    let (last,): (Option<i64>,) = fetch_one!(transaction, "SELECT max(id) FROM approval")?;
    let id = last.unwrap_or_default() + 1;
    execute!(
        transaction,
        "INSERT INTO approval (id, action, body, proposed_by, proposed, expires) VALUES ($1, $2, $3, $4, $5, $6)",
        id,
        action,
        body,
        by.as_str(),
        now,
        expires,
    )?;
    let actor = Actor::person(by.as_str());
    audit::append(
        transaction,
        now,
        actor.as_str(),
        "approval.propose",
        &Proposed { approval: id, action, body },
    )
    .await?;
    Ok(id)
}

/// Approves a proposal, in the unit of work that does what was proposed.
///
/// # Errors
/// It cannot be approved, or not by this person; or the store fails.
pub async fn approve(
    transaction: &mut Transaction,
    id: i64,
    by: &StaffName,
    now: i64,
) -> Result<Approval, ApprovalError> {
    let approval = open(transaction, id).await?;
    if approval.expires <= now {
        return Err(ApprovalError::Expired);
    }
    if approval.proposed_by == *by {
        return Err(ApprovalError::SamePerson);
    }
    decide(transaction, id, by, now, true).await?;
    Ok(approval)
}

/// Turns a proposal down; who proposed it takes it back so.
///
/// # Errors
/// There is none to be decided, or the store fails.
pub async fn turn_down(
    transaction: &mut Transaction,
    id: i64,
    by: &StaffName,
    now: i64,
) -> Result<(), ApprovalError> {
    open(transaction, id).await?;
    Ok(decide(transaction, id, by, now, false).await?)
}

/// One proposal.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, id: i64) -> Result<Option<Approval>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT id, action, body, proposed_by, proposed, expires, decided_by, decided, is_approved \
         FROM approval WHERE id = $1",
        id,
    )?;
    row.map(approval_from).transpose()
}

/// The last proposals, newest first.
///
/// # Errors
/// The store fails.
pub async fn latest(snapshot: &mut Snapshot, limit: u32) -> Result<Vec<Approval>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT id, action, body, proposed_by, proposed, expires, decided_by, decided, is_approved \
         FROM approval ORDER BY id DESC LIMIT $1",
        i64::from(limit),
    )?;
    rows.into_iter().map(approval_from).collect()
}

/// How many proposals wait for a second person.
///
/// # Errors
/// The store fails.
pub async fn waiting(snapshot: &mut Snapshot, now: i64) -> Result<u64, StoreError> {
    let (count,): (i64,) =
        fetch_one!(snapshot, "SELECT count(*) FROM approval WHERE decided IS NULL AND expires > $1", now)?;
    crate::statement::count("approval", count)
}

async fn open(transaction: &mut Transaction, id: i64) -> Result<Approval, ApprovalError> {
    let approval = find(transaction, id).await?.ok_or(ApprovalError::Unknown)?;
    if approval.decision.is_some() { Err(ApprovalError::Decided) } else { Ok(approval) }
}

async fn decide(
    transaction: &mut Transaction,
    id: i64,
    by: &StaffName,
    now: i64,
    is_approved: bool,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE approval SET decided_by = $2, decided = $3, is_approved = $4 WHERE id = $1",
        id,
        by.as_str(),
        now,
        i64::from(is_approved),
    )?;
    let action = if is_approved { "approval.approve" } else { "approval.turn-down" };
    audit::append(transaction, now, Actor::person(by.as_str()).as_str(), action, &id).await
}

fn approval_from(
    (id, action, body, proposed_by, proposed, expires, decided_by, decided, is_approved): Row,
) -> Result<Approval, StoreError> {
    let decision = match (decided_by, decided, is_approved) {
        (Some(by), Some(time), Some(is_approved)) => {
            Some(Decision { by: parsed("approval.decided_by", &by)?, time, is_approved: is_approved != 0 })
        }
        _ => None,
    };
    let proposed_by = parsed("approval.proposed_by", &proposed_by)?;
    Ok(Approval { id, action, body, proposed_by, proposed, expires, decision })
}
