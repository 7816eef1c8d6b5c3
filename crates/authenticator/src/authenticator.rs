//! One authenticator: what it is made of, and what it does by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use auth::{Verifier, Versions};
use identity::{Clock, Member, Random};
use store::authenticator::{nonce, signing_key};
use store::{Store, Vault};
use tokio::time::sleep;
use transport::Client;

use crate::backoff::{Backoff, WaitingRoom};
use crate::error::AuthenticatorError;
use crate::examiner::Examiner;
use crate::register::Register;
use crate::token::Signer;

/// How an authenticator works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// For how many seconds a token is good.
    pub token_seconds: u32,
    /// How long refusals wait.
    pub backoff: Backoff,
    /// How often the authority is asked for registrations and for who is shut out; at most 30 seconds.
    pub pull_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { token_seconds: 300, backoff: Backoff::default(), pull_every: Duration::from_secs(10) }
    }
}

/// An authenticator at work.
pub struct Authenticator {
    pub(crate) member: Member,
    pub(crate) register: Register,
    pub(crate) store: Store,
    pub(crate) vault: Arc<Vault>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) settings: Settings,
    pub(crate) examiner: Examiner,
    pub(crate) signer: Signer,
    pub(crate) waiting_room: WaitingRoom,
    pub(crate) nonces_out: AtomicU64,
    latest: AtomicI64,
}

/// How often expired nonces and old keys are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// The authority is asked at least this often: who is shut out must be refused within a minute.
const PULL_WITHIN: Duration = Duration::from_secs(30);

impl Authenticator {
    /// The authenticator that its certificate names `member`, on a store whose vault is open.
    ///
    /// # Errors
    /// The store or the vault fails.
    pub async fn open(
        member: Member,
        store: Store,
        vault: Vault,
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, AuthenticatorError> {
        let vault = Arc::new(vault);
        let verifier = Verifier::new(member.clone(), Versions::SUPPORTED);
        let examiner = Examiner::new(verifier, Arc::clone(&vault), &*random)?;
        let signer = Signer::open(&store, &vault, clock.epoch_seconds(), &*random).await?;
        let nonces_out = nonce::count(&mut store.read().await?).await?;
        Ok(Self {
            register: Register::new(store.clone(), Arc::clone(&clock)),
            examiner,
            waiting_room: WaitingRoom::new(),
            nonces_out: nonces_out.into(),
            latest: AtomicI64::new(i64::MIN),
            member,
            store,
            vault,
            clock,
            random,
            settings,
            signer,
        })
    }

    /// Who it is.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// The register of who may authenticate.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// Keeps the store small and the register up to date, for as long as it is polled.
    pub async fn tend(&self, authority: &Client) {
        let sweeping = async {
            loop {
                if let Err(error) = self.sweep().await {
                    tracing::error!(%error, "cannot remove what has expired");
                }
                sleep(SWEEP_EVERY).await;
            }
        };
        let pulling = async {
            loop {
                if let Err(error) = self.pull(authority).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "registrations are late");
                }
                if let Err(error) = self.pull_shut_out(authority).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "it is not known whether more services are shut out");
                }
                sleep(self.settings.pull_every.min(PULL_WITHIN)).await;
            }
        };
        tokio::join!(sweeping, pulling);
    }

    /// Removes nonces that nobody answered, and keys that no good token can be signed with.
    ///
    /// # Errors
    /// The store fails.
    pub async fn sweep(&self) -> Result<(), AuthenticatorError> {
        let (now, oldest_key) = (self.nonce_time(), self.oldest_key());
        let swept: Result<(), store::StoreError> = self
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    nonce::sweep(transaction, now).await?;
                    signing_key::forget(transaction, oldest_key).await?;
                    Ok(())
                })
            })
            .await;
        swept?;
        let out = nonce::count(&mut self.store.read().await?).await?;
        self.nonces_out.store(out, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.epoch_seconds()
    }

    /// The time by which nonces end. It never goes back: a clock that is set back revives none.
    pub(crate) fn nonce_time(&self) -> i64 {
        let now = self.now();
        self.latest.fetch_max(now, Ordering::Relaxed).max(now)
    }
}
