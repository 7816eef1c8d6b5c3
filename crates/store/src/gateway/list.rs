//! The credentials of a factory for readers: a page of them at a time.

use identity::profile::CredentialKind;
use identity::{CredentialId, CredentialState, DeviceNumber, MemberName, ProductCode};

use crate::listing::{Page, end_of_prefix};
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError};

/// Which credentials are wanted; what is not said is not asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CredentialFilter {
    /// Their names begin so.
    pub prefix: String,
    /// They stand here.
    pub state: Option<CredentialState>,
    /// Their product.
    pub product: Option<ProductCode>,
}

/// What they are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CredentialOrder {
    /// Their names.
    #[default]
    Name,
    /// When the device had confirmed; those without stand last or first.
    Completed,
}

/// One credential.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedCredential {
    /// Its name.
    pub id: CredentialId,
    /// The device that it belongs to.
    pub device_number: Option<DeviceNumber>,
    /// Where it stands.
    pub state: CredentialState,
    /// The station that it was last leased to.
    pub station: Option<MemberName>,
    /// When the device had confirmed.
    pub completed: Option<i64>,
    /// Why it is suspect or void.
    pub reason: Option<String>,
}

type Row = (String, Option<String>, String, Option<String>, Option<i64>, Option<String>);

/// Adds the conditions of a filter.
macro_rules! conditions {
    ($statement:ident, $filter:ident) => {
        if !$filter.prefix.is_empty() {
            $statement.push(" AND id >= ").push_bind($filter.prefix.clone());
            $statement.push(" AND id < ").push_bind(end_of_prefix(&$filter.prefix));
        }
        if let Some(state) = $filter.state {
            // A word of ours; said in the text, so that an index of one state serves.
            $statement.push(format!(" AND state = '{}'", state.as_str()));
        }
        if let Some(product) = &$filter.product {
            $statement.push(" AND product = ").push_bind(product.as_str().to_owned());
        }
    };
}

/// A page of credentials, and how many there are in all.
///
/// # Errors
/// The store fails.
pub async fn credentials(
    snapshot: &mut Snapshot,
    filter: &CredentialFilter,
    order: CredentialOrder,
    page: Page,
) -> Result<(Vec<ListedCredential>, u64), StoreError> {
    let (total,): (i64,) = on_connection!(snapshot, connection => {
        let mut statement = sqlx::QueryBuilder::new("SELECT count(*) FROM credential WHERE state <> 'abandoned'");
        conditions!(statement, filter);
        statement.build_query_as().persistent(false).fetch_one(&mut **connection).await
    })?;
    let (limit, offset) = page.bounds();
    let rows: Vec<Row> = on_connection!(snapshot, connection => {
        let mut statement = sqlx::QueryBuilder::new(
            "SELECT id, device_number, state, station, completed, reason FROM credential \
             WHERE state <> 'abandoned'",
        );
        conditions!(statement, filter);
        match order {
            CredentialOrder::Name => statement.push(" ORDER BY id").push(page.direction()),
            CredentialOrder::Completed => {
                statement.push(" ORDER BY completed").push(page.direction()).push(", id").push(page.direction())
            }
        };
        statement.push(" LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(offset);
        statement.build_query_as().persistent(false).fetch_all(&mut **connection).await
    })?;
    let rows = rows.into_iter().map(credential_from).collect::<Result<_, _>>()?;
    Ok((rows, count("credential", total)?))
}

/// How many credentials are suspect.
///
/// # Errors
/// The store fails.
pub async fn suspects(snapshot: &mut Snapshot) -> Result<u64, StoreError> {
    let (suspects,): (i64,) =
        fetch_one!(snapshot, "SELECT count(*) FROM credential WHERE state = 'suspect'")?;
    count("credential", suspects)
}

/// How many credentials of one kind of a product lie in stock. Takes time for these only, however many there are else.
///
/// # Errors
/// The store fails.
pub async fn stocked(
    snapshot: &mut Snapshot,
    product: &ProductCode,
    kind: CredentialKind,
) -> Result<u64, StoreError> {
    let (stocked,): (i64,) = fetch_one!(
        snapshot,
        "SELECT count(*) FROM credential WHERE product = $1 AND kind = $2 AND state = 'stocked'",
        product.as_str(),
        kind.as_str(),
    )?;
    count("credential", stocked)
}

fn credential_from(
    (id, device_number, state, station, completed, reason): Row,
) -> Result<ListedCredential, StoreError> {
    Ok(ListedCredential {
        id: parsed("credential.id", &id)?,
        device_number: device_number.map(|number| parsed("credential.device_number", &number)).transpose()?,
        state: parsed("credential.state", &state)?,
        station: station.map(|station| parsed("credential.station", &station)).transpose()?,
        completed,
        reason,
    })
}
