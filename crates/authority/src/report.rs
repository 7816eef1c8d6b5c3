//! Reports: what became of packs at a factory.
//!
//! A gateway numbers its records. Each is taken once, with its effect, and answered the same ever
//! after; the same number with other content is refused. A record that is refused has no effect and
//! may come again. Each device's proof is verified here too, whatever the gateway says of it.

use std::collections::{BTreeMap, HashMap};

use cert::{Fingerprint, possession};
use identity::{CredentialId, CredentialState, DeviceNumber, HardwareUid, Member, MemberName, Transition};
use message::problem::{Problem, ProblemCode};
use message::report::{Event, RECORDS_MAX, Record, RecordAnswer, Report, ReportAnswer};
use message::result::Proof;
use serde::Serialize;
use store::audit::{Actor, Cause};
use store::authority::credential::{self, Change, Credential};
use store::authority::device::{self, Device};
use store::authority::pack::{self, Pack};
use store::authority::report::{self, Taken};
use store::{Snapshot, StoreError, Transaction};
use tokio::task::spawn_blocking;

use crate::desk::Desk;
use crate::error::AuthorityError;

impl Desk {
    /// Takes a gateway's report.
    ///
    /// # Errors
    /// The report is no report; what is wrong with a single record is said in its answer.
    pub async fn report(&self, gateway: &MemberName, report: Report) -> Result<ReportAnswer, AuthorityError> {
        check_shape(&report)?;
        let Some((first, last)) = report.records.first().zip(report.records.last()) else {
            return Ok(ReportAnswer { records: Vec::new() });
        };
        let (first, last) = (first.sequence, last.sequence);
        let numbers: Vec<DeviceNumber> = report.records.iter().filter_map(number).cloned().collect();
        let packs = pack::find_all(&mut self.store.read().await?, &numbers).await?;
        let judged = spawn_blocking(move || judge_proofs(report.records, &packs)).await?;
        let (now, gateway) = (self.now(), gateway.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let mut intake = Intake::new(transaction, &gateway, first, last, &judged).await?;
                    let records =
                        judged.iter().map(|judged| intake.take(judged)).collect::<Result<_, _>>()?;
                    intake.store(transaction, now, &gateway, [first, last]).await?;
                    Ok(ReportAnswer { records })
                })
            })
            .await
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

/// A record and what is wrong with its proof, where anything is.
struct Judged {
    record: Record,
    record_sha256: Fingerprint,
    proof_fault: Option<String>,
}

fn judge_proofs(records: Vec<Record>, packs: &[Pack]) -> Vec<Judged> {
    let packs: HashMap<&DeviceNumber, &Pack> = packs.iter().map(|pack| (&pack.number, pack)).collect();
    let judge = |record: Record| {
        let pack = number(&record).and_then(|number| packs.get(number));
        let proof_fault = match &record.event {
            Event::Verified { proof, .. } => pack.and_then(|pack| proof_fault(pack, proof)),
            _ => None,
        };
        let text = serde_json::to_vec(&record).expect("a record is plain data");
        Judged { record_sha256: Fingerprint::of(&text), record, proof_fault }
    };
    records.into_iter().map(judge).collect()
}

/// Why the proof does not show that a device holds this very pack.
fn proof_fault(pack: &Pack, proof: &Proof) -> Option<String> {
    if proof.pack_digest.0 != pack.digest {
        return Some("the device read back another pack than was issued".to_owned());
    }
    let proof = possession::Proof {
        device_number: &pack.number,
        hardware_uid: &proof.hardware_uid,
        challenge: &proof.challenge.0,
        pack_digest: &proof.pack_digest.0,
        signature: proof.signature.as_ref().map_or(&[], |signature| &signature.0),
    };
    possession::verify(&pack.certificate, proof).err().map(|error| error.to_string())
}

/// One report being taken: what the store knew, and what is to be stored.
struct Intake {
    taken_before: HashMap<u64, Taken>,
    factory: MemberName,
    credentials: HashMap<DeviceNumber, Credential>,
    /// Where each device's credential stood before this report, and its steps since.
    changes: BTreeMap<DeviceNumber, Change>,
    registered: HashMap<DeviceNumber, HardwareUid>,
    chips_in_use: HashMap<HardwareUid, DeviceNumber>,
    taken: Vec<Taken>,
    devices: Vec<Device>,
    reasons: Vec<(DeviceNumber, String)>,
    keys_to_erase: Vec<DeviceNumber>,
}

impl Intake {
    async fn new(
        snapshot: &mut Snapshot,
        gateway: &MemberName,
        first: u64,
        last: u64,
        judged: &[Judged],
    ) -> Result<Self, StoreError> {
        let numbers: Vec<DeviceNumber> =
            judged.iter().filter_map(|judged| number(&judged.record)).cloned().collect();
        let chips: Vec<HardwareUid> = judged
            .iter()
            .filter_map(|judged| match &judged.record.event {
                Event::Verified { proof, .. } => Some(proof.hardware_uid.clone()),
                _ => None,
            })
            .collect();
        let taken = report::find_all(snapshot, gateway, first, last).await?;
        let credentials = credential::find_all(snapshot, &numbers).await?;
        let registered = device::find_all(snapshot, &numbers).await?;
        let in_use = device::in_use_on(snapshot, &chips).await?;
        Ok(Self {
            taken_before: taken.into_iter().map(|taken| (taken.sequence, taken)).collect(),
            factory: gateway.clone(),
            credentials: credentials.into_iter().map(|found| (found.number.clone(), found)).collect(),
            changes: BTreeMap::new(),
            registered: registered.into_iter().map(|device| (device.number, device.hardware_uid)).collect(),
            chips_in_use: in_use.into_iter().map(|device| (device.hardware_uid, device.number)).collect(),
            taken: Vec::new(),
            devices: Vec::new(),
            reasons: Vec::new(),
            keys_to_erase: Vec::new(),
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
        let state = match self.steps(judged) {
            Ok(steps) => self.apply(&judged.record, &steps),
            Err(problem) => Err(problem),
        };
        let answer = match state {
            Ok(state) => RecordAnswer { sequence, state: Some(state), problem: None },
            Err(problem) => return Ok(refused(sequence, problem)),
        };
        self.note(&judged.record);
        self.taken.push(Taken {
            sequence,
            record_sha256: judged.record_sha256.as_bytes().to_vec(),
            answer: serde_json::to_string(&answer).expect("an answer is plain data"),
        });
        Ok(answer)
    }

    /// The steps that the event means for its credential, or why it cannot be.
    fn steps(&self, judged: &Judged) -> Result<Vec<Transition>, Problem> {
        use Transition::{Doubt, Lease, Stock, Verify, Void, Write};
        let number = number(&judged.record);
        let known = number.and_then(|number| self.credentials.get(number));
        let Some((number, credential)) = number.zip(known.filter(|known| known.factory == self.factory))
        else {
            let detail = format!("{} was not issued to {}", judged.record.credential, self.factory);
            return Err(Problem::new(ProblemCode::NotAllowed, detail));
        };
        match &judged.record.event {
            Event::Stocked => Ok(vec![Stock]),
            Event::Suspect { .. } => Ok(vec![Lease, Doubt]),
            Event::Voided { .. } => Ok(vec![Void]),
            Event::Verified { proof, .. } => {
                if let Some(fault) = &judged.proof_fault {
                    return Err(Problem::new(ProblemCode::ProofFailed, fault.clone()));
                }
                if let Some(other) =
                    self.chips_in_use.get(&proof.hardware_uid).filter(|other| *other != number)
                {
                    let detail = format!("the device with this chip is {other}");
                    return Err(Problem::new(ProblemCode::DeviceHoldsAnother, detail));
                }
                if credential.state != CredentialState::Verified {
                    return Ok(vec![Lease, Write, Verify]);
                }
                // Proved already: the same device may prove it again, another may not.
                if self.registered.get(number) == Some(&proof.hardware_uid) {
                    return Ok(Vec::new());
                }
                Err(Problem::new(ProblemCode::SecondDevice, format!("{number} is another device")))
            }
            Event::Bound { .. } | Event::KeyBorn { .. } => {
                let detail = format!("{number} is a certificate that the authority has made");
                Err(Problem::new(ProblemCode::MalformedRequest, detail))
            }
        }
    }

    /// Takes the credential the steps further; where it then stands.
    fn apply(&mut self, record: &Record, steps: &[Transition]) -> Result<CredentialState, Problem> {
        let never_issued =
            || Problem::new(ProblemCode::NotAllowed, format!("{} was never issued", record.credential));
        let number = number(record).ok_or_else(never_issued)?;
        let credential = self.credentials.get_mut(number).ok_or_else(never_issued)?;
        let from = credential.state;
        let to = steps
            .iter()
            .try_fold(from, |state, transition| state.after(*transition))
            .map_err(|error| Problem::new(ProblemCode::IllegalState, format!("{number}: {error}")))?;
        if !steps.is_empty() {
            let change = self.changes.entry(number.clone()).or_insert_with(|| Change {
                number: number.clone(),
                from,
                transitions: Vec::new(),
            });
            change.transitions.extend(steps);
            credential.state = to;
        }
        Ok(to)
    }

    /// Notes what else the event means.
    fn note(&mut self, record: &Record) {
        let Some(number) = number(record) else { return };
        match &record.event {
            Event::Bound { .. } | Event::KeyBorn { .. } => {}
            Event::Stocked => self.keys_to_erase.push(number.clone()),
            Event::Suspect { reason } => self.reasons.push((number.clone(), reason.clone())),
            Event::Voided { reason } => {
                self.keys_to_erase.push(number.clone());
                self.reasons.push((number.clone(), reason.clone()));
            }
            Event::Verified { station, proof } => {
                if self.registered.insert(number.clone(), proof.hardware_uid.clone()).is_none() {
                    self.chips_in_use.insert(proof.hardware_uid.clone(), number.clone());
                    self.devices.push(Device {
                        number: number.clone(),
                        hardware_uid: proof.hardware_uid.clone(),
                        station: station.clone(),
                        verified: record.time,
                    });
                }
            }
        }
    }

    async fn store(
        self,
        transaction: &mut Transaction,
        now: i64,
        gateway: &MemberName,
        records: [u64; 2],
    ) -> Result<(), AuthorityError> {
        if !self.changes.is_empty() {
            let actor = Actor::member(&Member::gateway(gateway.clone()));
            let cause = Cause { time: now, actor: actor.as_str(), action: "credential.report" };
            let changes: Vec<Change> = self.changes.into_values().collect();
            credential::apply(transaction, cause, &changes, &Records { records }).await?;
        }
        device::register(transaction, &self.devices).await?;
        device::set_reasons(transaction, &self.reasons).await?;
        pack::erase_keys(transaction, &self.keys_to_erase).await?;
        Ok(report::insert(transaction, gateway, &self.taken).await?)
    }
}

/// The device number of a record about a certificate.
fn number(record: &Record) -> Option<&DeviceNumber> {
    match &record.credential {
        CredentialId::Number(number) => Some(number),
        CredentialId::Apparatus(_) => None,
    }
}

/// The first and last record of the report that an audit entry comes from.
#[derive(Serialize)]
struct Records {
    records: [u64; 2],
}

fn refused(sequence: u64, problem: Problem) -> RecordAnswer {
    RecordAnswer { sequence, state: None, problem: Some(problem) }
}
