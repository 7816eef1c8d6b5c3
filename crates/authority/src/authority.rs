//! The authority while it serves: its desk, and its CAs open.

use std::sync::Arc;

use arc_swap::ArcSwap;
use cert::{Certificate, Refusal, Trust};
use identity::{DeviceNumber, Role, Transition};
use message::bytes::Bytes;
use message::join::Membership;
use pki::{IssueError, KeyError, PlantCa};
use store::audit::{Actor, Cause};
use store::authority::allotment;
use store::authority::ca::{self, Ca, CaName};
use store::authority::change::Change;
use store::authority::credential::{self, Credential};
use store::authority::successor::{self, Successor, SuccessorId};
use store::{Secret, Snapshot, StoreError, Transaction, Vault, VaultError};

use crate::cas::{OpenCas, open_key};
use crate::cores::Cores;
use crate::desk::Desk;
use crate::error::AuthorityError;
use crate::history::end_of;
use crate::in_flight::InFlight;
use crate::sealing::OpenedKeys;

/// A serving authority.
pub struct Authority {
    pub(crate) desk: Desk,
    pub(crate) trust: Trust,
    pub(crate) cas: ArcSwap<OpenCas>,
    pub(crate) plant: PlantCa,
    pub(crate) vault: Arc<Vault>,
    pub(crate) in_flight: InFlight,
    pub(crate) cores: Cores,
    pub(crate) opened_keys: OpenedKeys,
    pub(crate) actor: Actor,
}

/// Why an authority does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store holds no authority.
    #[error("this store holds no authority: it was never initialised")]
    Missing,
    /// The vault stays shut.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A CA's certificate is not what it should be.
    #[error("the stored CA certificates do not belong together")]
    Certificates(#[from] Refusal),
    /// A CA's key is not what it should be.
    #[error("a stored CA key cannot be used")]
    Key(#[from] KeyError),
    /// A CA's key is not its certificate's.
    #[error("a stored CA cannot be used")]
    Ca(#[from] IssueError),
    /// Interrupted work could not be cleared away.
    #[error("interrupted signatures could not be given up")]
    Recovery(#[source] AuthorityError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Authority {
    /// Opens an authority to serve, and gives up signatures that an earlier run has begun and not
    /// finished.
    ///
    /// # Errors
    /// The passphrase is wrong, the store was never initialised, or it fails.
    pub async fn open(desk: Desk, passphrase: Secret) -> Result<Arc<Self>, OpenError> {
        let authority = Self::open_beside(desk, passphrase).await?;
        authority.give_up_interrupted().await.map_err(OpenError::Recovery)?;
        Ok(authority)
    }

    /// Opens an authority for a single command, beside a process that may be serving: what that one has
    /// begun to sign is left to it.
    ///
    /// # Errors
    /// The passphrase is wrong, the store was never initialised, or it fails.
    pub async fn open_beside(desk: Desk, passphrase: Secret) -> Result<Arc<Self>, OpenError> {
        let vault = Vault::unlock(&desk.store, passphrase).await?;
        let mut snapshot = desk.store.read().await?;
        let root = stored(&mut snapshot, CaName::Root).await?;
        let plant = stored(&mut snapshot, CaName::Plant).await?;
        let common = ca::find(&mut snapshot, CaName::Common).await?;
        let cas = OpenCas::open(&mut snapshot, &vault, desk.published.as_ref(), None).await?;
        drop(snapshot);
        let mut trust = Trust::new(&root.certificate, &plant.certificate, &cas.trusted())?;
        if let Some(common) = common {
            trust = trust.with_common(&common.certificate)?;
        }
        Ok(Arc::new(Self {
            trust,
            cas: ArcSwap::from_pointee(cas),
            plant: PlantCa::open(plant.certificate.clone(), open_key(&vault, CaName::Plant, &plant)?)?,
            vault: Arc::new(vault),
            in_flight: InFlight::default(),
            cores: Cores::default(),
            opened_keys: OpenedKeys::default(),
            actor: Actor::member(&desk.member),
            desk,
        }))
    }

    /// The authority's books.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Whom the plant trusts.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// What a member with this certificate is told. Common certificates are shown to authorities, which alone
    /// take them, and to centers, which say clearly that they do not.
    pub(crate) fn membership(&self, certificate: Vec<u8>) -> Membership {
        let member = Certificate::parse(&certificate).ok().and_then(|certificate| certificate.member());
        let meets_devices =
            member.is_some_and(|member| matches!(member.role(), Role::Authority | Role::Center));
        let common = self.trust.common().filter(|_| meets_devices);
        Membership {
            root_certificate: Bytes(self.trust.root().der().to_vec()),
            plant_certificate: Bytes(self.trust.plant().der().to_vec()),
            issuing_certificates: self.trust.issuing().iter().map(|ca| Bytes(ca.der().to_vec())).collect(),
            common_ca_certificate: common.map(|ca| Bytes(ca.der().to_vec())),
            member_certificate: Bytes(certificate),
        }
    }

    async fn give_up_interrupted(&self) -> Result<(), AuthorityError> {
        let (now, actor) = (self.desk.now(), self.actor.clone());
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let interrupted = credential::intended(transaction).await?;
                    give_up(transaction, now, &actor, &interrupted).await?;
                    let interrupted = successor::intended(transaction).await?;
                    give_up_successors(transaction, now, &actor, &interrupted).await
                })
            })
            .await
    }
}

/// Abandons intents: their serials are never used again, and they no longer count against the quota.
pub(crate) async fn give_up(
    transaction: &mut Transaction,
    now: i64,
    actor: &Actor,
    intents: &[Credential],
) -> Result<(), AuthorityError> {
    if intents.is_empty() {
        return Ok(());
    }
    let cause = Cause { time: now, actor: actor.as_str(), action: "credential.abandon" };
    let changes: Vec<Change<DeviceNumber>> = intents
        .iter()
        .map(|intent| Change {
            id: intent.number.clone(),
            from: intent.state,
            transitions: vec![Transition::Abandon],
        })
        .collect();
    credential::apply(transaction, cause, &changes, &"interrupted before it was signed").await?;
    for intent in intents {
        allotment::count_issued(transaction, &intent.factory, intent.number.product(), -1).await?;
    }
    Ok(())
}

async fn give_up_successors(
    transaction: &mut Transaction,
    now: i64,
    actor: &Actor,
    intents: &[Successor],
) -> Result<(), AuthorityError> {
    if intents.is_empty() {
        return Ok(());
    }
    let cause = Cause { time: now, actor: actor.as_str(), action: "successor.abandon" };
    let changes: Vec<Change<SuccessorId>> = intents.iter().map(end_of).collect();
    successor::apply(transaction, cause, &changes, &"interrupted before it was signed").await?;
    Ok(())
}

async fn stored(snapshot: &mut Snapshot, name: CaName) -> Result<Ca, OpenError> {
    ca::find(snapshot, name).await?.ok_or(OpenError::Missing)
}
