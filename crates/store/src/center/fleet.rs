//! The fleet as people look at it: counted by product and state, filtered, sorted, a page at a time.

use identity::{CredentialState, DeviceNumber, FirmwareVersion, ProductCode};

use super::overview::pattern;
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError};

/// Which devices are wanted.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// A part of their numbers; empty for any.
    pub number: String,
    /// Those of this product.
    pub product: Option<ProductCode>,
    /// Those that stand here.
    pub state: Option<CredentialState>,
    /// Only those in quarantine.
    pub is_quarantined: bool,
}

/// What devices are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Order {
    /// Their numbers.
    #[default]
    Number,
    /// Their numbers, the last first.
    NumberDescending,
    /// When the authority last said something of them.
    Changed,
    /// The same, the last first.
    ChangedDescending,
}

/// A device in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The device.
    pub number: DeviceNumber,
    /// Where the certificate that it uses stands.
    pub state: CredentialState,
    /// Whether it is in quarantine.
    pub is_quarantined: bool,
    /// When the authority last said something of it.
    pub changed: i64,
    /// How often it has called.
    pub calls: u64,
    /// When it called last.
    pub last_called: Option<i64>,
    /// What it said last that it runs.
    pub firmware: Option<FirmwareVersion>,
}

/// How many devices of a product are in a state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Count {
    /// The product.
    pub product: ProductCode,
    /// The state.
    pub state: CredentialState,
    /// How many.
    pub number: u64,
}

/// One text for all orders, so that they cannot differ in what they list.
macro_rules! listing {
    ($order:literal) => {
        concat!(
            "SELECT number, state, changed, \
             EXISTS (SELECT 1 FROM quarantine WHERE quarantine.device = device.number AND released_by IS NULL) \
             AS quarantined, \
             (SELECT count(journal.number) FROM journal WHERE journal.device = device.number) AS calls, \
             (SELECT time FROM journal WHERE journal.device = device.number AND journal.number IS NOT NULL \
             ORDER BY chain DESC, journal.number DESC LIMIT 1) AS last_called, firmware \
             FROM device WHERE number IN (SELECT number FROM device \
             WHERE ($1 = '' OR number LIKE $1) AND ($2 = '' OR rtrim(number, '0123456789') = $2) \
             AND ($3 = '' OR state = $3) AND ($4 = 0 OR number IN \
             (SELECT device FROM quarantine WHERE released_by IS NULL)) ORDER BY ",
            $order,
            " LIMIT $5 OFFSET $6) ORDER BY ",
            $order
        )
    };
}

/// The devices that are wanted, `limit` of them after the first `offset`.
///
/// # Errors
/// The store fails.
pub async fn list(
    snapshot: &mut Snapshot,
    filter: &Filter,
    order: Order,
    limit: u64,
    offset: u64,
) -> Result<Vec<Listed>, StoreError> {
    let sql = match order {
        Order::Number => listing!("number"),
        Order::NumberDescending => listing!("number DESC"),
        Order::Changed => listing!("changed, number"),
        Order::ChangedDescending => listing!("changed DESC, number DESC"),
    };
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        sql,
        filter.pattern(),
        filter.product_text(),
        filter.state_text(),
        i64::from(filter.is_quarantined),
        limit.cast_signed(),
        offset.cast_signed(),
    )?;
    rows.into_iter().map(Listed::try_from).collect()
}

/// How many devices are wanted.
///
/// # Errors
/// The store fails.
pub async fn total(snapshot: &mut Snapshot, filter: &Filter) -> Result<u64, StoreError> {
    let (number,): (i64,) = fetch_one!(
        snapshot,
        "SELECT count(*) FROM device WHERE ($1 = '' OR number LIKE $1) \
         AND ($2 = '' OR rtrim(number, '0123456789') = $2) AND ($3 = '' OR state = $3) \
         AND ($4 = 0 OR number IN (SELECT device FROM quarantine WHERE released_by IS NULL))",
        filter.pattern(),
        filter.product_text(),
        filter.state_text(),
        i64::from(filter.is_quarantined),
    )?;
    count("device", number)
}

/// How many devices of each product are in each state.
///
/// # Errors
/// The store fails.
pub async fn counts(snapshot: &mut Snapshot) -> Result<Vec<Count>, StoreError> {
    let rows: Vec<(String, String, i64)> = fetch_all!(
        snapshot,
        "SELECT rtrim(number, '0123456789') AS product, state, count(*) FROM device \
         GROUP BY rtrim(number, '0123456789'), state ORDER BY 1, 2"
    )?;
    rows.into_iter()
        .map(|(product, state, number)| {
            Ok(Count {
                product: parsed("device.number", product.trim_end_matches('-'))?,
                state: parsed("device.state", &state)?,
                number: count("device", number)?,
            })
        })
        .collect()
}

impl Filter {
    fn pattern(&self) -> String {
        pattern(&self.number)
    }

    fn product_text(&self) -> String {
        self.product.as_ref().map_or_else(String::new, |product| format!("{product}-"))
    }

    fn state_text(&self) -> &'static str {
        self.state.map_or("", CredentialState::as_str)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    number: String,
    state: String,
    changed: i64,
    quarantined: bool,
    calls: i64,
    last_called: Option<i64>,
    firmware: Option<String>,
}

impl TryFrom<Row> for Listed {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            number: parsed("device.number", &row.number)?,
            state: parsed("device.state", &row.state)?,
            is_quarantined: row.quarantined,
            changed: row.changed,
            calls: count("journal", row.calls)?,
            last_called: row.last_called,
            firmware: row.firmware.map(|version| parsed("device.firmware", &version)).transpose()?,
        })
    }
}
