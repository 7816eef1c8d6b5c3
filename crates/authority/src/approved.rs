//! What one person alone does not decide: raising a quota, handing a pre-write key out, revoking many devices. One
//! proposes it, another approves, and the approval is stored in the unit of work that does it.

use identity::{DeviceNumber, KeyIdentifier, MemberName, ProductCode, RevocationReason};
use message::problem::ProblemCode;
use serde::{Deserialize, Serialize};
use staff::approval::{self, Approval, ApprovalError};
use staff::{EXPIRES_AFTER, StaffName};
use store::StoreError;
use store::audit::Actor;
use store::authority::allotment;
use store::authority::selection::Selection;

use crate::authority::Authority;
use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::making::set_quota;
use crate::pre_write_key::{ExportedKey, export};

/// Something that two people decide.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Proposal {
    /// A factory may make more of a product.
    RaiseQuota {
        /// The factory.
        factory: MemberName,
        /// The product.
        product: ProductCode,
        /// What it may make when it is proposed.
        from: u64,
        /// What it may make then.
        to: u64,
    },
    /// A pre-write key goes to the firmware build.
    ExportKey {
        /// The key.
        key: KeyIdentifier,
    },
    /// Many devices are revoked.
    Revoke {
        /// Which, and why.
        #[serde(flatten)]
        revocation: BulkRevocation,
    },
}

/// Which devices are to be revoked, and why.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkRevocation {
    /// From this device number on.
    pub first: Option<DeviceNumber>,
    /// Up to this one.
    pub last: Option<DeviceNumber>,
    /// Of this factory.
    pub factory: Option<MemberName>,
    /// Written by this station.
    pub station: Option<MemberName>,
    /// That proved themselves from this time on.
    pub from: Option<i64>,
    /// And before this time.
    pub until: Option<i64>,
    /// Why, by its name in certificates.
    pub reason: String,
}

impl BulkRevocation {
    /// What credentials it selects; whoever says nothing means nothing.
    pub fn selection(&self) -> Option<Selection> {
        let BulkRevocation { first, last, factory, station, from, until, .. } = self.clone();
        let selects = first.is_some() || factory.is_some() || station.is_some();
        selects.then_some(Selection { first, last, factory, station, from, until, ..Selection::default() })
    }

    /// Why, as certificates say it.
    pub fn reason(&self) -> RevocationReason {
        self.reason.parse().unwrap_or(RevocationReason::Unspecified)
    }
}

impl Proposal {
    fn action(&self) -> &'static str {
        match self {
            Self::RaiseQuota { .. } => "factory.allot",
            Self::ExportKey { .. } => "pre-write-key.export",
            Self::Revoke { .. } => "credential.void",
        }
    }

    /// What was proposed.
    ///
    /// # Errors
    /// The store holds something else.
    pub fn of(approval: &Approval) -> Result<Self, StoreError> {
        serde_json::from_str(&approval.body).map_err(|_| StoreError::Corrupt { what: "approval.body" })
    }
}

impl Desk {
    /// Proposes something to a second person; the proposal's number.
    ///
    /// # Errors
    /// The store fails.
    pub async fn propose(&self, proposal: &Proposal, by: &StaffName) -> Result<i64, AuthorityError> {
        let body =
            serde_json::to_string(proposal).map_err(|_| StoreError::Corrupt { what: "approval.body" })?;
        let (now, by, action) = (self.now(), by.clone(), proposal.action());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let expires = now + EXPIRES_AFTER;
                    Ok(approval::propose(transaction, action, &body, &by, now, expires).await?)
                })
            })
            .await
    }

    /// Turns a proposal down, or takes it back.
    ///
    /// # Errors
    /// It is not open, or the store fails.
    pub async fn turn_down(&self, id: i64, by: &StaffName) -> Result<(), AuthorityError> {
        let (now, by) = (self.now(), by.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move { Ok(approval::turn_down(transaction, id, &by, now).await?) })
            })
            .await
    }
}

/// What an approval did.
pub enum Approved {
    /// The quota is raised.
    QuotaRaised,
    /// The key, which is shown to nobody again.
    KeyExported(ExportedKey),
    /// What is to be revoked now, which takes units of work of its own; the same may be done again until it is
    /// done.
    Revoking(BulkRevocation),
}

impl Authority {
    /// Approves a proposal as its second person, and does it.
    ///
    /// # Errors
    /// It is not open, this person proposed it, it cannot be done, or the store fails; then nothing is stored.
    pub async fn approve(&self, id: i64, by: &StaffName) -> Result<Approved, AuthorityError> {
        let (now, by, vault) = (self.desk.now(), by.clone(), std::sync::Arc::clone(&self.vault));
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let approval = approval::approve(transaction, id, &by, now).await?;
                    let actor = Actor::person(by.as_str());
                    Ok(match Proposal::of(&approval)? {
                        Proposal::RaiseQuota { factory, product, from, to } => {
                            let found = allotment::find(transaction, &factory, &product).await?;
                            if found.map_or(0, |allotted| allotted.quota) != from {
                                let detail = "the quota is another one by now: propose it again";
                                return Err(AuthorityError::refused(ProblemCode::Conflict, detail));
                            }
                            set_quota(transaction, now, &actor, &factory, &product, to).await?;
                            Approved::QuotaRaised
                        }
                        Proposal::ExportKey { key } => {
                            Approved::KeyExported(export(transaction, now, &actor, &vault, key).await?)
                        }
                        Proposal::Revoke { revocation } => Approved::Revoking(revocation),
                    })
                })
            })
            .await
    }
}

impl From<ApprovalError> for AuthorityError {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Store(error) => Self::Store(error),
            ApprovalError::SamePerson => Self::refused(ProblemCode::NotAllowed, error.to_string()),
            other => Self::refused(ProblemCode::Conflict, other.to_string()),
        }
    }
}
