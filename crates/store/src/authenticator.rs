//! The authenticator's repositories.

pub mod apparatus;
pub mod failure;
pub mod feed;
pub mod nonce;
pub mod signing_key;
