//! Authority and factory that no network ever joins: only files go between them, in any order, lost,
//! doubled, cut apart and damaged.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test may fail where it is wrong")]

mod any_order;
mod damage;
mod works;
