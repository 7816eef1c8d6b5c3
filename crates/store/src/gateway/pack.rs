//! What is in the packs in stock. Their secrets are ciphertext here, under data keys in the key ring.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{Context, SHA256};
use identity::profile::SymmetricForm;
use identity::{ApparatusId, DeviceNumber, KeyIdentifier};

use crate::statement::parsed;
use crate::{Slot, Snapshot, StoreError, Transaction};

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificatePack {
    /// Its creation date.
    pub created: i64,
    /// The root certificate.
    pub root: Vec<u8>,
    /// The issuing certificate.
    pub issuing: Vec<u8>,
    /// The client certificate.
    pub certificate: Vec<u8>,
    /// How the key travels.
    pub key: Travel,
    /// The key as it travels, under its data key; none once it was erased, or where it does not travel.
    pub secret: Option<SealedSecret>,
}

/// A symmetric credential.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApparatusPack {
    /// Its creation date.
    pub created: i64,
    /// The pre-write key that it is sealed under; none where it is sealed to a chip's own key.
    pub key_identifier: Option<KeyIdentifier>,
    /// How the device keeps the pass phrase.
    pub form: SymmetricForm,
    /// The challenge of the batch.
    pub challenge: Vec<u8>,
    /// What the device must answer the station.
    pub confirmation: Vec<u8>,
    /// The credential as it travels, under its data key; none once it was erased.
    pub secret: Option<SealedSecret>,
}

/// How the key of a certificate travels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Travel {
    /// In clear.
    Plain,
    /// Sealed, under this pre-write key or to a chip's own key.
    Sealed(Option<KeyIdentifier>),
    /// Not at all: the device made it.
    Own,
}

/// What is secret in a pack, encrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedSecret {
    /// Where its data key stands in the key ring.
    pub slot: Slot,
    /// The ciphertext.
    pub sealed: Vec<u8>,
}

/// Files packs of reserved numbers, each one's root and issuing CA stored once. Their states change by
/// [`apply`](super::credential::apply).
///
/// # Errors
/// The store fails.
pub async fn file_certificates(
    transaction: &mut Transaction,
    packs: &[(DeviceNumber, CertificatePack)],
) -> Result<(), StoreError> {
    for of_one_chain in packs.chunk_by(|(_, a), (_, b)| a.root == b.root && a.issuing == b.issuing) {
        let Some((_, CertificatePack { root, issuing, .. })) = of_one_chain.first() else { continue };
        let chain = &chain(transaction, root, issuing).await?;
        for (number, pack) in of_one_chain {
            let (travels, key_identifier) = pack.key.columns();
            execute!(
                transaction,
                "UPDATE credential SET created = $2, chain = $3, certificate = $4, travels = $5, \
                 key_identifier = $6, sealed = $7, slot = $8 WHERE id = $1",
                number.to_string(),
                pack.created,
                chain,
                &pack.certificate,
                travels,
                key_identifier,
                pack.secret.as_ref().map(|secret| &secret.sealed),
                pack.secret.as_ref().map(|secret| secret.slot),
            )?;
        }
    }
    Ok(())
}

/// The pack of this number, once it has arrived.
///
/// # Errors
/// The store fails.
pub async fn certificate(
    snapshot: &mut Snapshot,
    number: &DeviceNumber,
) -> Result<Option<CertificatePack>, StoreError> {
    let row: Option<CertificateRow> = fetch_optional!(
        snapshot,
        "SELECT created, root, issuing, certificate, travels, key_identifier, sealed, slot \
         FROM credential JOIN chain ON chain.id = credential.chain WHERE credential.id = $1",
        number.to_string(),
    )?;
    row.map(CertificatePack::try_from).transpose()
}

/// The pack of this symmetric credential.
///
/// # Errors
/// The store fails.
pub async fn apparatus(
    snapshot: &mut Snapshot,
    id: ApparatusId,
) -> Result<Option<ApparatusPack>, StoreError> {
    let row: Option<ApparatusRow> = fetch_optional!(
        snapshot,
        "SELECT created, key_identifier, form, challenge, confirmation, sealed, slot \
         FROM credential JOIN apparatus ON apparatus.id = credential.id WHERE credential.id = $1",
        id.to_string(),
    )?;
    row.map(ApparatusPack::try_from).transpose()
}

/// Slots of the key ring whose packs nobody needs any more.
///
/// # Errors
/// The store fails.
pub async fn slots_to_erase(snapshot: &mut Snapshot, limit: usize) -> Result<Vec<Slot>, StoreError> {
    let rows: Vec<(Slot,)> = fetch_all!(
        snapshot,
        "SELECT slot FROM credential WHERE slot IS NOT NULL AND state IN ('verified', 'voided', 'suspect') \
         AND (state <> 'suspect' OR completed IS NOT NULL) LIMIT $1",
        limit as i64,
    )?;
    Ok(rows.into_iter().map(|(slot,)| slot).collect())
}

/// Takes erased slots out of their rows, with the ciphertext that nobody can read any more.
///
/// # Errors
/// The store fails.
pub async fn forget_secrets(transaction: &mut Transaction, slots: &[Slot]) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "UPDATE credential SET slot = NULL, sealed = NULL WHERE slot IN (",
        slots,
        |slot| (*slot),
        ")"
    )?;
    Ok(())
}

/// All slots of the key ring that some row names.
///
/// # Errors
/// The store fails.
pub async fn named_slots(snapshot: &mut Snapshot) -> Result<BTreeSet<Slot>, StoreError> {
    let rows: Vec<(Slot,)> = fetch_all!(
        snapshot,
        "SELECT slot FROM credential WHERE slot IS NOT NULL UNION ALL SELECT slot FROM bundle_key",
    )?;
    Ok(rows.into_iter().map(|(slot,)| slot).collect())
}

/// The row of these two certificates, made where there is none yet.
async fn chain(transaction: &mut Transaction, root: &[u8], issuing: &[u8]) -> Result<String, StoreError> {
    let mut digest = Context::new(&SHA256);
    digest.update(root);
    digest.update(issuing);
    let id = hex::encode(digest.finish());
    execute!(
        transaction,
        "INSERT INTO chain (id, root, issuing) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
        &id,
        root,
        issuing,
    )?;
    Ok(id)
}

const PLAIN: &str = "plain";
const SEALED: &str = "sealed";
const OWN: &str = "own";

impl Travel {
    fn columns(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Plain => (PLAIN, None),
            Self::Sealed(key_identifier) => (SEALED, key_identifier.as_ref().map(KeyIdentifier::as_str)),
            Self::Own => (OWN, None),
        }
    }
}

#[derive(sqlx::FromRow)]
struct CertificateRow {
    created: i64,
    root: Vec<u8>,
    issuing: Vec<u8>,
    certificate: Vec<u8>,
    travels: String,
    key_identifier: Option<String>,
    sealed: Option<Vec<u8>>,
    slot: Option<Slot>,
}

impl TryFrom<CertificateRow> for CertificatePack {
    type Error = StoreError;

    fn try_from(row: CertificateRow) -> Result<Self, StoreError> {
        let key = match row.travels.as_str() {
            PLAIN => Travel::Plain,
            SEALED => Travel::Sealed(key_identifier(row.key_identifier)?),
            OWN => Travel::Own,
            _ => return Err(StoreError::Corrupt { what: "credential.travels" }),
        };
        Ok(Self {
            created: row.created,
            root: row.root,
            issuing: row.issuing,
            certificate: row.certificate,
            key,
            secret: secret(row.slot, row.sealed),
        })
    }
}

#[derive(sqlx::FromRow)]
struct ApparatusRow {
    created: i64,
    key_identifier: Option<String>,
    form: String,
    challenge: Vec<u8>,
    confirmation: Vec<u8>,
    sealed: Option<Vec<u8>>,
    slot: Option<Slot>,
}

impl TryFrom<ApparatusRow> for ApparatusPack {
    type Error = StoreError;

    fn try_from(row: ApparatusRow) -> Result<Self, StoreError> {
        Ok(Self {
            created: row.created,
            key_identifier: key_identifier(row.key_identifier)?,
            form: parsed("apparatus.form", &row.form)?,
            challenge: row.challenge,
            confirmation: row.confirmation,
            secret: secret(row.slot, row.sealed),
        })
    }
}

fn key_identifier(text: Option<String>) -> Result<Option<KeyIdentifier>, StoreError> {
    text.map(|text| parsed("credential.key_identifier", &text)).transpose()
}

fn secret(slot: Option<Slot>, sealed: Option<Vec<u8>>) -> Option<SealedSecret> {
    slot.zip(sealed).map(|(slot, sealed)| SealedSecret { slot, sealed })
}
