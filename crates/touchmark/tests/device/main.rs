//! Emulated devices as their peers and their owner meet them: ports, memory, commands.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail a test by panicking")]

mod calling;
mod collect;
mod command;
mod flash_file;
mod line;
mod soap;
mod writer;
