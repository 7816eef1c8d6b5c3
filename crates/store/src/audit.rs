//! The audit log: append-only, each entry carrying the hash of the one before.
//!
//! An entry is stored in the unit of work whose effect it describes, so neither is ever seen without
//! the other. Its hash is SHA-256 over a label and its fields, each with its length before it, so
//! whoever knows one hash can check all that lead up to it, in the store or in an exported file.
//! Someone who may write the whole database could still rewrite the log from some entry on; that is
//! found by comparing with a [`Head`] noted elsewhere.

pub mod list;

use std::io::{self, BufRead, Write};

use aws_lc_rs::digest::{Context, SHA256};
use identity::{CommonBatch, DeviceNumber, Member};
use serde::{Deserialize, Serialize};

use crate::{Snapshot, StoreError, Transaction};

const LABEL: &[u8] = b"touchmark audit 1";
/// What the first entry carries as the hash of the one before.
const BEFORE_FIRST: [u8; 32] = [0; 32];
/// How many entries are read at a time.
const PAGE: i64 = 1_000;

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// 1 for the first entry, without gaps.
    pub sequence: i64,
    /// When, in seconds since 1970.
    pub time: i64,
    /// Who: a member's URN, or a person at the command line.
    pub actor: String,
    /// What, noun and verb: `credential.lease`.
    pub action: String,
    /// The rest, as JSON text, byte for byte as it was hashed.
    pub body: String,
    /// The hash of the entry before.
    #[serde(with = "hex")]
    pub previous: Vec<u8>,
    /// The hash of this entry.
    #[serde(with = "hex")]
    pub hash: Vec<u8>,
}

/// Who acts, as the audit log names them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor(String);

impl Actor {
    /// A person at the command line.
    pub fn person(name: &str) -> Self {
        Self(format!("person:{name}"))
    }

    /// A member of the plant.
    pub fn member(member: &Member) -> Self {
        Self(member.to_string())
    }

    /// Some device of a batch, which shows only its common certificate.
    pub fn common(batch: &CommonBatch) -> Self {
        Self(format!("batch:{batch}"))
    }

    /// A device, by what it shows.
    pub fn device(number: &DeviceNumber) -> Self {
        Self(format!("device:{number}"))
    }

    /// The name in the audit log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who does something, when, and what it is called in the audit log.
#[derive(Clone, Copy, Debug)]
pub struct Cause<'a> {
    /// When, in seconds since 1970.
    pub time: i64,
    /// Who: a member's URN, or a person at the command line.
    pub actor: &'a str,
    /// What, noun and verb: `credential.lease`.
    pub action: &'static str,
}

/// The log's last entry: whoever keeps it can later prove that nothing before it was changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// How many entries the log has.
    pub sequence: i64,
    /// The hash of the last.
    #[serde(with = "hex")]
    pub hash: Vec<u8>,
}

/// Why a log is not what was written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log was changed.
    #[error("the audit log was changed at entry {sequence}: {fault}")]
    Tampered {
        /// The first entry that is wrong or missing.
        sequence: i64,
        /// What is wrong.
        fault: Fault,
    },
    /// A line of an exported file is not an entry.
    #[error("line {line} of the export is not an audit entry")]
    NotAnEntry {
        /// The line, from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The file cannot be read or written.
    #[error("the audit export cannot be read or written")]
    File(#[from] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// A number is missing or out of order.
    #[error("an entry is missing or out of order")]
    Gap,
    /// The entry does not follow from the one before.
    #[error("it does not follow from the entry before")]
    Chain,
    /// The entry's fields do not give its hash.
    #[error("its fields do not give its hash")]
    Content,
    /// The log does not lead to the head that was noted.
    #[error("it is not the noted end of the log")]
    Head,
}

/// Appends one entry. It may cover many credentials; its body then lists them.
///
/// # Errors
/// The store fails.
pub async fn append(
    transaction: &mut Transaction,
    time: i64,
    actor: &str,
    action: &str,
    body: &impl Serialize,
) -> Result<(), StoreError> {
    let body = serde_json::to_string(body).map_err(|_| StoreError::Corrupt { what: "audit.body" })?;
    let last = match transaction.audit.last() {
        Some(entry) => Head { sequence: entry.sequence, hash: entry.hash.clone() },
        None => head(transaction).await?,
    };
    let mut entry = Entry {
        sequence: last.sequence + 1,
        time,
        actor: actor.to_owned(),
        action: action.to_owned(),
        body,
        previous: last.hash,
        hash: Vec::new(),
    };
    entry.hash = hash(&entry);
    transaction.audit.push(entry);
    Ok(())
}

/// The end of the log, as the store notes it.
///
/// # Errors
/// The store fails.
pub async fn head(snapshot: &mut Snapshot) -> Result<Head, StoreError> {
    let row: Option<(i64, Vec<u8>)> =
        fetch_optional!(snapshot, "SELECT sequence, hash FROM audit_head WHERE id = 1")?;
    let (sequence, hash) = row.unwrap_or((0, BEFORE_FIRST.to_vec()));
    Ok(Head { sequence, hash })
}

/// Checks the whole log of a store, up to the end that the store notes. Its head, where it is whole.
///
/// # Errors
/// Where the log was changed, or the store fails.
pub async fn verify(snapshot: &mut Snapshot) -> Result<Head, AuditError> {
    let noted = head(snapshot).await?;
    let mut chain = Chain::new();
    loop {
        let page = page(snapshot, chain.head.sequence).await?;
        if page.is_empty() {
            return chain.end_at(&noted);
        }
        page.iter().try_for_each(|entry| chain.follow(entry))?;
    }
}

/// Writes the log as JSON, a line an entry.
///
/// # Errors
/// The store or the file fails.
pub async fn export(snapshot: &mut Snapshot, file: &mut impl Write) -> Result<Head, AuditError> {
    let mut last = Head { sequence: 0, hash: BEFORE_FIRST.to_vec() };
    loop {
        let page = page(snapshot, last.sequence).await?;
        for entry in &page {
            serde_json::to_writer(&mut *file, entry).map_err(io::Error::from)?;
            file.write_all(b"\n")?;
        }
        match page.into_iter().next_back() {
            Some(entry) => last = Head { sequence: entry.sequence, hash: entry.hash },
            None => return Ok(last),
        }
    }
}

/// Checks an exported log without any store, and that it leads to `noted` where a head was noted.
/// Its head, where it is whole.
///
/// # Errors
/// Where the log was changed, or the file is not an export.
pub fn verify_export(file: impl BufRead, noted: Option<&Head>) -> Result<Head, AuditError> {
    let mut chain = Chain::new();
    for (line, text) in (1..).zip(file.lines()) {
        let entry = serde_json::from_str(&text?).map_err(|source| AuditError::NotAnEntry { line, source })?;
        chain.follow(&entry)?;
    }
    match noted {
        Some(noted) => chain.end_at(noted),
        None => Ok(chain.head),
    }
}

/// Stores what all units of work of one commit have appended, and the new end of the log.
pub(crate) async fn store_appended(transaction: &mut Transaction) -> Result<(), StoreError> {
    let entries = std::mem::take(&mut transaction.audit);
    let Some(last) = entries.last() else { return Ok(()) };
    let (sequence, hash) = (last.sequence, last.hash.clone());
    execute_all!(
        transaction,
        "INSERT INTO audit (sequence, time, actor, action, body, previous, hash) ",
        entries,
        |entry| (
            entry.sequence,
            entry.time,
            entry.actor.as_str(),
            entry.action.as_str(),
            entry.body.as_str(),
            entry.previous.clone(),
            entry.hash.clone(),
        ),
        ""
    )?;
    execute!(
        transaction,
        "INSERT INTO audit_head (id, sequence, hash) VALUES (1, $1, $2) \
         ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash",
        sequence,
        hash,
    )?;
    Ok(())
}

/// A walk along a log from its first entry.
struct Chain {
    head: Head,
}

impl Chain {
    fn new() -> Self {
        Self { head: Head { sequence: 0, hash: BEFORE_FIRST.to_vec() } }
    }

    fn follow(&mut self, entry: &Entry) -> Result<(), AuditError> {
        let expected = self.head.sequence + 1;
        let fault = if entry.sequence != expected {
            Some(Fault::Gap)
        } else if entry.previous != self.head.hash {
            Some(Fault::Chain)
        } else if entry.hash != hash(entry) {
            Some(Fault::Content)
        } else {
            None
        };
        match fault {
            Some(fault) => Err(AuditError::Tampered { sequence: expected, fault }),
            None => {
                self.head = Head { sequence: entry.sequence, hash: entry.hash.clone() };
                Ok(())
            }
        }
    }

    fn end_at(self, noted: &Head) -> Result<Head, AuditError> {
        if self.head == *noted {
            return Ok(self.head);
        }
        Err(AuditError::Tampered { sequence: self.head.sequence.max(1), fault: Fault::Head })
    }
}

async fn page(snapshot: &mut Snapshot, after: i64) -> Result<Vec<Entry>, StoreError> {
    fetch_all!(
        snapshot,
        "SELECT sequence, time, actor, action, body, previous, hash FROM audit \
         WHERE sequence > $1 ORDER BY sequence LIMIT $2",
        after,
        PAGE,
    )
}

fn hash(entry: &Entry) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    context.update(LABEL);
    let (sequence, time) = (entry.sequence.to_be_bytes(), entry.time.to_be_bytes());
    let (actor, action, body) = (entry.actor.as_bytes(), entry.action.as_bytes(), entry.body.as_bytes());
    for field in [&sequence[..], &time[..], actor, action, body, &entry.previous] {
        context.update(&(field.len() as u64).to_be_bytes());
        context.update(field);
    }
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestDatabase, on_both};
    use crate::{Schema, Store};

    const ENTRIES: i64 = 12;

    async fn log_of(database: &TestDatabase) -> Store {
        let store = Store::open(&database.url, Schema::Authority).await.unwrap();
        for n in 1..=ENTRIES {
            let done: Result<(), StoreError> = store
                .write(move |transaction| {
                    Box::pin(async move { append(transaction, n, "tester", "count", &[n]).await })
                })
                .await;
            done.unwrap();
        }
        store
    }

    async fn tamper(store: &Store, statement: &'static str, sequence: i64) {
        let done: Result<u64, StoreError> = store
            .write(move |transaction| Box::pin(async move { execute!(transaction, statement, sequence) }))
            .await;
        done.unwrap();
    }

    async fn is_whole(store: &Store) -> bool {
        match verify(&mut store.read().await.unwrap()).await {
            Ok(_) => true,
            Err(AuditError::Tampered { .. }) => false,
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn every_edit_cut_and_swap_is_found() {
        // Each tampering with its undoing, so that one log serves for all.
        const TAMPERINGS: [(&str, &str); 6] = [
            (
                "UPDATE audit SET time = time + 1 WHERE sequence = $1",
                "UPDATE audit SET time = time - 1 WHERE sequence = $1",
            ),
            (
                "UPDATE audit SET actor = 'x' || actor WHERE sequence = $1",
                "UPDATE audit SET actor = 'tester' WHERE sequence = $1",
            ),
            (
                "UPDATE audit SET action = 'x' WHERE sequence = $1",
                "UPDATE audit SET action = 'count' WHERE sequence = $1",
            ),
            (
                "UPDATE audit SET body = body || ' ' WHERE sequence = $1",
                "UPDATE audit SET body = substr(body, 1, length(body) - 1) WHERE sequence = $1",
            ),
            // Cut: the entry is gone from the log, and comes back.
            (
                "UPDATE audit SET sequence = -sequence WHERE sequence = $1",
                "UPDATE audit SET sequence = -sequence WHERE sequence = -$1",
            ),
            // Swapped with the next one, or moved behind the end.
            (
                "UPDATE audit SET sequence = CASE sequence WHEN $1 THEN 1000 + $1 + 1 ELSE 1000 + $1 END WHERE sequence IN ($1, $1 + 1)",
                "UPDATE audit SET sequence = CASE sequence WHEN 1000 + $1 + 1 THEN $1 ELSE $1 + 1 END WHERE sequence IN (1000 + $1, 1000 + $1 + 1)",
            ),
        ];
        on_both(async |database| {
            let store = log_of(&database).await;
            assert!(is_whole(&store).await);
            for (change, undo) in TAMPERINGS {
                for sequence in 1..=ENTRIES {
                    tamper(&store, change, sequence).await;
                    assert!(!is_whole(&store).await, "{change} at {sequence}");
                    tamper(&store, undo, sequence).await;
                    assert!(is_whole(&store).await, "{undo} at {sequence}");
                }
            }
        })
        .await;
    }

    #[tokio::test]
    async fn an_export_is_checked_without_the_store() {
        on_both(async |database| {
            let store = log_of(&database).await;
            let mut file = Vec::new();
            let head = export(&mut store.read().await.unwrap(), &mut file).await.unwrap();
            assert_eq!(verify_export(&file[..], Some(&head)).unwrap(), head);
            assert_eq!(head, verify(&mut store.read().await.unwrap()).await.unwrap());

            let lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
            for cut in 0..lines.len() {
                let rest: Vec<u8> = lines
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| *n != cut)
                    .flat_map(|(_, line)| *line)
                    .copied()
                    .collect();
                assert!(verify_export(&rest[..], Some(&head)).is_err(), "entry {} cut", cut + 1);
            }
            for swapped in 1..lines.len() {
                let mut lines = lines.clone();
                lines.swap(swapped - 1, swapped);
                assert!(verify_export(&lines.concat()[..], None).is_err(), "entry {swapped} swapped");
            }
            for position in 0..file.len() {
                let mut edited = file.clone();
                edited[position] = if edited[position] == b'1' { b'2' } else { b'1' };
                assert!(verify_export(&edited[..], Some(&head)).is_err(), "byte {position} edited");
            }
        })
        .await;
    }
}
