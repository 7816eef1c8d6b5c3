//! Renewal: a device fetches its next certificate, and says when it has it.
//!
//! `POST /v1/renewals`, over mutual TLS with the certificate that it has; the answer is a
//! [`CredentialPack`](crate::pack::CredentialPack) with a certificate and nothing else. Asked again for the same key it is the
//! same. The same by EST (RFC 7030) is `POST /.well-known/est/simplereenroll`.
//!
//! `POST /v1/identity/confirmation`, without a body, over mutual TLS with the new certificate; the answer
//! is a [`DeviceStanding`](crate::standing::DeviceStanding). Until then both certificates count, from then
//! on only the new one: a device keeps what it had until it has this answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bytes::Bytes;

/// What a device asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewalRequest {
    /// A signing request (PKCS#10, DER) for a key that the device has made and never had a certificate for.
    pub signing_request: Bytes,
}
