//! The CAs: their certificates, and the keys of those that sign day by day, sealed.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::{Snapshot, StoreError, Transaction};

/// Which CA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CaName {
    /// The root. Its key is not stored.
    Root,
    /// A CA of devices.
    Issuing(IssuingCaName),
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

/// The name of a CA of devices: `issuing` for the first, then `issuing-2` and so on, in the order in which they
/// were made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IssuingCaName(u32);

/// The text names no CA of devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a CA of devices is called issuing, issuing-2, issuing-3 and so on")]
pub struct ParseIssuingCaNameError;

impl IssuingCaName {
    /// The one that an authority begins with.
    pub const FIRST: Self = Self(1);

    /// The name of the one that is made next.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Its place among them, from 1 on.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for IssuingCaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.pad("issuing"),
            number => f.pad(&format!("issuing-{number}")),
        }
    }
}

impl FromStr for IssuingCaName {
    type Err = ParseIssuingCaNameError;

    fn from_str(text: &str) -> Result<Self, ParseIssuingCaNameError> {
        let number = match text.strip_prefix("issuing") {
            Some("") => 1,
            Some(rest) => rest.strip_prefix('-').and_then(|number| number.parse().ok()).unwrap_or_default(),
            None => 0,
        };
        let name = Self(number);
        if number > 0 && name.to_string() == text { Ok(name) } else { Err(ParseIssuingCaNameError) }
    }
}

impl Serialize for IssuingCaName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for CaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.pad("root"),
            Self::Issuing(name) => name.fmt(f),
            Self::Plant => f.pad("plant"),
            Self::Common => f.pad("common"),
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
        name.to_string(),
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
    let row: Option<(Vec<u8>, Option<Vec<u8>>)> = fetch_optional!(
        snapshot,
        "SELECT certificate, sealed_key FROM ca WHERE name = $1",
        name.to_string()
    )?;
    Ok(row.map(|(certificate, sealed_key)| Ca { certificate, sealed_key }))
}
