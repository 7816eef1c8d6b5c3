//! The write module inside a device: frames in, a power-cut-safe store, proofs out.
//!
//! Firmware implements [`Board`], gathers the bytes of its port with
//! [`identity::line::FrameCollector`], and gives each frame to [`WriteModule::handle_frame`]. The rest
//! is in here: who may write what ([`WriteModule`]), what the device then holds ([`Held`]) and how that
//! survives a power cut ([`slots`]), what else it keeps ([`nvram`], [`common_certificate`]), how it opens what
//! was sealed for it (`opening.rs`), makes and uses keys (`key.rs`), and proves what it holds (`proof.rs`). In
//! the field it changes its certificate without ever being without one ([`Renewal`]), and calls home
//! ([`calling`]).
//!
//! Nothing here allocates or needs `std`. Secrets are wiped from memory when they have been used, and
//! nothing secret can be printed. The feature `sim` adds a board in memory whose power can
//! fail at every word; it is the only part that no device ships.

#![no_std]

#[cfg(feature = "sim")]
extern crate alloc;

mod board;
pub mod calling;
pub mod common_certificate;
mod held;
mod key;
pub mod nvram;
mod opening;
#[cfg(test)]
mod power_cuts;
mod proof;
mod recovery;
mod renewal;
#[cfg(feature = "sim")]
pub mod sim;
pub mod slots;
mod write_module;
mod x509;

pub use board::{Board, FlashAreas};
pub use held::{Held, HeldBuffer, HeldSymmetric};
pub use key::{SecretKey, Signature};
pub use renewal::Renewal;
pub use write_module::WriteModule;
