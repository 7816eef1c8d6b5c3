//! Signed files between parties that no network joins, as `transport` is TLS between those that one does.
//!
//! A file is one or more [bundles](message::bundle), one behind the other (a CBOR sequence, RFC 8742), each
//! a COSE_Sign1 (RFC 9052 clause 4.2) by the key of its sender's certificate. Who sent it is who the
//! certificate says, as in a TLS session; and as there, no CA that comes with it is believed.
//!
//! | question | room |
//! | --- | --- |
//! | what is signed and how it is written | `sign1` |
//! | how a bundle is signed, and whether one is to be believed | [`signed`] |
//! | how secrets in a bundle reach their receiver alone | [`envelope`] |
//!
//! Which bundle comes next is the store's knowledge (`store::bundle`); what comes of it is the roles'.

pub mod envelope;
mod sign1;
pub mod signed;

pub use envelope::{EnvelopeError, ReceiverKey};
pub use signed::{BundleError, Received, SignError, Signer, open, open_from_host, read_trusted, split};
