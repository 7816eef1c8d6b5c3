//! Certificates that follow a number's first one: by renewal, by recovery, after a board swap.
//!
//! All are made by [`Authority::succeed`], for a new key each, and all are confirmed by
//! [`Desk::confirm`]: what the device had before stays good until it has shown the new one, so that no
//! power cut and no lost answer leaves it without a certificate that counts. The key is the idempotency
//! key. Whoever calls has made sure who asks; here it is decided whether the number may have another
//! certificate.
//!
//! Of several keys the last that was asked for counts: a device that lost a new key in a power cut asks
//! with another one, and the certificate that it never showed is void. A key never counts twice, so a
//! request that comes late takes nothing away from a later one.

use std::slice;
use std::sync::Arc;

use cert::{DeviceIdentity, Fingerprint};
use identity::{CredentialState, DeviceNumber, HardwareUid, RevocationReason, Transition};
use message::bytes::SecretBytes;
use message::pack::{CertificatePack, PackKey};
use message::problem::ProblemCode;
use message::standing::DeviceStanding;
use pki::{DeviceCredential, SigningRequest};
use serde::Serialize;
use store::StoreError;
use store::audit::{Actor, Cause};
use store::authority::change::Change;
use store::authority::device;
use store::authority::product::{self, Product};
use store::authority::revocation;
use store::authority::successor::{self, Intent, SuccessionCause, Successor, SuccessorId};

use crate::authority::Authority;
use crate::cas::{OpenCa, check_not_retired};
use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::history::{History, Why, end_of};
use crate::issue::{self, Prepared};

/// How many certificates a number may be made in a day, so that nobody fills the issue log.
const SUCCESSORS_A_DAY_MAX: u64 = 20;
const DAY_SECONDS: i64 = 86_400;

/// Another certificate for a number.
#[derive(Clone)]
pub(crate) struct Succession {
    /// The number that the certificate is to name.
    pub(crate) number: DeviceNumber,
    /// Its key.
    pub(crate) key: SuccessorKey,
    /// Why there is to be one, which decides what must have become of those before.
    pub(crate) cause: SuccessionCause,
    /// The chip that it is for, where that is known; once the certificate was shown, the number is that
    /// chip's.
    pub(crate) hardware_uid: Option<HardwareUid>,
    /// Who asks.
    pub(crate) actor: Actor,
}

/// The key of another certificate.
#[derive(Clone)]
pub(crate) enum SuccessorKey {
    /// The device made it, and this is its signing request (PKCS#10, DER).
    Own(Vec<u8>),
    /// It is made here, for this once: whoever asks again gets another one.
    MadeHere,
}

impl Authority {
    /// Makes the certificate; the same key again gets the same one. It is the device's from now on, and
    /// counts beside the one before until [`Desk::confirm`].
    ///
    /// # Errors
    /// The number may not have another certificate for this cause, the key is another certificate's, or
    /// something fails.
    pub(crate) async fn succeed(
        self: &Arc<Self>,
        succession: Succession,
    ) -> Result<CertificatePack, AuthorityError> {
        let authority = Arc::clone(self);
        tokio::spawn(async move { authority.follow(succession).await }).await?
    }

    async fn follow(&self, succession: Succession) -> Result<CertificatePack, AuthorityError> {
        let number = &succession.number;
        let _held = self.in_flight.hold(slice::from_ref(number)).await;
        let mut snapshot = self.desk.store.read().await?;
        let history = History::read(&mut snapshot, number, ProblemCode::NotFound).await?;
        let product = product::find(&mut snapshot, number.product()).await?;
        let product = product.ok_or(StoreError::Corrupt { what: "product" })?;
        let since = self.desk.now() - DAY_SECONDS;
        let made_lately = successor::count_since(&mut snapshot, number, since).await?;
        drop(snapshot);
        let request = match &succession.key {
            SuccessorKey::Own(der) => Some(signing_request(&product, der)?),
            SuccessorKey::MadeHere => None,
        };
        if let Some(before) = request.as_ref().and_then(|request| history.of_key(request)) {
            return self.made_before(before).await;
        }
        history.check(succession.cause)?;
        if made_lately >= SUCCESSORS_A_DAY_MAX {
            let detail =
                format!("{number} was made {made_lately} certificates within a day: try again later");
            return Err(AuthorityError::refused(ProblemCode::OverQuota, detail));
        }
        let ca = self.signing_ca().await?;
        let prepared = self.prepare_successor(&ca, &product, number, request.as_ref())?;
        let id = self.store_intent(&succession, &prepared, history.pending().cloned()).await?;
        let (certificate, key) = match prepared {
            Prepared::Made(made) => {
                let DeviceCredential { certificate, secret_key, .. } = ca.ca.issue(made)?;
                (certificate, PackKey::Plain(SecretBytes::new(secret_key.to_vec())))
            }
            Prepared::Born(born) => (ca.ca.certify(born)?, PackKey::DeviceOwn),
        };
        self.store_successor(id, &ca, &certificate).await?;
        Ok(self.pack(certificate, key, &ca))
    }

    /// The certificate of a key that was asked for before.
    async fn made_before(&self, successor: &Successor) -> Result<CertificatePack, AuthorityError> {
        use CredentialState::{Leased, Verified, Written};
        match (successor.certificate.as_ref().zip(successor.issuing_ca), successor.state) {
            (Some((certificate, name)), Leased | Written | Verified) => {
                let ca = self.ca_of(name).await?;
                Ok(self.pack(certificate.clone(), PackKey::DeviceOwn, &ca))
            }
            (_, state) => {
                let SuccessorId { number, generation } = &successor.id;
                let detail = format!("certificate {generation} of {number} has this key and is {state}");
                Err(AuthorityError::refused(ProblemCode::Conflict, detail))
            }
        }
    }

    fn prepare_successor(
        &self,
        ca: &OpenCa,
        product: &Product,
        number: &DeviceNumber,
        request: Option<&SigningRequest>,
    ) -> Result<Prepared, AuthorityError> {
        let (profile, validity) = issue::profile(product, self.desk.now())?;
        let random = self.desk.random.as_ref();
        Ok(match request {
            Some(request) => Prepared::Born(ca.ca.prepare_for(request, &profile, number, validity, random)?),
            None => Prepared::Made(ca.ca.prepare(&profile, number, validity, random)?),
        })
    }

    /// Stores and audits what is about to be signed, in place of what the device has not shown.
    async fn store_intent(
        &self,
        succession: &Succession,
        prepared: &Prepared,
        replaced: Option<Successor>,
    ) -> Result<SuccessorId, AuthorityError> {
        let (now, actor) = (self.desk.now(), succession.actor.clone());
        let certificate = prepared.certificate();
        let intent = Intent {
            number: succession.number.clone(),
            cause: succession.cause,
            certificate_serial: certificate.serial().as_bytes().to_vec(),
            public_key_sha256: certificate.public_key_sha256().to_vec(),
            hardware_uid: succession.hardware_uid.clone(),
        };
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let cause = |action| Cause { time: now, actor: actor.as_str(), action };
                    if let Some(replaced) = replaced {
                        let change = end_of(&replaced);
                        let why = Why { reason: "replaced by one with another key" };
                        successor::apply(transaction, cause("successor.replace"), &[change], &why).await?;
                    }
                    successor::intend(transaction, cause("successor.intend"), &intent).await.map_err(
                        |error| match error {
                            StoreError::Duplicate { .. } => {
                                let detail =
                                    "this key is another certificate's: a new certificate has a new key";
                                AuthorityError::refused(ProblemCode::Conflict, detail)
                            }
                            other => AuthorityError::Store(other),
                        },
                    )
                })
            })
            .await
    }

    /// Stores and audits what was signed, and hands it out.
    async fn store_successor(
        &self,
        id: SuccessorId,
        ca: &OpenCa,
        certificate: &[u8],
    ) -> Result<(), AuthorityError> {
        let (now, actor, certificate) = (self.desk.now(), self.actor.clone(), certificate.to_vec());
        let name = ca.name;
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    check_not_retired(transaction, name).await?;
                    successor::file(transaction, now, &id, name, &certificate).await?;
                    let cause = Cause { time: now, actor: actor.as_str(), action: "successor.issue" };
                    let change = Change {
                        id,
                        from: CredentialState::Intended,
                        transitions: vec![Transition::Issue, Transition::Stock, Transition::Lease],
                    };
                    let signed = Signed { certificate: Fingerprint::of(&certificate).to_string() };
                    successor::apply(transaction, cause, &[change], &signed).await?;
                    Ok(())
                })
            })
            .await
    }
}

impl Desk {
    /// The certificates that followed others, the last that were asked for first; of one device, or of all.
    ///
    /// # Errors
    /// The store fails.
    pub async fn successors(
        &self,
        number: Option<&DeviceNumber>,
        limit: u32,
    ) -> Result<Vec<Successor>, AuthorityError> {
        Ok(successor::list(&mut self.store.read().await?, number, limit).await?)
    }

    /// Hears that a device has shown this identity. Where it is one that the device was handed last, it
    /// takes the place of all before, which are void from now on. The same again gets the same answer.
    ///
    /// # Errors
    /// The identity does not count, or the store fails.
    pub async fn confirm(&self, device: &DeviceIdentity) -> Result<DeviceStanding, AuthorityError> {
        let (now, device) = (self.now(), device.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let unknown = ProblemCode::NotAllowed;
                    let history = History::read(transaction, &device.number, unknown).await?;
                    let standing = history.standing(&device)?;
                    let shown = history.successors.iter().find(|successor| {
                        successor.public_key_sha256 == device.spki_sha256.as_bytes()
                            && successor.state != CredentialState::Verified
                    });
                    let Some(shown) = shown else { return Ok(standing) };
                    let actor = Actor::device(&device.number);
                    let cause = |action| Cause { time: now, actor: actor.as_str(), action };
                    let before = cause("credential.succeed");
                    history.void_all(transaction, before, Some(&shown.id), "succeeded").await?;
                    let numbers = slice::from_ref(&device.number);
                    revocation::give_reason(transaction, numbers, RevocationReason::Superseded).await?;
                    let transitions = match shown.state {
                        CredentialState::Written => vec![Transition::Verify],
                        _ => vec![Transition::Write, Transition::Verify],
                    };
                    let change = Change { id: shown.id.clone(), from: shown.state, transitions };
                    successor::apply(transaction, cause("successor.confirm"), &[change], &shown.cause)
                        .await?;
                    if let Some(hardware_uid) = &shown.hardware_uid {
                        device::set_chip(transaction, &device.number, hardware_uid).await?;
                    }
                    Ok(DeviceStanding { state: CredentialState::Verified, ..standing })
                })
            })
            .await
    }
}

/// SHA-256 of a signed certificate.
#[derive(Serialize)]
struct Signed {
    certificate: String,
}

/// The device's signing request, where its key is one that the product's devices have.
fn signing_request(product: &Product, der: &[u8]) -> Result<SigningRequest, AuthorityError> {
    let Some(certificate) = product.profile.certificate() else {
        let detail = format!("product {} takes no certificate", product.code);
        return Err(AuthorityError::refused(ProblemCode::ProductWithoutCredential, detail));
    };
    SigningRequest::verify(der)
        .and_then(|request| request.of(certificate.algorithm))
        .map_err(|error| AuthorityError::refused(ProblemCode::MalformedRequest, error.to_string()))
}
