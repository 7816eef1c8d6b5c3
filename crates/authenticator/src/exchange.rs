//! Challenge and proof.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use auth::{Answer, Authenticated, ChannelBinding, Nonce, Proof, SpentNonce, Version, Versions};
use identity::{ApparatusId, DeviceNumber, Member, MemberName};
use message::authenticate::{Challenge, ChallengeRequest, ProofAnswer, ProofRequest};
use message::bytes::Bytes;
use store::authenticator::apparatus::{self, Secret};
use store::authenticator::{nonce, pre_write_key, shut_out};
use store::{Snapshot, StoreError};
use tokio::time::{Instant, sleep_until};
use transport::Origin;

use crate::authenticator::Authenticator;
use crate::error::AuthenticatorError;
use crate::secret::{Held, SecondForm};

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
        let challenge = self.examiner.verifier.challenge(offered, Nonce::random(&*self.random))?;
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
        let found = self.spend(answer.server_nonce, answer.apparatus_id, request.service.clone()).await?;
        let channel = ChannelBinding::new(origin.channel_binding.0);
        let authenticated = match found.spent {
            Some(spent) => self.examiner.examine(&answer, spent, found.held.as_ref(), &channel)?,
            None => None,
        };
        let Some((authenticated, device_number)) = authenticated.zip(found.device_number) else {
            return Err(self.refuse(answer.apparatus_id, origin.address.ip(), received).await);
        };
        let service = Member::service(request.service);
        if found.is_service_shut_out {
            return Err(AuthenticatorError::ShutOut(service));
        }
        tracing::debug!(apparatus_id = %answer.apparatus_id, %device_number, "authenticated");
        self.vouch(&authenticated, device_number, service).await
    }

    /// Removes the nonce and looks everything up, in one unit of work.
    async fn spend(
        &self,
        nonce: Nonce,
        id: ApparatusId,
        service: MemberName,
    ) -> Result<Found, AuthenticatorError> {
        let now = self.nonce_time();
        let (is_good, apparatus, is_service_shut_out) = self
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let is_good = nonce::spend(transaction, nonce.as_bytes(), now).await?;
                    let apparatus = look_up(transaction, id).await?;
                    let is_out = shut_out::holds_service(transaction, &service).await?;
                    Ok::<_, StoreError>((is_good, apparatus, is_out))
                })
            })
            .await?;
        if is_good {
            let less_one = |out: u64| Some(out.saturating_sub(1));
            let _ = self.nonces_out.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less_one);
        }
        let (device_number, held) = apparatus.unzip();
        let spent = is_good.then(|| SpentNonce::removed(nonce));
        Ok(Found { spent, held, device_number, is_service_shut_out })
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

/// What the store says to a device's answer.
struct Found {
    /// The nonce, where it was out and good.
    spent: Option<SpentNonce>,
    /// What is stored under the apparatus ID.
    held: Option<Held>,
    /// The device that has it.
    device_number: Option<DeviceNumber>,
    is_service_shut_out: bool,
}

async fn look_up(
    snapshot: &mut Snapshot,
    id: ApparatusId,
) -> Result<Option<(DeviceNumber, Held)>, StoreError> {
    let Some(apparatus) = apparatus::find(snapshot, id).await? else { return Ok(None) };
    let held = match apparatus.secret {
        Secret::PassPhrase(sealed) => Held::PassPhrase(sealed),
        Secret::Ciphertext(ciphertext) => Held::SecondForm(SecondForm {
            product: apparatus.device_number.product().clone(),
            sealed_pre_write_key: pre_write_key::find(snapshot, &ciphertext.key_identifier)
                .await?
                .ok_or(StoreError::Corrupt { what: "apparatus.key_identifier" })?,
            ciphertext,
        }),
    };
    Ok(Some((apparatus.device_number, held)))
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
