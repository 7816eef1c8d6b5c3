//! Which of the kinds of key that this product knows a public key is.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ID_EC_PUBLIC_KEY, SECP_256_R_1, SECP_384_R_1};
use identity::profile::KeyAlgorithm;
use spki::SubjectPublicKeyInfoRef;

/// The algorithm of a public key on a named curve (RFC 5480 clause 2.1.1), where it is one of ours.
pub(crate) fn algorithm(public_key: &SubjectPublicKeyInfoRef<'_>) -> Option<KeyAlgorithm> {
    if public_key.algorithm.oid != ID_EC_PUBLIC_KEY {
        return None;
    }
    match public_key.algorithm.parameters?.decode_as::<ObjectIdentifier>().ok()? {
        SECP_256_R_1 => Some(KeyAlgorithm::P256),
        SECP_384_R_1 => Some(KeyAlgorithm::P384),
        _ => None,
    }
}
