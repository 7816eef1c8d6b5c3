//! The desk: what people do at a gateway. It needs the store and nothing secret, so it works while
//! another process serves.

use std::sync::Arc;

use identity::{Clock, DeviceNumber, MemberName, Random, Transition};
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
use store::{Store, StoreError};

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

    /// Withdraws a credential for good. A serving gateway erases its key within a minute.
    ///
    /// # Errors
    /// There is no such credential, or it was never issued or is void already.
    pub async fn void(&self, number: &DeviceNumber, reason: &str, actor: &Actor) -> Result<(), GatewayError> {
        let (now, actor, number, reason) = (self.now(), actor.clone(), number.clone(), reason.to_owned());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let cause = Cause { time: now, actor: actor.as_str(), action: "credential.void" };
                    let change = [(number.clone(), &[Transition::Void][..])];
                    credential::apply(transaction, cause, &change, &Why { reason: &reason }).await?;
                    credential::set_reason(transaction, &number, &reason).await?;
                    let event = event_text(&Event::Voided { reason })?;
                    Ok(outbox::push(transaction, now, &[(number, event)]).await?)
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
