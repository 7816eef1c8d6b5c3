//! Filing packs that have arrived: looked at before they are believed, and what is secret in them
//! encrypted under data keys of their own, in the clear or sealed.

use identity::{CredentialId, DeviceNumber, line};
use message::pack::{ApparatusPack, CertificatePack, PackKey};
use store::gateway::pack::{self, SealedSecret, Travel};
use store::{KeyRingError, Slot};

use crate::gateway::Gateway;

/// How many bytes the value has that a device must answer.
pub(crate) const CONFIRMATION_BYTES: usize = 32;

impl Gateway {
    /// Encrypts the secret of each credential, where it has one, under a new data key.
    pub(crate) async fn encrypt(
        &self,
        secrets: &[(CredentialId, Option<&[u8]>)],
    ) -> Result<Vec<Option<SealedSecret>>, KeyRingError> {
        let names: Vec<_> = secrets.iter().map(|(id, _)| id.text()).collect();
        let present: Vec<(&[u8], &[u8])> = names
            .iter()
            .zip(secrets)
            .filter_map(|(name, (_, secret))| Some((name.as_bytes(), (*secret)?)))
            .collect();
        let mut sealed = self.ring.seal(&present).await?.into_iter();
        let next = |(_, secret): &(CredentialId, Option<&[u8]>)| {
            secret.and_then(|_| sealed.next()).map(|(slot, sealed)| SealedSecret { slot, sealed })
        };
        Ok(secrets.iter().map(next).collect())
    }

    /// Erases data keys that no row names.
    pub(crate) async fn discard(&self, slots: &[Slot]) -> Result<(), KeyRingError> {
        if !slots.is_empty() {
            self.ring.erase(slots).await?;
            self.ring.release(slots);
        }
        Ok(())
    }

    /// What is wrong with a certificate that came for this number, if anything.
    pub(crate) fn certificate_fault(
        &self,
        number: &DeviceNumber,
        pack: &CertificatePack,
        now: i64,
    ) -> Option<String> {
        match self.devices.verify(&pack.client_certificate.0, now) {
            Err(refusal) => Some(refusal.to_string()),
            Ok(identity) if identity.number != *number => {
                Some("its certificate is another device's".to_owned())
            }
            Ok(_) => None,
        }
    }
}

/// What is wrong with a symmetric credential, if anything.
pub(crate) fn apparatus_fault(pack: &ApparatusPack) -> Option<&'static str> {
    if pack.on_the_line().is_err() || pack.confirmation.0.len() != CONFIRMATION_BYTES {
        Some("its challenge or its confirmation does not have 32 bytes")
    } else if !(1..=line::SEALED_PASS_PHRASE_BYTES_MAX).contains(&pack.sealed.ciphertext.0.len()) {
        Some("no device takes a ciphertext of this length")
    } else {
        None
    }
}

/// What of a certificate pack is kept encrypted: its key as it travels.
pub(crate) fn secret_of(pack: &CertificatePack) -> Option<&[u8]> {
    match &pack.key {
        PackKey::Plain(key) => Some(key.expose()),
        PackKey::Sealed(sealed) => Some(&sealed.ciphertext.0),
        PackKey::DeviceOwn => None,
    }
}

/// A certificate pack as it is filed.
pub(crate) fn filed_certificate(
    pack: CertificatePack,
    secret: Option<SealedSecret>,
    now: i64,
) -> pack::CertificatePack {
    pack::CertificatePack {
        created: now,
        root: pack.root_certificate.0,
        issuing: pack.issuing_certificate.0,
        certificate: pack.client_certificate.0,
        key: match pack.key {
            PackKey::Plain(_) => Travel::Plain,
            PackKey::Sealed(sealed) => Travel::Sealed(sealed.key_identifier),
            PackKey::DeviceOwn => Travel::Own,
        },
        secret,
    }
}

/// A symmetric credential as it is filed.
pub(crate) fn filed_apparatus(
    pack: ApparatusPack,
    secret: Option<SealedSecret>,
    now: i64,
) -> pack::ApparatusPack {
    pack::ApparatusPack {
        created: now,
        key_identifier: pack.sealed.key_identifier,
        form: pack.form,
        challenge: pack.challenge.0,
        confirmation: pack.confirmation.0,
        secret,
    }
}

pub(crate) fn slots_of<'a>(secrets: impl IntoIterator<Item = &'a Option<SealedSecret>>) -> Vec<Slot> {
    secrets.into_iter().flatten().map(|secret| secret.slot).collect()
}
