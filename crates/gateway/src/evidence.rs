//! Evidence: whether what a station tells of a device is borne out by the device's own proof.
//!
//! A signature shows that the device holds its certificate's key. Of a pass phrase the gateway knows one
//! value beforehand and can compare; the other value only the authority can check.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use cert::possession;
use identity::{CredentialId, DeviceNumber, HardwareUid, line};
use message::pack::{ApparatusPack, CredentialPack};
use message::result::{Confirmation, Proof, WriteOutcome, WriteResultTransmission};
use store::gateway::attempt::{self, Attempt};
use store::gateway::credential::{self, Credential};
use store::gateway::pack;
use store::{Snapshot, StoreError};

use crate::error::GatewayError;
use crate::filing::CONFIRMATION_BYTES;
use crate::gateway::Gateway;

/// What an outcome says about the device.
pub(crate) enum Verdict {
    /// It holds all that it was given.
    Proved(Proof),
    /// It does not prove what its station claims, for this reason.
    Unproved(String),
    /// It certainly holds nothing new, for this reason.
    Untouched(String),
    /// Nobody knows, for this reason.
    Doubtful(String),
}

/// What was leased to a device number: its certificate, or the place of one that is owed, and its
/// symmetric credential.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) certificate: Option<Credential>,
    pub(crate) symmetric: Option<Credential>,
}

impl Parts {
    pub(crate) async fn find(snapshot: &mut Snapshot, number: &DeviceNumber) -> Result<Self, StoreError> {
        let is_leased = |part: &Credential| part.lease.is_some();
        Ok(Self {
            certificate: credential::find(snapshot, &number.clone().into()).await?.filter(is_leased),
            symmetric: credential::symmetric_of(snapshot, number).await?.filter(is_leased),
        })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Credential> {
        self.certificate.iter().chain(&self.symmetric)
    }
}

impl Gateway {
    /// What the outcome says about the device. The proof is checked here, outside the unit of work, since
    /// a pack never changes and the writer should not wait for it.
    pub(crate) async fn verdict(&self, result: &WriteResultTransmission) -> Result<Verdict, GatewayError> {
        match &result.outcome {
            WriteOutcome::NoGood { untouched: true, reason } => Ok(Verdict::Untouched(reason.clone())),
            WriteOutcome::NoGood { untouched: false, reason } => Ok(Verdict::Doubtful(reason.clone())),
            WriteOutcome::Ok { proof } => {
                let mut snapshot = self.desk.store.read().await?;
                let Some(attempt) = attempt::find(&mut snapshot, &result.attempt.to_string()).await? else {
                    return Ok(Verdict::Unproved("there was no such attempt".into()));
                };
                Ok(match self.fault(&mut snapshot, &attempt, proof).await {
                    Ok(None) => Verdict::Proved(proof.clone()),
                    Ok(Some(fault)) => Verdict::Unproved(fault),
                    // What was leased is erased: it is confirmed, or void.
                    Err(GatewayError::Refused(problem)) => Verdict::Unproved(problem.detail),
                    Err(error) => return Err(error),
                })
            }
        }
    }

    /// Why the proof does not show that the leased device holds this very pack, if it does not.
    async fn fault(
        &self,
        snapshot: &mut Snapshot,
        attempt: &Attempt,
        proof: &Proof,
    ) -> Result<Option<String>, GatewayError> {
        let parts = Parts::find(snapshot, &attempt.number).await?;
        if parts.all().next().is_none() {
            return Ok(Some("the pack was never leased".into()));
        }
        if !parts.all().all(|part| is_leased_to(part, &proof.hardware_uid)) {
            return Ok(Some("the proof is of another device than the lease".into()));
        }
        let is_owed = attempt.owed_request.is_some();
        let certificate = parts.certificate.as_ref().filter(|_| !is_owed).map(|_| &attempt.number);
        let apparatus_id = parts.symmetric.as_ref().and_then(|part| match part.id {
            CredentialId::Apparatus(id) => Some(id),
            CredentialId::Number(_) => None,
        });
        let pack = self.pack(snapshot, certificate, apparatus_id).await?;
        let digest = pack.on_the_line(&attempt.number).map(|pack| line::pack_digest(&pack));
        if digest.map_or(true, |digest| proof.pack_digest.0 != digest) {
            return Ok(Some("the device read back another pack than it was sent".into()));
        }
        if let Some(fault) = signature_fault(snapshot, attempt, &pack, proof).await? {
            return Ok(Some(fault.to_string()));
        }
        Ok(confirmation_fault(pack.apparatus.as_ref(), proof.confirmation.as_ref()).map(str::to_owned))
    }
}

fn is_leased_to(part: &Credential, hardware_uid: &HardwareUid) -> bool {
    part.lease.as_ref().is_some_and(|lease| lease.hardware_uid == *hardware_uid)
}

/// What is wrong with the signature by the key of the certificate, or by the key that the certificate is
/// owed to.
async fn signature_fault(
    snapshot: &mut Snapshot,
    attempt: &Attempt,
    pack: &CredentialPack,
    proof: &Proof,
) -> Result<Option<possession::PossessionError>, StoreError> {
    let proof = possession::Proof {
        device_number: &attempt.number,
        hardware_uid: &proof.hardware_uid,
        challenge: &proof.challenge.0,
        pack_digest: &proof.pack_digest.0,
        signature: proof.signature.as_ref().map_or(&[], |signature| &signature.0),
    };
    let verified = match (&pack.certificate, &attempt.owed_request) {
        (Some(certificate), _) => possession::verify(&certificate.client_certificate.0, proof),
        (None, Some(request)) => match pack::certificate(snapshot, &attempt.number).await? {
            // It came for a later attempt; the device must have the key that it is for.
            Some(filed) => possession::verify(&filed.certificate, proof),
            None => possession::verify_requested(request, proof),
        },
        (None, None) => Ok(()),
    };
    Ok(verified.err())
}

/// What is wrong with the values of the pass phrase.
fn confirmation_fault(
    leased: Option<&ApparatusPack>,
    confirmed: Option<&Confirmation>,
) -> Option<&'static str> {
    let (leased, confirmed) = match (leased, confirmed) {
        (None, None) => return None,
        (Some(_), None) => return Some("the device confirms no pass phrase"),
        (None, Some(_)) => return Some("the device confirms a pass phrase that it was not sent"),
        (Some(leased), Some(confirmed)) => (leased, confirmed),
    };
    if confirmed.apparatus_id != leased.apparatus_id {
        Some("the device confirms another pass phrase than it was sent")
    } else if verify_slices_are_equal(&confirmed.station.0, &leased.confirmation.0).is_err() {
        Some("the device does not confirm the pass phrase that it was sent")
    } else if confirmed.authority.0.len() != CONFIRMATION_BYTES {
        Some("the device's word to the authority does not have 32 bytes")
    } else {
        None
    }
}
