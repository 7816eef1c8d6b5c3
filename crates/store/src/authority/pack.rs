//! Signed packs: the certificate for good, its key as long as a repeated order may ask for it.

use identity::{DeviceNumber, HardwareUid, KeyIdentifier};

use super::ca::IssuingCaName;
use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// A pack as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Pack {
    /// Its device number.
    pub number: DeviceNumber,
    /// The CA that signed its certificate.
    pub issuing_ca: IssuingCaName,
    /// The client certificate.
    pub certificate: Vec<u8>,
    /// The digest that the device must find when it reads the pack back.
    pub digest: Vec<u8>,
    /// The certificate's key.
    pub key: Key,
    /// The chip that it was made for; none where it was made ahead of its device.
    pub hardware_uid: Option<HardwareUid>,
}

/// What is stored of a certificate's key.
#[derive(Clone, PartialEq, Eq)]
pub enum Key {
    /// It travels in clear, and lies here sealed by the vault until the gateway has filed the pack.
    Plain(Option<Vec<u8>>),
    /// It travels as this ciphertext, which lies here until the device has proved it.
    Sealed {
        /// The pre-write key that opens it; none where a chip's own key does.
        key_identifier: Option<KeyIdentifier>,
        /// What only the device can open.
        ciphertext: Option<Vec<u8>>,
    },
    /// The device made it, and nobody else ever had it.
    Own,
}

impl Key {
    /// The word for the kind of key in the store.
    fn kind(&self) -> &'static str {
        match self {
            Self::Plain(_) => PLAIN,
            Self::Sealed { .. } => SEALED,
            Self::Own => OWN,
        }
    }

    /// What is stored of it.
    fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Plain(bytes) | Self::Sealed { ciphertext: bytes, .. } => bytes.clone(),
            Self::Own => None,
        }
    }

    fn key_identifier(&self) -> Option<String> {
        match self {
            Self::Sealed { key_identifier, .. } => key_identifier.as_ref().map(ToString::to_string),
            Self::Plain(_) | Self::Own => None,
        }
    }
}

const PLAIN: &str = "plain";
const SEALED: &str = "sealed";
const OWN: &str = "own";

/// Files packs that were signed.
///
/// # Errors
/// A number has one already, or the store fails.
pub async fn insert(transaction: &mut Transaction, now: i64, packs: &[Pack]) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "INSERT INTO pack \
         (number, issued, issuing_ca, certificate, pack_digest, key_kind, sealed_key, key_identifier, \
         hardware_uid) ",
        packs,
        |pack| (
            pack.number.to_string(),
            now,
            pack.issuing_ca.to_string(),
            pack.certificate.clone(),
            pack.digest.clone(),
            pack.key.kind(),
            pack.key.bytes(),
            pack.key.key_identifier(),
            pack.hardware_uid.as_ref().map(ToString::to_string),
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
        "SELECT number, issuing_ca, certificate, pack_digest, key_kind, sealed_key, key_identifier, hardware_uid \
         FROM pack WHERE number IN (",
        numbers,
        |number| number.to_string(),
        ")"
    )?;
    rows.into_iter().map(Pack::try_from).collect()
}

/// Erases the keys that travel in clear of these numbers' packs: their gateway has filed them.
///
/// # Errors
/// The store fails.
pub async fn erase_plain_keys(
    transaction: &mut Transaction,
    numbers: &[DeviceNumber],
) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "UPDATE pack SET sealed_key = NULL WHERE key_kind = 'plain' AND number IN (",
        numbers,
        |number| (number.to_string()),
        ")"
    )?;
    Ok(())
}

/// Erases the keys of these numbers' packs, whatever their kind: no device needs them any more.
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

/// Notes what devices have found when they read their packs back: what was issued here, and whatever
/// else they were given in the same write.
///
/// # Errors
/// The store fails.
pub async fn set_digests(
    transaction: &mut Transaction,
    digests: &[(DeviceNumber, Vec<u8>)],
) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "UPDATE pack SET pack_digest = new.column2 FROM (",
        digests,
        |proved| (proved.0.to_string(), proved.1.clone()),
        ") AS new WHERE pack.number = new.column1"
    )?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    number: String,
    issuing_ca: String,
    certificate: Vec<u8>,
    pack_digest: Vec<u8>,
    key_kind: String,
    sealed_key: Option<Vec<u8>>,
    key_identifier: Option<String>,
    hardware_uid: Option<String>,
}

impl TryFrom<Row> for Pack {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let key_identifier = row.key_identifier.as_deref();
        let hardware_uid = row.hardware_uid.as_deref();
        let key = match row.key_kind.as_str() {
            PLAIN => Key::Plain(row.sealed_key),
            SEALED => Key::Sealed {
                key_identifier: key_identifier
                    .map(|identifier| parsed("pack.key_identifier", identifier))
                    .transpose()?,
                ciphertext: row.sealed_key,
            },
            OWN => Key::Own,
            _ => return Err(StoreError::Corrupt { what: "pack.key_kind" }),
        };
        Ok(Self {
            number: parsed("pack.number", &row.number)?,
            issuing_ca: parsed("pack.issuing_ca", &row.issuing_ca)?,
            certificate: row.certificate,
            digest: row.pack_digest,
            key,
            hardware_uid: hardware_uid.map(|uid| parsed("pack.hardware_uid", uid)).transpose()?,
        })
    }
}
