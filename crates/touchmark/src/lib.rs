//! touchmark gives every connected device its identity at birth and answers for it for life.
//!
//! The wiring of all roles: the commands of the one binary, the emulated devices, and a whole plant
//! in one process. The roles themselves are crates of their own.

pub mod bundle_files;
pub mod commands;
pub mod common_certificate_file;
pub mod config;
pub mod durable;
pub mod emulator;
pub mod failure;
pub mod firmware_source;
pub mod label;
pub mod ledger;
pub mod member_files;
pub mod metrics;
pub mod output;
pub mod pem_files;
pub mod plant;
pub mod pre_write_key_file;
pub mod rehearsal;
pub mod serving;
pub mod surroundings;
pub mod vectors;
