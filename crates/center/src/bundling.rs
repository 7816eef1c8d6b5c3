//! Devices that no network joins to the center: their calls come in bundles, and the answers go out in bundles.
//!
//! A call is taken exactly as if it had come over TLS with the identity that signed the bundle. Each is
//! idempotent, so that an import that broke off is made again; once all are answered, answers and arrival are
//! stored in one unit of work.

use bundle::{Received, Signer};
use cert::{DeviceIdentity, Fingerprint, PeerIdentity};
use identity::DeviceNumber;
use message::bundle::{Answers, BUNDLE_VERSION, Bundle, CallOutcome, Calls, Contents, Party};
use message::problem::ProblemCode;
use serde::Serialize;
use store::audit::{self, Actor};
use store::bundle::{self as carried, Arrival, Waiting};
use store::center::incident;

use crate::call::Form;
use crate::center::Center;
use crate::desk::Desk;
use crate::error::CenterError;
use crate::incident::IncidentKind;

/// What came of a device's bundle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Imported {
    /// The device.
    pub device: DeviceNumber,
    /// What the bundle was; there are no outcomes where it did not come next.
    pub arrival: Arrival,
    /// What came of each call, in order.
    pub outcomes: Vec<CallOutcome>,
}

impl Center {
    /// Takes the calls of a bundle, once and in order, and stores the answers for the device.
    ///
    /// # Errors
    /// It is not for this center or not from a device, a bundle before it is missing, it is another than the
    /// one of its number that came before, or a call cannot be taken now. Then it can be imported again.
    pub async fn import(
        &self,
        received: Received<PeerIdentity>,
        signer: &Signer,
        actor: &Actor,
    ) -> Result<Imported, CenterError> {
        let Received { bundle, sender, sha256 } = received;
        let (sender, calls) = self.calls_of(&bundle, sender)?;
        let (device, sequence) = (sender.number.clone(), bundle.sequence);
        let mut snapshot = self.desk.store.read().await?;
        let arrival = carried::look(&mut snapshot, &device.to_string(), sequence, sha256.as_bytes()).await?;
        drop(snapshot);
        match (arrival, arrival.fault(sequence)) {
            (Arrival::Double { .. }, _) => {
                return Ok(Imported { device, arrival, outcomes: Vec::new() });
            }
            (Arrival::Changed { .. }, Some(fault)) => {
                self.note(&device, IncidentKind::ReusedNumber, &fault).await?;
                return Err(CenterError::Bundle(fault));
            }
            (_, Some(fault)) => return Err(CenterError::Bundle(fault)),
            (_, None) => {}
        }
        let mut outcomes = Vec::with_capacity(calls.len());
        for call in calls {
            outcomes.push(self.take_carried(&sender, call).await?);
        }
        let answer = Answer { bundle, sha256, outcomes: outcomes.clone() };
        let arrival = self.store_answer(answer, signer, actor).await?;
        Ok(Imported { device, arrival, outcomes })
    }

    fn calls_of(
        &self,
        bundle: &Bundle,
        sender: PeerIdentity,
    ) -> Result<(DeviceIdentity, Vec<String>), CenterError> {
        let refused = |detail: String| Err(CenterError::Bundle(detail));
        let PeerIdentity::Device(identity) = sender else {
            return refused(format!("the bundle is from {}, which is no device", bundle.from));
        };
        if bundle.to != Party::Member(self.member.clone()) {
            return refused(format!("the bundle is for {}", bundle.to));
        }
        match bundle.contents.clone() {
            Contents::Calls(Calls { calls }) => Ok((identity, calls)),
            other => refused(format!("a device sends calls, not {}", other.kind())),
        }
    }

    /// One call. What the center will never take is said in the outcome; what it may take later ends the import.
    async fn take_carried(&self, sender: &DeviceIdentity, call: String) -> Result<CallOutcome, CenterError> {
        match self.take(sender.clone(), Form::Json, call.into_bytes(), None).await {
            Ok(answer) => Ok(CallOutcome::Answered(answer)),
            Err(error) => {
                let problem = error.problem();
                match problem.code {
                    ProblemCode::Conflict | ProblemCode::MalformedRequest | ProblemCode::TooLarge => {
                        Ok(CallOutcome::Refused(problem))
                    }
                    _ => Err(error),
                }
            }
        }
    }

    /// Stores arrival and answers, unless another import of the same bundle was faster.
    async fn store_answer(
        &self,
        answer: Answer,
        signer: &Signer,
        actor: &Actor,
    ) -> Result<Arrival, CenterError> {
        let (here, now, signer, actor) =
            (self.member.clone(), self.desk.now(), signer.clone(), actor.clone());
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let Answer { bundle, sha256, outcomes } = answer;
                    let (peer, sequence) = (bundle.from.to_string(), bundle.sequence);
                    let arrival = carried::look(transaction, &peer, sequence, sha256.as_bytes()).await?;
                    if arrival != Arrival::Next {
                        return Ok(arrival);
                    }
                    carried::receive(transaction, &peer, sequence, sha256.as_bytes(), now, None).await?;
                    carried::take(transaction, &peer, sequence).await?;
                    carried::acknowledge(transaction, &peer, bundle.taken).await?;
                    let standing = carried::standing(transaction, &peer).await?;
                    let answer = Bundle {
                        version: BUNDLE_VERSION,
                        from: Party::Member(here),
                        to: bundle.from,
                        sequence: standing.sent + 1,
                        taken: standing.taken,
                        contents: Contents::Answers(Answers { outcomes }),
                    };
                    let document = signer.sign(&answer)?;
                    carried::keep(transaction, &peer, answer.sequence, &document).await?;
                    let body = Audited { peer: &peer, sequence, answer: answer.sequence };
                    audit::append(transaction, now, actor.as_str(), "bundle.import", &body).await?;
                    Ok(arrival)
                })
            })
            .await
    }

    async fn note(&self, device: &DeviceNumber, kind: IncidentKind, detail: &str) -> Result<(), CenterError> {
        let (device, detail, now) = (device.clone(), detail.to_owned(), self.desk.now());
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    Ok(incident::note(transaction, &device, kind.as_str(), &detail, now).await?)
                })
            })
            .await
    }
}

impl Desk {
    /// The answers for a device that it is not known to have taken, in order.
    ///
    /// # Errors
    /// There are none, or the store fails.
    pub async fn bundles_for(&self, device: &DeviceNumber) -> Result<Vec<Waiting>, CenterError> {
        let kept = carried::kept(&mut self.store.read().await?, &device.to_string()).await?;
        if kept.is_empty() {
            return Err(CenterError::Bundle(format!("no answers wait for {device}")));
        }
        Ok(kept)
    }
}

/// A bundle's answers, before they are stored.
struct Answer {
    bundle: Bundle,
    sha256: Fingerprint,
    outcomes: Vec<CallOutcome>,
}

/// What the audit log says of a bundle.
#[derive(Serialize)]
struct Audited<'a> {
    peer: &'a str,
    sequence: u64,
    answer: u64,
}
