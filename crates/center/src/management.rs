//! Intermediate devices (source A, 101): which device speaks for which.
//!
//! Staff says which products' devices may manage others. Such a device registers its devices by a call, and a
//! person, or the product's policy, approves each. Who spoke for whom decides whose counters count, so each decision
//! stands in the journal.

use identity::{DeviceNumber, ProductCode};
use serde::{Deserialize, Serialize};
use store::audit::{self, Actor};
use store::center::journal::{self, Head, Kind};
use store::center::managed::{self, Approval, Relation, State};
use store::{StoreError, Transaction};

use crate::desk::{Audited, Desk, new_entry};
use crate::error::CenterError;
use crate::incident::{Incident, IncidentKind};

/// How many devices one intermediate device has at most.
const MANAGED_BY_DEVICE_MAX: u64 = 1_000;

/// Who decided by a policy.
const POLICY: &str = "policy";

/// A decision on who speaks for a device, as the journal keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Managed {
    pub(crate) intermediate: DeviceNumber,
    /// Whether it speaks for the device from now on, or no more.
    pub(crate) speaks: bool,
    pub(crate) actor: String,
}

/// Whether a device may register these devices.
pub(crate) async fn check(
    transaction: &mut Transaction,
    intermediate: &DeviceNumber,
    devices: &[DeviceNumber],
) -> Result<Result<Approval, Incident>, StoreError> {
    let Some(approval) = managed::approval(transaction, intermediate.product()).await? else {
        let detail = format!("{intermediate} is of a product that manages no devices");
        return Ok(Err(Incident::new(IncidentKind::NotIntermediate, detail)));
    };
    if devices.contains(intermediate) {
        let detail = format!("{intermediate} would manage itself");
        return Ok(Err(Incident::new(IncidentKind::NotIntermediate, detail)));
    }
    if managed::count_of(transaction, intermediate).await? + devices.len() as u64 > MANAGED_BY_DEVICE_MAX {
        let detail = format!("{intermediate} manages more than {MANAGED_BY_DEVICE_MAX} devices");
        return Ok(Err(Incident::new(IncidentKind::TooManyManaged, detail)));
    }
    Ok(Ok(approval))
}

/// Files what an intermediate device registers, after its call.
pub(crate) async fn register(
    transaction: &mut Transaction,
    mut head: Head,
    intermediate: &DeviceNumber,
    devices: &[DeviceNumber],
    approval: Approval,
) -> Result<(), StoreError> {
    for device in devices {
        let speaker = managed::speaker(transaction, device).await?;
        if speaker.as_ref() == Some(intermediate) {
            continue;
        }
        if approval == Approval::Automatic && speaker.is_none() {
            head = decide(transaction, &head, head.time, device, intermediate, true, POLICY).await?;
        } else {
            let requested = Relation {
                device: device.clone(),
                intermediate: intermediate.clone(),
                state: State::Requested,
                changed: head.time,
            };
            managed::set(transaction, &requested).await?;
        }
    }
    Ok(())
}

/// Decides who speaks for a device from now on; the journal's new end.
async fn decide(
    transaction: &mut Transaction,
    head: &Head,
    now: i64,
    device: &DeviceNumber,
    intermediate: &DeviceNumber,
    speaks: bool,
    actor: &str,
) -> Result<Head, StoreError> {
    let decision = Managed { intermediate: intermediate.clone(), speaks, actor: actor.to_owned() };
    let entry = new_entry(head, now, Kind::Management, device, &decision);
    let head = journal::append(transaction, head, &entry, None).await?;
    let relation = Relation {
        device: device.clone(),
        intermediate: intermediate.clone(),
        state: if speaks { State::Approved } else { State::Ended },
        changed: entry.time,
    };
    managed::set(transaction, &relation).await?;
    let body = Audited { device_number: device, entry: head.id, what: &decision };
    audit::append(transaction, now, actor, "device.manage", &body).await?;
    Ok(head)
}

impl Desk {
    /// The products whose devices may manage others, and who approves what they manage.
    ///
    /// # Errors
    /// The store fails.
    pub async fn intermediate_products(&self) -> Result<Vec<(ProductCode, Approval)>, StoreError> {
        managed::products(&mut self.store.read().await?).await
    }

    /// Lets the devices of a product manage others, or without an approval register no more.
    ///
    /// # Errors
    /// The store fails.
    pub async fn mark_intermediate(
        &self,
        product: ProductCode,
        approval: Option<Approval>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    match approval {
                        Some(approval) => managed::mark(transaction, &product, approval).await?,
                        None => managed::unmark(transaction, &product).await?,
                    }
                    let approval = approval.map(Approval::as_str);
                    let body = Marked { product: &product, approval };
                    audit::append(transaction, now, actor.as_str(), "product.intermediate", &body).await
                })
            })
            .await
    }

    /// Who speaks for whom, or would, the last that changed first; of one device where it is named.
    ///
    /// # Errors
    /// The store fails.
    pub async fn relations(
        &self,
        device: Option<&DeviceNumber>,
        limit: u32,
    ) -> Result<Vec<Relation>, StoreError> {
        managed::list(&mut self.store.read().await?, device, limit).await
    }

    /// Lets an intermediate device speak for a device, in place of any other, or no more. The decision's entry in the
    /// journal.
    ///
    /// # Errors
    /// The intermediate device's product manages none, or there is nothing to end, or the store fails.
    pub async fn manage(
        &self,
        device: DeviceNumber,
        intermediate: DeviceNumber,
        speaks: bool,
        actor: &Actor,
    ) -> Result<u64, CenterError> {
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let is_good = if speaks {
                        device != intermediate
                            && managed::approval(transaction, intermediate.product()).await?.is_some()
                    } else {
                        let state = managed::state(transaction, &device, &intermediate).await?;
                        state.is_some_and(|state| state != State::Ended)
                    };
                    if !is_good {
                        return Err(CenterError::NoRelation { device, intermediate });
                    }
                    let head = journal::head(transaction).await?;
                    let actor = actor.as_str();
                    let head = decide(transaction, &head, now, &device, &intermediate, speaks, actor).await?;
                    Ok(head.id)
                })
            })
            .await
    }
}

/// What the audit log says of a product that was marked.
#[derive(Serialize)]
struct Marked<'a> {
    product: &'a ProductCode,
    approval: Option<&'static str>,
}
