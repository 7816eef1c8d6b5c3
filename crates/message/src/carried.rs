//! Carrying: a device without a way to the authority renews its certificate through the intermediate device that speaks for it
//! (source A Fig. 8).
//!
//! The managed device signs what it asks with the key of its certificate. The intermediate device sends that to
//! the center, `POST /v1/carried-requests`, over its own mutual TLS; the center sees to it that the one speaks for the
//! other, and sends it on to the authority, at the same path. Both pass request and answer on byte for byte: who carries
//! them can neither ask for a device nor answer in place of the authority, since what comes is a certificate.
//!
//! The same request again gets the same answer, so a request that somebody repeats does nothing new.

use identity::DeviceNumber;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::Bytes;
use crate::pack::CredentialPack;
use crate::standing::DeviceStanding;

/// Tells these signatures from any other that the same key makes.
const LABEL: &[u8] = b"touchmark carried request 1";

/// The most bytes of a request: many times what one of ours takes.
pub const CARRIED_BYTES_MAX: usize = 16 * 1_024;

/// What a managed device asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CarriedRequest {
    /// Its number.
    #[schema(value_type = String, example = "3013-000001")]
    pub device_number: DeviceNumber,
    /// SHA-256 of the public key info of the certificate whose key signs.
    pub public_key_sha256: Bytes,
    /// What it asks for.
    pub ask: CarriedAsk,
    /// ECDSA over [`carried_message`] with that key: `r` and `s`.
    pub signature: Bytes,
}

/// What a managed device asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "ask", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum CarriedAsk {
    /// Its next certificate, as [`renewal`](crate::renewal) has it; the certificate that it has signs.
    Renewal {
        /// A signing request (PKCS#10, DER) for a key that the device has made and never had a certificate for.
        signing_request: Bytes,
    },
    /// That its new certificate takes the place of the one before; the new one signs.
    Confirmation,
}

/// What the authority answers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "answer", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum CarriedAnswer {
    /// The next certificate.
    Renewal {
        /// The certificate and nothing else.
        pack: Box<CredentialPack>,
    },
    /// Only the new certificate counts now.
    Confirmation {
        /// Whom the authority takes the device for.
        standing: DeviceStanding,
    },
}

/// What the device signs: a label, its number, what it asks, and its signing request or nothing, each behind its length
/// in four bytes, highest first.
pub fn carried_message(device_number: &DeviceNumber, ask: &CarriedAsk) -> Vec<u8> {
    let number = device_number.text();
    let (kind, content): (&[u8], &[u8]) = match ask {
        CarriedAsk::Renewal { signing_request } => (b"renewal", &signing_request.0),
        CarriedAsk::Confirmation => (b"confirmation", &[]),
    };
    let mut message = Vec::new();
    for part in [LABEL, number.as_bytes(), kind, content] {
        let length = u32::try_from(part.len()).expect("a request is far shorter");
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}
