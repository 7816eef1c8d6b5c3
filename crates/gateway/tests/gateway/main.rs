//! A gateway between an authority that issues real certificates and devices that sign real proofs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod authority;
mod console;
mod device;
mod files;
mod interleavings;
mod link;
mod lying;
mod on_the_spot;
mod plant;
mod production;
mod scrapping;
mod service;
mod symmetric;
mod trusting;
mod upkeep;
