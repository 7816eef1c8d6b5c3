//! A step in the life of credentials, the same for both kinds: the state machine of `identity` says
//! where it leads, and one audit entry tells of all.

use identity::{CredentialId, CredentialState, IllegalTransition, Transition};
use serde::Serialize;

use crate::audit::{self, Cause};
use crate::{StoreError, Transaction};

/// The steps that a credential takes; `Id` is what its kind goes by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change<Id> {
    /// Which credential.
    pub id: Id,
    /// Where it stands, as the caller has seen in this unit of work.
    pub from: CredentialState,
    /// The steps, in order.
    pub transitions: Vec<Transition>,
}

/// Why a state was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The life cycle does not have this step.
    #[error("{credential}: {source}")]
    Illegal {
        /// The credential.
        credential: CredentialId,
        /// The step.
        source: IllegalTransition,
    },
    /// A credential does not stand where the caller has seen it.
    #[error("a credential changed meanwhile")]
    Changed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A change, worked out.
#[derive(Serialize)]
pub(super) struct Step<'a, Id> {
    pub(super) id: &'a Id,
    pub(super) from: CredentialState,
    pub(super) to: CredentialState,
}

impl<'a, Id: Clone + Into<CredentialId>> Step<'a, Id> {
    /// Where each change leads.
    pub(super) fn all(changes: &'a [Change<Id>]) -> Result<Vec<Self>, ApplyError> {
        changes.iter().map(Self::new).collect()
    }

    fn new(change: &'a Change<Id>) -> Result<Self, ApplyError> {
        let Change { id, from, transitions } = change;
        let to = transitions
            .iter()
            .try_fold(*from, |state, transition| state.after(*transition))
            .map_err(|source| ApplyError::Illegal { credential: id.clone().into(), source })?;
        Ok(Self { id, from: *from, to })
    }
}

/// Tells the audit log of all steps, once they are stored: `changed` of them were.
pub(super) async fn close<Id: Serialize + Sync>(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    steps: &[Step<'_, Id>],
    changed: u64,
    detail: &(impl Serialize + Sync),
) -> Result<Vec<CredentialState>, ApplyError> {
    if changed != steps.len() as u64 {
        return Err(ApplyError::Changed);
    }
    let body = AuditBody { credentials: steps, detail };
    audit::append(transaction, cause.time, cause.actor, cause.action, &body).await?;
    Ok(steps.iter().map(|step| step.to).collect())
}

#[derive(Serialize)]
struct AuditBody<'a, Id, D> {
    credentials: &'a [Step<'a, Id>],
    detail: &'a D,
}
