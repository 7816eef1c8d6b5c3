//! Reports: what became of packs at a factory.
//!
//! A gateway numbers its records. Each is taken once, with its effect, and answered the same ever
//! after; the same number with other content is refused. A record that is refused may come again, and
//! has no effect but one: a second device that proves to hold a credential puts both in dispute.
//!
//! Each device's proof is judged here too (`proof`), whatever the gateway says of it. What an event
//! means is a file a kind of credential (`certificate`, `symmetric`); [`Books`] are what is known
//! of both while a report is taken.

mod certificate;
mod proof;
mod symmetric;

use std::collections::HashMap;
use std::sync::Arc;

use identity::{CredentialId, CredentialState, MemberName};
use message::problem::{Problem, ProblemCode};
use message::report::{Event, RECORDS_MAX, RecordAnswer, Report, ReportAnswer};
use store::authority::apparatus::Holder;
use store::authority::report::{self, Taken};
use store::{Snapshot, StoreError};
use tokio::task::spawn_blocking;

use self::proof::{Evidence, Judged};
use crate::authority::Authority;
use crate::books::{Books, Subjects};
use crate::error::AuthorityError;

impl Authority {
    /// Takes a gateway's report.
    ///
    /// # Errors
    /// The report is no report; what is wrong with a single record is said in its answer.
    pub async fn report(
        self: &Arc<Self>,
        gateway: &MemberName,
        report: Report,
    ) -> Result<ReportAnswer, AuthorityError> {
        check_shape(&report)?;
        let Some((first, last)) = report.records.first().zip(report.records.last()) else {
            return Ok(ReportAnswer { records: Vec::new() });
        };
        let records = [first.sequence, last.sequence];
        let evidence = Evidence::of(&mut self.desk.store.read().await?, &report.records).await?;
        let authority = Arc::clone(self);
        let mut judged = spawn_blocking(move || authority.judge(report.records, &evidence)).await??;
        for born in &mut judged {
            self.certify_born(gateway, born).await?;
        }
        let (now, gateway) = (self.desk.now(), gateway.clone());
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let mut intake = Intake::new(transaction, &gateway, records, &judged).await?;
                    let answers =
                        judged.iter().map(|judged| intake.take(judged)).collect::<Result<_, _>>()?;
                    intake.books.store(transaction, now, records).await?;
                    report::insert(transaction, &gateway, &intake.taken).await?;
                    Ok(ReportAnswer { records: answers })
                })
            })
            .await
    }
}

impl Authority {
    /// Makes the certificate that a device is owed whose key was born while the gateway could not ask.
    async fn certify_born(
        self: &Arc<Self>,
        gateway: &MemberName,
        judged: &mut Judged,
    ) -> Result<(), AuthorityError> {
        let (CredentialId::Number(number), Event::KeyBorn { signing_request, proof, .. }, None) =
            (&judged.record.credential, &judged.record.event, &judged.fault)
        else {
            return Ok(());
        };
        let device = Holder { number: number.clone(), hardware_uid: proof.hardware_uid.clone() };
        match self.certify_owed(gateway, device, signing_request.0.clone()).await {
            Ok(()) => Ok(()),
            Err(AuthorityError::Refused(problem)) => {
                judged.fault = Some(problem);
                Ok(())
            }
            Err(failed) => Err(failed),
        }
    }
}

fn check_shape(report: &Report) -> Result<(), AuthorityError> {
    let malformed = |detail: String| Err(AuthorityError::refused(ProblemCode::MalformedRequest, detail));
    let records = &report.records;
    if records.len() > RECORDS_MAX {
        return malformed(format!("a report has at most {RECORDS_MAX} records, not {}", records.len()));
    }
    if !records.is_sorted_by(|a, b| a.sequence < b.sequence) {
        return malformed("a report's records come in rising order of their numbers".to_owned());
    }
    match records.first() {
        Some(first) if first.sequence == 0 => malformed("records are numbered from 1".to_owned()),
        _ => Ok(()),
    }
}

/// One report being taken: what was taken before, what is taken now, and the books that change.
struct Intake {
    taken_before: HashMap<u64, Taken>,
    taken: Vec<Taken>,
    books: Books,
}

impl Intake {
    async fn new(
        snapshot: &mut Snapshot,
        gateway: &MemberName,
        [first, last]: [u64; 2],
        judged: &[Judged],
    ) -> Result<Self, StoreError> {
        let taken = report::find_all(snapshot, gateway, first, last).await?;
        Ok(Self {
            taken_before: taken.into_iter().map(|taken| (taken.sequence, taken)).collect(),
            taken: Vec::new(),
            books: Books::open(snapshot, gateway, subjects(judged)).await?,
        })
    }

    /// Takes one record, or says why not.
    fn take(&mut self, judged: &Judged) -> Result<RecordAnswer, StoreError> {
        let sequence = judged.record.sequence;
        if let Some(before) = self.taken_before.get(&sequence) {
            if before.record_sha256 == judged.record_sha256.as_bytes() {
                return serde_json::from_str(&before.answer)
                    .map_err(|_| StoreError::Corrupt { what: "report.answer" });
            }
            let detail = format!("record {sequence} was taken before with other content");
            return Ok(refused(sequence, Problem::new(ProblemCode::Conflict, detail)));
        }
        let answer = match self.effect(judged) {
            Ok(state) => RecordAnswer { sequence, state: Some(state), problem: None },
            Err(problem) => return Ok(refused(sequence, problem)),
        };
        self.taken.push(Taken {
            sequence,
            record_sha256: judged.record_sha256.as_bytes().to_vec(),
            answer: serde_json::to_string(&answer).expect("an answer is plain data"),
        });
        Ok(answer)
    }

    /// Where the record's credential stands afterwards, or why nothing came of it.
    fn effect(&mut self, judged: &Judged) -> Result<CredentialState, Problem> {
        match &judged.record.credential {
            CredentialId::Number(number) => certificate::take(&mut self.books, number, judged),
            CredentialId::Apparatus(id) => symmetric::take(&mut self.books, *id, judged),
        }
    }
}

/// Whom the records are about.
fn subjects(judged: &[Judged]) -> Subjects {
    let mut subjects = Subjects::default();
    for Judged { record, .. } in judged {
        match &record.credential {
            CredentialId::Number(number) => subjects.numbers.push(number.clone()),
            CredentialId::Apparatus(id) => subjects.ids.push(*id),
        }
        match &record.event {
            Event::Verified { proof, .. } | Event::KeyBorn { proof, .. } => {
                subjects.chips.push(proof.hardware_uid.clone());
            }
            Event::Bound { device_number, hardware_uid, .. } => {
                subjects.numbers.push(device_number.clone());
                subjects.chips.push(hardware_uid.clone());
            }
            Event::Stocked | Event::Suspect { .. } | Event::Voided { .. } => {}
        }
    }
    subjects
}

fn refused(sequence: u64, problem: Problem) -> RecordAnswer {
    RecordAnswer { sequence, state: None, problem: Some(problem) }
}
