//! Stations: invited by a person, joined with a one-time secret, admitted with every request, revoked.

use cert::{Certificate, Fingerprint, Refusal};
use identity::{Member, MemberName};
use message::bytes::SecretBytes;
use message::join::{JoinRequest, JoinToken, MemberRequest, Membership};
use message::problem::{Problem, ProblemCode};
use serde::Serialize;
use store::audit::{self, Actor};
use store::gateway::station::{self, Invitation, Station};

use crate::desk::Desk;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::upstream::UpstreamError;

const SECRET_BYTES: usize = 32;

/// Why a station did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinStationError {
    /// The token is not good.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The authority gave no certificate.
    #[error("the authority gave the station no certificate")]
    Upstream(#[from] UpstreamError),
    /// The authority answered with something else.
    #[error("the authority answered with a certificate that is not the station's")]
    Certificate(#[from] Refusal),
}

impl JoinStationError {
    /// The problem to answer.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Gateway(error) => error.problem(),
            Self::Upstream(UpstreamError::Refused(problem)) => problem.clone(),
            Self::Upstream(UpstreamError::NoAnswer(_)) => Problem::new(
                ProblemCode::Unavailable,
                "the authority, which certifies stations, cannot be reached; try again later",
            ),
            Self::Certificate(_) => {
                Problem::new(ProblemCode::Internal, "the authority's answer makes no sense; the log says why")
            }
        }
    }
}

#[derive(Serialize)]
struct Named<'a> {
    station: &'a MemberName,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_serial: Option<&'a str>,
}

impl Desk {
    /// Makes a token by which one station may join, once, at `url` and within `valid_seconds`.
    ///
    /// # Errors
    /// The store fails.
    pub async fn invite(
        &self,
        name: &MemberName,
        url: &str,
        root: Fingerprint,
        valid_seconds: u32,
        actor: &Actor,
    ) -> Result<JoinToken, GatewayError> {
        let mut secret = vec![0; SECRET_BYTES];
        self.random.fill(&mut secret);
        let now = self.now();
        let invitation = Invitation {
            secret_sha256: Fingerprint::of(&secret).to_string(),
            station: name.clone(),
            expires: now + i64::from(valid_seconds),
            request_sha256: None,
        };
        let actor = actor.clone();
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    station::invite(transaction, now, &invitation).await?;
                    let body = Named { station: &invitation.station, certificate_serial: None };
                    audit::append(transaction, now, actor.as_str(), "station.invite", &body).await?;
                    Ok::<(), GatewayError>(())
                })
            })
            .await?;
        Ok(JoinToken {
            url: url.to_owned(),
            host: Member::gateway(self.factory.clone()),
            member: Member::station(self.factory.clone(), name.clone()),
            root_sha256: root.to_string(),
            secret: SecretBytes::new(secret),
        })
    }

    /// Shuts a station out from now on, and ends its open invitations.
    ///
    /// # Errors
    /// There is no such station, or the store fails.
    pub async fn revoke_station(&self, name: &MemberName, actor: &Actor) -> Result<(), GatewayError> {
        let (now, name, actor) = (self.now(), name.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    if !station::revoke(transaction, now, &name).await? {
                        let detail = format!("no station {name} has joined this gateway");
                        return Err(GatewayError::refused(ProblemCode::NotFound, detail));
                    }
                    let body = Named { station: &name, certificate_serial: None };
                    Ok(audit::append(transaction, now, actor.as_str(), "station.revoke", &body).await?)
                })
            })
            .await
    }

    /// All stations that joined.
    ///
    /// # Errors
    /// The store fails.
    pub async fn stations(&self) -> Result<Vec<Station>, GatewayError> {
        Ok(station::all(&mut self.store.read().await?).await?)
    }

    /// Lets a station in that shows the certificate it last joined with and is not revoked.
    ///
    /// # Errors
    /// It is of another factory, unknown, revoked, or shows an older certificate.
    pub async fn admit(&self, peer: &transport::Station) -> Result<(), GatewayError> {
        let refused = |detail: &str| Err(GatewayError::refused(ProblemCode::NotAllowed, detail));
        if peer.factory != self.factory {
            return refused("the station belongs to another factory");
        }
        match station::find(&mut self.store.read().await?, &peer.name).await? {
            None => refused("the station has not joined this gateway"),
            Some(Station { revoked: Some(_), .. }) => refused("the station was revoked"),
            Some(known) if known.certificate_serial != peer.certificate_serial.to_string() => {
                refused("the station has joined again since, with another certificate")
            }
            Some(_) => Ok(()),
        }
    }
}

impl Gateway {
    /// Lets a station join: its token's secret is checked here, its certificate comes from the authority.
    /// The same secret with the same signing request gets the same answer, as long as the token is good.
    ///
    /// # Errors
    /// The secret is unknown, used or expired; or the authority gives no certificate.
    pub async fn join(&self, request: &JoinRequest) -> Result<Membership, JoinStationError> {
        let name = self.use_invitation(request).await?;
        let upward = MemberRequest { name: name.clone(), signing_request: request.signing_request.clone() };
        let membership = self.upstream.member(&upward).await?;
        let certificate = Certificate::parse(&membership.member_certificate.0)?;
        let member = Member::station(self.desk.factory.clone(), name.clone());
        self.trust().verify_host(certificate.der(), &member, self.desk.now())?;
        self.store_joined(member, name, certificate.serial().to_string()).await?;
        Ok(membership)
    }

    /// Ties the invitation to this signing request, so that nobody else can use it after a lost answer.
    async fn use_invitation(&self, request: &JoinRequest) -> Result<MemberName, GatewayError> {
        let now = self.desk.now();
        let secret = Fingerprint::of(request.secret.expose()).to_string();
        let signing_request = Fingerprint::of(&request.signing_request.0).to_string();
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let refused = |detail| Err(GatewayError::refused(ProblemCode::TokenRefused, detail));
                    let Some(invitation) = station::invitation(transaction, &secret).await? else {
                        return refused("the join token is unknown");
                    };
                    if invitation.expires <= now {
                        return refused("the join token has expired");
                    }
                    match invitation.request_sha256 {
                        Some(used_by) if used_by != signing_request => {
                            return refused("the join token was used already");
                        }
                        Some(_) => {}
                        None => station::use_invitation(transaction, &secret, &signing_request).await?,
                    }
                    Ok(invitation.station)
                })
            })
            .await
    }

    async fn store_joined(
        &self,
        member: Member,
        name: MemberName,
        certificate_serial: String,
    ) -> Result<(), GatewayError> {
        let (now, actor) = (self.desk.now(), Actor::member(&member));
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    station::joined(transaction, now, &name, &certificate_serial).await?;
                    let body = Named { station: &name, certificate_serial: Some(&certificate_serial) };
                    Ok(audit::append(transaction, now, actor.as_str(), "station.join", &body).await?)
                })
            })
            .await
    }
}
