//! Packs as devices are given them: what is filed, with its secrets opened.

use identity::{ApparatusId, CredentialId, DeviceNumber};
use message::bytes::{Bytes, SecretBytes};
use message::pack::{ApparatusPack, CertificatePack, CredentialPack, PackKey, Sealed};
use message::problem::ProblemCode;
use store::gateway::pack::{self, SealedSecret, Travel};
use store::{KeyRingError, Secret, Snapshot, StoreError};

use crate::error::GatewayError;
use crate::gateway::Gateway;

impl Gateway {
    /// The pack of a device: this number's certificate and this symmetric credential.
    ///
    /// # Errors
    /// Something of it was erased, or the store or the key ring fails.
    pub(crate) async fn pack(
        &self,
        snapshot: &mut Snapshot,
        certificate: Option<&DeviceNumber>,
        apparatus_id: Option<ApparatusId>,
    ) -> Result<CredentialPack, GatewayError> {
        Ok(CredentialPack {
            certificate: match certificate {
                Some(number) => Some(self.certificate_pack(snapshot, number).await?),
                None => None,
            },
            apparatus: match apparatus_id {
                Some(id) => Some(self.apparatus_pack(snapshot, id).await?),
                None => None,
            },
        })
    }

    async fn certificate_pack(
        &self,
        snapshot: &mut Snapshot,
        number: &DeviceNumber,
    ) -> Result<CertificatePack, GatewayError> {
        let filed = pack::certificate(snapshot, number).await?;
        let filed = filed.ok_or(StoreError::Corrupt { what: "credential.certificate" })?;
        let id = number.clone().into();
        let key = match filed.key {
            Travel::Plain => {
                PackKey::Plain(SecretBytes::new(self.open_secret(&id, filed.secret)?.expose().to_vec()))
            }
            Travel::Sealed(key_identifier) => {
                let ciphertext = Bytes(self.open_secret(&id, filed.secret)?.expose().to_vec());
                PackKey::Sealed(Sealed { key_identifier, ciphertext })
            }
            Travel::Own => PackKey::DeviceOwn,
        };
        Ok(CertificatePack {
            root_certificate: Bytes(filed.root),
            issuing_certificate: Bytes(filed.issuing),
            client_certificate: Bytes(filed.certificate),
            key,
        })
    }

    async fn apparatus_pack(
        &self,
        snapshot: &mut Snapshot,
        apparatus_id: ApparatusId,
    ) -> Result<ApparatusPack, GatewayError> {
        let filed = pack::apparatus(snapshot, apparatus_id).await?;
        let filed = filed.ok_or(StoreError::Corrupt { what: "apparatus.id" })?;
        let ciphertext = self.open_secret(&apparatus_id.into(), filed.secret)?;
        Ok(ApparatusPack {
            apparatus_id,
            sealed: Sealed {
                key_identifier: filed.key_identifier,
                ciphertext: Bytes(ciphertext.expose().to_vec()),
            },
            form: filed.form,
            challenge: Bytes(filed.challenge),
            confirmation: Bytes(filed.confirmation),
        })
    }

    fn open_secret(&self, id: &CredentialId, secret: Option<SealedSecret>) -> Result<Secret, GatewayError> {
        let erased =
            || GatewayError::refused(ProblemCode::IllegalState, format!("the pack of {id} was erased"));
        let SealedSecret { slot, sealed } = secret.ok_or_else(erased)?;
        match self.ring.open_sealed(slot, id.text().as_bytes(), &sealed) {
            Err(KeyRingError::Erased { .. }) => Err(erased()),
            opened => Ok(opened?),
        }
    }
}
