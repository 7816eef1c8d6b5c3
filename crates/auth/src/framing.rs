//! How several fields become one message that cannot be read in two ways.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::key::PassPhrase;

/// The length that stands before a field: four bytes, highest first.
pub(crate) fn length(field: &[u8]) -> [u8; 4] {
    u32::try_from(field.len()).expect("fields are short").to_be_bytes()
}

/// HMAC-SHA-256 under the pass phrase over every field behind its length.
pub(crate) fn mac(pass_phrase: &PassPhrase, fields: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(pass_phrase.expose()).expect("HMAC takes any key");
    for field in fields {
        mac.update(&length(field));
        mac.update(field);
    }
    mac.finalize().into_bytes().into()
}
