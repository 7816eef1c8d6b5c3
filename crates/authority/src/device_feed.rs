//! What centers are told of devices: which key each was made with, and what becomes of its credential.

use cert::Fingerprint;
use message::bytes::Bytes;
use message::fleet::{DEVICE_REGISTRATIONS_MAX, DeviceRegistration, DeviceRegistrations};
use store::authority::device_registration;

use crate::desk::Desk;
use crate::error::AuthorityError;

impl Desk {
    /// The records that come after the one of this number.
    ///
    /// # Errors
    /// The store fails.
    pub async fn device_registrations(&self, after: u64) -> Result<DeviceRegistrations, AuthorityError> {
        let mut snapshot = self.store.read().await?;
        let found = device_registration::after(&mut snapshot, after, DEVICE_REGISTRATIONS_MAX).await?;
        let records = found.into_iter().map(|found| DeviceRegistration {
            sequence: found.sequence,
            time: found.time,
            device_number: found.number,
            state: found.state,
            public_key_sha256: Bytes(found.public_key_sha256),
            issuer_sha256: Bytes(Fingerprint::of(&found.issuing_certificate).as_bytes().to_vec()),
            hardware_uid: found.hardware_uid,
        });
        Ok(DeviceRegistrations { records: records.collect() })
    }
}
