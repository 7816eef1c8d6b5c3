//! Whom a device is taken for: only keys that were issued for its number count, and only while their
//! certificates are in use.

use cert::DeviceIdentity;
use message::problem::ProblemCode;
use message::standing::DeviceStanding;

use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::history::History;

impl Desk {
    /// Whom a device is taken for that has shown this identity.
    ///
    /// # Errors
    /// Its number was never issued, or with another key, or its certificate is not in use.
    pub async fn standing(&self, device: &DeviceIdentity) -> Result<DeviceStanding, AuthorityError> {
        let snapshot = &mut self.store.read().await?;
        History::read(snapshot, &device.number, ProblemCode::NotAllowed).await?.standing(device)
    }
}
