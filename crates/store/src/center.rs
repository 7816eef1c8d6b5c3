//! What a center stores: the fleet, all that it said, what its counters counted, and what it is asked.
//!
//! A file a noun, with the tables of `migrations/center`. Nothing here is secret.

pub mod chain;
pub mod correction;
pub mod counter;
pub mod device;
pub mod firmware;
pub mod fleet;
pub mod incident;
pub mod journal;
pub mod life;
pub mod managed;
pub mod overview;
pub mod quarantine;
pub mod reading;
pub mod request;
pub mod rollout;

pub use crate::feed;

#[cfg(test)]
mod tests;
