//! Reporting upstream: the outbox is drained in batches, whenever the authority can be reached.

use message::problem::Problem;
use message::report::{Event, RECORDS_MAX, Record, RecordAnswer, Report};
use serde::Serialize;
use store::StoreError;
use store::audit;
use store::gateway::outbox;

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
enum Fate {
    Taken,
    Again,
    Parked(String),
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
                    vec![Fate::Parked(problem.to_string())]
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

    async fn settle(&self, records: Vec<outbox::Record>, fates: Vec<Fate>) -> Result<Drained, GatewayError> {
        let (now, actor) = (self.desk.now(), self.actor.clone());
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let mut taken = Vec::new();
                    let mut parked = Vec::new();
                    for (record, fate) in records.iter().zip(fates) {
                        match fate {
                            Fate::Taken => taken.push(record.sequence),
                            Fate::Again => outbox::refused(transaction, record.sequence, None).await?,
                            Fate::Parked(reason) => {
                                outbox::refused(transaction, record.sequence, Some(&reason)).await?;
                                parked.push((record.sequence, &record.number, reason));
                            }
                        }
                    }
                    outbox::remove(transaction, &taken).await?;
                    if !parked.is_empty() {
                        tracing::warn!(records = ?parked, "the authority refused records; they are parked");
                        audit::append(transaction, now, actor.as_str(), "outbox.park", &parked).await?;
                    }
                    Ok(Drained { taken: taken.len() as u64, parked: parked.len() as u64 })
                })
            })
            .await
    }
}

fn report_of(records: &[outbox::Record]) -> Result<Report, GatewayError> {
    let records = records.iter().map(|record| {
        let event: Event = serde_json::from_str(&record.event)
            .map_err(|_| GatewayError::Store(StoreError::Corrupt { what: "outbox.event" }))?;
        Ok(Record {
            sequence: record.sequence,
            credential: record.number.clone().into(),
            time: record.time,
            event,
        })
    });
    Ok(Report { records: records.collect::<Result<_, GatewayError>>()? })
}

/// One fate for each record. A record that the answer leaves out is sent again.
fn fates(records: &[outbox::Record], answers: &[RecordAnswer]) -> Vec<Fate> {
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
        Fate::Parked(problem.to_string())
    }
}
