//! Secrets that only a device can read.
//!
//! Whoever makes a secret for a device seals it; whoever carries it to the device, the factory above
//! all, holds a sealed object that opens nothing. There are two ways, a file each:
//!
//! - [`PreWriteKey`]: the key that a product's firmware is built with, or one derived from it for a
//!   single chip. COSE_Encrypt0 (RFC 9052) with AES-256-GCM; the key identifier is in the header.
//! - [`ChipPublicKey`] and [`ChipKey`]: a key pair that the chip has by itself. HPKE (RFC 9180), as
//!   COSE_Encrypt0 in the manner of draft-ietf-cose-hpke. Firmware that names neither holds no code of it.
//!
//! Either way the object is bound to the product and the credential that it is for ([`Binding`]):
//! presented as another, it does not open. What is inside is the caller's matter.
//!
//! Every object has exactly one form, down to the byte (`cose.rs`); a third way to seal is a file
//! beside these two with an algorithm number of its own.

#![no_std]

mod binding;
mod chip_key;
mod cose;
mod pre_write_key;

pub use binding::Binding;
pub use chip_key::{ChipKey, ChipPublicKey, InvalidChipKey};
pub use cose::{OpenError, Opened, SEALED_OVERHEAD_MAX, SECRET_BYTES_MAX, SealError};
pub use pre_write_key::{PreWriteKey, key_identifier};
