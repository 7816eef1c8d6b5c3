//! Write results: what became of a lease (source A Figs. 17 and 23B).

use cert::possession;
use identity::{CredentialState, Member, MemberName, Transition};
use message::problem::{Problem, ProblemCode};
use message::report::Event;
use message::result::{Proof, WriteOutcome, WriteResultResponse, WriteResultTransmission};
use store::audit::{self, Actor, Cause};
use store::gateway::attempt::{self, Attempt};
use store::gateway::credential::{self, Credential};
use store::gateway::outbox;
use store::{StoreError, Transaction};

use crate::desk::event_text;
use crate::error::GatewayError;
use crate::gateway::Gateway;

impl Gateway {
    /// Takes the result of an attempt. A good one needs a proof that holds; a proof that does not hold
    /// makes the credential suspect and is refused. The same result again gets the same answer.
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

    /// What the outcome says about the device. The signature is checked here, outside the unit of work,
    /// since a certificate never changes and the writer should not wait for it.
    async fn verdict(&self, result: &WriteResultTransmission) -> Result<Verdict, GatewayError> {
        match &result.outcome {
            WriteOutcome::NoGood { untouched: true, reason } => Ok(Verdict::Untouched(reason.clone())),
            WriteOutcome::NoGood { untouched: false, reason } => Ok(Verdict::Doubtful(reason.clone())),
            WriteOutcome::Ok { proof } => {
                let mut snapshot = self.desk.store.read().await?;
                let credential = credential::find(&mut snapshot, &result.device_number).await?;
                Ok(match credential.map(|credential| proof_fault(&credential, proof)) {
                    Some(None) => Verdict::Proved(proof.clone()),
                    Some(Some(fault)) => Verdict::Unproved(fault),
                    None => Verdict::Unproved("there is no such credential".into()),
                })
            }
        }
    }
}

/// Why the proof does not show that the leased device holds this very pack.
fn proof_fault(credential: &Credential, proof: &Proof) -> Option<String> {
    let Some((pack, lease)) = credential.pack.as_ref().zip(credential.lease.as_ref()) else {
        return Some("the pack was never leased".into());
    };
    if proof.hardware_uid != lease.hardware_uid {
        return Some("the proof is of another device than the lease".into());
    }
    if proof.pack_digest.0 != pack.digest {
        return Some("the device read back another pack than it was sent".into());
    }
    let proof = possession::Proof {
        device_number: &credential.number,
        hardware_uid: &proof.hardware_uid,
        challenge: &proof.challenge.0,
        pack_digest: &proof.pack_digest.0,
        signature: proof.signature.as_ref().map_or(&[], |signature| &signature.0),
    };
    possession::verify(&pack.certificate, proof).err().map(|error| error.to_string())
}

enum Verdict {
    Proved(Proof),
    Unproved(String),
    Untouched(String),
    Doubtful(String),
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
        let credential = credential::find(transaction, &self.result.device_number)
            .await?
            .ok_or(StoreError::Corrupt { what: "attempt.number" })?;
        let state = self.change(transaction, &credential).await?;
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

    /// Where the credential stands after the result.
    async fn change(
        &self,
        transaction: &mut Transaction,
        credential: &Credential,
    ) -> Result<CredentialState, GatewayError> {
        use CredentialState::{Leased, Suspect, Verified, Voided};
        match (&self.verdict, credential.state) {
            (_, Voided) => {
                Err(refused(ProblemCode::IllegalState, format!("{} was withdrawn", credential.number)))
            }
            // Proved by another attempt of the same device; nothing can make that doubtful.
            (_, Verified) => Ok(Verified),
            (Verdict::Proved(proof), Leased) => {
                self.verified(transaction, proof, &[Transition::Write, Transition::Verify]).await
            }
            // The lease ran out before the result came; the proof settles the doubt.
            (Verdict::Proved(proof), Suspect) => {
                self.verified(transaction, proof, &[Transition::Lease, Transition::Write, Transition::Verify])
                    .await
            }
            (Verdict::Unproved(reason) | Verdict::Doubtful(reason), Leased) => {
                self.doubted(transaction, reason).await
            }
            (Verdict::Untouched(reason), Leased) => {
                let body = (&self.result.device_number, reason);
                audit::append(transaction, self.now, self.actor.as_str(), "credential.untouched", &body)
                    .await?;
                Ok(Leased)
            }
            (_, Suspect) => Ok(Suspect),
            (_, state) => Err(refused(ProblemCode::IllegalState, format!("the credential is {state}"))),
        }
    }

    async fn verified(
        &self,
        transaction: &mut Transaction,
        proof: &Proof,
        steps: &[Transition],
    ) -> Result<CredentialState, GatewayError> {
        let number = &self.result.device_number;
        if let Some(other) = credential::verified_on(transaction, &proof.hardware_uid).await? {
            return Err(refused(ProblemCode::DeviceHoldsAnother, format!("this device is {other}")));
        }
        let event = Event::Verified { station: self.station.clone(), proof: proof.clone() };
        credential::apply(transaction, self.cause("credential.verify"), &[(number.clone(), steps)], proof)
            .await?;
        credential::set_completed(transaction, number, self.now).await?;
        outbox::push(transaction, self.now, &[(number.clone(), event_text(&event)?)]).await?;
        Ok(CredentialState::Verified)
    }

    async fn doubted(
        &self,
        transaction: &mut Transaction,
        reason: &str,
    ) -> Result<CredentialState, GatewayError> {
        let number = &self.result.device_number;
        let change = [(number.clone(), &[Transition::Doubt][..])];
        let event = event_text(&Event::Suspect { reason: reason.to_owned() })?;
        credential::apply(transaction, self.cause("credential.doubt"), &change, &reason).await?;
        credential::set_reason(transaction, number, reason).await?;
        outbox::push(transaction, self.now, &[(number.clone(), event)]).await?;
        Ok(CredentialState::Suspect)
    }

    fn cause(&self, action: &'static str) -> Cause<'_> {
        Cause { time: self.now, actor: self.actor.as_str(), action }
    }
}

fn refused(code: ProblemCode, detail: impl Into<String>) -> GatewayError {
    GatewayError::refused(code, detail)
}
