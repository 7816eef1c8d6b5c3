//! The issue log for readers: a page of it at a time.

use identity::{CredentialState, DeviceNumber, MemberName, ProductCode};

use crate::listing::{Page, end_of_prefix};
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError};

/// Which certificates are wanted; what is not said is not asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CertificateFilter {
    /// Their device numbers begin so.
    pub prefix: String,
    /// The serial of their certificate.
    pub certificate_serial: Option<Vec<u8>>,
    /// SHA-256 of their public key info.
    pub public_key_sha256: Option<Vec<u8>>,
    /// They stand here.
    pub state: Option<CredentialState>,
    /// Their factory.
    pub factory: Option<MemberName>,
    /// Their product.
    pub product: Option<ProductCode>,
}

/// One certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedCertificate {
    /// Its device number.
    pub number: DeviceNumber,
    /// The factory it was issued for.
    pub factory: MemberName,
    /// Where it stands.
    pub state: CredentialState,
    /// Its serial.
    pub certificate_serial: Vec<u8>,
    /// When it was meant to be signed.
    pub intended: i64,
}

/// How much of a serial or hash the indexes hold.
const INDEXED_BYTES: usize = 12;

/// Adds the conditions of a filter.
macro_rules! conditions {
    ($statement:ident, $filter:ident) => {
        if !$filter.prefix.is_empty() {
            $statement.push(" AND number >= ").push_bind($filter.prefix.clone());
            $statement.push(" AND number < ").push_bind(end_of_prefix(&$filter.prefix));
        }
        for (column, bytes) in [
            ("certificate_serial", &$filter.certificate_serial),
            ("public_key_sha256", &$filter.public_key_sha256),
        ] {
            if let Some(bytes) = bytes {
                let indexed = bytes[..bytes.len().min(INDEXED_BYTES)].to_vec();
                $statement.push(format!(" AND substr({column}, 1, 12) = ")).push_bind(indexed);
                $statement.push(format!(" AND {column} = ")).push_bind(bytes.clone());
            }
        }
        if let Some(state) = $filter.state {
            $statement.push(" AND state = ").push_bind(state.as_str());
        }
        if let Some(factory) = &$filter.factory {
            $statement.push(" AND factory = ").push_bind(factory.as_str().to_owned());
        }
        if let Some(product) = &$filter.product {
            $statement.push(" AND product = ").push_bind(product.as_str().to_owned());
        }
    };
}

/// A page of certificates, by device number, and how many there are in all.
///
/// # Errors
/// The store fails.
pub async fn certificates(
    snapshot: &mut Snapshot,
    filter: &CertificateFilter,
    page: Page,
) -> Result<(Vec<ListedCertificate>, u64), StoreError> {
    let (total,): (i64,) = on_connection!(snapshot, connection => {
        let mut statement =
            sqlx::QueryBuilder::new("SELECT count(*) FROM credential WHERE number IS NOT NULL");
        conditions!(statement, filter);
        statement.build_query_as().persistent(false).fetch_one(&mut **connection).await
    })?;
    let (limit, offset) = page.bounds();
    let rows: Vec<(String, String, String, Vec<u8>, i64)> = on_connection!(snapshot, connection => {
        let mut statement = sqlx::QueryBuilder::new(
            "SELECT number, factory, state, certificate_serial, intended FROM credential WHERE number IS NOT NULL",
        );
        conditions!(statement, filter);
        statement.push(" ORDER BY number").push(page.direction());
        statement.push(" LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(offset);
        statement.build_query_as().persistent(false).fetch_all(&mut **connection).await
    })?;
    let rows = rows
        .into_iter()
        .map(|(number, factory, state, certificate_serial, intended)| {
            Ok(ListedCertificate {
                number: parsed("credential.number", &number)?,
                factory: parsed("credential.factory", &factory)?,
                state: parsed("credential.state", &state)?,
                certificate_serial,
                intended,
            })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok((rows, count("credential", total)?))
}
