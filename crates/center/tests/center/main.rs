//! A center as its devices and its people see it, on both databases.

#![cfg(test)]

mod billing;
mod boards;
mod bundles;
mod chain;
mod console;
mod files;
mod firmware;
mod identity;
mod management;
mod memory;
mod plant;
mod quarantine;
mod renewals;
mod requests;
mod rollouts;
mod soap;
mod together;
