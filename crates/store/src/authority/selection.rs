//! Which credentials a person means who says "all that line 7 wrote between two and three".
//!
//! Only those that can still be voided are found. Both kinds of credential of a device are found by what
//! is known of the device.

use identity::{ApparatusId, CredentialState, DeviceNumber, MemberName};

use crate::statement::parsed;
use crate::{Snapshot, StoreError};

/// What credentials have in common; whatever is not said is not asked. Who says nothing means all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Selection {
    /// Their device numbers are from this one on, as text.
    pub first: Option<DeviceNumber>,
    /// Their device numbers are up to this one, as text.
    pub last: Option<DeviceNumber>,
    /// Their devices' symmetric credentials were made for this order.
    pub order: Option<String>,
    /// They were issued for this factory.
    pub factory: Option<MemberName>,
    /// Their devices were written by this station.
    pub station: Option<MemberName>,
    /// Their devices had proved themselves at this time or later.
    pub from: Option<i64>,
    /// Their devices had proved themselves before this time.
    pub until: Option<i64>,
    /// Their devices' certificates were signed by the issuing CA of this name.
    pub issuing_ca: Option<String>,
}

/// Binds one more condition where it is asked for.
macro_rules! condition {
    ($statement:ident, $text:literal, $value:expr) => {
        if let Some(value) = $value {
            $statement.push($text).push_bind(value);
        }
    };
}

/// The selected certificates, by number, at most `limit` after the one of this number.
///
/// # Errors
/// The store fails.
pub async fn certificates(
    snapshot: &mut Snapshot,
    selection: &Selection,
    after: Option<&DeviceNumber>,
    limit: u32,
) -> Result<Vec<(DeviceNumber, CredentialState)>, StoreError> {
    let Selection { first, last, order, factory, station, from, until, issuing_ca } = selection;
    let rows: Vec<(String, String)> = on_connection!(snapshot, connection => {
        // A number's first certificate, or one that followed and took its place.
        let mut statement = sqlx::QueryBuilder::new(
            "SELECT credential.number, \
             CASE WHEN credential.state = 'voided' THEN (SELECT successor.state FROM successor \
             WHERE successor.number = credential.number \
             AND successor.state NOT IN ('intended', 'abandoned', 'voided') ORDER BY generation DESC LIMIT 1) \
             ELSE credential.state END FROM credential \
             LEFT JOIN device ON device.number = credential.number \
             LEFT JOIN pack ON pack.number = credential.number \
             WHERE (credential.state NOT IN ('intended', 'abandoned', 'voided')",
        );
        condition!(statement, " AND pack.issuing_ca = ", issuing_ca.clone());
        statement.push(
            " OR EXISTS (SELECT 1 FROM successor WHERE successor.number = credential.number \
             AND successor.state NOT IN ('intended', 'abandoned', 'voided')",
        );
        condition!(statement, " AND successor.issuing_ca = ", issuing_ca.clone());
        statement.push("))");
        condition!(statement, " AND credential.number > ", after.map(ToString::to_string));
        condition!(statement, " AND credential.number >= ", first.as_ref().map(ToString::to_string));
        condition!(statement, " AND credential.number <= ", last.as_ref().map(ToString::to_string));
        condition!(statement, " AND credential.factory = ", factory.as_ref().map(ToString::to_string));
        condition!(statement, " AND device.station = ", station.as_ref().map(ToString::to_string));
        condition!(statement, " AND device.verified >= ", *from);
        condition!(statement, " AND device.verified < ", *until);
        if let Some(order) = order.clone() {
            statement.push(" AND credential.number IN (SELECT number FROM apparatus WHERE order_id = ");
            statement.push_bind(order).push(")");
        }
        statement.push(" ORDER BY credential.number LIMIT ").push_bind(i64::from(limit));
        statement.build_query_as().persistent(false).fetch_all(&mut **connection).await
    })?;
    rows.iter()
        .map(|(number, state)| Ok((parsed("credential.number", number)?, parsed("credential.state", state)?)))
        .collect()
}

/// The selected symmetric credentials, by name, at most `limit` after the one of this name.
///
/// # Errors
/// The store fails.
pub async fn apparatuses(
    snapshot: &mut Snapshot,
    selection: &Selection,
    after: Option<ApparatusId>,
    limit: u32,
) -> Result<Vec<(ApparatusId, CredentialState)>, StoreError> {
    let Selection { first, last, order, factory, station, from, until, issuing_ca } = selection;
    let rows: Vec<(String, String)> = on_connection!(snapshot, connection => {
        let mut statement = sqlx::QueryBuilder::new(
            "SELECT apparatus.apparatus_id, apparatus.state FROM apparatus \
             LEFT JOIN device ON device.number = apparatus.number \
             LEFT JOIN pack ON pack.number = apparatus.number \
             WHERE apparatus.state <> 'voided'",
        );
        condition!(statement, " AND apparatus.apparatus_id > ", after.map(|id| id.to_string()));
        condition!(statement, " AND apparatus.number >= ", first.as_ref().map(ToString::to_string));
        condition!(statement, " AND apparatus.number <= ", last.as_ref().map(ToString::to_string));
        condition!(statement, " AND apparatus.order_id = ", order.clone());
        condition!(statement, " AND apparatus.factory = ", factory.as_ref().map(ToString::to_string));
        condition!(statement, " AND device.station = ", station.as_ref().map(ToString::to_string));
        condition!(statement, " AND device.verified >= ", *from);
        condition!(statement, " AND device.verified < ", *until);
        condition!(statement, " AND pack.issuing_ca = ", issuing_ca.clone());
        statement.push(" ORDER BY apparatus.apparatus_id LIMIT ").push_bind(i64::from(limit));
        statement.build_query_as().persistent(false).fetch_all(&mut **connection).await
    })?;
    rows.iter()
        .map(|(id, state)| Ok((parsed("apparatus.apparatus_id", id)?, parsed("apparatus.state", state)?)))
        .collect()
}
