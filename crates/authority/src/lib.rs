//! The role that issues credentials and records what became of each.
