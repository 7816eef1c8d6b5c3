//! The CAs of devices, open, as they stand: which one signs, and which ones are trusted.
//!
//! People change where they stand by commands, beside the process that serves. That one looks before each
//! order, and every second ([`Authority::follow_cas`]).

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cert::Fingerprint;
use identity::profile::KeyAlgorithm;
use message::problem::ProblemCode;
use pki::{IssuingCa, OcspResponder, Publication, PublishedUrl, SigningKey};
use store::authority::ca::{Ca, CaName, IssuingCaName};
use store::authority::issuing_ca::{self, IssuingCaState};
use store::{Snapshot, StoreError, Transaction, Vault};
use tokio::time::sleep;
use transport::HostTls;

use crate::authority::{Authority, OpenError};
use crate::error::AuthorityError;
use crate::setup::ca_key_context;

/// How often the serving authority looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A CA of devices with its key.
pub(crate) struct OpenCa {
    pub(crate) name: IssuingCaName,
    pub(crate) ca: IssuingCa,
    /// Of its certificate.
    pub(crate) sha256: Fingerprint,
    /// The responder in use for it, and when the next takes its place.
    pub(crate) responder: ArcSwapOption<(OcspResponder, i64)>,
}

/// All CAs of devices at one moment, the retired ones too: they still sign CRLs.
pub(crate) struct OpenCas {
    states: Vec<(IssuingCaName, IssuingCaState)>,
    open: BTreeMap<IssuingCaName, Arc<OpenCa>>,
}

impl OpenCas {
    /// Opens all in the store; those that are open already stay as they are.
    pub(crate) async fn open(
        snapshot: &mut Snapshot,
        vault: &Vault,
        published: Option<&PublishedUrl>,
        before: Option<&Self>,
    ) -> Result<Self, OpenError> {
        let (mut states, mut open) = (Vec::new(), BTreeMap::new());
        for stored in issuing_ca::all(snapshot).await? {
            let name = stored.name;
            states.push((name, stored.state));
            let known = before.and_then(|before| before.open.get(&name)).cloned();
            let ca = match known {
                Some(known) => known,
                None => Arc::new(OpenCa::open(name, stored.ca, vault, published)?),
            };
            open.insert(name, ca);
        }
        if open.is_empty() { Err(OpenError::Missing) } else { Ok(Self { states, open }) }
    }

    /// The certificates of those that are trusted, DER.
    pub(crate) fn trusted(&self) -> Vec<&[u8]> {
        let trusted = self.states.iter().filter(|(_, state)| *state != IssuingCaState::Retired);
        trusted.filter_map(|(name, _)| Some(self.open.get(name)?.ca.certificate())).collect()
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<OpenCa>> {
        self.open.values()
    }

    fn active(&self) -> Option<&Arc<OpenCa>> {
        let (name, _) = self.states.iter().find(|(_, state)| *state == IssuingCaState::Active)?;
        self.open.get(name)
    }
}

impl OpenCa {
    fn open(
        name: IssuingCaName,
        stored: Ca,
        vault: &Vault,
        published: Option<&PublishedUrl>,
    ) -> Result<Self, OpenError> {
        let key = open_key(vault, CaName::Issuing(name), &stored)?;
        let sha256 = Fingerprint::of(&stored.certificate);
        let ca = IssuingCa::open(stored.certificate, key)?;
        let ca = match published {
            Some(url) => ca.published(Publication::new(url.clone(), &name.to_string())),
            None => ca,
        };
        Ok(Self { name, ca, sha256, responder: ArcSwapOption::empty() })
    }
}

pub(crate) fn open_key(vault: &Vault, name: CaName, ca: &Ca) -> Result<SigningKey, OpenError> {
    let sealed = ca.sealed_key.as_ref().ok_or(OpenError::Missing)?;
    let der = vault.open(&ca_key_context(name), sealed)?;
    Ok(SigningKey::from_pkcs8(KeyAlgorithm::P256, der.expose())?)
}

impl Authority {
    /// Keeps up with what people do to the CAs of devices, for as long as it is polled, and ends what devices
    /// of a retired one have open at `tls`.
    pub async fn follow_cas(&self, tls: &HostTls) {
        let mut seen = self.cas.load_full();
        loop {
            sleep(LOOK_EVERY).await;
            match self.look_at_cas().await {
                Ok(now) if now.states != seen.states => {
                    let ended = tls.end_untrusted();
                    tracing::info!(ended, "the CAs of devices have changed");
                    seen = now;
                }
                Ok(_) => {}
                Err(error) => tracing::error!(error = &error as &dyn Error, "the CAs of devices do not open"),
            }
        }
    }

    /// The CA that signs.
    pub(crate) async fn signing_ca(&self) -> Result<Arc<OpenCa>, AuthorityError> {
        let cas = self.look_at_cas().await?;
        Ok(Arc::clone(cas.active().ok_or(StoreError::Corrupt { what: "issuing_ca.state" })?))
    }

    /// The CA of this name, which has signed something.
    pub(crate) async fn ca_of(&self, name: IssuingCaName) -> Result<Arc<OpenCa>, AuthorityError> {
        if let Some(known) = self.cas.load().open.get(&name) {
            return Ok(Arc::clone(known));
        }
        let cas = self.look_at_cas().await?;
        cas.open.get(&name).cloned().ok_or_else(|| {
            AuthorityError::refused(ProblemCode::NotFound, format!("no issuing CA {name} is known here"))
        })
    }

    /// All CAs of devices as the store has them now; what has changed is taken into use.
    pub(crate) async fn look_at_cas(&self) -> Result<Arc<OpenCas>, AuthorityError> {
        let known = self.cas.load_full();
        let mut snapshot = self.desk.store.read().await?;
        if issuing_ca::states(&mut snapshot).await? == known.states {
            return Ok(known);
        }
        let published = self.desk.published.as_ref();
        let opened = OpenCas::open(&mut snapshot, &self.vault, published, Some(&known)).await;
        let opened = Arc::new(opened.map_err(Box::new)?);
        let checked =
            self.trust.check_issuing(&opened.trusted()).map_err(OpenError::from).map_err(Box::new)?;
        self.trust.take(checked);
        self.cas.store(Arc::clone(&opened));
        Ok(opened)
    }
}

/// Refuses what a CA has signed that was retired meanwhile.
pub(crate) async fn check_not_retired(
    transaction: &mut Transaction,
    name: IssuingCaName,
) -> Result<(), AuthorityError> {
    let states = issuing_ca::states(transaction).await?;
    if states.contains(&(name, IssuingCaState::Retired)) {
        let detail = format!("the issuing CA {name} was retired meanwhile: ask again");
        return Err(AuthorityError::refused(ProblemCode::Unavailable, detail));
    }
    Ok(())
}
