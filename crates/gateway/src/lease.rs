//! Leasing: a pack to one station, for one device (source A Figs. 17 and 22).

use identity::{CredentialState, DeviceNumber, HardwareUid, Member, MemberName, Transition};
use message::bytes::{Bytes, SecretBytes};
use message::lease::{Lease, LeaseRequest};
use message::pack::{CertificatePack, CredentialPack, PackKey};
use message::problem::ProblemCode;
use serde::Serialize;
use store::audit::{self, Actor, Cause};
use store::gateway::attempt::{self, Attempt};
use store::gateway::credential::{self, Credential, Pack, SealedSecret};
use store::gateway::plan;
use store::{StoreError, Transaction};

use crate::error::GatewayError;
use crate::gateway::Gateway;

impl Gateway {
    /// Leases the pack of a number to a station for the device in front of it.
    ///
    /// The same attempt gets the same answer, and so does the same device in a new attempt; any other
    /// device is refused for good. Durable before it answers.
    ///
    /// # Errors
    /// The refusal, as a problem; or the store or the key ring fails.
    pub async fn lease(&self, station: &MemberName, request: &LeaseRequest) -> Result<Lease, GatewayError> {
        if request.device_number.product() != &request.product {
            return Err(refused(
                ProblemCode::WrongProduct,
                format!("the device is a {}, not {}", request.product, request.device_number),
            ));
        }
        let now = self.desk.now();
        let wanted = Wanted {
            now,
            expires: now + i64::from(self.desk.settings.lease_seconds),
            actor: Actor::member(&Member::station(self.desk.factory.clone(), station.clone())),
            attempt: Attempt {
                id: request.attempt.to_string(),
                number: request.device_number.clone(),
                station: station.clone(),
                hardware_uid: request.hardware_uid.clone(),
                result: None,
            },
        };
        let (pack, secret, expires) = self
            .desk
            .store
            .write(move |transaction| Box::pin(async move { wanted.lease(transaction).await }))
            .await?;
        let context = request.device_number.text();
        let key = self.ring.open_sealed(secret.slot, context.as_bytes(), &secret.sealed)?;
        Ok(Lease {
            device_number: request.device_number.clone(),
            pack: CredentialPack {
                certificate: Some(CertificatePack {
                    root_certificate: Bytes(pack.root),
                    issuing_certificate: Bytes(pack.issuing),
                    client_certificate: Bytes(pack.certificate),
                    key: PackKey::Plain(SecretBytes::new(key.expose().to_vec())),
                }),
                apparatus: None,
            },
            certificate_owed: false,
            expires,
        })
    }
}

/// What one station asks for one device.
struct Wanted {
    now: i64,
    expires: i64,
    actor: Actor,
    attempt: Attempt,
}

#[derive(Serialize)]
struct Detail<'a> {
    attempt: &'a str,
    hardware_uid: &'a HardwareUid,
    station: &'a MemberName,
    expires: i64,
}

impl Wanted {
    async fn lease(self, transaction: &mut Transaction) -> Result<(Pack, SealedSecret, i64), GatewayError> {
        let is_new = self.check_attempt(transaction).await?;
        let credential = match credential::find(transaction, &self.attempt.number).await? {
            Some(credential) => credential,
            None => return Err(no_credential(transaction, &self.attempt.number).await?),
        };
        self.check_device(transaction, &credential).await?;
        let expires = self.take(transaction, &credential, is_new).await?;
        let mut pack = credential.pack.ok_or(StoreError::Corrupt { what: "credential.pack" })?;
        let secret = pack.secret.take().ok_or(StoreError::Corrupt { what: "credential.slot" })?;
        Ok((pack, secret, expires))
    }

    /// Whether the attempt is new. One that is known must be asked for as before, and must not have ended.
    async fn check_attempt(&self, transaction: &mut Transaction) -> Result<bool, GatewayError> {
        match attempt::find(transaction, &self.attempt.id).await? {
            None => Ok(true),
            Some(Attempt { result: Some((_, state)), .. }) => {
                Err(refused(ProblemCode::IllegalState, format!("this attempt has ended: {state}")))
            }
            Some(known) if known == self.attempt => Ok(false),
            Some(_) => Err(refused(ProblemCode::Conflict, "this attempt was for something else")),
        }
    }

    async fn check_device(
        &self,
        transaction: &mut Transaction,
        credential: &Credential,
    ) -> Result<(), GatewayError> {
        let (number, uid) = (&self.attempt.number, &self.attempt.hardware_uid);
        let is_same_device = credential.lease.as_ref().is_none_or(|lease| lease.hardware_uid == *uid);
        match credential.state {
            CredentialState::Stocked => {}
            CredentialState::Intended | CredentialState::Issued => {
                return Err(refused(
                    ProblemCode::Unavailable,
                    format!("the pack for {number} is on its way"),
                ));
            }
            CredentialState::Abandoned => return Err(unplanned(number)),
            CredentialState::Voided => {
                return Err(refused(ProblemCode::IllegalState, format!("{number} was withdrawn")));
            }
            _ if !is_same_device => {
                return Err(refused(
                    ProblemCode::SecondDevice,
                    format!("{number} belongs to another device: the rating plate is not this device's"),
                ));
            }
            CredentialState::Written | CredentialState::Verified => {
                return Err(refused(ProblemCode::AlreadyMade, format!("{number} is in this device already")));
            }
            CredentialState::Leased | CredentialState::Suspect => {}
        }
        match credential::verified_on(transaction, uid).await? {
            Some(other) if other != *number => {
                Err(refused(ProblemCode::DeviceHoldsAnother, format!("this device is {other}")))
            }
            _ => Ok(()),
        }
    }

    /// Leases, or leaves the lease of this very attempt as it is. When the lease runs out.
    async fn take(
        &self,
        transaction: &mut Transaction,
        credential: &Credential,
        is_new: bool,
    ) -> Result<i64, GatewayError> {
        let current = credential.lease.as_ref().filter(|_| credential.state == CredentialState::Leased);
        if let Some(lease) = current.filter(|lease| lease.attempt == self.attempt.id) {
            return Ok(lease.expires);
        }
        if is_new {
            attempt::insert(transaction, self.now, &self.attempt).await?;
        }
        let lease = credential::Lease {
            hardware_uid: self.attempt.hardware_uid.clone(),
            attempt: self.attempt.id.clone(),
            station: self.attempt.station.clone(),
            expires: self.expires,
        };
        credential::set_lease(transaction, &self.attempt.number, &lease).await?;
        let cause = Cause { time: self.now, actor: self.actor.as_str(), action: "credential.lease" };
        let detail = Detail {
            attempt: &lease.attempt,
            hardware_uid: &lease.hardware_uid,
            station: &lease.station,
            expires: lease.expires,
        };
        if current.is_some() {
            let body = (&self.attempt.number, &detail);
            audit::append(transaction, cause.time, cause.actor, "credential.lease-again", &body).await?;
        } else {
            let change = [(self.attempt.number.clone(), &[Transition::Lease][..])];
            credential::apply(transaction, cause, &change, &detail).await?;
        }
        Ok(lease.expires)
    }
}

/// Why there is no credential of this number.
async fn no_credential(
    transaction: &mut Transaction,
    number: &DeviceNumber,
) -> Result<GatewayError, GatewayError> {
    let product = number.product();
    Ok(match plan::product(transaction, product).await? {
        None => refused(ProblemCode::UnknownProduct, format!("{product} is not in the product list")),
        Some(product) if !product.takes_certificate => refused(
            ProblemCode::ProductWithoutCredential,
            format!("devices of {} take no certificate", product.code),
        ),
        Some(_) => unplanned(number),
    })
}

fn unplanned(number: &DeviceNumber) -> GatewayError {
    refused(ProblemCode::Unplanned, format!("{number} is neither planned nor in stock"))
}

fn refused(code: ProblemCode, detail: impl Into<String>) -> GatewayError {
    GatewayError::refused(code, detail)
}
