//! The register: which device is which, and by which keys it is known, as the authority says.
//!
//! The center follows the authority's registrations, each record once and in order. What the authority
//! says last of a device's key counts from then on, also for connections that are open.

use std::collections::HashSet;

use cert::ExpiredDevice;
use identity::{CredentialState, DeviceNumber};
use message::bytes::Bytes;
use message::fleet::{DeviceRegistration, DeviceRegistrations};
use serde::{Deserialize, Serialize};
use store::audit::{self, Actor};
use store::center::device::{self, Device};
use store::center::journal::{self, Kind};
use store::center::{chain, feed};
use store::{StoreError, Transaction};
use transport::{Client, Peer};

use crate::center::Center;
use crate::desk::new_entry;
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
        let refused: Vec<_> =
            registrations.records.iter().filter(|record| !is_admitted(record)).map(key_of).collect();
        let stored: Result<(), CenterError> = self
            .desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let before = feed::position(transaction).await?.sequence;
                    let mut stored = before;
                    let mut devices: Vec<Device> = Vec::new();
                    let (mut entries, mut new_boards) = (Vec::new(), Vec::new());
                    for record in registrations.records.iter().filter(|record| record.sequence > before) {
                        if record.sequence != stored + 1 {
                            return Err(CenterError::Gap { expected: stored + 1, found: record.sequence });
                        }
                        stored = record.sequence;
                        let device = device_of(record)?;
                        if record.new_board && is_admitted(record) {
                            new_boards.push((device.number.clone(), device.public_key_sha256));
                        }
                        devices.push(device);
                        entries.push(Entry { device_number: &record.device_number, state: record.state });
                    }
                    if !entries.is_empty() {
                        device::register(transaction, &devices).await?;
                        begin_chains(transaction, now, &new_boards).await?;
                        audit::append(transaction, now, actor.as_str(), "device.register", &entries).await?;
                    }
                    Ok(feed::advance(transaction, stored, now).await?)
                })
            })
            .await;
        stored?;
        self.end_connections(&refused);
        Ok(())
    }

    /// Ends the open connections of devices with these keys. Their next request would be refused; but one
    /// that is silent would stay.
    fn end_connections(&self, refused: &[(DeviceNumber, Vec<u8>)]) {
        let Some(tls) = self.tls.as_ref().filter(|_| !refused.is_empty()) else { return };
        let refused: HashSet<(&DeviceNumber, &[u8])> =
            refused.iter().map(|(number, key)| (number, key.as_slice())).collect();
        let ended = tls.end_connections(|peer| match peer {
            Peer::Device(device) | Peer::ExpiredDevice(ExpiredDevice { identity: device, .. }) => {
                refused.contains(&(&device.number, device.spki_sha256.as_bytes().as_slice()))
            }
            Peer::Member(_) | Peer::Common(_) | Peer::Nobody => false,
        });
        if ended > 0 {
            tracing::info!(ended, "devices were shut out while they were connected");
        }
    }
}

/// What the authority says of a board that took the place of another, as the journal keeps it: the board's key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewBoard {
    pub(crate) public_key_sha256: Bytes,
}

/// Begins a chain of calls for each of these new boards, by its key, once.
async fn begin_chains(
    transaction: &mut Transaction,
    now: i64,
    new_boards: &[(DeviceNumber, [u8; 32])],
) -> Result<(), StoreError> {
    for (device, key) in new_boards {
        if chain::has_begun(transaction, device, key).await? {
            continue;
        }
        let head = journal::head(transaction).await?;
        let what = NewBoard { public_key_sha256: Bytes(key.to_vec()) };
        let entry = new_entry(&head, now, Kind::NewBoard, device, &what);
        let head = journal::append(transaction, &head, &entry, None).await?;
        chain::begin(transaction, device, head.id, Some(key)).await?;
    }
    Ok(())
}

/// Whether a device may still call with this key, by what the authority says last.
fn is_admitted(record: &DeviceRegistration) -> bool {
    !matches!(record.state, CredentialState::Suspect | CredentialState::Voided)
}

fn key_of(record: &DeviceRegistration) -> (DeviceNumber, Vec<u8>) {
    (record.device_number.clone(), record.public_key_sha256.0.clone())
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
