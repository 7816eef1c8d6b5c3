//! What an authority stores: its CAs, what may be made, every credential ever issued, what became of
//! each, and who may ask.
//!
//! A file a noun, with the tables of `migrations/authority`. Secret keys are here only sealed by the
//! vault.

pub mod allotment;
pub mod apparatus;
pub mod board_swap;
pub mod ca;
pub mod change;
pub mod common_certificate;
pub mod credential;
pub mod crl;
pub mod device;
pub mod device_registration;
pub mod dispute;
pub mod history;
pub mod issuing_ca;
pub mod ledger;
pub mod list;
pub mod member;
pub mod member_trust;
pub mod pack;
pub mod pre_write_key;
pub mod product;
pub mod recovery;
pub mod registration;
pub mod renewal_policy;
pub mod report;
pub mod revocation;
pub mod selection;
pub mod successor;
pub mod withdrawal;

#[cfg(test)]
mod tests;
