//! Challenge and proof.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use auth::{Answer, Authenticated, ChannelBinding, Nonce, Proof, SpentNonce, Version, Versions};
use identity::{ApparatusId, DeviceNumber, Member};
use message::authenticate::{Challenge, ChallengeRequest, ProofAnswer, ProofRequest};
use message::bytes::Bytes;
use store::StoreError;
use store::authenticator::apparatus::{self, Apparatus};
use store::authenticator::nonce;
use tokio::time::{Instant, sleep_until};
use transport::Origin;

use crate::authenticator::{Authenticator, open_pass_phrase};
use crate::error::AuthenticatorError;

/// For how many seconds a nonce can be answered.
pub const NONCE_SECONDS: u32 = 30;

/// How many nonces may be out. They are given to anyone, so there must be an end.
const NONCES_OUT_MAX: u64 = 100_000;

impl Authenticator {
    /// Gives out a challenge.
    ///
    /// # Errors
    /// No version in common, too many challenges out, or the store fails.
    pub async fn challenge(&self, request: ChallengeRequest) -> Result<Challenge, AuthenticatorError> {
        let offered = versions(request.versions)?;
        let challenge = self.verifier.challenge(offered, Nonce::random(&*self.random))?;
        if self.nonces_out.fetch_add(1, Ordering::Relaxed) >= NONCES_OUT_MAX {
            self.nonces_out.fetch_sub(1, Ordering::Relaxed);
            return Err(AuthenticatorError::Busy);
        }
        let (nonce, expires) = (challenge.nonce, self.nonce_time() + i64::from(NONCE_SECONDS));
        let stored: Result<(), StoreError> = self
            .store
            .write(move |transaction| {
                Box::pin(async move { nonce::insert(transaction, nonce.as_bytes(), expires).await })
            })
            .await;
        stored?;
        Ok(Challenge {
            version: challenge.version.number(),
            server: challenge.server,
            nonce: Bytes(nonce.as_bytes().to_vec()),
            expires_in: NONCE_SECONDS,
        })
    }

    /// Checks a device's proof that came in on this connection, and answers with the own proof and a
    /// token.
    ///
    /// # Errors
    /// The device has not proved itself, or the store fails.
    pub async fn prove(
        &self,
        origin: Origin,
        request: ProofRequest,
    ) -> Result<ProofAnswer, AuthenticatorError> {
        let received = Instant::now();
        let answer = answer(&request)?;
        let id = answer.apparatus_id;
        let (spent, apparatus) = self.spend(answer.server_nonce, id).await?;
        let channel = ChannelBinding::new(origin.channel_binding.0);
        match self.check(&answer, spent, apparatus, &channel)? {
            Some((authenticated, device_number)) => {
                tracing::debug!(apparatus_id = %id, %device_number, "authenticated");
                self.vouch(&authenticated, device_number, Member::service(request.service)).await
            }
            None => Err(self.refuse(id, origin.address.ip(), received).await),
        }
    }

    /// Removes the nonce and looks the apparatus up, in one unit of work.
    async fn spend(
        &self,
        nonce: Nonce,
        id: ApparatusId,
    ) -> Result<(Option<SpentNonce>, Option<Apparatus>), AuthenticatorError> {
        let now = self.nonce_time();
        let (is_good, apparatus) = self
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let is_good = nonce::spend(transaction, nonce.as_bytes(), now).await?;
                    Ok::<_, StoreError>((is_good, apparatus::find(transaction, id).await?))
                })
            })
            .await?;
        if !is_good {
            return Ok((None, apparatus));
        }
        let less_one = |out: u64| Some(out.saturating_sub(1));
        let _ = self.nonces_out.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less_one);
        Ok((Some(SpentNonce::removed(nonce)), apparatus))
    }

    /// Whether the device is who it says it is. An ID that nobody has takes the same steps, with the
    /// decoy's pass phrase, which no device holds.
    fn check(
        &self,
        answer: &Answer,
        spent: Option<SpentNonce>,
        apparatus: Option<Apparatus>,
        channel: &ChannelBinding,
    ) -> Result<Option<(Authenticated, DeviceNumber)>, AuthenticatorError> {
        let Some(spent) = spent else { return Ok(None) };
        let (id, sealed) = match &apparatus {
            Some(apparatus) => (answer.apparatus_id, &apparatus.sealed_pass_phrase),
            None => (self.decoy.id, &self.decoy.sealed_pass_phrase),
        };
        let pass_phrase = open_pass_phrase(&self.vault, id, sealed)?;
        let authenticated = self.verifier.verify(answer, spent, &pass_phrase, channel).ok();
        Ok(authenticated.zip(apparatus.map(|apparatus| apparatus.device_number)))
    }

    async fn vouch(
        &self,
        authenticated: &Authenticated,
        device_number: DeviceNumber,
        service: Member,
    ) -> Result<ProofAnswer, AuthenticatorError> {
        let token = self.issue_token(authenticated.apparatus_id(), device_number, service).await?;
        Ok(ProofAnswer {
            server_proof: Bytes(authenticated.server_proof().as_bytes().to_vec()),
            token,
            expires_in: self.settings.token_seconds,
        })
    }

    /// The refusal, once its time has come.
    async fn refuse(&self, id: ApparatusId, address: IpAddr, received: Instant) -> AuthenticatorError {
        let Some(_place) = self.waiting_room.place() else { return AuthenticatorError::Busy };
        let backoff = self.settings.backoff;
        let failures = match backoff.note(&self.store, id, address, self.now()).await {
            Ok(failures) => failures,
            Err(error) => return error.into(),
        };
        tracing::info!(apparatus_id = %id, %address, failures, "not authenticated");
        sleep_until(received + backoff.wait(failures)).await;
        AuthenticatorError::NotAuthenticated
    }
}

fn versions(versions: message::authenticate::Versions) -> Result<Versions, AuthenticatorError> {
    Versions::new(Version::new(versions.oldest), Version::new(versions.newest))
        .ok_or(AuthenticatorError::Malformed("the oldest version is newer than the newest"))
}

fn answer(request: &ProofRequest) -> Result<Answer, AuthenticatorError> {
    Ok(Answer {
        offered: versions(request.versions)?,
        version: Version::new(request.version),
        apparatus_id: request.apparatus_id,
        device_nonce: Nonce::new(sized(&request.device_nonce, "a nonce has 16 bytes")?),
        server_nonce: Nonce::new(sized(&request.server_nonce, "a nonce has 16 bytes")?),
        proof: Proof::new(sized(&request.device_proof, "a proof has 32 bytes")?),
    })
}

fn sized<const N: usize>(bytes: &Bytes, expected: &'static str) -> Result<[u8; N], AuthenticatorError> {
    bytes.0.as_slice().try_into().map_err(|_| AuthenticatorError::Malformed(expected))
}
