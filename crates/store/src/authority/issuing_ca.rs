//! The CAs of devices: which one signs, which ones are trusted, and what each has signed that still lives.

use std::fmt;

use identity::{CredentialState, DeviceNumber, MemberName, ProductCode};
use serde::{Serialize, Serializer};

use super::ca::{self, Ca, CaName, IssuingCaName};
use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// Where a CA of devices stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum IssuingCaState {
    /// Members are told of it. It has signed nothing yet.
    Prepared,
    /// It signs.
    Active,
    /// Another one signs in its place. What it signed still counts.
    Superseded,
    /// Nothing that it signed counts any more, for good.
    Retired,
}

impl IssuingCaState {
    const ALL: [Self; 4] = [Self::Prepared, Self::Active, Self::Superseded, Self::Retired];

    /// The word as stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Retired => "retired",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or(StoreError::Corrupt { what: "issuing_ca.state" })
    }
}

impl fmt::Display for IssuingCaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for IssuingCaState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A CA of devices.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuingCa {
    /// Its name.
    pub name: IssuingCaName,
    /// Where it stands.
    pub state: IssuingCaState,
    /// Since when it has signed; unknown for one that did from the first day on.
    pub activated: Option<i64>,
    /// When it was retired.
    pub retired: Option<i64>,
    /// Certificate and key.
    pub ca: Ca,
}

/// A certificate that counts, or may.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Living {
    /// Its number.
    pub number: DeviceNumber,
    /// Its place among the number's certificates, 1 for the first.
    pub generation: u64,
    /// The factory that the number is of.
    pub factory: MemberName,
    /// Where it stands.
    pub state: CredentialState,
    /// The certificate.
    pub certificate: Vec<u8>,
    /// Whether the number has one of another CA besides.
    pub has_other: bool,
}

/// Stores a new CA in this state.
///
/// # Errors
/// There is one of this name, or the store fails.
pub async fn insert(
    transaction: &mut Transaction,
    name: IssuingCaName,
    state: IssuingCaState,
    ca: &Ca,
) -> Result<(), StoreError> {
    ca::insert(transaction, CaName::Issuing(name), ca).await?;
    execute!(
        transaction,
        "INSERT INTO issuing_ca (name, number, state) VALUES ($1, $2, $3)",
        name.to_string(),
        i64::from(name.number()),
        state.as_str(),
    )?;
    Ok(())
}

/// All of them, in the order in which they were made.
///
/// # Errors
/// The store fails.
pub async fn all(snapshot: &mut Snapshot) -> Result<Vec<IssuingCa>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT issuing_ca.name, state, activated, retired, certificate, sealed_key \
         FROM issuing_ca JOIN ca ON ca.name = issuing_ca.name ORDER BY number"
    )?;
    rows.into_iter().map(IssuingCa::try_from).collect()
}

/// Where each stands, in the order in which they were made.
///
/// # Errors
/// The store fails.
pub async fn states(snapshot: &mut Snapshot) -> Result<Vec<(IssuingCaName, IssuingCaState)>, StoreError> {
    let rows: Vec<(String, String)> =
        fetch_all!(snapshot, "SELECT name, state FROM issuing_ca ORDER BY number")?;
    rows.iter()
        .map(|(name, state)| Ok((parsed("issuing_ca.name", name)?, IssuingCaState::parse(state)?)))
        .collect()
}

/// Puts a CA, which is in one of these states, into another. Whether it was in one of them.
///
/// # Errors
/// The store fails.
pub async fn set_state(
    transaction: &mut Transaction,
    now: i64,
    name: IssuingCaName,
    from: &[IssuingCaState],
    to: IssuingCaState,
) -> Result<bool, StoreError> {
    let is_in =
        states(transaction).await?.iter().any(|(known, state)| *known == name && from.contains(state));
    if is_in {
        execute!(
            transaction,
            "UPDATE issuing_ca SET state = $2, \
             activated = CASE WHEN $2 = 'active' THEN $3 ELSE activated END, \
             retired = CASE WHEN $2 = 'retired' THEN $3 ELSE retired END WHERE name = $1",
            name.to_string(),
            to.as_str(),
            now,
        )?;
    }
    Ok(is_in)
}

/// How many certificates of each CA and product count, or may.
///
/// # Errors
/// The store fails.
pub async fn living_counts(
    snapshot: &mut Snapshot,
) -> Result<Vec<(IssuingCaName, ProductCode, u64)>, StoreError> {
    let rows: Vec<(String, String, i64)> = fetch_all!(
        snapshot,
        "SELECT issuing_ca, product, count(*) FROM ( \
         SELECT pack.issuing_ca, credential.product FROM pack \
         JOIN credential ON credential.number = pack.number \
         WHERE credential.state NOT IN ('intended', 'abandoned', 'voided') \
         UNION ALL SELECT successor.issuing_ca, credential.product FROM successor \
         JOIN credential ON credential.number = successor.number \
         WHERE successor.state NOT IN ('intended', 'abandoned', 'voided')) AS living \
         GROUP BY issuing_ca, product ORDER BY issuing_ca, product"
    )?;
    rows.iter()
        .map(|(name, product, living)| {
            let name = parsed("pack.issuing_ca", name)?;
            Ok((name, parsed("credential.product", product)?, count("pack.count", *living)?))
        })
        .collect()
}

/// The first certificates of numbers that this CA has signed and that are not void, by number, at most `limit`
/// after this number.
///
/// # Errors
/// The store fails.
pub async fn living_first(
    snapshot: &mut Snapshot,
    name: IssuingCaName,
    after: Option<&DeviceNumber>,
    limit: u32,
) -> Result<Vec<Living>, StoreError> {
    let rows: Vec<LivingRow> = fetch_all!(
        snapshot,
        "SELECT credential.number, CAST(1 AS bigint) AS generation, credential.factory, \
         credential.state, pack.certificate, (SELECT count(*) FROM successor \
         WHERE successor.number = credential.number AND successor.issuing_ca <> $1 \
         AND successor.state NOT IN ('intended', 'abandoned', 'voided')) AS others \
         FROM pack JOIN credential ON credential.number = pack.number \
         WHERE pack.issuing_ca = $1 AND credential.state NOT IN ('intended', 'abandoned', 'voided') \
         AND pack.number > $2 ORDER BY pack.number LIMIT $3",
        name.to_string(),
        after.map_or_else(String::new, ToString::to_string),
        i64::from(limit),
    )?;
    rows.into_iter().map(Living::try_from).collect()
}

/// The same of certificates that followed, after the one of this number and generation.
///
/// # Errors
/// The store fails.
pub async fn living_successors(
    snapshot: &mut Snapshot,
    name: IssuingCaName,
    after: Option<(&DeviceNumber, u64)>,
    limit: u32,
) -> Result<Vec<Living>, StoreError> {
    let (number, generation) = after.map_or_else(Default::default, |(number, generation)| {
        (number.to_string(), i64::try_from(generation).unwrap_or(i64::MAX))
    });
    let rows: Vec<LivingRow> = fetch_all!(
        snapshot,
        "SELECT successor.number, successor.generation, credential.factory, successor.state, \
         successor.certificate, (SELECT count(*) FROM successor AS other \
         WHERE other.number = successor.number AND other.issuing_ca <> $1 \
         AND other.state NOT IN ('intended', 'abandoned', 'voided')) AS others \
         FROM successor JOIN credential ON credential.number = successor.number \
         WHERE successor.issuing_ca = $1 AND successor.state NOT IN ('intended', 'abandoned', 'voided') \
         AND (successor.number, successor.generation) > ($2, $3) \
         ORDER BY successor.number, successor.generation LIMIT $4",
        name.to_string(),
        number,
        generation,
        i64::from(limit),
    )?;
    rows.into_iter().map(Living::try_from).collect()
}

/// How many certificates of this CA were revoked.
///
/// # Errors
/// The store fails.
pub async fn revoked_count(snapshot: &mut Snapshot, name: IssuingCaName) -> Result<u64, StoreError> {
    let (revoked,): (i64,) =
        fetch_one!(snapshot, "SELECT count(*) FROM revocation WHERE issuing_ca = $1", name.to_string())?;
    count("revocation.count", revoked)
}

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    state: String,
    activated: Option<i64>,
    retired: Option<i64>,
    certificate: Vec<u8>,
    sealed_key: Option<Vec<u8>>,
}

impl TryFrom<Row> for IssuingCa {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            name: parsed("issuing_ca.name", &row.name)?,
            state: IssuingCaState::parse(&row.state)?,
            activated: row.activated,
            retired: row.retired,
            ca: Ca { certificate: row.certificate, sealed_key: row.sealed_key },
        })
    }
}

#[derive(sqlx::FromRow)]
struct LivingRow {
    number: String,
    generation: i64,
    factory: String,
    state: String,
    certificate: Vec<u8>,
    others: i64,
}

impl TryFrom<LivingRow> for Living {
    type Error = StoreError;

    fn try_from(row: LivingRow) -> Result<Self, StoreError> {
        Ok(Self {
            number: parsed("credential.number", &row.number)?,
            generation: count("successor.generation", row.generation)?,
            factory: parsed("credential.factory", &row.factory)?,
            state: parsed("credential.state", &row.state)?,
            certificate: row.certificate,
            has_other: row.others > 0,
        })
    }
}
