//! The authenticator's repositories.

pub mod apparatus;
pub mod failure;
pub mod feed;
pub mod nonce;
pub mod pre_write_key;
pub mod shut_out;
pub mod signing_key;
