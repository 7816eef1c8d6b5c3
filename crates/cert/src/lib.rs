//! The public half of PKI: read certificates, lint them, verify them. Nothing here can issue one.
//!
//! | question | room |
//! | --- | --- |
//! | what does a certificate say | [`certificate`] |
//! | is it signed by a CA of ours, at this depth, at this time | [`issuer`] |
//! | what do its CA's revocation lists say, where the register cannot be asked | [`crl`] |
//! | which member or device is this, and why is it refused | [`trust`], [`device`], [`common`] |
//! | does a device hold the key of its certificate | [`possession`] |
//! | how do two ends speak TLS | [`tls`] |
//! | may a certificate be signed at all | [`lint`] |
//!
//! A new rule for what is accepted from a peer goes to [`issuer`] where it holds for every
//! certificate, to [`trust`], [`device`] or [`common`] where it holds for one kind, as a [`Refusal`] of its own
//! and a test that presents a certificate which only that rule refuses.

pub mod certificate;
pub mod common;
pub mod crl;
pub mod device;
mod fingerprint;
pub mod issuer;
mod key;
pub mod lint;
pub mod possession;
mod refusal;
pub mod tls;
pub mod trust;
mod verified;

pub use certificate::{Certificate, CertificateSerial};
pub use common::CommonIdentity;
pub use device::{DeviceIdentity, DeviceVerifier, ExpiredDevice};
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use refusal::Refusal;
pub use trust::{CheckedCas, MemberIdentity, PeerIdentity, Trust};
