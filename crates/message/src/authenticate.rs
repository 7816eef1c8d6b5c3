//! Authentication of devices that hold a symmetric credential.
//!
//! A device has no certificate. It asks the authenticator for a challenge (`POST /v1/challenges`) and
//! proves itself over the same protocol (`POST /v1/proofs`, both on connections that the proof is
//! bound to); what it then holds is a short-lived token (JWT, RFC 7519) for one service. The service
//! checks the token with the keys at `GET /.well-known/jwks.json`, or asks (`POST /v1/introspect`,
//! RFC 7662). An authority takes a device back with `POST /v1/revocations`.

use identity::{ApparatusId, DeviceNumber, Member, MemberName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::Bytes;

/// The versions of the exchange that a device is willing to speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Versions {
    /// The oldest.
    pub oldest: u8,
    /// The newest.
    pub newest: u8,
}

/// A device wants to prove itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChallengeRequest {
    /// The versions it speaks.
    pub versions: Versions,
}

/// What the device shall answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Challenge {
    /// The version that the authenticator chose.
    pub version: u8,
    /// Who the authenticator is.
    #[schema(value_type = String, example = "urn:touchmark:authenticator:europe")]
    pub server: Member,
    /// The authenticator's nonce, 16 bytes.
    pub nonce: Bytes,
    /// For how many seconds the nonce is good.
    pub expires_in: u32,
}

/// The device's answer to a challenge.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProofRequest {
    /// The versions that the device offered.
    pub versions: Versions,
    /// The version that the challenge asked for.
    pub version: u8,
    /// Who the device is.
    #[schema(value_type = String, example = "4TP9X2QZ7V0C3M8RHJ6KDWBN1E")]
    pub apparatus_id: ApparatusId,
    /// The challenge's nonce, 16 bytes.
    pub server_nonce: Bytes,
    /// The device's nonce, 16 bytes.
    pub device_nonce: Bytes,
    /// The device's proof, 32 bytes.
    pub device_proof: Bytes,
    /// The service that the device wants a token for.
    #[schema(value_type = String, example = "supplies")]
    pub service: MemberName,
}

/// The device is who it says it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProofAnswer {
    /// The authenticator's own proof, 32 bytes; the device trusts nothing here before it has checked it.
    pub server_proof: Bytes,
    /// A bearer token for the service (RFC 6750).
    pub token: String,
    /// For how many seconds the token is good.
    pub expires_in: u32,
}

/// What a token says (RFC 7519).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The authenticator that vouches for the device.
    #[schema(value_type = String, example = "urn:touchmark:authenticator:europe")]
    pub iss: Member,
    /// The device's apparatus ID.
    #[schema(value_type = String, example = "4TP9X2QZ7V0C3M8RHJ6KDWBN1E")]
    pub sub: ApparatusId,
    /// The service that the token is for, and no other.
    #[schema(value_type = String, example = "urn:touchmark:service:supplies")]
    pub aud: Member,
    /// Since when it is good, in seconds since 1970.
    pub iat: i64,
    /// Until when.
    pub exp: i64,
    /// The token's own name.
    pub jti: String,
    /// The number on the device's rating plate.
    #[schema(value_type = String, example = "A123-654321")]
    pub device_number: DeviceNumber,
}

/// What an authenticator says of a token (RFC 7662 clause 2.2).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Introspection {
    /// Whether the token is good, now and for the one who asks.
    pub active: bool,
    /// What it says, where it is good.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Claims>,
}

/// One of the keys that tokens are signed with (RFC 7517, RFC 7518 clause 6.2).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Jwk {
    /// `EC`.
    pub kty: String,
    /// `P-256`.
    pub crv: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub purpose: String,
    /// `ES256`.
    pub alg: String,
    /// The key's name, which tokens carry.
    pub kid: String,
    /// The point's first coordinate, base64url.
    pub x: String,
    /// The point's second coordinate, base64url.
    pub y: String,
}

/// The keys that tokens may be signed with (RFC 7517 clause 5).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct JwkSet {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// An authority takes a device back: it is refused from now on, and its tokens are no longer good.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevocationRequest {
    /// Whose credential it is.
    #[schema(value_type = String, example = "4TP9X2QZ7V0C3M8RHJ6KDWBN1E")]
    pub apparatus_id: ApparatusId,
    /// Why, for the audit log.
    pub reason: String,
}

/// The device is revoked. Asked again, the answer is the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revocation {
    /// Since when, in seconds since 1970.
    pub since: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inactive_token_says_nothing_else() {
        let inactive = Introspection { active: false, claims: None };
        assert_eq!(serde_json::to_string(&inactive).unwrap(), r#"{"active":false}"#);
        assert_eq!(serde_json::from_str::<Introspection>(r#"{"active":false}"#).unwrap(), inactive);
    }

    #[test]
    fn an_active_token_says_its_claims_beside() {
        let active = Introspection {
            active: true,
            claims: Some(Claims {
                iss: "urn:touchmark:authenticator:europe".parse().unwrap(),
                sub: ApparatusId::new([0; 16]),
                aud: "urn:touchmark:service:supplies".parse().unwrap(),
                iat: 1_000,
                exp: 1_300,
                jti: "t1".to_string(),
                device_number: "A123-654321".parse().unwrap(),
            }),
        };
        let json = r#"{"active":true,"iss":"urn:touchmark:authenticator:europe","sub":"00000000000000000000000000","aud":"urn:touchmark:service:supplies","iat":1000,"exp":1300,"jti":"t1","device_number":"A123-654321"}"#;
        assert_eq!(serde_json::to_string(&active).unwrap(), json);
        assert_eq!(serde_json::from_str::<Introspection>(json).unwrap(), active);
    }
}
