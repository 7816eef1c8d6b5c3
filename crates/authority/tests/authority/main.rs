//! An authority as its gateways, its devices and its people see it, on both databases.

#![cfg(test)]

mod apparatuses;
mod binding;
mod born;
mod carried;
mod common_certificates;
mod console;
mod device_feed;
mod device_history;
mod est;
mod issuing;
mod members;
mod on_the_spot;
mod plant;
mod pre_write_keys;
mod publishing;
mod recovering;
mod reporting;
mod revoking;
mod rollover;
mod sealed;
mod serving;
mod succession;
