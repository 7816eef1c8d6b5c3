//! Collecting: a device fetches the certificate for the key that it made, which it is owed since the
//! authority could not be asked while it was made.
//!
//! The door is open to everyone. Whoever is not the device, and whoever asks for a number that never was,
//! gets the same answer after the same steps.

use cert::possession;
use identity::CredentialState;
use message::collection::{CollectionRequest, collection_message};
use message::pack::{CredentialPack, PackKey};
use message::problem::ProblemCode;
use store::authority::pack::{self, Key, Pack};
use store::authority::{credential, dispute};

use crate::authority::Authority;
use crate::error::AuthorityError;

impl Authority {
    /// The certificate of the device that signed the request with its own key, over the connection of
    /// this channel binding.
    ///
    /// # Errors
    /// The signature is not that device's, or no certificate is owed to it.
    pub async fn collect(
        &self,
        request: &CollectionRequest,
        channel_binding: &[u8; 32],
    ) -> Result<CredentialPack, AuthorityError> {
        let number = &request.device_number;
        let numbers = std::slice::from_ref(number);
        let mut snapshot = self.desk.store.read().await?;
        let credential = credential::find(&mut snapshot, number).await?;
        let owed = pack::find_all(&mut snapshot, numbers).await?.pop();
        let disputed = dispute::among(&mut snapshot, &[number.clone().into()]).await?;
        drop(snapshot);
        // A certificate of a key that signs nothing of the kind stands in where there is none.
        let certificate = owed.as_ref().map_or(self.plant.certificate(), |pack| &pack.certificate);
        let message = collection_message(number, channel_binding);
        let is_signed = possession::verify_message(certificate, &message, &request.signature.0).is_ok();
        let is_live = credential.is_some_and(|credential| is_in_use(credential.state)) && disputed.is_empty();
        match owed {
            Some(Pack { key: Key::Own, certificate, issuing_ca, .. }) if is_signed && is_live => {
                let ca = self.ca_of(issuing_ca).await?;
                let certificate = self.pack(certificate, PackKey::DeviceOwn, &ca);
                Ok(CredentialPack { certificate: Some(certificate), apparatus: None })
            }
            _ => {
                let detail = "no certificate is owed to a device of this number and key";
                Err(AuthorityError::refused(ProblemCode::NotAllowed, detail))
            }
        }
    }
}

fn is_in_use(state: CredentialState) -> bool {
    matches!(state, CredentialState::Leased | CredentialState::Written | CredentialState::Verified)
}
