//! What authenticators are told: which symmetric credentials devices hold, and which are revoked.
//!
//! A record's secret is looked up when it is told. Of a credential that is revoked by then nothing is
//! told but that, in place of each of its records, so that an authenticator that comes late gets every
//! number, and no secret that nobody needs any more.

use identity::KeyIdentifier;
use identity::profile::{Sealing, SymmetricForm};
use message::bytes::{Bytes, SecretBytes};
use message::pack::Sealed;
use message::registration::{Event, REGISTRATIONS_MAX, Registration, Registrations};
use store::authority::apparatus::{self, Apparatus};
use store::authority::{pre_write_key, registration};
use store::{Snapshot, StoreError};

use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::pre_write_key::opened;

impl Authority {
    /// The records that come after the one of this number.
    ///
    /// # Errors
    /// The store or the vault fails.
    pub async fn registrations(&self, after: u64) -> Result<Registrations, AuthorityError> {
        let mut snapshot = self.desk.store.read().await?;
        let found = registration::after(&mut snapshot, after, REGISTRATIONS_MAX).await?;
        let ids: Vec<_> = found.iter().map(|record| record.apparatus_id).collect();
        let known = apparatus::find_all(&mut snapshot, &ids).await?;
        let known: std::collections::HashMap<_, _> =
            known.into_iter().map(|apparatus| (apparatus.id, apparatus)).collect();
        let mut records = Vec::with_capacity(found.len());
        for record in found {
            let about = known.get(&record.apparatus_id);
            let about = about.ok_or(StoreError::Corrupt { what: "registration.apparatus_id" })?;
            let sequence = record.sequence;
            records.push(Registration { sequence, event: self.event(&mut snapshot, record, about).await? });
        }
        Ok(Registrations { records })
    }

    async fn event(
        &self,
        snapshot: &mut Snapshot,
        record: registration::Registration,
        about: &Apparatus,
    ) -> Result<Event, AuthorityError> {
        let key = match &record.event {
            registration::Event::PreWriteKey(identifier) => self.key_told(snapshot, identifier).await?,
            registration::Event::Registered | registration::Event::Revoked { .. } => None,
        };
        match (key, record.revoked) {
            (Some(key), _) => Ok(key),
            (None, Some(reason)) => Ok(Event::Revoked { apparatus_id: about.id, reason }),
            (None, None) => self.registered(about),
        }
    }

    /// A pre-write key, unless it is retired; then all that was kept under it is revoked.
    async fn key_told(
        &self,
        snapshot: &mut Snapshot,
        identifier: &KeyIdentifier,
    ) -> Result<Option<Event>, AuthorityError> {
        let found = pre_write_key::find(snapshot, identifier).await?;
        let Some(sealed) = found.and_then(|(_, sealed)| sealed) else { return Ok(None) };
        let key = opened(&self.vault, identifier, &sealed)?;
        let key = SecretBytes::new(key.expose().to_vec());
        Ok(Some(Event::PreWriteKey { key_identifier: identifier.clone(), key }))
    }

    fn registered(&self, about: &Apparatus) -> Result<Event, AuthorityError> {
        let device = about.device.as_ref().ok_or(StoreError::Corrupt { what: "apparatus.number" })?;
        Ok(match about.form {
            SymmetricForm::Opened => Event::Registered {
                apparatus_id: about.id,
                pass_phrase: SecretBytes::new(self.pass_phrase(about)?.expose().to_vec()),
                device_number: device.number.clone(),
            },
            SymmetricForm::Sealed => Event::RegisteredSealed {
                apparatus_id: about.id,
                sealed: Sealed {
                    key_identifier: about.key_identifier.clone(),
                    ciphertext: Bytes(about.ciphertext.clone()),
                },
                hardware_uid: (about.sealing == Sealing::DeviceKey).then(|| device.hardware_uid.clone()),
                device_number: device.number.clone(),
            },
        })
    }
}
