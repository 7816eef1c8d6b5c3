//! The desk: what people see, ask of devices, and decide. It needs only the store, so it works while
//! another process serves.

use std::sync::Arc;

use identity::{Clock, CredentialState, DeviceNumber};
use message::call::{Command, CounterName};
use serde::{Deserialize, Serialize};
use store::audit::{self, Actor};
use store::center::counter::{self, Counter};
use store::center::device::{self, Listed};
use store::center::feed::{self, Position};
use store::center::incident::{self, Incident};
use store::center::journal::{self, Entry, Head, Kind, NewEntry};
use store::center::managed;
use store::center::quarantine;
use store::center::reading::{self, Settled};
use store::center::request::{self, Request};
use store::{Store, StoreError};

use crate::error::CenterError;
use crate::meter::Meter;

/// A center's books. Clones share them.
#[derive(Clone)]
pub struct Desk {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
}

/// How a center stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// How many devices are in each state.
    pub devices: Vec<(CredentialState, u64)>,
    /// How far the authority's registrations are stored.
    pub feed: Position,
    /// Where the journal ends.
    pub journal: Head,
    /// Counters whose readings wait for a decision, and how many do.
    pub held: Vec<(DeviceNumber, String, u64)>,
    /// How many device numbers are in quarantine.
    pub quarantined: u64,
    /// How many requests to devices are open.
    pub requests: u64,
    /// How many incidents there were of each kind.
    pub incidents: Vec<(String, u64)>,
}

/// What a release let count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Released {
    /// The release's entry in the journal.
    pub entry: u64,
    /// What the first of the readings counts from.
    pub base: u64,
    /// How many readings count now.
    pub readings: usize,
    /// How many units they add up to.
    pub units: u64,
    /// How many are still held.
    pub still_held: usize,
}

/// A person's decision on a counter that was held, as the journal keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Decision {
    pub(crate) counter: CounterName,
    pub(crate) base: u64,
    pub(crate) actor: String,
}

/// Something that staff asked of a device, as the journal keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) command: Command,
    pub(crate) actor: String,
}

impl Desk {
    /// The center whose books are in `store`.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// How the center stands.
    ///
    /// # Errors
    /// The store fails.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let mut snapshot = self.store.read().await?;
        Ok(Status {
            devices: device::counts(&mut snapshot).await?,
            feed: feed::position(&mut snapshot).await?,
            journal: journal::head(&mut snapshot).await?,
            held: reading::held_counts(&mut snapshot).await?,
            quarantined: quarantine::count_open(&mut snapshot).await?,
            requests: request::count_open(&mut snapshot).await?,
            incidents: incident::counts(&mut snapshot).await?,
        })
    }

    /// Devices in the order of their numbers, after `after`.
    ///
    /// # Errors
    /// The store fails.
    pub async fn devices(&self, after: Option<&DeviceNumber>, limit: u32) -> Result<Vec<Listed>, StoreError> {
        let after = after.map_or_else(String::new, DeviceNumber::to_string);
        device::list(&mut self.store.read().await?, &after, limit).await
    }

    /// The last calls, the last first; those of one device where it is named.
    ///
    /// # Errors
    /// The store fails.
    pub async fn calls(&self, device: Option<&DeviceNumber>, limit: u32) -> Result<Vec<Entry>, StoreError> {
        journal::last_calls(&mut self.store.read().await?, device, limit).await
    }

    /// Incidents, the last first; those of one device where it is named.
    ///
    /// # Errors
    /// The store fails.
    pub async fn incidents(
        &self,
        device: Option<&DeviceNumber>,
        limit: u32,
    ) -> Result<Vec<Incident>, StoreError> {
        incident::list(&mut self.store.read().await?, device, limit).await
    }

    /// The last requests, the last first; those of one device where it is named.
    ///
    /// # Errors
    /// The store fails.
    pub async fn requests(
        &self,
        device: Option<&DeviceNumber>,
        limit: u32,
    ) -> Result<Vec<Request>, StoreError> {
        request::list(&mut self.store.read().await?, device, limit).await
    }

    /// Asks something of a device, which it is told when it calls next. The request's number.
    ///
    /// # Errors
    /// The device is not registered, or the store fails.
    pub async fn request(
        &self,
        device: DeviceNumber,
        command: Command,
        actor: &Actor,
    ) -> Result<u64, CenterError> {
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let is_known = device::is_registered(transaction, &device).await?
                        || managed::speaker(transaction, &device).await?.is_some();
                    if !is_known {
                        return Err(CenterError::UnknownDevice(device));
                    }
                    let text = serde_json::to_string(&command).expect("a command is plain data");
                    let asked = Asked { command, actor: actor.as_str().to_owned() };
                    let head = journal::head(transaction).await?;
                    let entry = new_entry(&head, now, Kind::Request, &device, &asked);
                    let head = journal::append(transaction, &head, &entry, None).await?;
                    request::queue(transaction, head.id, &device, &text, entry.time).await?;
                    let body = Audited { device_number: &device, entry: head.id, what: &asked };
                    audit::append(transaction, now, actor.as_str(), "device.request", &body).await?;
                    Ok(head.id)
                })
            })
            .await
    }

    /// Lets what is held of a counter count: from `base`, or without it from the first reading that is
    /// held, so that only what was counted since then is billed.
    ///
    /// # Errors
    /// Nothing is held, or nothing would count from there, or the store fails.
    pub async fn release(
        &self,
        device: DeviceNumber,
        counter: CounterName,
        base: Option<u64>,
        actor: &Actor,
    ) -> Result<Released, CenterError> {
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let held = reading::held(transaction, &device, counter.as_str()).await?;
                    let first = held.first().ok_or_else(|| {
                        CenterError::NothingHeld(format!("nothing of {counter} of {device} is held"))
                    })?;
                    if quarantine::covers_held(transaction, &device, counter.as_str()).await? {
                        return Err(CenterError::InDoubt { device, counter });
                    }
                    let base = base.unwrap_or(first.value);
                    let values: Vec<u64> = held.iter().map(|held| held.value).collect();
                    let mut meter = Meter::default();
                    let bases = meter.release(base, &values);
                    if bases.is_empty() {
                        let detail = format!("the first that is held is {}, below {base}", first.value);
                        return Err(CenterError::NothingHeld(detail));
                    }
                    let decision = Decision { counter, base, actor: actor.as_str().to_owned() };
                    let head = journal::head(transaction).await?;
                    let entry = new_entry(&head, now, Kind::Release, &device, &decision);
                    let head = journal::append(transaction, &head, &entry, None).await?;
                    let settled: Vec<(u64, Settled)> = held
                        .iter()
                        .zip(&bases)
                        .map(|(held, base)| {
                            (held.call, Settled { base: *base, time: entry.time, by: head.id })
                        })
                        .collect();
                    let name = decision.counter.as_str();
                    reading::settle(transaction, name, &settled).await?;
                    let counter = Counter { name: name.to_owned(), base: meter.base, is_held: meter.is_held };
                    counter::set(transaction, &[(device.clone(), counter)]).await?;
                    let body = Audited { device_number: &device, entry: head.id, what: &decision };
                    audit::append(transaction, now, actor.as_str(), "counter.release", &body).await?;
                    Ok(Released {
                        entry: head.id,
                        base,
                        readings: bases.len(),
                        units: meter.base - base,
                        still_held: held.len() - bases.len(),
                    })
                })
            })
            .await
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.epoch_seconds()
    }
}

/// What the audit log says of something that staff did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Audited<'a, W> {
    pub(crate) device_number: &'a DeviceNumber,
    pub(crate) entry: u64,
    pub(crate) what: &'a W,
}

/// What happened at this center, as an entry of its journal.
pub(crate) fn new_entry(
    head: &Head,
    now: i64,
    kind: Kind,
    device: &DeviceNumber,
    what: &impl Serialize,
) -> NewEntry {
    NewEntry {
        time: head.next_time(now),
        kind,
        device: device.clone(),
        number: None,
        through: None,
        raw: serde_json::to_vec(what).expect("what happens here is plain data"),
    }
}
