//! Joining: a newcomer with a one-time token becomes a member with a certificate.
//!
//! A gateway joins an authority, a station joins a gateway: `POST /v1/join`, the only request that
//! needs no client certificate; the token's secret authenticates it. A gateway cannot sign, so it
//! passes a station's signing request on to the authority: `POST /v1/members`.

use std::str::FromStr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use identity::{Member, MemberName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::{Bytes, SecretBytes};

/// What a host gives a newcomer, out of band, to join by: where, whom to trust, and a secret that
/// works once and not for long.
///
/// Its text is one word: `tmj1.` and the base64url of its JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinToken {
    /// The host's address, `https://HOST:PORT`.
    pub url: String,
    /// The host, which its certificate must state.
    pub host: Member,
    /// The member that the newcomer becomes.
    pub member: Member,
    /// SHA-256 of the root certificate that the host's certificate must chain to, hexadecimal.
    pub root_sha256: String,
    /// The one-time secret.
    pub secret: SecretBytes,
}

const TOKEN_PREFIX: &str = "tmj1.";

impl JoinToken {
    /// The token as one word to copy.
    pub fn to_text(&self) -> String {
        let json = serde_json::to_vec(self).expect("a token is plain data");
        format!("{TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(json))
    }
}

/// The text is not a join token; it was perhaps cut off when copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a join token: it starts with {TOKEN_PREFIX} and must be copied whole")]
pub struct ParseTokenError;

impl FromStr for JoinToken {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<Self, ParseTokenError> {
        let body = text.trim().strip_prefix(TOKEN_PREFIX).ok_or(ParseTokenError)?;
        let json = BASE64_URL_SAFE_NO_PAD.decode(body).map_err(|_| ParseTokenError)?;
        serde_json::from_slice(&json).map_err(|_| ParseTokenError)
    }
}

/// A newcomer's request: the token's secret and a signing request for its own new key.
///
/// The secret is the idempotency key: the same secret with the same key gives the same answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinRequest {
    /// The token's secret.
    pub secret: SecretBytes,
    /// PKCS#10 signing request (RFC 2986), DER. Its subject is ignored: the token says the name.
    pub signing_request: Bytes,
}

/// A gateway's request for a station that joins it.
///
/// The same name with the same key gives the same answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemberRequest {
    /// The station's name within its factory.
    #[schema(value_type = String, example = "line-1")]
    pub name: MemberName,
    /// The station's PKCS#10 signing request, DER.
    pub signing_request: Bytes,
}

/// The newcomer is a member now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Membership {
    /// The root certificate, DER.
    pub root_certificate: Bytes,
    /// The certificate of the CA that signs members, DER.
    pub plant_certificate: Bytes,
    /// The certificates of the CAs that sign devices, DER.
    pub issuing_certificates: Vec<Bytes>,
    /// The certificate of the CA that signs common certificates, DER, where the member is to know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_ca_certificate: Option<Bytes>,
    /// The member's own certificate, DER.
    pub member_certificate: Bytes,
}
