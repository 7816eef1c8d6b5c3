//! Whom a device is taken for: only the key that was issued for its number counts, and only while its
//! credential is in use.

use cert::device::Registration;
use cert::{DeviceIdentity, Fingerprint};
use message::problem::ProblemCode;
use message::standing::DeviceStanding;
use store::StoreError;
use store::authority::credential;

use crate::desk::Desk;
use crate::error::AuthorityError;

impl Desk {
    /// Whom a device is taken for that has shown this identity.
    ///
    /// # Errors
    /// Its number was never issued, or with another key, or its credential is not in use.
    pub async fn standing(&self, device: &DeviceIdentity) -> Result<DeviceStanding, AuthorityError> {
        let refused = |detail: String| AuthorityError::refused(ProblemCode::NotAllowed, detail);
        let credential = credential::find(&mut self.store.read().await?, &device.number)
            .await?
            .ok_or_else(|| refused(format!("{} was never issued", device.number)))?;
        let key = credential.public_key_sha256.try_into();
        let key = key.map_err(|_| StoreError::Corrupt { what: "credential.public_key_sha256" })?;
        let registration =
            Registration { spki_sha256: Fingerprint::from_bytes(key), state: credential.state };
        device.check_registration(&registration).map_err(|refusal| refused(refusal.to_string()))?;
        Ok(DeviceStanding { device_number: credential.number, state: credential.state })
    }
}
