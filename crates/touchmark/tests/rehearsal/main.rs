//! Rehearsals: what they find in boards and in stations.

#![cfg(test)]
#![allow(clippy::unwrap_used)]

mod boards;
mod program;
mod stations;
