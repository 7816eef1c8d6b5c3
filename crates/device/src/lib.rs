//! The write module inside a device: frames in, a power-cut-safe store, proofs out.
//!
//! Firmware implements [`Board`], gathers the bytes of its port with
//! [`identity::line::FrameCollector`], and gives each frame to [`WriteModule::handle_frame`]. The rest
//! is in here: who may write what ([`WriteModule`]), how a pack survives a power cut ([`slots`]), what
//! else the device keeps ([`nvram`]), and how it proves which key it holds.
//!
//! Nothing here allocates or needs `std`. Secrets are wiped from memory when they have been used, and
//! nothing secret can be printed. The feature `sim` adds a board in memory whose power can
//! fail at every word; it is the only part that no device ships.

#![no_std]

mod board;
pub mod nvram;
#[cfg(test)]
mod power_cuts;
mod proof;
#[cfg(feature = "sim")]
pub mod sim;
pub mod slots;
mod write_module;

pub use board::{Board, FlashAreas};
pub use write_module::{PackBuffer, WriteModule};
