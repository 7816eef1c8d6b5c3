//! The register: who may authenticate, as the authority says.
//!
//! The authenticator follows the authority's registrations, each record once and in order. A record
//! that contradicts what is stored is filed as refused and shown; it holds up nothing.

use std::sync::Arc;

use auth::PassPhrase;
use identity::{ApparatusId, Clock, DeviceNumber};
use message::registration::{Event, Registration, Registrations};
use serde::Serialize;
use store::audit::Actor;
use store::authenticator::apparatus::{self, Apparatus, Counts, Registered};
use store::authenticator::feed::{self, Position, Refused};
use store::authenticator::nonce;
use store::{Store, StoreError, Transaction, audit};
use transport::Client;

use crate::authenticator::{Authenticator, seal_pass_phrase};
use crate::error::AuthenticatorError;

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
                        apparatus_id: id,
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
        let id = registration.apparatus_id;
        let change = match &registration.event {
            Event::Revoked { reason } => Change::Revoke { reason: reason.clone() },
            Event::Registered { pass_phrase, device_number } => match pass_phrase.expose().try_into() {
                Ok(bytes) => Change::Register(Apparatus {
                    device_number: device_number.clone(),
                    sealed_pass_phrase: seal_pass_phrase(&self.vault, id, &PassPhrase::new(bytes))?,
                }),
                Err(_) => Change::Refuse { reason: "its pass phrase does not have 32 bytes" },
            },
        };
        Ok(Record { sequence: registration.sequence, id, change })
    }
}

const REFUSED: &str = "refused";

struct Record {
    sequence: u64,
    id: ApparatusId,
    change: Change,
}

enum Change {
    Register(Apparatus),
    Revoke { reason: String },
    Refuse { reason: &'static str },
}

/// What the audit log says of one record.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    apparatus_id: ApparatusId,
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
    let (device_number, outcome, reason) = match &record.change {
        Change::Register(apparatus) => {
            let (outcome, reason) = match apparatus::register(transaction, record.id, apparatus, now).await? {
                Registered::Stored => ("registered", None),
                Registered::Before => ("known", None),
                Registered::OtherDevice => (REFUSED, Some("the apparatus ID belongs to another device")),
                Registered::SecondCredential => (REFUSED, Some("the device has another credential")),
            };
            (Some(apparatus.device_number.clone()), outcome, reason)
        }
        Change::Revoke { reason } => {
            apparatus::revoke(transaction, record.id, reason, now).await?;
            (None, "revoked", Some(reason.as_str()))
        }
        Change::Refuse { reason } => (None, REFUSED, Some(*reason)),
    };
    if outcome == REFUSED {
        let reason = reason.unwrap_or_default().to_owned();
        let refused = Refused { sequence: record.sequence, apparatus_id: record.id, reason };
        feed::refuse(transaction, &refused).await?;
    }
    Ok(Entry { apparatus_id: record.id, device_number, outcome, reason })
}
