//! Members' certificates, and the invitations by which gateways join.

use identity::{Member, Role};

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// A certificate of a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberCertificate {
    /// Its serial, hexadecimal.
    pub serial: String,
    /// Whom it states.
    pub member: Member,
    /// The certificate.
    pub certificate: Vec<u8>,
    /// SHA-256 of its public key info, hexadecimal.
    pub public_key_sha256: String,
    /// When it was issued.
    pub issued: i64,
    /// When it was revoked, where it was.
    pub revoked: Option<i64>,
}

/// An invitation for one member to join, once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invitation {
    /// SHA-256 of its secret, hexadecimal.
    pub secret_sha256: String,
    /// Whom it makes.
    pub member: Member,
    /// When it ends.
    pub expires: i64,
    /// The serial of the certificate that it was used for.
    pub certificate_serial: Option<String>,
}

/// Stores a new certificate; a member's earlier ones no longer count.
///
/// # Errors
/// The serial was used before, or the store fails.
pub async fn insert(
    transaction: &mut Transaction,
    certificate: &MemberCertificate,
) -> Result<(), StoreError> {
    revoke(transaction, certificate.issued, &certificate.member).await?;
    execute!(
        transaction,
        "INSERT INTO member (certificate_serial, member, certificate, public_key_sha256, issued, revoked) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        &certificate.serial,
        certificate.member.to_string(),
        &certificate.certificate,
        &certificate.public_key_sha256,
        certificate.issued,
        certificate.revoked,
    )?;
    Ok(())
}

/// Revokes whatever certificates a member has; whether there were any that still counted.
///
/// # Errors
/// The store fails.
pub async fn revoke(transaction: &mut Transaction, now: i64, member: &Member) -> Result<bool, StoreError> {
    let revoked = execute!(
        transaction,
        "UPDATE member SET revoked = $2 WHERE member = $1 AND revoked IS NULL",
        member.to_string(),
        now,
    )?;
    Ok(revoked > 0)
}

/// The certificate with this serial, in hexadecimal.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, serial: &str) -> Result<Option<MemberCertificate>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT certificate_serial, member, certificate, public_key_sha256, issued, revoked FROM member \
         WHERE certificate_serial = $1",
        serial,
    )?;
    row.map(MemberCertificate::try_from).transpose()
}

/// The certificate of this member that counts.
///
/// # Errors
/// The store fails.
pub async fn current(
    snapshot: &mut Snapshot,
    member: &Member,
) -> Result<Option<MemberCertificate>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT certificate_serial, member, certificate, public_key_sha256, issued, revoked FROM member \
         WHERE member = $1 AND revoked IS NULL",
        member.to_string(),
    )?;
    row.map(MemberCertificate::try_from).transpose()
}

/// All members' certificates that count, by member.
///
/// # Errors
/// The store fails.
pub async fn all_current(snapshot: &mut Snapshot) -> Result<Vec<MemberCertificate>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT certificate_serial, member, certificate, public_key_sha256, issued, revoked FROM member \
         WHERE revoked IS NULL ORDER BY member"
    )?;
    rows.into_iter().map(MemberCertificate::try_from).collect()
}

/// The certificates of this role's members that were revoked, by member.
///
/// # Errors
/// The store fails.
pub async fn revoked(snapshot: &mut Snapshot, role: Role) -> Result<Vec<MemberCertificate>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT certificate_serial, member, certificate, public_key_sha256, issued, revoked FROM member \
         WHERE revoked IS NOT NULL ORDER BY member"
    )?;
    let all = rows.into_iter().map(MemberCertificate::try_from);
    all.filter(|found| found.as_ref().map_or(true, |found| found.member.role() == role)).collect()
}

/// Stores an invitation and throws away those that ended unused.
///
/// # Errors
/// The store fails.
pub async fn invite(
    transaction: &mut Transaction,
    now: i64,
    invitation: &Invitation,
) -> Result<(), StoreError> {
    execute!(transaction, "DELETE FROM invitation WHERE expires < $1 AND certificate_serial IS NULL", now)?;
    execute!(
        transaction,
        "INSERT INTO invitation (secret_sha256, member, expires) VALUES ($1, $2, $3)",
        &invitation.secret_sha256,
        invitation.member.to_string(),
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
        "SELECT secret_sha256, member, expires, certificate_serial FROM invitation WHERE secret_sha256 = $1",
        secret_sha256,
    )?;
    row.map(|(secret_sha256, member, expires, certificate_serial)| {
        let member = parsed("invitation.member", &member)?;
        Ok(Invitation { secret_sha256, member, expires, certificate_serial })
    })
    .transpose()
}

/// Notes which certificate the invitation was used for.
///
/// # Errors
/// The store fails.
pub async fn use_invitation(
    transaction: &mut Transaction,
    secret_sha256: &str,
    certificate_serial: &str,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE invitation SET certificate_serial = $2 WHERE secret_sha256 = $1",
        secret_sha256,
        certificate_serial,
    )?;
    Ok(())
}

/// Throws away a member's invitations that were not used; whether there were any.
///
/// # Errors
/// The store fails.
pub async fn withdraw_invitations(
    transaction: &mut Transaction,
    member: &Member,
) -> Result<bool, StoreError> {
    let withdrawn = execute!(
        transaction,
        "DELETE FROM invitation WHERE member = $1 AND certificate_serial IS NULL",
        member.to_string(),
    )?;
    Ok(withdrawn > 0)
}

#[derive(sqlx::FromRow)]
struct Row {
    certificate_serial: String,
    member: String,
    certificate: Vec<u8>,
    public_key_sha256: String,
    issued: i64,
    revoked: Option<i64>,
}

impl TryFrom<Row> for MemberCertificate {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            serial: row.certificate_serial,
            member: parsed("member.member", &row.member)?,
            certificate: row.certificate,
            public_key_sha256: row.public_key_sha256,
            issued: row.issued,
            revoked: row.revoked,
        })
    }
}
