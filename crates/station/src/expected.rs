//! What a device must prove, and whether it has.
//!
//! All of it is checked at the station, offline: the digest of the pack, the signature by the certificate or
//! by the key that the device made, and the value of the pass phrase that the factory was given beforehand.

use cert::possession;
use identity::{ApparatusId, DeviceNumber, HardwareUid, line};
use message::bytes::Bytes;
use message::lease::Lease;
use message::result::Proof;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// What a device that has stored a pack can prove. Nothing in it is secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expected {
    /// The digest of the pack as it was sent.
    pack_digest: Bytes,
    /// By what its signature is verified, where it has a key.
    key: Option<KeyProof>,
    /// What it answers of its pass phrase, where it has one.
    confirmation: Option<StationConfirmation>,
}

/// The public half of the device's key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum KeyProof {
    /// In its certificate, DER.
    Certificate(Bytes),
    /// In its signing request, DER, while the certificate is owed.
    SigningRequest(Bytes),
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StationConfirmation {
    apparatus_id: ApparatusId,
    value: Bytes,
}

impl Expected {
    /// What the device of this lease must prove, which sent `signing_request` if it made its key itself.
    ///
    /// # Errors
    /// The lease makes no sense: it has nothing that a device could prove.
    pub fn of(lease: &Lease, signing_request: Option<&Bytes>) -> Result<Self, Failure> {
        let garbled = |detail: &str| Failure::GatewayGarbled(detail.into());
        let pack =
            lease.pack.on_the_line(&lease.device_number).map_err(|error| garbled(&error.to_string()))?;
        let key = match (&lease.pack.certificate, lease.certificate_owed, signing_request) {
            (Some(pack), false, _) => Some(KeyProof::Certificate(pack.client_certificate.clone())),
            (None, true, Some(request)) => Some(KeyProof::SigningRequest(request.clone())),
            (None, false, _) => None,
            _ => return Err(garbled("a certificate is owed to a device that has one or made no key")),
        };
        let confirmation = lease.pack.apparatus.as_ref().map(|pack| StationConfirmation {
            apparatus_id: pack.apparatus_id,
            value: pack.confirmation.clone(),
        });
        if key.is_none() && confirmation.is_none() {
            return Err(garbled("the pack holds no credential"));
        }
        Ok(Self { pack_digest: Bytes(line::pack_digest(&pack).to_vec()), key, confirmation })
    }

    /// Whether the device of this number and chip has proved it all, for the challenge that it was given.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(
        &self,
        number: &DeviceNumber,
        chip: &HardwareUid,
        challenge: &[u8; 32],
        proof: &Proof,
    ) -> Result<(), Failure> {
        if proof.hardware_uid != *chip || proof.challenge.0 != challenge {
            return Err(Failure::NotProved("the proof is of another device or challenge".into()));
        }
        if let Some(key) = &self.key {
            let proof = possession::Proof {
                device_number: number,
                hardware_uid: chip,
                challenge,
                pack_digest: &proof.pack_digest.0,
                signature: proof.signature.as_ref().map_or(&[], |signature| &signature.0),
            };
            match key {
                KeyProof::Certificate(certificate) => possession::verify(&certificate.0, proof),
                KeyProof::SigningRequest(request) => possession::verify_requested(&request.0, proof),
            }
            .map_err(|error| Failure::NotProved(error.to_string()))?;
        }
        if proof.pack_digest != self.pack_digest {
            return Err(Failure::NotProved("the device holds something else than it was sent".into()));
        }
        let is_confirmed = self.confirmation.as_ref().is_none_or(|expected| {
            proof.confirmation.as_ref().is_some_and(|confirmation| {
                confirmation.apparatus_id == expected.apparatus_id && confirmation.station == expected.value
            })
        });
        if is_confirmed { Ok(()) } else { Err(Failure::WrongConfirmation) }
    }
}
