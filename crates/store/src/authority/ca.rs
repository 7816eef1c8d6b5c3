//! The CAs: their certificates, and the keys of those that sign day by day, sealed.

use crate::{Snapshot, StoreError, Transaction};

/// Which CA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CaName {
    /// The root. Its key is not stored.
    Root,
    /// The CA of devices.
    Issuing,
    /// The CA of members.
    Plant,
    /// The CA of common certificates. An authority that was set up before there was one has none until it
    /// is made.
    Common,
}

/// A CA as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Ca {
    /// Its certificate.
    pub certificate: Vec<u8>,
    /// Its key, sealed by the vault; none for the root.
    pub sealed_key: Option<Vec<u8>>,
}

impl CaName {
    /// The name in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Issuing => "issuing",
            Self::Plant => "plant",
            Self::Common => "common",
        }
    }
}

/// Stores a CA, once.
///
/// # Errors
/// There is one of this name already, or the store fails.
pub async fn insert(transaction: &mut Transaction, name: CaName, ca: &Ca) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO ca (name, certificate, sealed_key) VALUES ($1, $2, $3)",
        name.as_str(),
        &ca.certificate,
        ca.sealed_key.as_ref(),
    )?;
    Ok(())
}

/// The CA of this name; none before `init`.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, name: CaName) -> Result<Option<Ca>, StoreError> {
    let row: Option<(Vec<u8>, Option<Vec<u8>>)> =
        fetch_optional!(snapshot, "SELECT certificate, sealed_key FROM ca WHERE name = $1", name.as_str())?;
    Ok(row.map(|(certificate, sealed_key)| Ca { certificate, sealed_key }))
}
