//! Credentials that the authority has withdrawn: they go to no device any more.

use std::time::Duration;

use identity::{CredentialId, CredentialState, Transition};
use message::withdrawal::Withdrawals;
use store::audit::Cause;
use store::gateway::credential;
use store::{Transaction, feed};
use tokio::time::sleep;

use crate::desk::Why;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::upkeep::Pause;
use crate::upstream::UpstreamError;

/// How often the authority is asked: a credential that it has withdrawn goes to nobody well within a minute.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Why withdrawals are late.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawalError {
    /// The authority gave no answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The store fails.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

impl Gateway {
    /// Asks the authority for all withdrawals that are not stored yet, and voids what they name. How many
    /// records.
    ///
    /// # Errors
    /// The authority cannot be asked, or the store fails; what was stored before stays stored.
    pub async fn pull_withdrawals(&self) -> Result<usize, WithdrawalError> {
        let mut taken = 0;
        loop {
            let mut snapshot = self.desk.store.read().await.map_err(GatewayError::from)?;
            let after = feed::position(&mut snapshot).await.map_err(GatewayError::from)?.sequence;
            drop(snapshot);
            let withdrawals = self.upstream.withdrawals(after).await?;
            let count = withdrawals.records.len();
            self.withdraw(withdrawals, after).await?;
            taken += count;
            if count == 0 {
                return Ok(taken);
            }
        }
    }

    pub(crate) async fn keep_withdrawing(&self) {
        let mut pause = Pause::default();
        loop {
            match self.pull_withdrawals().await {
                Ok(_) => {
                    pause = Pause::default();
                    sleep(ASK_EVERY).await;
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "withdrawals are late");
                    pause.wait().await;
                }
            }
        }
    }

    /// Voids what the records name and stores how far they go, together. The authority knows of it already,
    /// so nothing is reported.
    async fn withdraw(&self, withdrawals: Withdrawals, after: u64) -> Result<(), GatewayError> {
        let (now, actor) = (self.desk.now(), self.actor.clone());
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let cause = Cause { time: now, actor: actor.as_str(), action: "credential.withdraw" };
                    let mut last = after;
                    for record in withdrawals.records {
                        last = last.max(record.sequence);
                        if may_be_voided(transaction, &record.credential).await? {
                            let changes = [(record.credential.clone(), &[Transition::Void][..])];
                            let why = Why { reason: &record.reason };
                            credential::apply(transaction, cause, &changes, &why).await?;
                            credential::set_reason(transaction, &record.credential, &record.reason).await?;
                        }
                    }
                    Ok(feed::advance(transaction, last, now).await?)
                })
            })
            .await
    }
}

/// Whether there is anything to void: another gateway of the factory may have had it, or it was voided here.
async fn may_be_voided(transaction: &mut Transaction, id: &CredentialId) -> Result<bool, GatewayError> {
    let known = credential::find(transaction, id).await?;
    Ok(known.is_some_and(|known| known.state.after(Transition::Void) == Ok(CredentialState::Voided)))
}
