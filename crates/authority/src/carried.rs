//! Requests of managed devices, which reach the authority through an intermediate device and a center.
//!
//! Whether the one speaks for the other is the center's to know. Here the device's own signature counts: it is
//! verified with the certificate that it names, which has to be one that would open a connection here.

use std::slice;
use std::sync::Arc;

use cert::{DeviceIdentity, DeviceVerifier, possession};
use message::carried::{CarriedAnswer, CarriedAsk, CarriedRequest, carried_message};
use message::pack::CredentialPack;
use message::problem::ProblemCode;
use message::renewal::RenewalRequest;
use store::authority::pack;

use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::history::History;

impl Authority {
    /// Answers a managed device. The same request again gets the same answer.
    ///
    /// # Errors
    /// The signature is not that device's, its certificate does not count, or as [`Authority::renew`].
    pub async fn answer_carried(
        self: &Arc<Self>,
        request: CarriedRequest,
    ) -> Result<CarriedAnswer, AuthorityError> {
        let device = self.signer_of(&request).await?;
        match request.ask {
            CarriedAsk::Renewal { signing_request } => {
                let certificate = self.renew(&device, RenewalRequest { signing_request }).await?;
                let pack = Box::new(CredentialPack { certificate: Some(certificate), apparatus: None });
                Ok(CarriedAnswer::Renewal { pack })
            }
            CarriedAsk::Confirmation => {
                Ok(CarriedAnswer::Confirmation { standing: self.desk.confirm(&device).await? })
            }
        }
    }

    /// The device whose key has signed the request. Nobody is told whether it is the number, the key or the signature that is
    /// wrong.
    async fn signer_of(&self, request: &CarriedRequest) -> Result<DeviceIdentity, AuthorityError> {
        let number = &request.device_number;
        let wrong = || {
            let detail = format!("this is no request of a device that is {number}");
            AuthorityError::refused(ProblemCode::ProofFailed, detail)
        };
        let mut snapshot = self.desk.store.read().await?;
        let history = match History::read(&mut snapshot, number, ProblemCode::ProofFailed).await {
            Err(AuthorityError::Refused(_)) => return Err(wrong()),
            read => read?,
        };
        let named = request.public_key_sha256.0.as_slice();
        let followed = history.successors.iter().find(|successor| successor.public_key_sha256 == named);
        let certificate = match followed {
            Some(successor) => successor.certificate.clone(),
            None if history.first.public_key_sha256 == named => {
                let first = pack::find_all(&mut snapshot, slice::from_ref(number)).await?.pop();
                first.map(|first| first.certificate)
            }
            None => None,
        };
        drop(snapshot);
        let certificate = certificate.ok_or_else(wrong)?;
        let message = carried_message(number, &request.ask);
        possession::verify_message(&certificate, &message, &request.signature.0).map_err(|_| wrong())?;
        let verifier = DeviceVerifier::new(self.trust().clone());
        verifier.verify(&certificate, self.desk.now()).map_err(|refusal| {
            AuthorityError::refused(
                ProblemCode::NotAllowed,
                format!("the certificate of {number}: {refusal}"),
            )
        })
    }
}
