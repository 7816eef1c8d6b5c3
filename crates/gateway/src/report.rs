//! Reporting upstream: the outbox is drained in batches, whenever the authority can be reached, and its
//! answers are taken note of.

use identity::{CredentialId, CredentialState, DeviceNumber, Transition};
use message::problem::{Problem, ProblemCode};
use message::report::{Event, RECORDS_MAX, Record, RecordAnswer, Report};
use serde::Serialize;
use store::audit::{self, Actor, Cause};
use store::gateway::credential::{self, Credential};
use store::gateway::{number, outbox};
use store::{StoreError, Transaction};

use crate::desk::{Why, event_text};
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::replenish::ReplenishError;
use crate::upstream::UpstreamError;

/// How often a record may be refused for a passing reason before it is parked.
const FAILURES_MAX: u64 = 10;

/// What a draining did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drained {
    /// Records that the authority took.
    pub taken: u64,
    /// Records that it refused and that wait for a person now.
    pub parked: u64,
}

/// What becomes of a record after an answer.
pub(crate) enum Fate {
    Taken,
    Again,
    Parked(Problem),
}

impl Gateway {
    /// Sends what waits, until nothing waits or nothing more is taken for now. A record that the
    /// authority refuses is parked, and the others go on.
    ///
    /// # Errors
    /// The authority gives no answer, or the store fails.
    pub async fn drain(&self) -> Result<Drained, ReplenishError> {
        let mut drained = Drained::default();
        let mut batch_max = RECORDS_MAX;
        loop {
            let waiting = self.waiting(batch_max).await?;
            if waiting.is_empty() {
                return Ok(drained);
            }
            let report = report_of(&waiting)?;
            let fates = match self.upstream.report(&report).await {
                Ok(answer) => fates(&waiting, &answer.records),
                // Something in the batch makes the authority refuse it whole: find it by halving.
                Err(UpstreamError::Refused(problem)) if !problem.code.is_passing() => {
                    if waiting.len() > 1 {
                        batch_max = waiting.len() / 2;
                        continue;
                    }
                    vec![Fate::Parked(problem)]
                }
                Err(other) => return Err(other.into()),
            };
            let settled = self.settle(waiting, fates).await?;
            drained.taken += settled.taken;
            drained.parked += settled.parked;
            if settled == Drained::default() {
                return Ok(drained);
            }
            batch_max = RECORDS_MAX;
        }
    }

    async fn waiting(&self, limit: usize) -> Result<Vec<outbox::Record>, GatewayError> {
        Ok(outbox::waiting(&mut self.desk.store.read().await?, limit).await?)
    }

    pub(crate) async fn settle(
        &self,
        records: Vec<outbox::Record>,
        fates: Vec<Fate>,
    ) -> Result<Drained, GatewayError> {
        let settlement = Settlement { now: self.desk.now(), actor: self.actor.clone() };
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move { settlement.store(transaction, &records, fates).await })
            })
            .await
    }
}

/// The answers to one batch, as they are stored.
struct Settlement {
    now: i64,
    actor: Actor,
}

impl Settlement {
    async fn store(
        self,
        transaction: &mut Transaction,
        records: &[outbox::Record],
        fates: Vec<Fate>,
    ) -> Result<Drained, GatewayError> {
        let mut taken = Vec::new();
        let mut parked = Vec::new();
        for (record, fate) in records.iter().zip(fates) {
            match fate {
                Fate::Taken => {
                    taken.push(record.sequence);
                    self.certify(transaction, record).await?;
                }
                Fate::Again => outbox::refused(transaction, record.sequence, None).await?,
                Fate::Parked(problem) => {
                    let reason = problem.to_string();
                    outbox::refused(transaction, record.sequence, Some(&reason)).await?;
                    self.dispute(transaction, record, &problem).await?;
                    parked.push((record.sequence, &record.credential, reason));
                }
            }
        }
        outbox::remove(transaction, &taken).await?;
        if !parked.is_empty() {
            tracing::warn!(records = ?parked, "the authority refused records; they are parked");
            audit::append(transaction, self.now, self.actor.as_str(), "outbox.park", &parked).await?;
        }
        Ok(Drained { taken: taken.len() as u64, parked: parked.len() as u64 })
    }

    /// The authority has certified a key that a device made: its number counts as made.
    async fn certify(
        &self,
        transaction: &mut Transaction,
        record: &outbox::Record,
    ) -> Result<(), GatewayError> {
        use Transition::{Issue, Lease, Stock, Verify, Write};
        if !matches!(event_of(record)?, Event::KeyBorn { .. }) {
            return Ok(());
        }
        let known = credential::find(transaction, &record.credential).await?;
        if known.is_some_and(|known| known.is_owed()) {
            let steps = &[Issue, Stock, Lease, Write, Verify][..];
            let change = [(record.credential.clone(), steps)];
            credential::apply(transaction, self.cause("credential.certify"), &change, &()).await?;
        }
        if let CredentialId::Number(number) = &record.credential {
            // It need not be asked for any more.
            number::order_arrived(transaction, number).await?;
        }
        Ok(())
    }

    /// The authority does not believe a device's proof, or knows another device for it: all that the
    /// device has comes into doubt, which no further proof settles.
    async fn dispute(
        &self,
        transaction: &mut Transaction,
        record: &outbox::Record,
        problem: &Problem,
    ) -> Result<(), GatewayError> {
        let Some(number) = proved_by(record)? else { return Ok(()) };
        if !matches!(problem.code, ProblemCode::SecondDevice | ProblemCode::ProofFailed) {
            return Ok(());
        }
        let certificate = credential::find(transaction, &number.clone().into()).await?;
        let symmetric = credential::symmetric_of(transaction, &number).await?;
        let is_verified = |part: &Credential| part.state == CredentialState::Verified;
        let disputed: Vec<CredentialId> =
            certificate.into_iter().chain(symmetric).filter(is_verified).map(|part| part.id).collect();
        let reason = format!("the authority refused what the device proved: {problem}");
        let changes: Vec<_> = disputed.iter().map(|id| (id.clone(), &[Transition::Doubt][..])).collect();
        credential::apply(transaction, self.cause("credential.dispute"), &changes, &Why { reason: &reason })
            .await?;
        for id in &disputed {
            credential::set_reason(transaction, id, &reason).await?;
        }
        // The authority knows about the one that it refused.
        let event = event_text(&Event::Suspect { reason })?;
        let others = disputed.into_iter().filter(|id| *id != record.credential);
        let events: Vec<_> = others.map(|id| (id, event.clone())).collect();
        Ok(outbox::push(transaction, self.now, &events).await?)
    }

    fn cause(&self, action: &'static str) -> Cause<'_> {
        Cause { time: self.now, actor: self.actor.as_str(), action }
    }
}

/// The device whose proof the record reports, if it reports one.
fn proved_by(record: &outbox::Record) -> Result<Option<DeviceNumber>, StoreError> {
    Ok(match (event_of(record)?, &record.credential) {
        (Event::Bound { device_number, .. }, _) => Some(device_number),
        (Event::Verified { .. } | Event::KeyBorn { .. }, CredentialId::Number(number)) => {
            Some(number.clone())
        }
        _ => None,
    })
}

fn event_of(record: &outbox::Record) -> Result<Event, StoreError> {
    serde_json::from_str(&record.event).map_err(|_| StoreError::Corrupt { what: "outbox.event" })
}

pub(crate) fn report_of(records: &[outbox::Record]) -> Result<Report, GatewayError> {
    let records = records.iter().map(|record| {
        Ok(Record {
            sequence: record.sequence,
            credential: record.credential.clone(),
            time: record.time,
            event: event_of(record)?,
        })
    });
    Ok(Report { records: records.collect::<Result<_, GatewayError>>()? })
}

/// One fate for each record. A record that the answer leaves out is sent again.
pub(crate) fn fates(records: &[outbox::Record], answers: &[RecordAnswer]) -> Vec<Fate> {
    records
        .iter()
        .map(|record| match answers.iter().find(|answer| answer.sequence == record.sequence) {
            Some(RecordAnswer { problem: None, .. }) => Fate::Taken,
            Some(RecordAnswer { problem: Some(problem), .. }) => fate_of_refused(record, problem),
            None => Fate::Again,
        })
        .collect()
}

fn fate_of_refused(record: &outbox::Record, problem: &Problem) -> Fate {
    if problem.code.is_passing() && record.failures + 1 < FAILURES_MAX {
        Fate::Again
    } else {
        Fate::Parked(problem.clone())
    }
}
