//! What people look at of all devices together: calls by hour, and pages of incidents and requests.

use super::incident::Incident;
use super::request::{Request, Row as RequestRow};
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError};

/// Seconds of an hour.
const HOUR: i64 = 3_600;

/// Which requests are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum RequestState {
    /// All.
    #[default]
    Any,
    /// Those of which nothing has come yet.
    Open,
    /// Those of which something has.
    Finished,
}

impl RequestState {
    fn number(self) -> i64 {
        match self {
            Self::Any => 0,
            Self::Open => 1,
            Self::Finished => 2,
        }
    }
}

/// How many calls were taken in each hour from `from` on: its first second, and how many. Hours without
/// any are left out.
///
/// # Errors
/// The store fails.
pub async fn calls_by_hour(snapshot: &mut Snapshot, from: i64) -> Result<Vec<(i64, u64)>, StoreError> {
    let rows: Vec<(i64, i64)> = fetch_all!(
        snapshot,
        "SELECT time / 3600 AS hour, count(*) FROM journal WHERE number IS NOT NULL AND time >= $1 \
         GROUP BY time / 3600 ORDER BY hour",
        from,
    )?;
    rows.into_iter().map(|(hour, number)| Ok((hour * HOUR, count("journal", number)?))).collect()
}

/// Incidents of a kind or of all, whose device's number holds `part`: the last first, and how many there are.
///
/// # Errors
/// The store fails.
pub async fn incidents(
    snapshot: &mut Snapshot,
    kind: &str,
    part: &str,
    limit: u64,
    offset: u64,
) -> Result<(Vec<Incident>, u64), StoreError> {
    let rows: Vec<(String, String, i64, i64, i64, String)> = fetch_all!(
        snapshot,
        "SELECT device, kind, count, first, last, detail FROM incident \
         WHERE ($1 = '' OR kind = $1) AND ($2 = '' OR device LIKE $2) \
         ORDER BY last DESC, device, kind LIMIT $3 OFFSET $4",
        kind,
        pattern(part),
        limit.cast_signed(),
        offset.cast_signed(),
    )?;
    let (total,): (i64,) = fetch_one!(
        snapshot,
        "SELECT count(*) FROM incident WHERE ($1 = '' OR kind = $1) AND ($2 = '' OR device LIKE $2)",
        kind,
        pattern(part),
    )?;
    let rows = rows.into_iter().map(|(device, kind, number, first, last, detail)| {
        let device = parsed("incident.device", &device)?;
        Ok(Incident { device, kind, count: count("incident.count", number)?, first, last, detail })
    });
    Ok((rows.collect::<Result<_, StoreError>>()?, count("incident", total)?))
}

/// Requests in a state or in all, to devices whose numbers hold `part`: the last first, and how many there are.
///
/// # Errors
/// The store fails.
pub async fn requests(
    snapshot: &mut Snapshot,
    state: RequestState,
    part: &str,
    limit: u64,
    offset: u64,
) -> Result<(Vec<Request>, u64), StoreError> {
    let rows: Vec<RequestRow> = fetch_all!(
        snapshot,
        "SELECT id, device, command, queued, handed_out_by, finished_by, outcome FROM request \
         WHERE ($1 = 0 OR ($1 = 1 AND finished_by IS NULL) OR ($1 = 2 AND finished_by IS NOT NULL)) \
         AND ($2 = '' OR device LIKE $2) ORDER BY id DESC LIMIT $3 OFFSET $4",
        state.number(),
        pattern(part),
        limit.cast_signed(),
        offset.cast_signed(),
    )?;
    let (total,): (i64,) = fetch_one!(
        snapshot,
        "SELECT count(*) FROM request \
         WHERE ($1 = 0 OR ($1 = 1 AND finished_by IS NULL) OR ($1 = 2 AND finished_by IS NOT NULL)) \
         AND ($2 = '' OR device LIKE $2)",
        state.number(),
        pattern(part),
    )?;
    let rows = rows.into_iter().map(Request::try_from).collect::<Result<_, StoreError>>()?;
    Ok((rows, count("request", total)?))
}

/// How many requests are open.
///
/// # Errors
/// The store fails.
pub async fn open_requests(snapshot: &mut Snapshot) -> Result<u64, StoreError> {
    let (number,): (i64,) = fetch_one!(snapshot, "SELECT count(*) FROM request WHERE finished_by IS NULL")?;
    count("request", number)
}

/// A pattern that holds a part of a device's number. Numbers have no character that a pattern would take for another;
/// what no number holds finds none.
pub(super) fn pattern(part: &str) -> String {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match part {
        "" => String::new(),
        part if part.chars().all(is_fit) => format!("%{}%", part.to_ascii_uppercase()),
        _ => "?".to_owned(),
    }
}
