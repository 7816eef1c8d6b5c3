//! A center as its devices and its people see it, on both databases.

#![cfg(test)]

mod billing;
mod bundles;
mod chain;
mod identity;
mod memory;
mod plant;
mod quarantine;
mod requests;
mod soap;
