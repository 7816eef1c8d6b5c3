//! How often a batch and a number may ask while nothing speaks for them, and when that is an alarm.

use identity::CommonBatch;
use message::problem::{Problem, ProblemCode};
use serde::Serialize;
use store::Transaction;
use store::audit;
use store::authority::common_certificate::{self, CommonCertificate};
use store::authority::recovery;

use super::Asked;
use crate::authority::Authority;
use crate::error::AuthorityError;

/// How many requests a day that nothing speaks for are taken for one number.
const UNPROVED_OF_NUMBER_A_DAY_MAX: u64 = 5;
const DAY_SECONDS: i64 = 86_400;

/// What the audit log says of a batch that asks too often.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alarm<'a> {
    batch: &'a CommonBatch,
    /// Of what there were more than this.
    counted: &'static str,
    a_day_max: u32,
}

impl Authority {
    /// Counts a proof that does not hold; the first one too many from a batch is an alarm. Nobody is refused for it, so that
    /// a flood of them shuts no device out that can prove itself. Once the alarm is raised, no more are counted that day.
    pub(super) async fn count_false_proof(&self, asked: Asked) -> Result<(), AuthorityError> {
        let now = self.desk.now();
        let day = day_of(now);
        let batch = common_certificate::find(&mut self.desk.store.read().await?, &asked.common.batch).await?;
        let Some(batch) = batch.filter(|batch| batch.stopped.is_none()) else { return Ok(()) };
        let max = batch.unproved_a_day_max;
        let before = recovery::false_proofs(&mut self.desk.store.read().await?, &batch.batch, day).await?;
        if before > u64::from(max) {
            return Ok(());
        }
        let count = self.desk.store.write(move |transaction| {
            Box::pin(async move {
                let counted = recovery::count_false_proof(transaction, &batch.batch, day).await?;
                if counted == u64::from(max) + 1 {
                    raise_alarm(transaction, &batch, &asked, "false proofs", now).await?;
                }
                Ok(())
            })
        });
        count.await
    }
}

/// Counts a request that nothing speaks for, and refuses one too many. The first one too many from a batch is
/// an alarm.
pub(super) async fn count(
    transaction: &mut Transaction,
    batch: &CommonCertificate,
    asked: &Asked,
    now: i64,
) -> Result<Result<(), Problem>, AuthorityError> {
    let day = day_of(now);
    let over = |whose: String| {
        let detail =
            format!("{whose} has asked too often today, and nothing speaks for it: try again tomorrow");
        Ok(Err(Problem::new(ProblemCode::OverQuota, detail)))
    };
    let max = u64::from(batch.unproved_a_day_max);
    let of_batch = recovery::count_of_batch(transaction, &batch.batch, day).await?;
    if of_batch > max {
        if of_batch == max + 1 {
            raise_alarm(transaction, batch, asked, "requests without proof", now).await?;
        }
        return over(format!("batch {}", batch.batch));
    }
    let number = &asked.request.device_number;
    match recovery::count_of_number(transaction, number, day).await? > UNPROVED_OF_NUMBER_A_DAY_MAX {
        true => over(number.to_string()),
        false => Ok(Ok(())),
    }
}

/// The day, by its number since 1970.
pub(super) fn day_of(now: i64) -> i64 {
    now.div_euclid(DAY_SECONDS)
}

async fn raise_alarm(
    transaction: &mut Transaction,
    batch: &CommonCertificate,
    asked: &Asked,
    counted: &'static str,
    now: i64,
) -> Result<(), AuthorityError> {
    let alarm = Alarm { batch: &batch.batch, counted, a_day_max: batch.unproved_a_day_max };
    let actor = asked.actor();
    audit::append(transaction, now, actor.as_str(), "common-certificate.alarm", &alarm).await?;
    tracing::error!(
        batch = %batch.batch,
        counted,
        "a common certificate is used too often: it may have leaked"
    );
    Ok(())
}
