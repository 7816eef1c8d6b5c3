//! The line protocol: what a station and a device say to each other over a serial line or TCP.
//!
//! The station asks, the device answers, and each step may be repeated without harm:
//!
//! ```text
//! station                                          device
//!    | Identify                                       |
//!    |----------------------------------------------->|
//!    |       Identity: product, chip, fresh session   |
//!    |<-----------------------------------------------|
//!    | Transmission: session, pack                    |  writes its flash, commit word last,
//!    |----------------------------------------------->|  and reads it back
//!    |                                     Reception  |
//!    |<-----------------------------------------------|
//!    | ResultRequest: session, challenge              |
//!    |----------------------------------------------->|
//!    |  WriteResult: pack digest, signature           |
//!    |<-----------------------------------------------|
//!    | ResultResponse: session                        |
//!    |----------------------------------------------->|  from now on takes no other pack
//!    |                                          Done  |
//!    |<-----------------------------------------------|
//! ```
//!
//! Where the device makes its key pair itself, the station first asks for it:
//!
//! ```text
//!    | KeyRequest: session, device number             |  makes a key and keeps it
//!    |----------------------------------------------->|
//!    |                 SigningRequest: PKCS#10, DER   |
//!    |<-----------------------------------------------|
//! ```
//!
//! and then transmits the certificate for that key, or, where it cannot be had yet, a pack without
//! one. The device takes the certificate later, in another Transmission or at its first call.
//!
//! Instead of any of these answers the device may say [`Answer::Refused`]. A [`Request`] and an
//! [`Answer`] travel in a [frame](encode): version byte, CBOR, CRC-32, all COBS-coded and ended by
//! a zero byte. A change of the wire adds a field under a new index where old readers may pass
//! over it, otherwise a [`Version`], below which it does not travel
//! ([`Request::oldest_version`]); the bytes of each version are pinned by the tests below.
//!
//! | version | what it brought |
//! | --- | --- |
//! | 1 | packs of certificates with a plain P-256 key |
//! | 2 | sealed packs, symmetric credentials, keys that the device makes, P-384 |

mod frame;
mod message;
mod pack;
mod proof;
mod refusal;
mod words;

pub use frame::{FRAME_BYTES_MAX, FrameCollector, FrameError, Version, VersionRange, decode, encode};
pub use message::{
    ANSWER_FRAME_BYTES_MAX, Answer, CHIP_KEY_BYTES, Confirmation, Identity, Request, SIGNATURE_BYTES_MAX,
    SIGNING_REQUEST_BYTES_MAX, Session, SigningRequest, Transmission, WriteResult,
};
pub use pack::{
    CERTIFICATE_BYTES_MAX, CertificatePart, Key, Pack, SEALED_KEY_BYTES_MAX, SEALED_PASS_PHRASE_BYTES_MAX,
    SECRET_KEY_BYTES_MAX, SymmetricPart,
};
pub use proof::{PROOF_MESSAGE_BYTES_MAX, pack_digest, proof_message};
pub use refusal::{Refusal, UnknownRefusal};

#[cfg(test)]
mod tests;
