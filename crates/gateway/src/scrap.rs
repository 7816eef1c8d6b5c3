//! Scrapping a device whose write failed: its number is void, and two operators answer for it.

use identity::{CredentialId, DeviceNumber, HardwareUid, Member, MemberName, Transition};
use message::operator::{BadgeCode, ScrapRequest, ScrapResponse};
use message::problem::ProblemCode;
use message::report::Event;
use serde::Serialize;
use store::Transaction;
use store::audit::{Actor, Cause};
use store::gateway::scrap::{self, Scrap};
use store::gateway::{credential, operator, outbox};

use crate::desk::{Desk, all_of, event_text};
use crate::error::GatewayError;
use crate::evidence::Parts;
use crate::operator::digest;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    hardware_uid: &'a HardwareUid,
    operators: &'a [MemberName; 2],
}

impl Desk {
    /// Withdraws all that was given to a device, at the word of two operators. The same request again gets
    /// the same answer.
    ///
    /// # Errors
    /// A badge is not good, or both are one person's; the number was never given to this device, or is void
    /// already; or the store fails.
    pub async fn scrap(
        &self,
        station: &MemberName,
        request: &ScrapRequest,
    ) -> Result<ScrapResponse, GatewayError> {
        let (now, request) = (self.now(), request.clone());
        let member = Member::station(self.factory.clone(), station.clone());
        let actor = Actor::member(&member);
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let operators = [
                        person(transaction, &request.first_badge).await?,
                        person(transaction, &request.second_badge).await?,
                    ];
                    if operators[0] == operators[1] {
                        return Err(refused(ProblemCode::BadgeRefused, "both badges are one person's"));
                    }
                    let wanted = Scrap {
                        id: request.scrap.to_string(),
                        number: request.device_number,
                        hardware_uid: request.hardware_uid,
                        operators,
                    };
                    match scrap::find(transaction, &wanted.id).await? {
                        Some(done) if done == wanted => {}
                        Some(_) => {
                            return Err(refused(ProblemCode::Conflict, "another device was scrapped so"));
                        }
                        None => void(transaction, now, &actor, &wanted).await?,
                    }
                    Ok(ScrapResponse { device_number: wanted.number, operators: wanted.operators })
                })
            })
            .await
    }
}

async fn void(
    transaction: &mut Transaction,
    now: i64,
    actor: &Actor,
    scrap: &Scrap,
) -> Result<(), GatewayError> {
    check_device(transaction, &scrap.number, &scrap.hardware_uid).await?;
    let voided = all_of(transaction, scrap.number.clone().into()).await?;
    let cause = Cause { time: now, actor: actor.as_str(), action: "credential.scrap" };
    let changes: Vec<(CredentialId, &[Transition])> =
        voided.iter().map(|id| (id.clone(), &[Transition::Void][..])).collect();
    let detail = Detail { hardware_uid: &scrap.hardware_uid, operators: &scrap.operators };
    credential::apply(transaction, cause, &changes, &detail).await?;
    let [first, second] = &scrap.operators;
    let reason = format!("scrapped by {first} and {second}");
    let event = event_text(&Event::Voided { reason: reason.clone() })?;
    for id in &voided {
        credential::set_reason(transaction, id, &reason).await?;
    }
    let events: Vec<_> = voided.into_iter().map(|id| (id, event.clone())).collect();
    outbox::push(transaction, now, &events).await?;
    Ok(scrap::insert(transaction, now, scrap).await?)
}

/// A plate on the wrong device must not void the right one.
async fn check_device(
    transaction: &mut Transaction,
    number: &DeviceNumber,
    chip: &HardwareUid,
) -> Result<(), GatewayError> {
    let parts = Parts::find(transaction, number).await?;
    let leases: Vec<_> = parts.all().filter_map(|part| part.lease.as_ref()).collect();
    if leases.is_empty() {
        return Err(refused(ProblemCode::NoLease, format!("{number} was never given to a device")));
    }
    if leases.iter().any(|lease| lease.hardware_uid != *chip) {
        return Err(refused(ProblemCode::SecondDevice, format!("{number} was given to another device")));
    }
    Ok(())
}

async fn person(transaction: &mut Transaction, badge: &BadgeCode) -> Result<MemberName, GatewayError> {
    let known = operator::with_badge(transaction, &digest(badge)).await?;
    known.map(|operator| operator.name).ok_or_else(|| {
        refused(ProblemCode::BadgeRefused, "the badge is unknown to this gateway, or was withdrawn")
    })
}

fn refused(code: ProblemCode, detail: impl Into<String>) -> GatewayError {
    GatewayError::refused(code, detail)
}
