//! The whole issue log at a glance, for whoever checks that every credential is accounted for.

use identity::{
    ApparatusId, CredentialId, CredentialState, DeviceNumber, HardwareUid, MemberName, ProductCode,
};

use super::ca::IssuingCaName;
use crate::statement::parsed;
use crate::{Snapshot, StoreError};

/// One certificate as the authority knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its device number.
    pub number: DeviceNumber,
    /// The factory it was issued for.
    pub factory: MemberName,
    /// Where it stands.
    pub state: CredentialState,
    /// The serial of its certificate.
    pub certificate_serial: Vec<u8>,
    /// SHA-256 of its public key info.
    pub public_key_sha256: Vec<u8>,
    /// The CA that signed it; none before it was signed.
    pub issuing_ca: Option<IssuingCaName>,
    /// Whether its secret key is still stored, sealed by the vault, or as ciphertext although its device
    /// has it.
    pub has_secret: bool,
    /// The device that proved it.
    pub hardware_uid: Option<HardwareUid>,
}

/// One symmetric credential as the authority knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApparatusLine {
    /// Its name.
    pub id: ApparatusId,
    /// The product it is for.
    pub product: ProductCode,
    /// The factory it was issued for.
    pub factory: MemberName,
    /// Where it stands.
    pub state: CredentialState,
    /// The number and the chip of the device it belongs to.
    pub device: Option<(DeviceNumber, HardwareUid)>,
}

/// Every symmetric credential, by name.
///
/// # Errors
/// The store fails.
pub async fn apparatuses(snapshot: &mut Snapshot) -> Result<Vec<ApparatusLine>, StoreError> {
    let rows: Vec<ApparatusRow> = fetch_all!(
        snapshot,
        "SELECT apparatus_id, product, factory, state, number, hardware_uid FROM apparatus \
         ORDER BY apparatus_id"
    )?;
    rows.into_iter().map(ApparatusLine::try_from).collect()
}

/// Every credential that two devices have claimed.
///
/// # Errors
/// The store fails.
pub async fn disputed(snapshot: &mut Snapshot) -> Result<Vec<CredentialId>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(snapshot, "SELECT credential FROM dispute ORDER BY credential")?;
    rows.iter().map(|(credential,)| parsed("dispute.credential", credential)).collect()
}

/// Every certificate but the abandoned ones, by number.
///
/// # Errors
/// The store fails.
pub async fn lines(snapshot: &mut Snapshot) -> Result<Vec<Line>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT credential.number, credential.factory, credential.state, credential.certificate_serial, \
         credential.public_key_sha256, pack.issuing_ca, \
         CASE WHEN pack.sealed_key IS NULL OR pack.key_kind = 'sealed' AND credential.state <> 'verified' \
         THEN NULL ELSE pack.issued END AS secret_since, \
         device.hardware_uid \
         FROM credential LEFT JOIN pack ON pack.number = credential.number \
         LEFT JOIN device ON device.number = credential.number \
         WHERE credential.state <> 'abandoned' ORDER BY credential.number"
    )?;
    rows.into_iter().map(Line::try_from).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    number: String,
    factory: String,
    state: String,
    certificate_serial: Vec<u8>,
    public_key_sha256: Vec<u8>,
    issuing_ca: Option<String>,
    secret_since: Option<i64>,
    hardware_uid: Option<String>,
}

impl TryFrom<Row> for Line {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let hardware_uid = row.hardware_uid.as_deref();
        Ok(Self {
            number: parsed("credential.number", &row.number)?,
            factory: parsed("credential.factory", &row.factory)?,
            state: parsed("credential.state", &row.state)?,
            certificate_serial: row.certificate_serial,
            public_key_sha256: row.public_key_sha256,
            issuing_ca: row.issuing_ca.map(|name| parsed("pack.issuing_ca", &name)).transpose()?,
            has_secret: row.secret_since.is_some(),
            hardware_uid: hardware_uid.map(|uid| parsed("device.hardware_uid", uid)).transpose()?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct ApparatusRow {
    apparatus_id: String,
    product: String,
    factory: String,
    state: String,
    number: Option<String>,
    hardware_uid: Option<String>,
}

impl TryFrom<ApparatusRow> for ApparatusLine {
    type Error = StoreError;

    fn try_from(row: ApparatusRow) -> Result<Self, StoreError> {
        let device = match (&row.number, &row.hardware_uid) {
            (Some(number), Some(uid)) => {
                Some((parsed("apparatus.number", number)?, parsed("apparatus.hardware_uid", uid)?))
            }
            _ => None,
        };
        Ok(Self {
            id: parsed("apparatus.apparatus_id", &row.apparatus_id)?,
            product: parsed("apparatus.product", &row.product)?,
            factory: parsed("apparatus.factory", &row.factory)?,
            state: parsed("apparatus.state", &row.state)?,
            device,
        })
    }
}
