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
//! Instead of any of these answers the device may say [`Answer::Refused`]. A [`Request`] and an
//! [`Answer`] travel in a [frame](encode): version byte, CBOR, CRC-32, all COBS-coded and ended by
//! a zero byte. A change of the wire adds a field under a new index where old readers may pass
//! over it, otherwise a [`Version`]; the bytes of each version are pinned by the tests below.

mod frame;
mod message;
mod proof;

pub use frame::{FRAME_BYTES_MAX, FrameCollector, FrameError, Version, VersionRange, decode, encode};
pub use message::{
    ANSWER_FRAME_BYTES_MAX, Answer, CERTIFICATE_BYTES_MAX, Identity, Pack, Refusal, Request,
    SECRET_KEY_BYTES_MAX, Session, Transmission, UnknownRefusal, WriteResult,
};
pub use proof::{PROOF_MESSAGE_BYTES_MAX, pack_digest, proof_message};

#[cfg(test)]
mod tests;
