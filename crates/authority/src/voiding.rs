//! Withdrawing a credential, by a person's word.

use identity::{ApparatusId, CredentialId, CredentialState, DeviceNumber, Transition};
use message::problem::ProblemCode;
use store::Transaction;
use store::audit::{Actor, Cause};
use store::authority::change::Change;
use store::authority::{apparatus, device, registration};

use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::history::{History, Why};

impl Desk {
    /// Withdraws a credential for good, wherever it stands, and erases what is kept of its secret.
    ///
    /// # Errors
    /// There is no such credential, it is void already, or the store fails.
    pub async fn void(
        &self,
        credential: &CredentialId,
        reason: &str,
        actor: &Actor,
    ) -> Result<(), AuthorityError> {
        let (now, credential, reason, actor) =
            (self.now(), credential.clone(), reason.to_owned(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let cause = |action| Cause { time: now, actor: actor.as_str(), action };
                    match &credential {
                        CredentialId::Number(number) => {
                            void_certificate(transaction, cause("credential.void"), number, &reason).await?;
                        }
                        CredentialId::Apparatus(id) => {
                            void_apparatus(transaction, cause("apparatus.void"), *id, &reason).await?;
                        }
                    }
                    Ok(device::set_reasons(transaction, &[(credential, reason)]).await?)
                })
            })
            .await
    }
}

async fn void_certificate(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    number: &DeviceNumber,
    reason: &str,
) -> Result<(), AuthorityError> {
    let history = History::read(transaction, number, ProblemCode::NotFound).await?;
    if history.void_all(transaction, cause, None, reason).await? {
        return Ok(());
    }
    Err(AuthorityError::refused(ProblemCode::IllegalState, format!("{number} is voided already")))
}

async fn void_apparatus(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    id: ApparatusId,
    reason: &str,
) -> Result<(), AuthorityError> {
    let known = apparatus::find_all(transaction, &[id]).await?.pop();
    let from = known.ok_or_else(|| unknown(id.into()))?.state;
    let change = Change { id, from, transitions: vec![Transition::Void] };
    apparatus::apply(transaction, cause, &[change], &Why { reason }).await?;
    apparatus::erase_pass_phrases(transaction, &[id]).await?;
    if from == CredentialState::Verified {
        let revoked = registration::Event::Revoked { reason: reason.to_owned() };
        registration::append(transaction, &[(id, revoked)]).await?;
    }
    Ok(())
}

fn unknown(credential: CredentialId) -> AuthorityError {
    AuthorityError::refused(ProblemCode::NotFound, format!("{credential} was never issued"))
}
