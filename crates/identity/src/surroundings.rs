//! Time and randomness, handed in at the edge so that a whole plant can be replayed.

/// Wall-clock time.
pub trait Clock: Send + Sync {
    /// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    fn epoch_seconds(&self) -> i64;
}

/// Unpredictable bytes for serial numbers, nonces and tokens.
///
/// Key pairs are made by the cryptographic library from the operating system's generator, never
/// from here.
pub trait Random: Send + Sync {
    /// Overwrites all of `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}
