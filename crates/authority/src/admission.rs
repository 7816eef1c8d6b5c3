//! Members: gateways, authenticators, services and centers are invited by a person and join with a one-time
//! secret; stations are vouched for by their gateway. Every request is looked up here.

use std::sync::Arc;

use cert::{Certificate, CertificateSerial, Fingerprint, Refusal};
use identity::profile::KeyAlgorithm;
use identity::{Member, MemberName, Role};
use message::bytes::SecretBytes;
use message::join::{JoinRequest, JoinToken, MemberRequest, Membership};
use message::problem::ProblemCode;
use message::shut_out::ShutOut;
use pki::SigningRequest;
use serde::Serialize;
use store::audit::{self, Actor};
use store::authority::allotment;
use store::authority::member::{self, Invitation, MemberCertificate};
use store::{StoreError, Transaction};

use crate::authority::Authority;
use crate::desk::Desk;
use crate::error::AuthorityError;

const SECRET_BYTES: usize = 32;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    member: &'a Member,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_serial: Option<&'a str>,
}

impl Desk {
    /// Makes a token by which a gateway, an authenticator, a service or a center may join, once, at `url` and
    /// within `valid_seconds`.
    ///
    /// # Errors
    /// A gateway of a factory that is not known, a member of a role that does not join here, or the
    /// store fails.
    pub async fn invite(
        &self,
        member: &Member,
        url: &str,
        root: Fingerprint,
        valid_seconds: u32,
        actor: &Actor,
    ) -> Result<JoinToken, AuthorityError> {
        let mut secret = vec![0; SECRET_BYTES];
        self.random.fill(&mut secret);
        let now = self.now();
        let invitation = Invitation {
            secret_sha256: Fingerprint::of(&secret).to_string(),
            member: member.clone(),
            expires: now + i64::from(valid_seconds),
            certificate_serial: None,
        };
        let actor = actor.clone();
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    check_joins_here(transaction, &invitation.member).await?;
                    member::invite(transaction, now, &invitation).await?;
                    let body = Named { member: &invitation.member, certificate_serial: None };
                    audit::append(transaction, now, actor.as_str(), "member.invite", &body)
                        .await
                        .map_err(AuthorityError::from)
                })
            })
            .await?;
        Ok(JoinToken {
            url: url.to_owned(),
            host: self.member.clone(),
            member: member.clone(),
            root_sha256: root.to_string(),
            secret: SecretBytes::new(secret),
        })
    }

    /// Shuts a member out from now on, and ends its open invitations.
    ///
    /// # Errors
    /// There is no such member, or the store fails.
    pub async fn revoke(&self, member: &Member, actor: &Actor) -> Result<(), AuthorityError> {
        let (now, member, actor) = (self.now(), member.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let was_invited = member::withdraw_invitations(transaction, &member).await?;
                    let was_member = member::revoke(transaction, now, &member).await?;
                    if !was_invited && !was_member {
                        let detail =
                            format!("{member} has neither a certificate that counts nor an invitation");
                        return Err(AuthorityError::refused(ProblemCode::NotFound, detail));
                    }
                    let body = Named { member: &member, certificate_serial: None };
                    Ok(audit::append(transaction, now, actor.as_str(), "member.revoke", &body).await?)
                })
            })
            .await
    }

    /// Lets a gateway in that shows the certificate it last joined with and is not revoked.
    ///
    /// # Errors
    /// Its certificate is unknown or revoked.
    pub async fn admit(&self, gateway: &transport::Gateway) -> Result<(), AuthorityError> {
        self.admit_member(&gateway.certificate_serial).await
    }

    /// The services that are shut out, and their certificates that would be good still.
    ///
    /// # Errors
    /// The store fails.
    pub async fn shut_out(&self) -> Result<ShutOut, AuthorityError> {
        let mut snapshot = self.store.read().await?;
        let now = self.now();
        let (mut services, mut certificate_serials) = (Vec::new(), Vec::new());
        for revoked in member::revoked(&mut snapshot, Role::Service).await? {
            if member::current(&mut snapshot, &revoked.member).await?.is_none() {
                services.push(revoked.member.name().clone());
            }
            let certificate = Certificate::parse(&revoked.certificate);
            if certificate.is_ok_and(|certificate| certificate.not_after() >= now) {
                certificate_serials.push(revoked.serial);
            }
        }
        services.dedup();
        Ok(ShutOut { services, certificate_serials })
    }

    /// Lets a member in that shows the certificate it last joined with and is not revoked.
    ///
    /// # Errors
    /// Its certificate is unknown or revoked.
    pub async fn admit_member(&self, certificate: &CertificateSerial) -> Result<(), AuthorityError> {
        let refused = |detail: &str| Err(AuthorityError::refused(ProblemCode::NotAllowed, detail));
        match member::find(&mut self.store.read().await?, &certificate.to_string()).await? {
            None => refused("this member's certificate is not known here"),
            Some(MemberCertificate { revoked: Some(_), .. }) => {
                refused("this member was revoked, or has joined again since with another certificate")
            }
            Some(_) => Ok(()),
        }
    }
}

impl Authority {
    /// Lets a newcomer join with its token's secret. The same secret with the same key gets the same answer.
    ///
    /// # Errors
    /// The secret is unknown, used or expired, or the signing request does not hold.
    pub async fn join(self: &Arc<Self>, request: &JoinRequest) -> Result<Membership, AuthorityError> {
        let signing_request = verified(&request.signing_request.0)?;
        let secret = Fingerprint::of(request.secret.expose()).to_string();
        let authority = Arc::clone(self);
        let certificate = self
            .desk
            .store
            .write(move |transaction| {
                Box::pin(
                    async move { authority.use_invitation(transaction, &secret, &signing_request).await },
                )
            })
            .await?;
        Ok(self.membership(certificate))
    }

    /// Makes a station that a gateway vouches for a member. The same name with the same key gets the
    /// same answer.
    ///
    /// # Errors
    /// The signing request does not hold.
    pub async fn add_station(
        self: &Arc<Self>,
        factory: &MemberName,
        request: &MemberRequest,
    ) -> Result<Membership, AuthorityError> {
        let signing_request = verified(&request.signing_request.0)?;
        let station = Member::station(factory.clone(), request.name.clone());
        let actor = Actor::member(&Member::gateway(factory.clone()));
        let authority = Arc::clone(self);
        let certificate = self
            .desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let key = signing_request.public_key_sha256().to_string();
                    match member::current(transaction, &station).await? {
                        Some(current) if current.public_key_sha256 == key => Ok(current.certificate),
                        _ => authority.certify(transaction, &station, &signing_request, &actor).await,
                    }
                })
            })
            .await?;
        Ok(self.membership(certificate))
    }

    /// A new certificate for the authority itself, and its key, PKCS#8 DER.
    ///
    /// # Errors
    /// The library or the store fails.
    pub async fn renew_own(&self) -> Result<(Membership, SecretBytes), AuthorityError> {
        let (now, actor) = (self.desk.now(), self.actor.clone());
        let (certificate, key) =
            self.plant.issue_with_key(&self.desk.member, now, self.desk.random.as_ref())?;
        let key = key.to_pkcs8().map_err(pki::IssueError::from)?;
        let row = certificate_row(self.desk.member.clone(), certificate.clone(), now)
            .map_err(|_| pki::IssueError::WrongCertificate)?;
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move { store_certificate(transaction, &row, &actor).await })
            })
            .await?;
        Ok((self.membership(certificate), SecretBytes::new(key.to_vec())))
    }

    async fn use_invitation(
        &self,
        transaction: &mut Transaction,
        secret: &str,
        request: &SigningRequest,
    ) -> Result<Vec<u8>, AuthorityError> {
        let refused = |detail| Err(AuthorityError::refused(ProblemCode::TokenRefused, detail));
        let Some(invitation) = member::invitation(transaction, secret).await? else {
            return refused("the join token is unknown");
        };
        if let Some(serial) = &invitation.certificate_serial {
            let key = request.public_key_sha256().to_string();
            return match member::find(transaction, serial).await? {
                Some(known) if known.public_key_sha256 == key && known.revoked.is_none() => {
                    Ok(known.certificate)
                }
                _ => refused("the join token was used already"),
            };
        }
        if invitation.expires <= self.desk.now() {
            return refused("the join token has expired");
        }
        let actor = Actor::member(&invitation.member);
        let certificate = self.certify(transaction, &invitation.member, request, &actor).await?;
        let serial = Certificate::parse(&certificate).map(|certificate| certificate.serial().to_string());
        let serial = serial.map_err(|_| pki::IssueError::WrongCertificate)?;
        member::use_invitation(transaction, secret, &serial).await?;
        Ok(certificate)
    }

    async fn certify(
        &self,
        transaction: &mut Transaction,
        member: &Member,
        request: &SigningRequest,
        actor: &Actor,
    ) -> Result<Vec<u8>, AuthorityError> {
        let now = self.desk.now();
        let certificate = self.plant.issue(member, request, now, self.desk.random.as_ref())?;
        let row = certificate_row(member.clone(), certificate.clone(), now)
            .map_err(|_| pki::IssueError::WrongCertificate)?;
        store_certificate(transaction, &row, actor).await?;
        Ok(certificate)
    }
}

/// A member's new certificate as the store keeps it.
pub(crate) fn certificate_row(
    member: Member,
    certificate: Vec<u8>,
    now: i64,
) -> Result<MemberCertificate, Refusal> {
    let parsed = Certificate::parse(&certificate)?;
    Ok(MemberCertificate {
        serial: parsed.serial().to_string(),
        member,
        public_key_sha256: parsed.spki_fingerprint().to_string(),
        certificate,
        issued: now,
        revoked: None,
    })
}

async fn store_certificate(
    transaction: &mut Transaction,
    row: &MemberCertificate,
    actor: &Actor,
) -> Result<(), AuthorityError> {
    member::insert(transaction, row).await?;
    let body = Named { member: &row.member, certificate_serial: Some(&row.serial) };
    audit::append(transaction, row.issued, actor.as_str(), "member.certify", &body)
        .await
        .map_err(StoreError::into)
}

/// Refuses whom nobody here could use, or who joins elsewhere.
async fn check_joins_here(transaction: &mut Transaction, member: &Member) -> Result<(), AuthorityError> {
    match member.role() {
        Role::Authenticator | Role::Service | Role::Center => Ok(()),
        Role::Gateway if allotment::factories(transaction).await?.contains(member.name()) => Ok(()),
        Role::Gateway => {
            let detail = format!("no factory {} is known here", member.name());
            Err(AuthorityError::refused(ProblemCode::NotFound, detail))
        }
        Role::Authority | Role::Station => {
            let detail = format!("{member} does not join an authority: a station joins its gateway");
            Err(AuthorityError::refused(ProblemCode::NotAllowed, detail))
        }
    }
}

fn verified(signing_request: &[u8]) -> Result<SigningRequest, AuthorityError> {
    SigningRequest::verify(signing_request)
        .and_then(|request| request.of(KeyAlgorithm::P256))
        .map_err(|error| AuthorityError::refused(ProblemCode::MalformedRequest, error.to_string()))
}
