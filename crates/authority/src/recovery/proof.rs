//! What a device still has of its identity, judged before anything is written.

use auth::{ChannelBinding, Confirmation, recovery_confirmation};
use cert::possession;
use identity::{ApparatusId, CredentialState};
use message::problem::ProblemCode;
use message::recovery::{RecoveryProof, recovery_message};
use store::Snapshot;
use store::authority::recovery::RecoveryGround;
use store::authority::successor::SuccessionCause;
use store::authority::{apparatus, device, dispute, pack};

use super::Asked;
use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::history::History;

impl Authority {
    /// What the request proves, where it brings a proof.
    ///
    /// # Errors
    /// It does not hold. Nobody is told whether it is the number, the chip or the secret that is wrong.
    pub(super) async fn proved(
        &self,
        asked: &Asked,
        channel_binding: &[u8; 32],
    ) -> Result<Option<RecoveryGround>, AuthorityError> {
        let Some(proof) = &asked.request.proof else { return Ok(None) };
        let snapshot = &mut self.desk.store.read().await?;
        let number = &asked.request.device_number;
        let wrong = || {
            let detail = format!("this is no proof of a device that is {number}");
            AuthorityError::refused(ProblemCode::ProofFailed, detail)
        };
        let history = match History::read(snapshot, number, ProblemCode::ProofFailed).await {
            Err(AuthorityError::Refused(_)) => return Err(wrong()),
            read => read?,
        };
        let registered = device::find_all(snapshot, std::slice::from_ref(number)).await?.pop();
        let is_its_chip = registered.is_some_and(|device| device.hardware_uid == asked.request.hardware_uid);
        let ground = match proof {
            RecoveryProof::PassPhrase { apparatus_id, hmac } => self
                .holds_pass_phrase(snapshot, asked, *apparatus_id, &hmac.0, channel_binding)
                .await?
                .then_some(RecoveryGround::PassPhrase),
            RecoveryProof::FormerKey { signature } => {
                holds_former_key(snapshot, &history, asked, &signature.0, channel_binding)
                    .await?
                    .then_some(RecoveryGround::FormerKey)
            }
        };
        let is_recoverable = history.check(SuccessionCause::Recovery).is_ok();
        match ground.filter(|_| is_its_chip && is_recoverable) {
            Some(ground) => Ok(Some(ground)),
            None => Err(wrong()),
        }
    }

    /// Whether the device holds the pass phrase of the symmetric credential in use under its number.
    async fn holds_pass_phrase(
        &self,
        snapshot: &mut Snapshot,
        asked: &Asked,
        apparatus_id: ApparatusId,
        hmac: &[u8],
        channel_binding: &[u8; 32],
    ) -> Result<bool, AuthorityError> {
        let Some(known) = apparatus::find_all(snapshot, &[apparatus_id]).await?.pop() else {
            return Ok(false);
        };
        let is_disputed = !dispute::among(snapshot, &[apparatus_id.into()]).await?.is_empty();
        let number = &asked.request.device_number;
        let is_its_own = known.device.as_ref().is_some_and(|device| device.number == *number);
        if known.state != CredentialState::Verified || is_disputed || !is_its_own {
            return Ok(false);
        }
        let expected = recovery_confirmation(
            &self.pass_phrase(&known)?,
            apparatus_id,
            number,
            &asked.request.hardware_uid,
            asked.public_key_sha256.as_bytes(),
            &ChannelBinding::new(*channel_binding),
        );
        Ok(hmac.try_into().is_ok_and(|hmac| Confirmation::new(hmac) == expected))
    }
}

/// Whether the device holds the key of a certificate that its number has in use, expired or not.
async fn holds_former_key(
    snapshot: &mut Snapshot,
    history: &History,
    asked: &Asked,
    signature: &[u8],
    channel_binding: &[u8; 32],
) -> Result<bool, AuthorityError> {
    let number = &asked.request.device_number;
    let is_in_use = |state| matches!(state, CredentialState::Written | CredentialState::Verified);
    let mut certificates: Vec<Vec<u8>> = history
        .successors
        .iter()
        .filter(|successor| is_in_use(successor.state))
        .filter_map(|successor| successor.certificate.clone())
        .collect();
    if is_in_use(history.first.state) {
        let first = pack::find_all(snapshot, std::slice::from_ref(number)).await?;
        certificates.extend(first.into_iter().map(|pack| pack.certificate));
    }
    let message = recovery_message(
        number,
        &asked.request.hardware_uid,
        asked.public_key_sha256.as_bytes(),
        channel_binding,
    );
    let holds = |certificate: &Vec<u8>| possession::verify_message(certificate, &message, signature).is_ok();
    Ok(certificates.iter().any(holds))
}
