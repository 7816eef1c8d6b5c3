//! What people do about requests that nothing speaks for: look at them, approve or refuse.

use identity::HardwareUid;
use message::problem::ProblemCode;
use store::Transaction;
use store::audit::{self, Actor};
use store::authority::common_certificate::CommonCertificate;
use store::authority::device;
use store::authority::recovery::{self, Recovery, RecoveryGround, RecoveryState};
use store::authority::successor::SuccessionCause;

use super::bounds::day_of;
use super::{Entry, found};
use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::history::History;

/// A request, and what a person should know who decides it.
pub struct PendingRecovery {
    /// The request.
    pub recovery: Recovery,
    /// The chip that the authority knows the number by, where it does.
    pub known_hardware_uid: Option<HardwareUid>,
}

/// How often a common certificate was used on a day (UTC) while nothing else spoke for the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UseToday {
    /// Requests without proof, also those that were too many.
    pub unproved: u64,
    /// Proofs that did not hold, up to the first one too many.
    pub false_proofs: u64,
}

impl Desk {
    /// The last requests, the last first; only those in this state, where one is named.
    ///
    /// # Errors
    /// The store fails.
    pub async fn recoveries(
        &self,
        state: Option<RecoveryState>,
        limit: u32,
    ) -> Result<Vec<PendingRecovery>, AuthorityError> {
        let snapshot = &mut self.store.read().await?;
        let mut recoveries = Vec::new();
        for recovery in recovery::list(snapshot, state, limit).await? {
            let known = device::find_all(snapshot, std::slice::from_ref(&recovery.number)).await?.pop();
            let known_hardware_uid = known.map(|device| device.hardware_uid);
            recoveries.push(PendingRecovery { recovery, known_hardware_uid });
        }
        Ok(recoveries)
    }

    /// How often each batch was used today while nothing else spoke for the device.
    ///
    /// # Errors
    /// The store fails.
    pub async fn used_today(&self, batches: &[CommonCertificate]) -> Result<Vec<UseToday>, AuthorityError> {
        let snapshot = &mut self.store.read().await?;
        let day = day_of(self.now());
        let mut uses = Vec::with_capacity(batches.len());
        for CommonCertificate { batch, .. } in batches {
            uses.push(UseToday {
                unproved: recovery::unproved(snapshot, batch, day).await?,
                false_proofs: recovery::false_proofs(snapshot, batch, day).await?,
            });
        }
        Ok(uses)
    }

    /// Speaks for the device that asked: when it asks again, it gets its certificate.
    ///
    /// # Errors
    /// There is no such request, it is decided, the number may not have another certificate, the device is
    /// another board than the number's, or the store fails.
    pub async fn approve_recovery(&self, recovery: u64, actor: &Actor) -> Result<Recovery, AuthorityError> {
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let asked = pending(transaction, recovery).await?;
                    check_board(transaction, &asked).await?;
                    let ground = RecoveryGround::Approval;
                    recovery::decide(transaction, now, recovery, Some(ground), actor.as_str()).await?;
                    let entry = Entry { ground: Some(ground), ..Entry::new(recovery, &asked.number) };
                    audit::append(transaction, now, actor.as_str(), "recovery.approve", &entry).await?;
                    found(transaction, recovery).await
                })
            })
            .await
    }

    /// Refuses a request for good; the device may ask with another key.
    ///
    /// # Errors
    /// There is no such request, it is decided, or the store fails.
    pub async fn refuse_recovery(
        &self,
        recovery: u64,
        reason: &str,
        actor: &Actor,
    ) -> Result<Recovery, AuthorityError> {
        let (now, reason, actor) = (self.now(), reason.to_owned(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let asked = pending(transaction, recovery).await?;
                    recovery::decide(transaction, now, recovery, None, actor.as_str()).await?;
                    let entry = Entry { reason: Some(&reason), ..Entry::new(recovery, &asked.number) };
                    audit::append(transaction, now, actor.as_str(), "recovery.refuse", &entry).await?;
                    found(transaction, recovery).await
                })
            })
            .await
    }
}

async fn pending(transaction: &mut Transaction, recovery: u64) -> Result<Recovery, AuthorityError> {
    let asked = found(transaction, recovery).await?;
    if asked.state != RecoveryState::Pending {
        let detail = format!("request {recovery} is {} already", asked.state);
        return Err(AuthorityError::refused(ProblemCode::Conflict, detail));
    }
    Ok(asked)
}

/// Refuses a number that has no certificate to be lost, and a board that is not the number's.
async fn check_board(transaction: &mut Transaction, asked: &Recovery) -> Result<(), AuthorityError> {
    let number = &asked.number;
    History::read(transaction, number, ProblemCode::NotFound).await?.check(SuccessionCause::Recovery)?;
    let known = device::find_all(transaction, std::slice::from_ref(number)).await?.pop();
    match known.filter(|known| known.hardware_uid != asked.hardware_uid) {
        None => Ok(()),
        Some(known) => {
            let detail = format!(
                "{number} is the board with the chip {}: if another takes its place, swap the board",
                known.hardware_uid
            );
            Err(AuthorityError::refused(ProblemCode::SecondDevice, detail))
        }
    }
}
