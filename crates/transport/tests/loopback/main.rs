//! Members over real TLS on loopback: who gets in, what is refused, and that nobody disturbs another.

#![allow(clippy::unwrap_used)]

#[path = "../../../cert/tests/plant/mod.rs"]
mod plant;

mod ended;
mod host;
mod joining;
mod limits;
mod link;
mod peers;
mod problems;
mod proxy;
mod tls12;
mod trust;
