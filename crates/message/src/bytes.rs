//! Byte strings that travel as text: base64 for certificates, keys and signatures.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use utoipa::ToSchema;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Public bytes (a certificate in DER, a signature), base64 with padding in text (RFC 4648 clause 4).
#[derive(Clone, PartialEq, Eq, Hash, ToSchema)]
#[schema(value_type = String, format = "byte")]
pub struct Bytes(pub Vec<u8>);

/// Secret bytes (a private key in PKCS#8), base64 in text. Wiped on drop, never shown.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, ToSchema)]
#[schema(value_type = String, format = "byte")]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes over the secret; the caller keeps no copy.
    pub fn new(secret: Vec<u8>) -> Self {
        Self(secret)
    }

    /// The secret, for the one who needs it now.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}

impl Serialize for SecretBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = BASE64_STANDARD.encode(&self.0);
        let done = serializer.serialize_str(&text);
        text.zeroize();
        done
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD.decode(&text).map(Self).map_err(D::Error::custom);
        text.zeroize();
        bytes
    }
}
