//! The register: which device is which, and by which keys it is known, as the authority says.
//!
//! The center follows the authority's registrations, each record once and in order. What the authority
//! says last of a device's key counts from then on, also for connections that are open.

use identity::{CredentialState, DeviceNumber};
use message::bytes::Bytes;
use message::fleet::{DeviceRegistration, DeviceRegistrations};
use serde::Serialize;
use store::audit::{self, Actor};
use store::center::device::{self, Device};
use store::center::feed;
use transport::Client;

use crate::center::Center;
use crate::error::CenterError;

impl Center {
    /// Asks the authority for all registrations that are not stored yet, and stores them. How many.
    ///
    /// # Errors
    /// The authority cannot be asked, or the store fails; what was stored before stays stored.
    pub async fn pull(&self, authority: &Client) -> Result<u64, CenterError> {
        let mut taken = 0;
        loop {
            let after = feed::position(&mut self.desk.store.read().await?).await?.sequence;
            let registrations: DeviceRegistrations = authority
                .get_json(&format!("/v1/device-registrations?after={after}"))
                .await
                .map_err(CenterError::Authority)?;
            let count = registrations.records.len() as u64;
            self.register(registrations).await?;
            taken += count;
            if count == 0 {
                return Ok(taken);
            }
        }
    }

    /// Stores the registrations that come next, all or none. Records that are stored already are
    /// passed over.
    ///
    /// # Errors
    /// A record is missing before them or is not one, or the store fails.
    pub async fn register(&self, registrations: DeviceRegistrations) -> Result<(), CenterError> {
        let (now, actor) = (self.desk.now(), Actor::member(&self.member));
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let before = feed::position(transaction).await?.sequence;
                    let mut stored = before;
                    let mut devices: Vec<Device> = Vec::new();
                    let mut entries = Vec::new();
                    for record in registrations.records.iter().filter(|record| record.sequence > before) {
                        if record.sequence != stored + 1 {
                            return Err(CenterError::Gap { expected: stored + 1, found: record.sequence });
                        }
                        stored = record.sequence;
                        devices.push(device_of(record)?);
                        entries.push(Entry { device_number: &record.device_number, state: record.state });
                    }
                    if !entries.is_empty() {
                        device::register(transaction, &devices).await?;
                        audit::append(transaction, now, actor.as_str(), "device.register", &entries).await?;
                    }
                    Ok(feed::advance(transaction, stored, now).await?)
                })
            })
            .await
    }
}

/// What the audit log says of one record.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    device_number: &'a DeviceNumber,
    state: CredentialState,
}

fn device_of(record: &DeviceRegistration) -> Result<Device, CenterError> {
    let hash =
        |bytes: &Bytes| bytes.0.as_slice().try_into().map_err(|_| CenterError::Record(record.sequence));
    Ok(Device {
        number: record.device_number.clone(),
        public_key_sha256: hash(&record.public_key_sha256)?,
        issuer_sha256: hash(&record.issuer_sha256)?,
        hardware_uid: record.hardware_uid.clone(),
        state: record.state,
        expires: record.expires,
        renew_from: record.renew_from,
        changed: record.time,
    })
}
