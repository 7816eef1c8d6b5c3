//! Recovery: a device that has nothing but its common certificate gets an individual one again.
//!
//! Whoever has the common certificate's key can ask, for any number, so asking alone gets nobody
//! anything. Something else speaks for the device ([`RecoveryGround`]): a proof by what it still has
//! of its identity (`proof`), a board swap that a person has opened, or a person's word on this very request
//! (`decision`). Requests that nothing speaks for are counted, by batch and by number, and so are false proofs; too
//! many from a batch are an alarm (`bounds`), and a batch that has leaked is stopped.
//!
//! The certificate itself is a successor like any other (`succession`).

mod bounds;
mod decision;
mod proof;

use std::sync::Arc;

use cert::{CommonIdentity, Fingerprint};
use identity::{DeviceNumber, HardwareUid};
use message::pack::CredentialPack;
use message::problem::{Problem, ProblemCode};
use message::recovery::{RecoveryAnswer, RecoveryRequest};
use pki::SigningRequest;
use serde::Serialize;
use store::Transaction;
use store::audit::{self, Actor};
use store::authority::board_swap;
use store::authority::common_certificate::{self, CommonCertificate};
use store::authority::recovery::{self, NewRecovery, Recovery, RecoveryGround, RecoveryState};
use store::authority::successor::SuccessionCause;

pub use self::decision::{PendingRecovery, UseToday};
use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::succession::{Succession, SuccessorKey};

/// A request as it came, with its key read.
#[derive(Clone)]
struct Asked {
    common: CommonIdentity,
    request: RecoveryRequest,
    public_key_sha256: Fingerprint,
}

impl Authority {
    /// Answers a device that asks under the common certificate of its batch, over the connection of this
    /// channel binding. The same request again is answered by where it then stands.
    ///
    /// # Errors
    /// The batch is stopped or another product's, the request is none, its proof does not hold, a person has
    /// refused it, or there were too many.
    pub async fn recover(
        self: &Arc<Self>,
        common: &CommonIdentity,
        request: RecoveryRequest,
        channel_binding: &[u8; 32],
    ) -> Result<RecoveryAnswer, AuthorityError> {
        let key = SigningRequest::verify(&request.signing_request.0)
            .map_err(|error| AuthorityError::refused(ProblemCode::MalformedRequest, error.to_string()))?;
        let asked = Asked { common: common.clone(), request, public_key_sha256: key.public_key_sha256() };
        let ground = match self.proved(&asked, channel_binding).await {
            Err(AuthorityError::Refused(problem)) if problem.code == ProblemCode::ProofFailed => {
                self.count_false_proof(asked).await?;
                return Err(AuthorityError::Refused(problem));
            }
            proved => proved?,
        };
        let found = self.file(asked.clone(), ground).await?;
        match found.state {
            RecoveryState::Pending => Ok(RecoveryAnswer::Pending { recovery: found.recovery }),
            RecoveryState::Refused => {
                let detail = format!("request {} was refused by a person", found.recovery);
                Err(AuthorityError::refused(ProblemCode::NotAllowed, detail))
            }
            RecoveryState::Approved | RecoveryState::Issued => self.give(&found, asked.request).await,
        }
    }

    /// Files the request, and counts it where nothing speaks for it; where it then stands.
    async fn file(&self, asked: Asked, proved: Option<RecoveryGround>) -> Result<Recovery, AuthorityError> {
        let now = self.desk.now();
        let filed = self
            .desk
            .store
            .write(move |transaction| Box::pin(async move { file(transaction, now, &asked, proved).await }));
        filed.await?.map_err(AuthorityError::Refused)
    }

    /// Gives the certificate to a device for which something speaks; the same request again gets the same.
    async fn give(
        self: &Arc<Self>,
        approved: &Recovery,
        request: RecoveryRequest,
    ) -> Result<RecoveryAnswer, AuthorityError> {
        let cause = match approved.ground {
            Some(RecoveryGround::BoardSwap) => SuccessionCause::BoardSwap,
            _ => SuccessionCause::Recovery,
        };
        let recovery = approved.recovery;
        let certificate = self
            .succeed(Succession {
                number: request.device_number,
                key: SuccessorKey::Own(request.signing_request.0),
                cause,
                hardware_uid: Some(request.hardware_uid),
                actor: Actor::common(&approved.batch),
            })
            .await?;
        if approved.state == RecoveryState::Approved {
            let mark = self.desk.store.write(move |transaction| {
                Box::pin(async move {
                    recovery::mark_issued(transaction, recovery).await.map_err(AuthorityError::from)
                })
            });
            mark.await?;
        }
        let pack = CredentialPack { certificate: Some(certificate), apparatus: None };
        Ok(RecoveryAnswer::Issued { recovery, pack: Box::new(pack) })
    }
}

impl Asked {
    fn actor(&self) -> Actor {
        Actor::common(&self.common.batch)
    }

    fn new_recovery(&self) -> NewRecovery {
        NewRecovery {
            public_key_sha256: self.public_key_sha256.as_bytes().to_vec(),
            batch: self.common.batch.clone(),
            number: self.request.device_number.clone(),
            hardware_uid: self.request.hardware_uid.clone(),
        }
    }
}

/// What the audit log says of a request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    recovery: u64,
    device_number: &'a DeviceNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    ground: Option<RecoveryGround>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Entry<'a> {
    fn new(recovery: u64, device_number: &'a DeviceNumber) -> Self {
        Self { recovery, device_number, ground: None, reason: None }
    }
}

/// Files a request that is new, and decides one for which something speaks; where it then stands. One too many
/// is refused in an answer of its own, because that it was counted stays.
async fn file(
    transaction: &mut Transaction,
    now: i64,
    asked: &Asked,
    proved: Option<RecoveryGround>,
) -> Result<Result<Recovery, Problem>, AuthorityError> {
    let (actor, number) = (asked.actor(), &asked.request.device_number);
    let batch = check_batch(transaction, asked).await?;
    let before = recovery::of_key(transaction, asked.public_key_sha256.as_bytes()).await?;
    if let Some(before) = &before {
        check_same(before, asked)?;
        if before.state != RecoveryState::Pending {
            return Ok(Ok(before.clone()));
        }
    }
    let is_let = proved.is_none() && is_let_by_swap(transaction, asked, now).await?;
    let ground = proved.or(is_let.then_some(RecoveryGround::BoardSwap));
    let recovery = match before {
        Some(before) => before.recovery,
        None => {
            if ground.is_none()
                && let Err(refused) = bounds::count(transaction, &batch, asked, now).await?
            {
                return Ok(Err(refused));
            }
            let recovery = recovery::insert(transaction, now, &asked.new_recovery()).await?;
            let entry = Entry::new(recovery, number);
            audit::append(transaction, now, actor.as_str(), "recovery.ask", &entry).await?;
            recovery
        }
    };
    if let Some(ground) = ground {
        if is_let {
            board_swap::mark_used(transaction, number, recovery).await?;
        }
        recovery::decide(transaction, now, recovery, Some(ground), actor.as_str()).await?;
        let entry = Entry { ground: Some(ground), ..Entry::new(recovery, number) };
        audit::append(transaction, now, actor.as_str(), "recovery.prove", &entry).await?;
    }
    Ok(Ok(found(transaction, recovery).await?))
}

/// The batch, where it may ask for this number: the certificate is the one that was made for it, it is
/// not stopped, and the number is of its product. Looked up for every request.
async fn check_batch(
    transaction: &mut Transaction,
    asked: &Asked,
) -> Result<CommonCertificate, AuthorityError> {
    let CommonIdentity { batch, certificate_serial } = &asked.common;
    let refused = |code, detail: String| Err(AuthorityError::refused(code, detail));
    let known = common_certificate::find(transaction, batch).await?;
    let known = known.filter(|known| known.certificate_serial == certificate_serial.as_bytes());
    let Some(known) = known else {
        return refused(
            ProblemCode::NotAllowed,
            format!("no such certificate of batch {batch} is known here"),
        );
    };
    if known.stopped.is_some() {
        let detail = format!("the common certificate of batch {batch} is stopped");
        return refused(ProblemCode::NotAllowed, detail);
    }
    let number = &asked.request.device_number;
    if number.product() != batch.product() {
        let detail = format!("a device of batch {batch} cannot be {number}");
        return refused(ProblemCode::WrongProduct, detail);
    }
    Ok(known)
}

/// Refuses a key that was asked for by another device.
fn check_same(before: &Recovery, asked: &Asked) -> Result<(), AuthorityError> {
    let request = &asked.request;
    let is_same = before.number == request.device_number
        && before.hardware_uid == request.hardware_uid
        && before.batch == asked.common.batch;
    if is_same {
        return Ok(());
    }
    let detail = "this key was asked for by another device: a device makes a key of its own";
    Err(AuthorityError::refused(ProblemCode::Conflict, detail))
}

/// Whether a person has let this board, or any but the former one, take the number.
async fn is_let_by_swap(
    transaction: &mut Transaction,
    asked: &Asked,
    now: i64,
) -> Result<bool, AuthorityError> {
    let chip: &HardwareUid = &asked.request.hardware_uid;
    let open = board_swap::open_for(transaction, &asked.request.device_number).await?;
    Ok(open.is_some_and(|swap| {
        now < swap.expires
            && swap.former_hardware_uid.as_ref() != Some(chip)
            && swap.expected_hardware_uid.is_none_or(|expected| expected == *chip)
    }))
}

async fn found(transaction: &mut Transaction, recovery: u64) -> Result<Recovery, AuthorityError> {
    recovery::find(transaction, recovery).await?.ok_or_else(|| {
        AuthorityError::refused(ProblemCode::NotFound, format!("no request {recovery} is known here"))
    })
}
