//! The desk: what people do at a gateway. It needs the store and nothing secret, so it works while
//! another process serves.

use std::sync::Arc;

use identity::{Clock, CredentialId, CredentialState, MemberName, Random, Transition};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use message::problem::ProblemCode;
use message::report::Event;
use serde::Serialize;
use store::audit::{self, Actor, Cause};
use store::gateway::credential;
use store::gateway::moment::{self, Moment};
use store::gateway::outbox;
use store::{Snapshot, Store, StoreError};

use crate::error::GatewayError;

/// How a gateway keeps its stock.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For how many planned days ahead stock is kept.
    pub days_ahead: u32,
    /// How much more than planned is kept, in percent.
    pub yield_margin_percent: u32,
    /// When stock is filled up each day, local time.
    pub replenish_at: Time,
    /// How long a lease lasts, in seconds.
    pub lease_seconds: u32,
    /// The factory's local time.
    pub time_zone: TimeZone,
}

/// A factory's books. Clones share them.
#[derive(Clone)]
pub struct Desk {
    pub(crate) store: Store,
    pub(crate) factory: MemberName,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Desk {
    /// The desk of the factory whose books are in `store`.
    pub fn new(
        store: Store,
        factory: MemberName,
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { store, factory, settings, clock, random }
    }

    /// The factory's name.
    pub fn factory(&self) -> &MemberName {
        &self.factory
    }

    /// Withdraws a credential for good; with a device number, all that this device has. A serving gateway
    /// erases their keys within a minute.
    ///
    /// # Errors
    /// There is no such credential, or it was never issued or is void already.
    pub async fn void(&self, id: &CredentialId, reason: &str, actor: &Actor) -> Result<(), GatewayError> {
        let (now, actor, id, reason) = (self.now(), actor.clone(), id.clone(), reason.to_owned());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let voided = all_of(transaction, id).await?;
                    let cause = Cause { time: now, actor: actor.as_str(), action: "credential.void" };
                    let changes: Vec<_> =
                        voided.iter().map(|id| (id.clone(), &[Transition::Void][..])).collect();
                    credential::apply(transaction, cause, &changes, &Why { reason: &reason }).await?;
                    let event = event_text(&Event::Voided { reason: reason.clone() })?;
                    for id in &voided {
                        credential::set_reason(transaction, id, &reason).await?;
                    }
                    let events: Vec<_> = voided.into_iter().map(|id| (id, event.clone())).collect();
                    Ok(outbox::push(transaction, now, &events).await?)
                })
            })
            .await
    }

    /// Asks the serving gateway, or the next one to serve, to replenish now.
    ///
    /// # Errors
    /// The store fails.
    pub async fn ask_to_replenish(&self, actor: &Actor) -> Result<(), GatewayError> {
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    moment::note(transaction, Moment::ReplenishWanted, now).await?;
                    Ok(audit::append(transaction, now, actor.as_str(), "replenish.ask", &()).await?)
                })
            })
            .await
    }

    /// Sends all parked records again. How many.
    ///
    /// # Errors
    /// The store fails.
    pub async fn unpark(&self, actor: &Actor) -> Result<u64, GatewayError> {
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let unparked = outbox::unpark(transaction).await?;
                    audit::append(transaction, now, actor.as_str(), "outbox.unpark", &unparked).await?;
                    Ok(unparked)
                })
            })
            .await
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.epoch_seconds()
    }

    /// The factory's date at `time`.
    pub(crate) fn day_of(&self, time: i64) -> Result<Date, GatewayError> {
        Ok(self.local(time)?.date())
    }

    /// The factory's local time at `time`.
    pub(crate) fn local(&self, time: i64) -> Result<jiff::Zoned, GatewayError> {
        let timestamp = Timestamp::from_second(time).map_err(|_| out_of_calendar())?;
        Ok(timestamp.to_zoned(self.settings.time_zone.clone()))
    }

    /// When `day` begins at the factory.
    pub(crate) fn start_of(&self, day: Date) -> Result<i64, GatewayError> {
        let start = day.to_zoned(self.settings.time_zone.clone()).map_err(|_| out_of_calendar())?;
        Ok(start.timestamp().as_second())
    }
}

/// The credentials that are meant by this name: a device number stands for all that its device has and
/// that is not void yet.
pub(crate) async fn all_of(
    snapshot: &mut Snapshot,
    id: CredentialId,
) -> Result<Vec<CredentialId>, StoreError> {
    let CredentialId::Number(number) = &id else { return Ok(vec![id]) };
    let certificate = credential::find(snapshot, &id).await?;
    let symmetric = credential::symmetric_of(snapshot, number).await?;
    let live = certificate.into_iter().chain(symmetric).filter(|one| one.state != CredentialState::Voided);
    let live: Vec<_> = live.map(|credential| credential.id).collect();
    // Where nothing is left, the number itself says why.
    Ok(if live.is_empty() { vec![id] } else { live })
}

/// Why something was done, as the audit log keeps it.
#[derive(Serialize)]
pub(crate) struct Why<'a> {
    pub(crate) reason: &'a str,
}

pub(crate) fn event_text(event: &Event) -> Result<String, StoreError> {
    serde_json::to_string(event).map_err(|_| StoreError::Corrupt { what: "outbox.event" })
}

fn out_of_calendar() -> GatewayError {
    GatewayError::refused(ProblemCode::Internal, "the gateway's clock shows a time outside the calendar")
}
