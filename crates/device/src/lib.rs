//! The write module inside a device: frames in, a power-cut-safe store, proofs out.
