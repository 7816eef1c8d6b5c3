//! Symmetric authentication: a device and a server prove to each other that both hold the pass
//! phrase, without sending it.
//!
//! ```text
//! device (Prover)                                       server (Verifier)
//!      versions that it speaks            ------------>
//!                                         <------------  Challenge: version, server, server nonce
//!      Answer: versions, version,
//!      apparatus ID, both nonces,
//!      device proof                       ------------>  removes the nonce, checks the proof
//!      checks, has the session key        <------------  server proof; has the session key
//! ```
//!
//! A proof is an HMAC-SHA-256 under the pass phrase over everything that the two must agree on
//! (`transcript.rs`): the direction, the versions offered and chosen, who speaks with whom, both
//! nonces, and the TLS connection that carries the exchange (RFC 9266, `tls-exporter`). So a proof
//! cannot be reflected, relayed over another connection, downgraded or used again. The session key
//! comes from the same transcript by HKDF.
//!
//! The types carry the order. Only an [`Unconfirmed`] exchange can be confirmed, and only once; only
//! a [`SpentNonce`] can be verified against; a [`SessionKey`] exists only after the other side has
//! proved itself:
//!
//! ```compile_fail,E0382
//! # fn twice(unconfirmed: auth::Unconfirmed, proof: auth::Proof) {
//! let session_key = unconfirmed.confirm(&proof);
//! let again = unconfirmed.confirm(&proof);
//! # }
//! ```
//!
//! ```compile_fail,E0382
//! # fn twice(verifier: auth::Verifier, answer: auth::Answer, spent: auth::SpentNonce,
//! #     pass_phrase: auth::PassPhrase, channel: auth::ChannelBinding) {
//! let first = verifier.verify(&answer, spent, &pass_phrase, &channel);
//! let second = verifier.verify(&answer, spent, &pass_phrase, &channel);
//! # }
//! ```
//!
//! Before all that, while a device is made, it confirms that it holds the pass phrase
//! ([`station_confirmation`], [`authority_confirmation`]); and afterwards, when it has lost its
//! certificate ([`recovery_confirmation`]).
//!
//! A change to what is proved is a new [`Version`]: a new arm in `transcript.rs`, with vectors of its
//! own in `vectors/` at the root of the repository. Those of a released version are never edited.

#![no_std]

mod confirmation;
mod credential;
mod framing;
mod key;
mod prover;
mod transcript;
mod verifier;
mod version;

pub use confirmation::{Confirmation, authority_confirmation, recovery_confirmation, station_confirmation};
pub use credential::{NotACredential, SymmetricCredential};
pub use key::{PassPhrase, SessionKey};
pub use prover::{Challenge, ChallengeRefused, Prover, ServerRefused, Unconfirmed};
pub use transcript::{ChannelBinding, Nonce, Proof};
pub use verifier::{Answer, Authenticated, NoCommonVersion, NotProved, SpentNonce, Verifier};
pub use version::{Version, Versions};
