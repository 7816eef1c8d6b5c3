//! Renewal: a device shows the certificate that it has, and gets the next one.

use std::slice;
use std::sync::Arc;

use cert::DeviceIdentity;
use identity::DeviceNumber;
use identity::profile::{CertificateProfile, KeyAlgorithm, KeyOrigin, Sealing};
use message::pack::CertificatePack;
use message::problem::ProblemCode;
use message::renewal::RenewalRequest;
use pki::RequestedSubject;
use store::StoreError;
use store::audit::Actor;
use store::authority::pack;
use store::authority::product::{self, Product};
use store::authority::renewal_policy;
use store::authority::successor::SuccessionCause;

use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::history::History;
use crate::succession::{Succession, SuccessorKey};

const DAY_SECONDS: i64 = 86_400;

impl Authority {
    /// The next certificate of the device that has shown this identity.
    ///
    /// # Errors
    /// The identity does not count, the request is none, its key was used before, or something fails.
    pub async fn renew(
        self: &Arc<Self>,
        device: &DeviceIdentity,
        request: RenewalRequest,
    ) -> Result<CertificatePack, AuthorityError> {
        self.next(device, SuccessorKey::Own(request.signing_request.0)).await
    }

    /// The same for a request (PKCS#10, DER) that may name the device, and nobody else (RFC 7030 clause 4.2.1).
    ///
    /// # Errors
    /// As [`Authority::renew`], or the request names somebody else.
    pub(crate) async fn enroll(
        self: &Arc<Self>,
        device: &DeviceIdentity,
        request: Vec<u8>,
    ) -> Result<CertificatePack, AuthorityError> {
        check_own(device, &request)?;
        self.next(device, SuccessorKey::Own(request)).await
    }

    /// The same for a request that has subject and subject alternative name of the certificate which the
    /// device shows (RFC 7030 clause 4.2.2).
    ///
    /// # Errors
    /// As [`Authority::renew`], or the names are others.
    pub(crate) async fn reenroll(
        self: &Arc<Self>,
        device: &DeviceIdentity,
        request: Vec<u8>,
    ) -> Result<CertificatePack, AuthorityError> {
        let certificate = self.certificate_of(device).await?;
        if !subject_of(&request)?.is_that_of(&certificate) {
            let detail =
                "subject and subject alternative name must be those of the certificate that is shown";
            return Err(AuthorityError::refused(ProblemCode::MalformedRequest, detail));
        }
        self.next(device, SuccessorKey::Own(request)).await
    }

    /// The same for a key that is made here (RFC 7030 clause 4.4). It is kept nowhere: a device that asks
    /// again, since the answer was lost, gets another one. Of the request only the names count.
    ///
    /// # Errors
    /// As [`Authority::renew`], or the product's devices make their keys themselves, or get them sealed.
    pub(crate) async fn generate_key(
        self: &Arc<Self>,
        device: &DeviceIdentity,
        request: &[u8],
    ) -> Result<CertificatePack, AuthorityError> {
        check_own(device, request)?;
        let product = self.product_of(device).await?;
        let is_made_here = certificate_profile(&product)?.origin == KeyOrigin::Authority;
        if !is_made_here || product.profile.sealing() != Sealing::Plain {
            let detail = format!("the keys of {} are made by its devices, or travel sealed", product.code);
            return Err(AuthorityError::refused(ProblemCode::NotAllowed, detail));
        }
        self.next(device, SuccessorKey::MadeHere).await
    }

    /// Lets a device ask for its next certificate although the one that it has is past its end, where its
    /// product allows it for so long.
    ///
    /// # Errors
    /// The product does not, or the store fails.
    pub(crate) async fn check_expired(
        &self,
        number: &DeviceNumber,
        expired: i64,
    ) -> Result<(), AuthorityError> {
        let policy = renewal_policy::of_product(&mut self.desk.store.read().await?, number.product()).await?;
        let days = policy.expired_days;
        if self.desk.now() <= expired + i64::from(days) * DAY_SECONDS {
            return Ok(());
        }
        let detail = format!(
            "the certificate of {number} has expired, and one of {} is renewed for {days} days after that",
            number.product()
        );
        Err(AuthorityError::refused(ProblemCode::NotAllowed, detail))
    }

    /// What the keys of devices like this one are.
    ///
    /// # Errors
    /// The identity does not count, or the store fails.
    pub(crate) async fn key_algorithm_of(
        &self,
        device: &DeviceIdentity,
    ) -> Result<KeyAlgorithm, AuthorityError> {
        self.desk.standing(device).await?;
        Ok(certificate_profile(&self.product_of(device).await?)?.algorithm)
    }

    async fn next(
        self: &Arc<Self>,
        device: &DeviceIdentity,
        key: SuccessorKey,
    ) -> Result<CertificatePack, AuthorityError> {
        // A device that asks with a certificate which it was handed has that certificate.
        self.desk.confirm(device).await?;
        self.succeed(Succession {
            number: device.number.clone(),
            key,
            cause: SuccessionCause::Renewal,
            hardware_uid: None,
            actor: Actor::device(&device.number),
        })
        .await
    }

    /// The certificate that the device shows.
    async fn certificate_of(&self, device: &DeviceIdentity) -> Result<Vec<u8>, AuthorityError> {
        let mut snapshot = self.desk.store.read().await?;
        let history = History::read(&mut snapshot, &device.number, ProblemCode::NotAllowed).await?;
        history.standing(device)?;
        let key = device.spki_sha256.as_bytes();
        let shown = history.successors.into_iter().find(|successor| successor.public_key_sha256 == key);
        let certificate = match shown {
            Some(successor) => successor.certificate,
            None => {
                let packs = pack::find_all(&mut snapshot, slice::from_ref(&device.number)).await?;
                packs.into_iter().next().map(|pack| pack.certificate)
            }
        };
        Ok(certificate.ok_or(StoreError::Corrupt { what: "certificate" })?)
    }

    async fn product_of(&self, device: &DeviceIdentity) -> Result<Product, AuthorityError> {
        let found = product::find(&mut self.desk.store.read().await?, device.number.product()).await?;
        Ok(found.ok_or(StoreError::Corrupt { what: "product" })?)
    }
}

fn certificate_profile(product: &Product) -> Result<CertificateProfile, AuthorityError> {
    product.profile.certificate().ok_or_else(|| {
        let detail = format!("product {} takes no certificate", product.code);
        AuthorityError::refused(ProblemCode::ProductWithoutCredential, detail)
    })
}

fn subject_of(request: &[u8]) -> Result<RequestedSubject, AuthorityError> {
    RequestedSubject::read(request)
        .map_err(|error| AuthorityError::refused(ProblemCode::MalformedRequest, error.to_string()))
}

fn check_own(device: &DeviceIdentity, request: &[u8]) -> Result<(), AuthorityError> {
    if subject_of(request)?.is_of(&device.number) {
        return Ok(());
    }
    let detail = format!("{} asks for a certificate that names somebody else", device.number);
    Err(AuthorityError::refused(ProblemCode::NotAllowed, detail))
}
