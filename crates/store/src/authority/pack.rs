//! Signed packs: the certificate for good, its key until the gateway has filed it.

use identity::DeviceNumber;

use super::ca::CaName;
use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// A pack as stored. The CA that signed it is [`CaName::Issuing`].
#[derive(Clone, PartialEq, Eq)]
pub struct Pack {
    /// Its device number.
    pub number: DeviceNumber,
    /// The client certificate.
    pub certificate: Vec<u8>,
    /// The digest that the device must find when it reads the pack back.
    pub digest: Vec<u8>,
    /// The certificate's key, sealed by the vault; none once the gateway has filed the pack.
    pub sealed_key: Option<Vec<u8>>,
}

/// Files packs that were signed.
///
/// # Errors
/// A number has one already, or the store fails.
pub async fn insert(transaction: &mut Transaction, now: i64, packs: &[Pack]) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "INSERT INTO pack (number, issued, issuing_ca, certificate, pack_digest, sealed_key) ",
        packs,
        |pack| (
            pack.number.to_string(),
            now,
            CaName::Issuing.as_str(),
            pack.certificate.clone(),
            pack.digest.clone(),
            pack.sealed_key.clone(),
        ),
        ""
    )?;
    Ok(())
}

/// The packs of these numbers, those that there are.
///
/// # Errors
/// The store fails.
pub async fn find_all(snapshot: &mut Snapshot, numbers: &[DeviceNumber]) -> Result<Vec<Pack>, StoreError> {
    let rows: Vec<Row> = fetch_all_of!(
        snapshot,
        "SELECT number, certificate, pack_digest, sealed_key FROM pack WHERE number IN (",
        numbers,
        |number| number.to_string(),
        ")"
    )?;
    rows.into_iter()
        .map(|row| {
            Ok(Pack {
                number: parsed("pack.number", &row.number)?,
                certificate: row.certificate,
                digest: row.pack_digest,
                sealed_key: row.sealed_key,
            })
        })
        .collect()
}

/// Erases the keys of these numbers' packs.
///
/// # Errors
/// The store fails.
pub async fn erase_keys(transaction: &mut Transaction, numbers: &[DeviceNumber]) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "UPDATE pack SET sealed_key = NULL WHERE number IN (",
        numbers,
        |number| (number.to_string()),
        ")"
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    number: String,
    certificate: Vec<u8>,
    pack_digest: Vec<u8>,
    sealed_key: Option<Vec<u8>>,
}
