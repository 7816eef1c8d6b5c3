//! What centers are told of devices: which keys each was given, and what becomes of the certificate
//! of each.

use cert::{Certificate, Fingerprint};
use message::bytes::Bytes;
use message::fleet::{DEVICE_REGISTRATIONS_MAX, DeviceRegistration, DeviceRegistrations};
use pki::NO_EXPIRY;
use store::StoreError;
use store::authority::device_registration;

use crate::desk::Desk;
use crate::error::AuthorityError;

const DAY_SECONDS: i64 = 86_400;

impl Desk {
    /// The records that come after the one of this number.
    ///
    /// # Errors
    /// The store fails.
    pub async fn device_registrations(&self, after: u64) -> Result<DeviceRegistrations, AuthorityError> {
        let mut snapshot = self.store.read().await?;
        let found = device_registration::after(&mut snapshot, after, DEVICE_REGISTRATIONS_MAX).await?;
        let records = found.into_iter().map(told).collect::<Result<_, StoreError>>()?;
        Ok(DeviceRegistrations { records })
    }
}

fn told(found: device_registration::DeviceRegistration) -> Result<DeviceRegistration, StoreError> {
    let certificate = Certificate::parse(&found.certificate);
    let certificate = certificate.map_err(|_| StoreError::Corrupt { what: "certificate" })?;
    let expires = Some(certificate.not_after()).filter(|expires| *expires != NO_EXPIRY);
    let before = found.renew_before_days.map(|days| i64::from(days) * DAY_SECONDS);
    Ok(DeviceRegistration {
        sequence: found.sequence,
        time: found.time,
        device_number: found.number,
        state: found.state,
        public_key_sha256: Bytes(found.public_key_sha256),
        issuer_sha256: Bytes(Fingerprint::of(&found.issuing_certificate).as_bytes().to_vec()),
        expires,
        renew_from: expires.zip(before).map(|(expires, before)| expires - before),
        hardware_uid: found.hardware_uid,
        new_board: found.is_new_board,
    })
}
