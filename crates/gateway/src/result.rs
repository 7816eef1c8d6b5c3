//! Write results: what became of a lease (source A Figs. 17 and 23B). All that a device was given stands
//! or falls together.

use cert::possession;
use identity::{CredentialId, CredentialState, DeviceNumber, Member, MemberName, Transition};
use message::bytes::Bytes;
use message::problem::{Problem, ProblemCode};
use message::report::Event;
use message::result::{Proof, WriteResultResponse, WriteResultTransmission};
use serde::Serialize;
use store::audit::{self, Actor, Cause};
use store::gateway::attempt::{self, Attempt};
use store::gateway::credential::{self, Credential};
use store::gateway::outbox;
use store::{StoreError, Transaction};

use crate::desk::event_text;
use crate::error::GatewayError;
use crate::evidence::{Parts, Verdict};
use crate::gateway::Gateway;

impl Gateway {
    /// Takes the result of an attempt. A good one needs a proof that holds; a proof that does not hold
    /// makes what was leased suspect and is refused. The same result again gets the same answer.
    ///
    /// A device whose certificate is owed has proved its key, and is answered as verified.
    ///
    /// # Errors
    /// The refusal, as a problem; or the store fails.
    pub async fn result(
        &self,
        station: &MemberName,
        result: &WriteResultTransmission,
    ) -> Result<WriteResultResponse, GatewayError> {
        let verdict = self.verdict(result).await?;
        let now = self.desk.now();
        let told = Told {
            now,
            actor: Actor::member(&Member::station(self.desk.factory.clone(), station.clone())),
            station: station.clone(),
            result: result.clone(),
            verdict,
        };
        // A refusal for a bad proof is an answer that must itself be stored, so it is not an error here.
        let answer: Result<CredentialState, Problem> = self
            .desk
            .store
            .write(move |transaction| Box::pin(async move { told.store(transaction).await }))
            .await?;
        self.work.notify_one();
        match answer {
            Ok(state) => Ok(WriteResultResponse { device_number: result.device_number.clone(), state }),
            Err(problem) => Err(GatewayError::Refused(problem)),
        }
    }
}

/// What one station told of one attempt.
struct Told {
    now: i64,
    actor: Actor,
    station: MemberName,
    result: WriteResultTransmission,
    verdict: Verdict,
}

impl Told {
    async fn store(
        self,
        transaction: &mut Transaction,
    ) -> Result<Result<CredentialState, Problem>, GatewayError> {
        let attempt = self.attempt(transaction).await?;
        let outcome = serde_json::to_string(&self.result.outcome)
            .map_err(|_| StoreError::Corrupt { what: "attempt.outcome" })?;
        if let Some((told_before, state)) = attempt.result {
            if told_before != outcome {
                return Err(refused(ProblemCode::Conflict, "this attempt ended with another result"));
            }
            return Ok(self.answer(state));
        }
        let state = self.change(transaction, &attempt).await?;
        attempt::answer(transaction, &attempt.id, &outcome, state).await?;
        Ok(self.answer(state))
    }

    /// A proof that does not hold is refused, now and whenever it is repeated.
    fn answer(&self, state: CredentialState) -> Result<CredentialState, Problem> {
        match &self.verdict {
            Verdict::Unproved(fault) if state != CredentialState::Verified => {
                Err(Problem::new(ProblemCode::ProofFailed, fault.clone()))
            }
            _ => Ok(state),
        }
    }

    async fn attempt(&self, transaction: &mut Transaction) -> Result<Attempt, GatewayError> {
        attempt::find(transaction, &self.result.attempt.to_string())
            .await?
            .filter(|attempt| attempt.station == self.station && attempt.number == self.result.device_number)
            .ok_or_else(|| {
                refused(ProblemCode::NoLease, "this station has no lease for this number in this attempt")
            })
    }

    /// Where what was leased stands after the result.
    async fn change(
        &self,
        transaction: &mut Transaction,
        attempt: &Attempt,
    ) -> Result<CredentialState, GatewayError> {
        let parts = Parts::find(transaction, &attempt.number).await?;
        if parts.all().any(|part| part.state == CredentialState::Voided) {
            return Err(refused(ProblemCode::IllegalState, format!("{} was withdrawn", attempt.number)));
        }
        // Proved by another attempt of the same device; no station can make that doubtful.
        let open: Vec<&Credential> =
            parts.all().filter(|part| part.state != CredentialState::Verified && !part.is_owed()).collect();
        if open.is_empty() {
            return Ok(CredentialState::Verified);
        }
        if open.iter().any(|part| part.is_disputed()) {
            return Ok(CredentialState::Suspect);
        }
        match &self.verdict {
            Verdict::Proved(proof) => {
                self.verified(transaction, attempt, &open, proof).await?;
                Ok(CredentialState::Verified)
            }
            Verdict::Unproved(reason) | Verdict::Doubtful(reason) => {
                self.doubted(transaction, &open, reason).await
            }
            Verdict::Untouched(reason) => {
                let body = (&self.result.device_number, reason);
                audit::append(transaction, self.now, self.actor.as_str(), "credential.untouched", &body)
                    .await?;
                Ok(common_state(&open))
            }
        }
    }

    async fn verified(
        &self,
        transaction: &mut Transaction,
        attempt: &Attempt,
        parts: &[&Credential],
        proof: &Proof,
    ) -> Result<(), GatewayError> {
        let number = &attempt.number;
        match credential::confirmed_on(transaction, &proof.hardware_uid).await? {
            Some(other) if other != *number => {
                return Err(refused(ProblemCode::DeviceHoldsAnother, format!("this device is {other}")));
            }
            _ => {}
        }
        let mut changes = Vec::new();
        for part in parts {
            match part.state {
                CredentialState::Leased => {
                    changes.push((part.id.clone(), &[Transition::Write, Transition::Verify][..]));
                }
                // The lease ran out before the result came; the proof settles the doubt.
                CredentialState::Suspect => changes
                    .push((part.id.clone(), &[Transition::Lease, Transition::Write, Transition::Verify][..])),
                // Its certificate is owed.
                CredentialState::Intended => self.key_born(transaction, attempt, proof).await?,
                state => {
                    return Err(refused(ProblemCode::IllegalState, format!("{} is {state}", part.id)));
                }
            }
        }
        if !changes.is_empty() {
            credential::apply(transaction, self.cause("credential.verify"), &changes, proof).await?;
        }
        let mut events = Vec::with_capacity(parts.len());
        for part in parts {
            credential::set_completed(transaction, &part.id, self.now).await?;
            events.push((part.id.clone(), event_text(&self.event(attempt, &part.id, proof)?)?));
        }
        Ok(outbox::push(transaction, self.now, &events).await?)
    }

    /// Puts the key that a device made on record, with the device's proof.
    async fn key_born(
        &self,
        transaction: &mut Transaction,
        attempt: &Attempt,
        proof: &Proof,
    ) -> Result<(), GatewayError> {
        let request =
            attempt.owed_request.as_ref().ok_or(StoreError::Corrupt { what: "attempt.owed_request" })?;
        let key = possession::requested_key(request)
            .map_err(|_| StoreError::Corrupt { what: "attempt.owed_request" })?;
        let body =
            KeyBorn { device_number: &attempt.number, public_key_sha256: key.sha256.to_string(), proof };
        Ok(audit::append(transaction, self.now, self.actor.as_str(), "credential.key-born", &body).await?)
    }

    /// What the authority is told of a credential that is proved.
    fn event(&self, attempt: &Attempt, id: &CredentialId, proof: &Proof) -> Result<Event, StoreError> {
        let (station, proof) = (self.station.clone(), proof.clone());
        Ok(match (id, &attempt.owed_request) {
            (CredentialId::Number(_), None) => Event::Verified { station, proof },
            (CredentialId::Number(_), Some(request)) => {
                Event::KeyBorn { station, signing_request: Bytes(request.clone()), proof }
            }
            (CredentialId::Apparatus(_), _) => Event::Bound {
                station,
                device_number: attempt.number.clone(),
                hardware_uid: proof.hardware_uid,
                confirmation: proof
                    .confirmation
                    .ok_or(StoreError::Corrupt { what: "attempt.outcome" })?
                    .authority,
            },
        })
    }

    async fn doubted(
        &self,
        transaction: &mut Transaction,
        parts: &[&Credential],
        reason: &str,
    ) -> Result<CredentialState, GatewayError> {
        let leased = parts.iter().filter(|part| part.state == CredentialState::Leased);
        let changes: Vec<_> = leased.map(|part| (part.id.clone(), &[Transition::Doubt][..])).collect();
        if changes.is_empty() {
            return Ok(common_state(parts));
        }
        credential::apply(transaction, self.cause("credential.doubt"), &changes, &reason).await?;
        let event = event_text(&Event::Suspect { reason: reason.to_owned() })?;
        for (id, _) in &changes {
            credential::set_reason(transaction, id, reason).await?;
        }
        let events: Vec<_> = changes.into_iter().map(|(id, _)| (id, event.clone())).collect();
        outbox::push(transaction, self.now, &events).await?;
        Ok(CredentialState::Suspect)
    }

    fn cause(&self, action: &'static str) -> Cause<'_> {
        Cause { time: self.now, actor: self.actor.as_str(), action }
    }
}

#[derive(Serialize)]
struct KeyBorn<'a> {
    device_number: &'a DeviceNumber,
    public_key_sha256: String,
    proof: &'a Proof,
}

/// One word for what a device was leased: suspect where any of it is.
fn common_state(parts: &[&Credential]) -> CredentialState {
    let states = || parts.iter().map(|part| part.state);
    let doubtful = states().find(|state| *state == CredentialState::Suspect);
    let leased = || states().find(|state| *state == CredentialState::Leased);
    doubtful.or_else(leased).unwrap_or(CredentialState::Intended)
}

fn refused(code: ProblemCode, detail: impl Into<String>) -> GatewayError {
    GatewayError::refused(code, detail)
}
