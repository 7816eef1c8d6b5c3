//! The role on the production line: scan, write, prove, report.
//!
//! A [`Station`] takes a scanned plate and the address of the device on its port ([`DeviceAddress`])
//! and leads both through source A Fig. 17. Either the device is [`Written`], or there is a
//! [`Failure`]: one sentence for the operator and what may be done with the device ([`Handling`]).
//!
//! | step | room |
//! | --- | --- |
//! | the order of the steps, and what each one's failure means | [`station`](Station) |
//! | speaking to a device over each kind of port | [`device`] |
//! | what the gateway says of its products | `products` |
//! | what a device must prove, and whether it has | `expected` |
//! | what outlives a restart | `attempts` |
//! | words for the operator | [`failure`](Failure) |
//! | scans in, verdicts out, all day | [`serve`] |
//! | the same as a page for an operator, with badges and a shift's figures | [`page`] |
//!
//! A new kind of port is a variant of [`DeviceAddress`] and of `device::Device`, in a file of its own.

mod attempts;
pub mod device;
mod expected;
mod failure;
pub mod page;
mod products;
mod serve;
mod station;

pub use device::DeviceAddress;
pub use failure::{Failure, Handling};
pub use serve::serve;
pub use station::{Limits, Station, Step, Watch, Written};
