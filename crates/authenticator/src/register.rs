//! The register: who may authenticate, as the authority says.
//!
//! The authenticator follows the authority's registrations, each record once and in order. A record
//! that contradicts what is stored is filed as refused and shown; it holds up nothing.

use std::sync::Arc;

use auth::PassPhrase;
use identity::{ApparatusId, Clock, DeviceNumber, HardwareUid, KeyIdentifier};
use message::bytes::SecretBytes;
use message::pack::Sealed;
use message::registration::{Event, Registration, Registrations};
use serde::Serialize;
use store::audit::Actor;
use store::authenticator::apparatus::{self, Apparatus, Ciphertext, Counts, Registered, Secret};
use store::authenticator::feed::{self, Position, Refused};
use store::authenticator::shut_out::{self, ShutOut};
use store::authenticator::{nonce, pre_write_key};
use store::{Store, StoreError, Transaction, audit};
use transport::Client;

use crate::authenticator::Authenticator;
use crate::error::AuthenticatorError;
use crate::secret::{seal_pass_phrase, seal_pre_write_key};

/// An authenticator's books. It needs the store and nothing secret, so it works while another process
/// serves. Clones share them.
#[derive(Clone)]
pub struct Register {
    store: Store,
    clock: Arc<dyn Clock>,
}

/// How an authenticator stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The register.
    pub apparatuses: Counts,
    /// Nonces that are out.
    pub nonces: u64,
    /// How far the authority's registrations are stored.
    pub feed: Position,
    /// The latest of them that were refused.
    pub refused: Vec<Refused>,
    /// Services that the authority has shut out, as it said last.
    pub shut_out: ShutOut,
}

const REFUSED_SHOWN_MAX: u32 = 100;

impl Register {
    /// The register in this store.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Refuses an apparatus ID from now on, for good. Since when it is refused.
    ///
    /// # Errors
    /// The store fails.
    pub async fn revoke(&self, id: ApparatusId, reason: &str, actor: &Actor) -> Result<i64, StoreError> {
        let (now, reason, actor) = (self.clock.epoch_seconds(), reason.to_owned(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let body = Entry {
                        subject: id.to_string(),
                        device_number: None,
                        outcome: "revoked",
                        reason: Some(&reason),
                    };
                    audit::append(transaction, now, actor.as_str(), "apparatus.revoke", &body).await?;
                    apparatus::revoke(transaction, id, &reason, now).await
                })
            })
            .await
    }

    /// Whether an apparatus ID may authenticate.
    ///
    /// # Errors
    /// The store fails.
    pub async fn holds(&self, id: ApparatusId) -> Result<bool, StoreError> {
        Ok(apparatus::find(&mut self.store.read().await?, id).await?.is_some())
    }

    /// How the authenticator stands.
    ///
    /// # Errors
    /// The store fails.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let mut snapshot = self.store.read().await?;
        Ok(Status {
            apparatuses: apparatus::counts(&mut snapshot).await?,
            nonces: nonce::count(&mut snapshot).await?,
            feed: feed::position(&mut snapshot).await?,
            refused: feed::refused(&mut snapshot, REFUSED_SHOWN_MAX).await?,
            shut_out: shut_out::find(&mut snapshot).await?,
        })
    }
}

impl Authenticator {
    /// Asks the authority for all registrations that are not stored yet, and stores them. How many.
    ///
    /// # Errors
    /// The authority cannot be asked, or the store fails; what was stored before stays stored.
    pub async fn pull(&self, authority: &Client) -> Result<u64, AuthenticatorError> {
        let mut taken = 0;
        loop {
            let after = feed::position(&mut self.store.read().await?).await?.sequence;
            let registrations: Registrations = authority
                .get_json(&format!("/v1/registrations?after={after}"))
                .await
                .map_err(AuthenticatorError::Authority)?;
            let count = registrations.records.len() as u64;
            self.take(registrations).await?;
            taken += count;
            if count == 0 {
                return Ok(taken);
            }
        }
    }

    /// Stores the registrations that come next, all or none. Records that are stored already are
    /// passed over.
    ///
    /// # Errors
    /// A record is missing before them, or the store or the vault fails.
    pub async fn take(&self, registrations: Registrations) -> Result<(), AuthenticatorError> {
        let records: Vec<Record> =
            registrations.records.iter().map(|record| self.sealed(record)).collect::<Result<_, _>>()?;
        let (now, actor) = (self.now(), Actor::member(&self.member));
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let before = feed::position(transaction).await?.sequence;
                    let mut stored = before;
                    let mut entries = Vec::new();
                    for record in records.iter().skip_while(|record| record.sequence <= before) {
                        if record.sequence != stored + 1 {
                            let gap =
                                AuthenticatorError::Gap { expected: stored + 1, found: record.sequence };
                            return Err(gap);
                        }
                        entries.push(apply(transaction, record, now).await?);
                        stored = record.sequence;
                    }
                    if !entries.is_empty() {
                        audit::append(transaction, now, actor.as_str(), "apparatus.register", &entries)
                            .await?;
                    }
                    Ok(feed::advance(transaction, stored, now).await?)
                })
            })
            .await
    }

    /// A record as it can be stored.
    fn sealed(&self, registration: &Registration) -> Result<Record, AuthenticatorError> {
        let (subject, change) = match &registration.event {
            Event::PreWriteKey { key_identifier, key } => {
                (key_identifier.to_string(), self.sealed_key(key_identifier, key)?)
            }
            Event::Registered { apparatus_id, pass_phrase, device_number } => {
                let change = match pass_phrase.expose().try_into().map(PassPhrase::new) {
                    Ok(pass_phrase) => {
                        let sealed = seal_pass_phrase(&self.vault, *apparatus_id, &pass_phrase)?;
                        register(*apparatus_id, device_number, Secret::PassPhrase(sealed))
                    }
                    Err(_) => Change::Refuse { reason: "its pass phrase does not have 32 bytes" },
                };
                (apparatus_id.to_string(), change)
            }
            Event::RegisteredSealed { apparatus_id, sealed, hardware_uid, device_number } => {
                let change = match second_form(sealed, hardware_uid.as_ref()) {
                    Ok(ciphertext) => register(*apparatus_id, device_number, Secret::Ciphertext(ciphertext)),
                    Err(reason) => Change::Refuse { reason },
                };
                (apparatus_id.to_string(), change)
            }
            Event::Revoked { apparatus_id, reason } => {
                (apparatus_id.to_string(), Change::Revoke { id: *apparatus_id, reason: reason.clone() })
            }
        };
        Ok(Record { sequence: registration.sequence, subject, change })
    }

    fn sealed_key(
        &self,
        identifier: &KeyIdentifier,
        key: &SecretBytes,
    ) -> Result<Change, AuthenticatorError> {
        let Ok(key) = key.expose().try_into() else {
            return Ok(Change::Refuse { reason: "the key does not have 32 bytes" });
        };
        let sealed_key = seal_pre_write_key(&self.vault, identifier, key)?;
        Ok(Change::KeepKey { identifier: identifier.clone(), sealed_key })
    }
}

const REFUSED: &str = "refused";

struct Record {
    sequence: u64,
    /// The apparatus ID or the key identifier that it is about.
    subject: String,
    change: Change,
}

enum Change {
    KeepKey { identifier: KeyIdentifier, sealed_key: Vec<u8> },
    Register { id: ApparatusId, apparatus: Apparatus },
    Revoke { id: ApparatusId, reason: String },
    Refuse { reason: &'static str },
}

fn register(id: ApparatusId, device_number: &DeviceNumber, secret: Secret) -> Change {
    Change::Register { id, apparatus: Apparatus { device_number: device_number.clone(), secret } }
}

/// The second form as it is stored, or why it cannot be one.
fn second_form(sealed: &Sealed, chip: Option<&HardwareUid>) -> Result<Ciphertext, &'static str> {
    let Some(key_identifier) = sealed.key_identifier.clone() else {
        return Err("only its chip could open it");
    };
    if seal::key_identifier(&sealed.ciphertext.0) != Ok(key_identifier.clone()) {
        return Err("its ciphertext is not sealed under the key that it names");
    }
    Ok(Ciphertext { sealed: sealed.ciphertext.0.clone(), key_identifier, hardware_uid: chip.cloned() })
}

/// What the audit log says of one record.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_number: Option<DeviceNumber>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// Stores one record, or files it as refused.
async fn apply<'a>(
    transaction: &mut Transaction,
    record: &'a Record,
    now: i64,
) -> Result<Entry<'a>, StoreError> {
    let mut device_number = None;
    let (outcome, reason) = match &record.change {
        Change::KeepKey { identifier, sealed_key } => {
            let is_new = pre_write_key::insert(transaction, identifier, sealed_key).await?;
            (if is_new { "stored" } else { "known" }, None)
        }
        Change::Register { id, apparatus } => {
            device_number = Some(apparatus.device_number.clone());
            try_register(transaction, *id, apparatus, now).await?
        }
        Change::Revoke { id, reason } => {
            apparatus::revoke(transaction, *id, reason, now).await?;
            ("revoked", Some(reason.as_str()))
        }
        Change::Refuse { reason } => (REFUSED, Some(*reason)),
    };
    if outcome == REFUSED {
        let (subject, reason) = (record.subject.clone(), reason.unwrap_or_default().to_owned());
        feed::refuse(transaction, &Refused { sequence: record.sequence, subject, reason }).await?;
    }
    Ok(Entry { subject: record.subject.clone(), device_number, outcome, reason })
}

/// Stores a credential, unless something speaks against it: outcome and reason.
async fn try_register(
    transaction: &mut Transaction,
    id: ApparatusId,
    apparatus: &Apparatus,
    now: i64,
) -> Result<(&'static str, Option<&'static str>), StoreError> {
    if let Secret::Ciphertext(ciphertext) = &apparatus.secret
        && pre_write_key::find(transaction, &ciphertext.key_identifier).await?.is_none()
    {
        return Ok((REFUSED, Some("the key that opens it did not come before it")));
    }
    Ok(match apparatus::register(transaction, id, apparatus, now).await? {
        Registered::Stored => ("registered", None),
        Registered::Before => ("known", None),
        Registered::OtherDevice => (REFUSED, Some("the apparatus ID belongs to another device")),
        Registered::SecondCredential => (REFUSED, Some("the device has another credential")),
    })
}
