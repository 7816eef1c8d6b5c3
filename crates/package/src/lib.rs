//! Firmware packages: what a maker signs, and what a device checks before it runs it.
//!
//! A package is a short head and then the image. The head is a COSE_Sign1 object (RFC 9052 clause 4.2)
//! over the [`Manifest`]: what the image is for, and its SHA-256. So a device fetches the head first,
//! and knows from it alone, before the first byte of the image, whether it may run what follows.
//!
//! | what | room |
//! | --- | --- |
//! | head and manifest, byte for byte | `head` |
//! | the maker's public key, and the image's hash | `key` |
//! | whether a device may run this in place of what it runs | `judgement` |
//!
//! The maker's private key is no business of this crate: whoever has it signs [`Manifest::to_be_signed`].

#![no_std]

mod head;
mod judgement;
mod key;

pub use head::{HEAD_BYTES_MAX, Head, HeadBytes, Manifest, PackageError};
pub use judgement::{Judgement, Rejection, Running};
pub use key::{ImageDigest, InvalidMakerKey, KeyName, MakerKey};
