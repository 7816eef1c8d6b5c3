//! The journal: all that invoices follow from, as it came, each entry with the hash of all before it.
//!
//! An entry's hash is SHA-256 over a label, the hash before, and its fields, each with its length before
//! it. Whoever notes a [`Head`] can prove later that nothing up to it was changed, cut or put in between;
//! invoices carry one.

use aws_lc_rs::digest::{Context, SHA256};
use identity::DeviceNumber;

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

const LABEL: &[u8] = b"touchmark journal 1";
/// What the first entry follows.
const BEFORE_FIRST: [u8; 32] = [0; 32];

/// The bytes of an answer's nonce.
pub const NONCE_BYTES: usize = 16;

/// A call's number on its device: the boot, and its place since then. A later call has a higher one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallNumber {
    /// The number of the boot, from 1 on.
    pub boot: u32,
    /// The place since then, from 1 on.
    pub sequence: u32,
}

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A call in JSON.
    JsonCall,
    /// A call in SOAP.
    SoapCall,
    /// Something that staff asked of a device.
    Request,
    /// A decision of staff on a counter that was held.
    Release,
    /// A call that does not follow the last one, with which a quarantine begins.
    Fork,
    /// A decision of staff that ends a quarantine.
    Readmission,
    /// A decision on which device speaks for which.
    Management,
    /// What the authority says of a board that took the place of another.
    NewBoard,
}

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// 1 for the first, without gaps.
    pub id: u64,
    /// When, in seconds since 1970.
    pub time: i64,
    /// What it is.
    pub kind: Kind,
    /// The device that sent it or that it is about.
    pub device: DeviceNumber,
    /// Of a call, its number on the device.
    pub number: Option<CallNumber>,
    /// The intermediate device that passed a call on, where one did.
    pub through: Option<DeviceNumber>,
    /// The nonce that a call was answered with. It is not under the hash.
    pub nonce: Option<[u8; NONCE_BYTES]>,
    /// What came, byte for byte.
    pub raw: Vec<u8>,
    /// The hash over it and all before it.
    pub hash: Vec<u8>,
}

/// What is to be appended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewEntry {
    /// When, in seconds since 1970.
    pub time: i64,
    /// What it is.
    pub kind: Kind,
    /// The device that sent it or that it is about.
    pub device: DeviceNumber,
    /// Of a call, its number on the device.
    pub number: Option<CallNumber>,
    /// The intermediate device that passed a call on, where one did.
    pub through: Option<DeviceNumber>,
    /// What came, byte for byte.
    pub raw: Vec<u8>,
}

/// What a call was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered<'a> {
    /// Which of the device's chains the call belongs to.
    pub chain: u64,
    /// The answer, for when the call is repeated.
    pub answer: &'a str,
    /// The nonce in it.
    pub nonce: &'a [u8; NONCE_BYTES],
    /// Whether the call named the nonce of the answer before.
    pub is_chained: bool,
    /// The managed device that the call is about, where it is another than the one that made it.
    pub about: Option<&'a DeviceNumber>,
    /// The address that it came from, where that is known.
    pub address: Option<&'a str>,
}

/// An entry with its place: where the journal ends once it is appended.
#[derive(Clone, Copy, Debug)]
pub struct Appended<'a> {
    /// Where the journal ends then.
    pub head: &'a Head,
    /// The entry.
    pub entry: &'a NewEntry,
    /// What a call is answered.
    pub answered: Option<Answered<'a>>,
}

/// The last call of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastCall {
    /// Its entry.
    pub id: u64,
    /// Its number on the device.
    pub number: CallNumber,
    /// The nonce that it was answered with; none where it was taken before there were any.
    pub nonce: Option<[u8; NONCE_BYTES]>,
    /// Whether it named the nonce of the answer before.
    pub is_chained: bool,
}

/// A call that was taken before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakenCall {
    /// The chain that it belongs to.
    pub chain: u64,
    /// What came.
    pub raw: Vec<u8>,
    /// What it was answered.
    pub answer: String,
}

/// Where the journal ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// How many entries there are.
    pub id: u64,
    /// The time of the last.
    pub time: i64,
    /// The hash of the last.
    pub hash: Vec<u8>,
}

impl CallNumber {
    pub(super) fn from_stored(number: i64) -> Result<Self, StoreError> {
        let number = count("journal.number", number)?;
        let part =
            |part: u64| u32::try_from(part).map_err(|_| StoreError::Corrupt { what: "journal.number" });
        Ok(Self { boot: part(number >> 32)?, sequence: part(number & u64::from(u32::MAX))? })
    }

    fn stored(self) -> i64 {
        (i64::from(self.boot) << 32) | i64::from(self.sequence)
    }
}

impl Head {
    /// The end of a journal without entries.
    pub fn of_nothing() -> Self {
        Self { id: 0, time: i64::MIN, hash: BEFORE_FIRST.to_vec() }
    }

    /// The end of the journal once this is appended.
    pub fn followed_by(&self, entry: &NewEntry) -> Self {
        let id = self.id + 1;
        Self { id, time: entry.time, hash: hash(&self.hash, id, entry) }
    }

    /// The time of the next entry. It never goes back, so what belongs to a period that is over stays as it is.
    pub fn next_time(&self, now: i64) -> i64 {
        now.max(self.time)
    }
}

impl Entry {
    /// Whether the entry follows the head; the head after it.
    pub fn follows(&self, head: &Head) -> Option<Head> {
        let entry = NewEntry {
            time: self.time,
            kind: self.kind,
            device: self.device.clone(),
            number: self.number,
            through: self.through.clone(),
            raw: self.raw.clone(),
        };
        let next = head.followed_by(&entry);
        let is_next = next.id == self.id && next.hash == self.hash && next.time >= head.time;
        is_next.then_some(next)
    }
}

/// Where the journal ends.
///
/// # Errors
/// The store fails.
pub async fn head(snapshot: &mut Snapshot) -> Result<Head, StoreError> {
    let row: Option<(i64, i64, Vec<u8>)> =
        fetch_optional!(snapshot, "SELECT id, time, hash FROM journal ORDER BY id DESC LIMIT 1")?;
    match row {
        Some((id, time, hash)) => Ok(Head { id: count("journal.id", id)?, time, hash }),
        None => Ok(Head::of_nothing()),
    }
}

/// Appends an entry after `head`, where this unit of work has seen the journal end, with what a call is answered.
///
/// # Errors
/// The device has made a call of this number, or the store fails.
pub async fn append(
    transaction: &mut Transaction,
    head: &Head,
    entry: &NewEntry,
    answered: Option<Answered<'_>>,
) -> Result<Head, StoreError> {
    let head = head.followed_by(entry);
    append_all(transaction, &[Appended { head: &head, entry, answered }]).await?;
    Ok(head)
}

/// Appends entries, the first of them where this unit of work has seen the journal end.
///
/// # Errors
/// A device has made a call of one of these numbers, or the store fails.
pub async fn append_all(transaction: &mut Transaction, entries: &[Appended<'_>]) -> Result<(), StoreError> {
    execute_all!(
        transaction,
        "INSERT INTO journal (id, time, kind, device, number, raw, hash, answer, nonce, chained, address, chain, \
         through, about) ",
        entries,
        |appended| (
            appended.head.id.cast_signed(),
            appended.entry.time,
            appended.entry.kind.as_str(),
            appended.entry.device.to_string(),
            appended.entry.number.map(CallNumber::stored),
            appended.entry.raw.as_slice(),
            appended.head.hash.as_slice(),
            appended.answered.map(|answered| answered.answer),
            appended.answered.map(|answered| answered.nonce.as_slice()),
            appended.answered.map(|answered| i64::from(answered.is_chained)),
            appended.answered.and_then(|answered| answered.address),
            appended.answered.map_or(0, |answered| answered.chain).cast_signed(),
            appended.entry.through.as_ref().map(DeviceNumber::to_string),
            appended.answered.and_then(|answered| answered.about).map(DeviceNumber::to_string),
        ),
        ""
    )?;
    Ok(())
}

/// The calls of this number that the device has made, one a chain, the last chain's first.
///
/// # Errors
/// The store fails.
pub async fn find_calls(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
    number: CallNumber,
) -> Result<Vec<TakenCall>, StoreError> {
    let rows: Vec<(i64, Vec<u8>, Option<String>)> = fetch_all!(
        snapshot,
        "SELECT chain, raw, answer FROM journal WHERE device = $1 AND number = $2 ORDER BY chain DESC",
        device.to_string(),
        number.stored(),
    )?;
    rows.into_iter()
        .map(|(chain, raw, answer)| {
            let answer = answer.ok_or(StoreError::Corrupt { what: "journal.answer" })?;
            Ok(TakenCall { chain: count("journal.chain", chain)?, raw, answer })
        })
        .collect()
}

/// The entry of the device's call that was answered with this nonce, if there is one.
///
/// # Errors
/// The store fails.
pub async fn answered_with(
    snapshot: &mut Snapshot,
    device: &DeviceNumber,
    nonce: &[u8; NONCE_BYTES],
) -> Result<Option<u64>, StoreError> {
    let row: Option<(i64,)> = fetch_optional!(
        snapshot,
        "SELECT id FROM journal WHERE device = $1 AND nonce = $2",
        device.to_string(),
        nonce.as_slice(),
    )?;
    row.map(|(id,)| count("journal.id", id)).transpose()
}

/// An entry by its number, with the address that a call came from, where that is known.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, id: u64) -> Result<Option<(Entry, Option<String>)>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT id, time, kind, device, number, through, nonce, raw, hash FROM journal WHERE id = $1",
        id.cast_signed(),
    )?;
    let Some(row) = row else { return Ok(None) };
    let (address,): (Option<String>,) =
        fetch_one!(snapshot, "SELECT address FROM journal WHERE id = $1", id.cast_signed())?;
    Ok(Some((row.try_into()?, address)))
}

/// Entries after the one of this number, in order, at most `limit`.
///
/// # Errors
/// The store fails.
pub async fn after(snapshot: &mut Snapshot, id: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT id, time, kind, device, number, through, nonce, raw, hash FROM journal \
         WHERE id > $1 ORDER BY id LIMIT $2",
        id.cast_signed(),
        i64::from(limit),
    )?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// The last calls, the last first; where a device is named, those that it made and those that are about it.
///
/// # Errors
/// The store fails.
pub async fn last_calls(
    snapshot: &mut Snapshot,
    device: Option<&DeviceNumber>,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<Row> = match device {
        Some(device) => fetch_all!(
            snapshot,
            "SELECT id, time, kind, device, number, through, nonce, raw, hash FROM journal \
             WHERE (device = $1 OR about = $1) AND number IS NOT NULL ORDER BY id DESC LIMIT $2",
            device.to_string(),
            i64::from(limit),
        )?,
        None => fetch_all!(
            snapshot,
            "SELECT id, time, kind, device, number, through, nonce, raw, hash FROM journal \
             WHERE number IS NOT NULL ORDER BY id DESC LIMIT $1",
            i64::from(limit),
        )?,
    };
    rows.into_iter().map(Entry::try_from).collect()
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::JsonCall,
        Self::SoapCall,
        Self::Request,
        Self::Release,
        Self::Fork,
        Self::Readmission,
        Self::Management,
        Self::NewBoard,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::JsonCall => "json",
            Self::SoapCall => "soap",
            Self::Request => "request",
            Self::Release => "release",
            Self::Fork => "fork",
            Self::Readmission => "readmission",
            Self::Management => "management",
            Self::NewBoard => "new-board",
        }
    }
}

fn hash(previous: &[u8], id: u64, entry: &NewEntry) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    context.update(LABEL);
    let number = entry.number.map_or(0, CallNumber::stored);
    let numbers = [id.to_be_bytes(), entry.time.to_be_bytes(), number.to_be_bytes()].concat();
    let device = entry.device.to_string();
    let through = entry.through.as_ref().map(DeviceNumber::to_string);
    let fields = [previous, &numbers, entry.kind.as_str().as_bytes(), device.as_bytes(), &entry.raw];
    for field in fields.into_iter().chain(through.as_ref().map(String::as_bytes)) {
        context.update(&(field.len() as u64).to_be_bytes());
        context.update(field);
    }
    context.finish().as_ref().to_vec()
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: i64,
    time: i64,
    kind: String,
    device: String,
    number: Option<i64>,
    through: Option<String>,
    nonce: Option<Vec<u8>>,
    raw: Vec<u8>,
    hash: Vec<u8>,
}

impl TryFrom<Row> for Entry {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let nonce = row.nonce.as_deref().map(<[u8; NONCE_BYTES]>::try_from).transpose();
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == row.kind);
        Ok(Self {
            id: count("journal.id", row.id)?,
            time: row.time,
            kind: kind.ok_or(StoreError::Corrupt { what: "journal.kind" })?,
            device: parsed("journal.device", &row.device)?,
            number: row.number.map(CallNumber::from_stored).transpose()?,
            through: row.through.map(|device| parsed("journal.through", &device)).transpose()?,
            nonce: nonce.map_err(|_| StoreError::Corrupt { what: "journal.nonce" })?,
            raw: row.raw,
            hash: row.hash,
        })
    }
}
