//! The pages of the true program, driven in Debian's Chromium as people drive them.
//!
//! A test sets a plant up and runs one of the scripts beside ([`driver::run`]); the script does what a person
//! does, and asks the test for what happens to the plant meanwhile. Screenshots are in `target/screenshots`.

#![allow(clippy::unwrap_used, reason = "a test may fail where it is wrong")]

mod center;
mod console;
mod driver;
mod living;
mod port;
#[path = "../processes/site.rs"]
#[allow(dead_code, reason = "the tests of processes need more of it")]
mod site;
mod station;
