//! The last CRL of each partition of a CA, as it was signed.

use crate::statement::count;
use crate::{Snapshot, StoreError, Transaction};

/// Whether a CRL lists all that is revoked, or what is new.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CrlKind {
    /// All.
    Complete,
    /// What was revoked since the complete one.
    Delta,
}

/// Which partition of which CA.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Scope {
    /// The CA's name in the store.
    pub issuing_ca: String,
    /// The second octet of the serial numbers.
    pub partition: u8,
}

/// A CRL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crl {
    /// Its number.
    pub number: u64,
    /// For a delta, the number of the complete CRL that it adds to.
    pub base: Option<u64>,
    /// The number of the last revocation that it knows of.
    pub covers: u64,
    /// When it was signed.
    pub this_update: i64,
    /// When the next one is there at the latest.
    pub next_update: i64,
    /// What was signed, DER.
    pub der: Vec<u8>,
}

impl CrlKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Delta => "delta",
        }
    }
}

/// The last CRL of this scope and kind.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, scope: &Scope, kind: CrlKind) -> Result<Option<Crl>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT number, base, covers, this_update, next_update, crl FROM crl \
         WHERE issuing_ca = $1 AND partition = $2 AND kind = $3",
        &scope.issuing_ca,
        i64::from(scope.partition),
        kind.as_str(),
    )?;
    row.map(Crl::try_from).transpose()
}

/// Stores a CRL in place of the last of its scope and kind.
///
/// # Errors
/// The store fails.
pub async fn replace(
    transaction: &mut Transaction,
    scope: &Scope,
    kind: CrlKind,
    crl: &Crl,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO crl (issuing_ca, partition, kind, number, base, covers, this_update, next_update, crl) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (issuing_ca, partition, kind) DO UPDATE SET number = excluded.number, \
         base = excluded.base, covers = excluded.covers, this_update = excluded.this_update, \
         next_update = excluded.next_update, crl = excluded.crl",
        &scope.issuing_ca,
        i64::from(scope.partition),
        kind.as_str(),
        crl.number as i64,
        crl.base.map(|base| base as i64),
        crl.covers as i64,
        crl.this_update,
        crl.next_update,
        &crl.der,
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    number: i64,
    base: Option<i64>,
    covers: i64,
    this_update: i64,
    next_update: i64,
    crl: Vec<u8>,
}

impl TryFrom<Row> for Crl {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            number: count("crl.number", row.number)?,
            base: row.base.map(|base| count("crl.base", base)).transpose()?,
            covers: count("crl.covers", row.covers)?,
            this_update: row.this_update,
            next_update: row.next_update,
            der: row.crl,
        })
    }
}
