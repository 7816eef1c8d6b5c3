//! Stations of the factory and the invitations by which they join.

use identity::MemberName;

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// A station that joined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Station {
    /// Its name in the factory.
    pub name: MemberName,
    /// The serial number of the certificate it last joined with, hexadecimal; no other counts.
    pub certificate_serial: String,
    /// When it joined.
    pub joined: i64,
    /// When it was revoked, where it was.
    pub revoked: Option<i64>,
}

/// An invitation for one station to join, once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invitation {
    /// SHA-256 of its secret, hexadecimal.
    pub secret_sha256: String,
    /// Whom it makes.
    pub station: MemberName,
    /// When it ends.
    pub expires: i64,
    /// SHA-256 of the signing request that used it; the same request may come again.
    pub request_sha256: Option<String>,
}

/// All stations, by name.
///
/// # Errors
/// The store fails.
pub async fn all(snapshot: &mut Snapshot) -> Result<Vec<Station>, StoreError> {
    let rows: Vec<(String, String, i64, Option<i64>)> =
        fetch_all!(snapshot, "SELECT name, certificate_serial, joined, revoked FROM station ORDER BY name")?;
    rows.into_iter().map(station_from).collect()
}

/// The station of this name.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, name: &MemberName) -> Result<Option<Station>, StoreError> {
    let row: Option<(String, String, i64, Option<i64>)> = fetch_optional!(
        snapshot,
        "SELECT name, certificate_serial, joined, revoked FROM station WHERE name = $1",
        name.as_str(),
    )?;
    row.map(station_from).transpose()
}

/// Stores a station that joined; one that joins again is no longer revoked, and its earlier
/// certificate no longer counts.
///
/// # Errors
/// The store fails.
pub async fn joined(
    transaction: &mut Transaction,
    now: i64,
    name: &MemberName,
    certificate_serial: &str,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO station (name, certificate_serial, joined) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET certificate_serial = excluded.certificate_serial, \
         joined = excluded.joined, revoked = NULL",
        name.as_str(),
        certificate_serial,
        now,
    )?;
    Ok(())
}

/// Revokes a station and whatever invitations are open for it; whether there is such a station.
///
/// # Errors
/// The store fails.
pub async fn revoke(transaction: &mut Transaction, now: i64, name: &MemberName) -> Result<bool, StoreError> {
    execute!(transaction, "DELETE FROM invitation WHERE station = $1", name.as_str())?;
    let changed =
        execute!(transaction, "UPDATE station SET revoked = $2 WHERE name = $1", name.as_str(), now)?;
    Ok(changed == 1)
}

/// Stores an invitation and throws away those that ended before `now`.
///
/// # Errors
/// The store fails.
pub async fn invite(
    transaction: &mut Transaction,
    now: i64,
    invitation: &Invitation,
) -> Result<(), StoreError> {
    execute!(transaction, "DELETE FROM invitation WHERE expires < $1", now)?;
    execute!(
        transaction,
        "INSERT INTO invitation (secret_sha256, station, expires) VALUES ($1, $2, $3)",
        &invitation.secret_sha256,
        invitation.station.as_str(),
        invitation.expires,
    )?;
    Ok(())
}

/// The invitation with this secret.
///
/// # Errors
/// The store fails.
pub async fn invitation(
    snapshot: &mut Snapshot,
    secret_sha256: &str,
) -> Result<Option<Invitation>, StoreError> {
    let row: Option<(String, String, i64, Option<String>)> = fetch_optional!(
        snapshot,
        "SELECT secret_sha256, station, expires, request_sha256 FROM invitation WHERE secret_sha256 = $1",
        secret_sha256,
    )?;
    row.map(|(secret_sha256, station, expires, request_sha256)| {
        Ok(Invitation {
            secret_sha256,
            station: parsed("invitation.station", &station)?,
            expires,
            request_sha256,
        })
    })
    .transpose()
}

/// Notes which signing request uses the invitation.
///
/// # Errors
/// The store fails.
pub async fn use_invitation(
    transaction: &mut Transaction,
    secret_sha256: &str,
    request_sha256: &str,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE invitation SET request_sha256 = $2 WHERE secret_sha256 = $1",
        secret_sha256,
        request_sha256,
    )?;
    Ok(())
}

fn station_from(row: (String, String, i64, Option<i64>)) -> Result<Station, StoreError> {
    let (name, certificate_serial, joined, revoked) = row;
    Ok(Station { name: parsed("station.name", &name)?, certificate_serial, joined, revoked })
}
