//! The true program: every role a process of its own, in a temporary directory and on loopback ports.

#![allow(clippy::unwrap_used, reason = "a test may fail where it is wrong")]

mod bundles;
mod calling;
mod canary;
mod firmware;
mod killing;
mod labels;
mod membership;
mod metrics;
mod network;
mod relay;
mod revocation;
mod rollover;
mod scanned;
mod search;
mod services;
mod site;
mod soap_schema;
mod walkthrough;
