//! Packs: what makes a device that device (source A Figs. 20 to 22, source B table 702).

use identity::profile::SymmetricForm;
use identity::{ApparatusId, DeviceNumber, KeyIdentifier, line};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::{Bytes, SecretBytes};

/// What one device stores in one write. At least one of the two is there, unless its certificate is
/// still owed.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialPack {
    /// Its certificate, where the product takes one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<CertificatePackFields>)]
    pub certificate: Option<CertificatePack>,
    /// Its symmetric credential, where the product takes one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub apparatus: Option<ApparatusPack>,
}

impl CredentialPack {
    /// The pack as the line protocol carries it, for the device of this number.
    ///
    /// # Errors
    /// Its challenge is not one.
    pub fn on_the_line(&self, device_number: &DeviceNumber) -> Result<line::Pack<'_>, BadChallenge> {
        Ok(line::Pack {
            device_number: device_number.clone(),
            certificate: self.certificate.as_ref().map(CertificatePack::on_the_line),
            symmetric: self.apparatus.as_ref().map(ApparatusPack::on_the_line).transpose()?,
        })
    }
}

/// A pack's challenge does not have 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the challenge of a pack has 32 bytes")]
pub struct BadChallenge;

/// Certificate pack: certificates, and the key where it travels.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "CertificatePackFields", into = "CertificatePackFields")]
pub struct CertificatePack {
    /// The root certificate ("route certificate" in the figures), X.509 DER.
    pub root_certificate: Bytes,
    /// The certificate of the CA that signed the client certificate, X.509 DER.
    pub issuing_certificate: Bytes,
    /// The device's own certificate, X.509 DER.
    pub client_certificate: Bytes,
    /// The key of the client certificate.
    pub key: PackKey,
}

impl CertificatePack {
    /// The certificates as the line protocol carries them.
    pub fn on_the_line(&self) -> line::CertificatePart<'_> {
        line::CertificatePart {
            root: &self.root_certificate.0,
            issuing: &self.issuing_certificate.0,
            client: &self.client_certificate.0,
            key: match &self.key {
                PackKey::Plain(key) => line::Key::Plain(key.expose()),
                PackKey::Sealed(sealed) => line::Key::Sealed(&sealed.ciphertext.0),
                PackKey::DeviceOwn => line::Key::Own,
            },
        }
    }
}

/// How the key of a certificate reaches its device.
#[derive(Clone, PartialEq, Eq)]
pub enum PackKey {
    /// In clear, PKCS#8 DER (RFC 5958).
    Plain(SecretBytes),
    /// Sealed: PKCS#8 DER that only the device can open ("coded key" in source A Fig. 20).
    Sealed(Sealed),
    /// Not at all: the device made it.
    DeviceOwn,
}

/// A secret that only the device can open: COSE_Encrypt0 (RFC 9052 clause 5.2).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sealed {
    /// The pre-write key that opens it; absent where it is sealed to a chip's own key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, example = "A123-1")]
    pub key_identifier: Option<KeyIdentifier>,
    /// The tagged COSE_Encrypt0 structure.
    pub ciphertext: Bytes,
}

/// A symmetric credential on its way: what the factory may know of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApparatusPack {
    /// Its name.
    #[schema(value_type = String, example = "4TP9X2QZ7V0C3M8RHJ6KDWBN1E")]
    pub apparatus_id: ApparatusId,
    /// Apparatus ID and pass phrase, sealed.
    pub sealed: Sealed,
    /// How the device keeps the pass phrase.
    #[schema(value_type = String, example = "opened")]
    pub form: SymmetricForm,
    /// The challenge of the batch, 32 bytes; the device's word to the authority covers it.
    pub challenge: Bytes,
    /// What the device must answer the station, 32 bytes: a one-way value of the pass phrase.
    pub confirmation: Bytes,
}

impl ApparatusPack {
    /// The credential as the line protocol carries it.
    ///
    /// # Errors
    /// Its challenge is not one.
    pub fn on_the_line(&self) -> Result<line::SymmetricPart<'_>, BadChallenge> {
        Ok(line::SymmetricPart {
            apparatus_id: self.apparatus_id,
            sealed: &self.sealed.ciphertext.0,
            form: self.form,
            challenge: self.challenge.0.as_slice().try_into().map_err(|_| BadChallenge)?,
        })
    }
}

/// A certificate pack as it travels.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = CertificatePack)]
pub(crate) struct CertificatePackFields {
    /// The root certificate, X.509 DER.
    root_certificate: Bytes,
    /// The certificate of the CA that signed the client certificate, X.509 DER.
    issuing_certificate: Bytes,
    /// The device's own certificate, X.509 DER.
    client_certificate: Bytes,
    /// The key in clear, PKCS#8 DER. Neither this nor `sealedKey` where the device made its key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    secret_key: Option<SecretBytes>,
    /// The key sealed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sealed_key: Option<Sealed>,
}

/// A pack has its key both in clear and sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a pack has a secretKey or a sealedKey, not both")]
pub struct TwoKeys;

impl TryFrom<CertificatePackFields> for CertificatePack {
    type Error = TwoKeys;

    fn try_from(fields: CertificatePackFields) -> Result<Self, TwoKeys> {
        let key = match (fields.secret_key, fields.sealed_key) {
            (Some(_), Some(_)) => return Err(TwoKeys),
            (Some(key), None) => PackKey::Plain(key),
            (None, Some(key)) => PackKey::Sealed(key),
            (None, None) => PackKey::DeviceOwn,
        };
        Ok(Self {
            root_certificate: fields.root_certificate,
            issuing_certificate: fields.issuing_certificate,
            client_certificate: fields.client_certificate,
            key,
        })
    }
}

impl From<CertificatePack> for CertificatePackFields {
    fn from(pack: CertificatePack) -> Self {
        let (secret_key, sealed_key) = match pack.key {
            PackKey::Plain(key) => (Some(key), None),
            PackKey::Sealed(key) => (None, Some(key)),
            PackKey::DeviceOwn => (None, None),
        };
        Self {
            root_certificate: pack.root_certificate,
            issuing_certificate: pack.issuing_certificate,
            client_certificate: pack.client_certificate,
            secret_key,
            sealed_key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATES: &str =
        r#""rootCertificate":"AQ==","issuingCertificate":"Ag==","clientCertificate":"Aw==""#;

    #[test]
    fn every_kind_of_key_reads_back() {
        for key in
            [r#","secretKey":"BA==""#, r#","sealedKey":{"keyIdentifier":"A123-1","ciphertext":"BA=="}"#, ""]
        {
            let json = format!("{{{CERTIFICATES}{key}}}");
            let pack: CertificatePack = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&pack).unwrap(), json);
        }
    }

    #[test]
    fn a_key_travels_once() {
        let json = format!(r#"{{{CERTIFICATES},"secretKey":"BA==","sealedKey":{{"ciphertext":"BA=="}}}}"#);
        assert!(serde_json::from_str::<CertificatePack>(&json).is_err());
    }
}
