//! What a gateway stores: the plan, the stock and its leases, the outbox, its stations.
//!
//! A file a noun, with the tables of `migrations/gateway`. Secrets are here only as ciphertext; their
//! keys stand in the key ring.

pub mod activity;
pub mod allotment;
pub mod apparatus;
pub mod attempt;
pub mod bundle_key;
pub mod credential;
pub mod ledger;
pub mod list;
pub mod moment;
pub mod number;
pub mod operator;
pub mod outbox;
pub mod pack;
pub mod plan;
pub mod scrap;
pub mod station;
pub mod stock_sample;

#[cfg(test)]
mod tests;
