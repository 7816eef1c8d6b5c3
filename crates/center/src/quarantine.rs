//! Quarantine: what happens once the calls under a device number have forked.
//!
//! Two devices have one memory, or one device was given an old memory back, and nobody can say from here
//! which. So every call under the number is refused, the units that were counted since the two were one are
//! taken back, and the evidence is kept in the journal until a person has decided. Then a new chain begins with
//! the next call, whatever memory it comes from.

use identity::{DeviceNumber, Member};
use message::bytes::Bytes;
use message::call::{Call, Nonce};
use serde::{Deserialize, Serialize};
use store::audit::{self, Actor};
use store::center::correction::{self, Before, Correction};
use store::center::counter::{self, Counter};
use store::center::device::Standing;
use store::center::journal::{self, Entry, Kind, NewEntry};
use store::center::quarantine::{self, Fork, Quarantine};
use store::center::reading;
use store::{StoreError, Transaction};

use crate::desk::{Audited, Desk, new_entry};
use crate::error::CenterError;

/// By what a fork was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// The call names an earlier answer than the last: its memory is from then.
    EarlierAnswer,
    /// The call names no answer although the device has named them before: its memory is from before the first.
    NoAnswer,
    /// The call names an answer that this center never gave.
    UnknownAnswer,
}

/// What is to be thought of a fork by now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suspicion {
    /// Only the memory that is out of line has called since: an old memory was put back, or the other device
    /// of two is silent.
    SetBackOrCopied,
    /// Both memories have called: there are two devices.
    Copied,
}

/// A fork, as the journal keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Forked {
    /// The entry up to which nothing is in doubt.
    pub(crate) since: u64,
    /// The entry of the last call that was taken.
    pub(crate) last: u64,
    pub(crate) sign: Sign,
    /// The call that was refused, as it came.
    pub(crate) call: Bytes,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) address: Option<String>,
}

/// What a person decides on the units that are in doubt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// They count, and are billed with the decision.
    Count,
    /// They count for nothing, and the counters count on from where they stood before.
    Drop,
}

/// A decision, as the journal keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Readmission {
    /// The fork's entry.
    pub(crate) fork: u64,
    pub(crate) doubt: Doubt,
    pub(crate) actor: String,
}

/// All that is known of a device's last quarantine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// The quarantine.
    pub quarantine: Quarantine,
    /// By what the fork was seen.
    pub sign: Sign,
    /// What is to be thought of it by now.
    pub suspicion: Suspicion,
    /// The last call that was taken.
    pub taken: Entry,
    /// Where it came from, where that is known.
    pub taken_from: Option<String>,
    /// The call that was refused, as it came.
    pub refused: Vec<u8>,
    /// Where it came from, where that is known.
    pub refused_from: Option<String>,
    /// The units that were taken back.
    pub taken_back: Vec<Correction>,
}

/// What a release did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Readmitted {
    /// The decision's entry in the journal.
    pub entry: u64,
    /// How many units were in doubt.
    pub units: u64,
}

impl Suspicion {
    /// What is to be thought of a quarantine.
    pub fn of(quarantine: &Quarantine) -> Self {
        if quarantine.following.count > 0 { Self::Copied } else { Self::SetBackOrCopied }
    }
}

/// Puts a device number into quarantine for this call, which forks its chain.
pub(crate) async fn begin(
    transaction: &mut Transaction,
    center: &Member,
    standing: &Standing,
    refused: &NewEntry,
    call: &Call,
    address: Option<String>,
) -> Result<(), StoreError> {
    let device = &refused.device;
    let last = standing.last_call.as_ref().map_or(0, |last| last.id);
    let chain_began = standing.chain_began;
    let (sign, since) = match call.previous {
        None | Some(Nonce::NONE) => (Sign::NoAnswer, chain_began),
        Some(nonce) => match journal::answered_with(transaction, device, nonce.as_bytes()).await? {
            Some(id) => (Sign::EarlierAnswer, id.max(chain_began)),
            None => (Sign::UnknownAnswer, last),
        },
    };
    let forked = Forked { since, last, sign, call: Bytes(refused.raw.clone()), address };
    let entry = new_entry(&standing.journal, refused.time, Kind::Fork, device, &forked);
    let head = journal::append(transaction, &standing.journal, &entry, None).await?;
    let (chain, time) = (standing.chain, entry.time);
    let fork = Fork { device: device.clone(), chain, entry: head.id, time, since };
    quarantine::open(transaction, &fork).await?;
    correction::take_back(transaction, device, since, head.id, time).await?;
    let what = Opened { since, last, sign };
    let body = Audited { device_number: device, entry: head.id, what: &what };
    audit::append(transaction, refused.time, Actor::member(center).as_str(), "device.quarantine", &body).await
}

/// What the audit log says of a fork.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Opened {
    since: u64,
    last: u64,
    sign: Sign,
}

impl Desk {
    /// Quarantines that are open, the last first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn quarantines(&self, limit: u32) -> Result<Vec<Quarantine>, StoreError> {
        quarantine::list(&mut self.store.read().await?, limit).await
    }

    /// All that is known of a device's last quarantine, open or released.
    ///
    /// # Errors
    /// The device never was in quarantine, or the store fails.
    pub async fn evidence(&self, device: &DeviceNumber) -> Result<Evidence, CenterError> {
        let mut snapshot = self.store.read().await?;
        let found = quarantine::last(&mut snapshot, device).await?;
        let quarantine = found.ok_or_else(|| CenterError::NoQuarantine(device.clone()))?;
        let missing = StoreError::Corrupt { what: "quarantine.entry" };
        let fork = journal::find(&mut snapshot, quarantine.entry).await?.ok_or_else(|| missing.clone())?;
        let forked: Forked = serde_json::from_slice(&fork.0.raw).map_err(|_| missing.clone())?;
        let (taken, taken_from) = journal::find(&mut snapshot, forked.last).await?.ok_or(missing)?;
        Ok(Evidence {
            sign: forked.sign,
            suspicion: Suspicion::of(&quarantine),
            taken,
            taken_from,
            refused: forked.call.0,
            refused_from: forked.address,
            taken_back: correction::of_entry(&mut snapshot, quarantine.entry).await?,
            quarantine,
        })
    }

    /// Lets a device number out of quarantine: its next call begins a new chain. What was counted since the
    /// fork counts or not, as a person has decided.
    ///
    /// # Errors
    /// The device is in no quarantine, or the store fails.
    pub async fn readmit(
        &self,
        device: DeviceNumber,
        doubt: Doubt,
        actor: &Actor,
    ) -> Result<Readmitted, CenterError> {
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let found = quarantine::last(transaction, &device).await?;
                    let Some(open) = found.filter(|found| found.released_by.is_none()) else {
                        return Err(CenterError::NoQuarantine(device));
                    };
                    let decision = Readmission { fork: open.entry, doubt, actor: actor.as_str().to_owned() };
                    let head = journal::head(transaction).await?;
                    let entry = new_entry(&head, now, Kind::Readmission, &device, &decision);
                    let head = journal::append(transaction, &head, &entry, None).await?;
                    let taken_back = correction::of_entry(transaction, open.entry).await?;
                    match doubt {
                        Doubt::Count => {
                            correction::give_back(transaction, open.entry, head.id, entry.time).await?;
                        }
                        Doubt::Drop => set_back(transaction, open.entry).await?,
                    }
                    quarantine::release(transaction, &device, head.id).await?;
                    let body = Audited { device_number: &device, entry: head.id, what: &decision };
                    audit::append(transaction, now, actor.as_str(), "device.readmit", &body).await?;
                    let units = taken_back.iter().map(|taken| taken.units.unsigned_abs()).sum();
                    Ok(Readmitted { entry: head.id, units })
                })
            })
            .await
    }
}

/// Lets the counters count on from where they stood before all that the fork took back.
async fn set_back(transaction: &mut Transaction, fork: u64) -> Result<(), StoreError> {
    for Before { device, name, base } in correction::before(transaction, fork).await? {
        reading::drop_held(transaction, &device, &name).await?;
        counter::set(transaction, &[(device, Counter { name, base, is_held: false })]).await?;
    }
    Ok(())
}
