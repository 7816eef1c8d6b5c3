//! What a gateway does by itself: leases run out, keys are erased, reports go up, stock is filled up.

use std::sync::Arc;
use std::time::Duration;

use identity::Transition;
use message::report::Event;
use store::audit::Cause;
use store::gateway::credential;
use store::gateway::moment::{self, Moment};
use store::gateway::{outbox, pack};
use tokio::time::{sleep, timeout};

use crate::desk::{Why, event_text};
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::replenish::ReplenishError;

/// How often leases and keys are looked after; a pack's key is erased well within a minute.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How often the outbox is tried when nothing rings.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked for bundles that were brought.
const TAKE_BUNDLES_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked at whether stock must be filled up.
const REPLENISH_EVERY: Duration = Duration::from_secs(10);
/// The longest pause after failures upstream.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Credentials that one unit of work changes.
const BATCH: usize = 1_000;

const EXPIRED: &str = "the lease ran out without a result";

impl Gateway {
    /// Does all that a gateway does by itself, until the future is dropped. Failures are logged and
    /// tried again.
    pub async fn run(self: &Arc<Self>) {
        tokio::join!(
            self.keep_up(),
            self.keep_reporting(),
            self.keep_stocked(),
            self.keep_taking_bundles(),
            self.keep_withdrawing(),
            self.keep_trusting(),
            self.keep_sampling()
        );
    }

    /// Makes leases that ran out suspect, and erases the keys of packs that nobody needs any more.
    ///
    /// # Errors
    /// The store or the key ring fails; what is left is done the next time.
    pub async fn tick(&self) -> Result<(), GatewayError> {
        while self.expire().await? == BATCH {}
        while self.erase().await? == BATCH {}
        Ok(())
    }

    /// Whether stock is to be filled up now: its daily time has come since the last time, or a person
    /// has asked.
    ///
    /// # Errors
    /// The store fails.
    pub async fn is_replenishing_due(&self) -> Result<bool, GatewayError> {
        let mut snapshot = self.desk.store.read().await?;
        let last = moment::last(&mut snapshot, Moment::Replenished).await?;
        let wanted = moment::last(&mut snapshot, Moment::ReplenishWanted).await?;
        if wanted.is_some_and(|wanted| last.is_none_or(|last| last <= wanted)) {
            return Ok(true);
        }
        let now = self.desk.local(self.desk.now())?;
        if now.time() < self.desk.settings.replenish_at {
            return Ok(false);
        }
        let Some(last) = last else { return Ok(true) };
        let last = self.desk.local(last)?;
        Ok(last.date() < now.date() || last.time() < self.desk.settings.replenish_at)
    }

    async fn expire(&self) -> Result<usize, GatewayError> {
        let (now, actor) = (self.desk.now(), self.actor.clone());
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let expired = credential::expired(transaction, now, BATCH).await?;
                    if expired.is_empty() {
                        return Ok(0);
                    }
                    let cause = Cause { time: now, actor: actor.as_str(), action: "credential.expire" };
                    let doubt = &[Transition::Doubt][..];
                    let changes: Vec<_> = expired.iter().map(|id| (id.clone(), doubt)).collect();
                    credential::apply(transaction, cause, &changes, &Why { reason: EXPIRED }).await?;
                    let event = event_text(&Event::Suspect { reason: EXPIRED.to_owned() })?;
                    for id in &expired {
                        credential::set_reason(transaction, id, EXPIRED).await?;
                    }
                    let events: Vec<_> = expired.iter().map(|id| (id.clone(), event.clone())).collect();
                    outbox::push(transaction, now, &events).await?;
                    Ok(expired.len())
                })
            })
            .await
    }

    /// Overwrite first, then take the slots out of their rows: a crash in between only overwrites again.
    async fn erase(&self) -> Result<usize, GatewayError> {
        let slots = pack::slots_to_erase(&mut self.desk.store.read().await?, BATCH).await?;
        if slots.is_empty() {
            return Ok(0);
        }
        self.ring.erase(&slots).await?;
        let erased = slots.clone();
        let forgotten: Result<(), GatewayError> = self
            .desk
            .store
            .write(move |transaction| {
                Box::pin(async move { Ok(pack::forget_secrets(transaction, &erased).await?) })
            })
            .await;
        forgotten?;
        self.ring.release(&slots);
        Ok(slots.len())
    }

    async fn keep_up(&self) {
        loop {
            if let Err(error) = self.tick().await {
                tracing::error!(error = &error as &dyn std::error::Error, "upkeep failed");
            }
            sleep(UPKEEP_EVERY).await;
        }
    }

    async fn keep_reporting(&self) {
        let mut pause = Pause::default();
        loop {
            match self.drain().await {
                Ok(_) => {
                    pause = Pause::default();
                    // Nothing is lost where nobody rings: the outbox is in the store.
                    let _ = timeout(REPORT_EVERY, self.work.notified()).await;
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "reports wait for the authority"
                    );
                    pause.wait().await;
                }
            }
        }
    }

    async fn keep_taking_bundles(&self) {
        loop {
            if let Err(error) = self.take_bundles().await {
                tracing::error!(error = &error as &dyn std::error::Error, "a bundle cannot be taken yet");
            }
            sleep(TAKE_BUNDLES_EVERY).await;
        }
    }

    async fn keep_stocked(&self) {
        let mut pause = Pause::default();
        loop {
            match self.fill_up().await {
                Ok(()) => {
                    pause = Pause::default();
                    sleep(REPLENISH_EVERY).await;
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "stock is not filled up yet");
                    pause.wait().await;
                }
            }
        }
    }

    async fn fill_up(&self) -> Result<(), ReplenishError> {
        if self.is_replenishing_due().await? {
            let done = self.replenish().await?;
            tracing::info!(stocked = done.stocked, "stock is filled up");
        } else {
            self.resume().await?;
        }
        Ok(())
    }
}

/// Pauses between tries, twice as long each time.
pub(crate) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_secs(1))
    }
}

impl Pause {
    pub(crate) async fn wait(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSE_MAX);
    }
}
