//! The device's side over HTTPS, for devices that have an operating system, and for emulated ones.

use auth::{
    ChallengeRefused, ChannelBinding, Nonce, Proof, Prover, ServerRefused, SessionKey, SymmetricCredential,
    Version, Versions,
};
use identity::{Member, MemberName, Random};
use message::authenticate::{self, Challenge, ChallengeRequest, ProofAnswer, ProofRequest};
use message::bytes::Bytes;
use transport::{CallError, Channel};

/// What a device leaves with.
pub struct Session {
    /// What it shows the service.
    pub token: String,
    /// For how many seconds the token is good.
    pub expires_in: u32,
    /// The key that it has in common with the authenticator.
    pub key: SessionKey,
}

/// Why a device has no session.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// The authenticator was not reached, or refused.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The challenge is not one that the device answers.
    #[error("the challenge is not answered")]
    Challenge(#[from] ChallengeRefused),
    /// The authenticator has not proved itself; its token is not taken.
    #[error(transparent)]
    Server(#[from] ServerRefused),
    /// The authenticator's message is not one.
    #[error("the authenticator's message has a field of the wrong length")]
    Malformed,
}

/// Authenticates to `server` at the other end of the channel, for a token for `service`.
///
/// # Errors
/// One of the two has not proved itself, or the connection broke.
pub async fn authenticate(
    channel: &mut Channel,
    credential: &SymmetricCredential,
    server: &Member,
    service: MemberName,
    random: &dyn Random,
) -> Result<Session, CallerError> {
    let prover = Prover::new(credential.apparatus_id, &credential.pass_phrase, server, Versions::SUPPORTED);
    let versions = authenticate::Versions {
        oldest: prover.versions().oldest().number(),
        newest: prover.versions().newest().number(),
    };
    let challenge: Challenge = channel.post_json("/v1/challenges", &ChallengeRequest { versions }).await?;
    let challenge = auth::Challenge {
        version: Version::new(challenge.version),
        server: challenge.server,
        nonce: Nonce::new(sized(&challenge.nonce)?),
    };
    let binding = ChannelBinding::new(channel.binding().0);
    let (answer, unconfirmed) = prover.answer(&challenge, &binding, Nonce::random(random))?;
    let request = ProofRequest {
        versions,
        version: answer.version.number(),
        apparatus_id: answer.apparatus_id,
        server_nonce: Bytes(answer.server_nonce.as_bytes().to_vec()),
        device_nonce: Bytes(answer.device_nonce.as_bytes().to_vec()),
        device_proof: Bytes(answer.proof.as_bytes().to_vec()),
        service,
    };
    let answer: ProofAnswer = channel.post_json("/v1/proofs", &request).await?;
    let key = unconfirmed.confirm(&Proof::new(sized(&answer.server_proof)?))?;
    Ok(Session { token: answer.token, expires_in: answer.expires_in, key })
}

fn sized<const N: usize>(bytes: &Bytes) -> Result<[u8; N], CallerError> {
    bytes.0.as_slice().try_into().map_err(|_| CallerError::Malformed)
}
