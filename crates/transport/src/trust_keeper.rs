//! Whom a member trusts, kept up to date while it works: it asks its host which CAs sign devices, believes none
//! that its root has not signed, stores them, and takes them into use.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use cert::{Refusal, Trust};
use message::bytes::Bytes;
use message::trust::{TrustReport, TrustedCas};
use tokio::time::sleep;

use crate::client::{CallError, Client};
use crate::host_tls::HostTls;

type Store = dyn Fn(&[&[u8]]) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync;

/// Keeps one member's trust up to date, in all its clones.
pub struct TrustKeeper {
    trust: Trust,
    tls: Option<Arc<HostTls>>,
    store: Option<Box<Store>>,
}

/// Why a member trusts on as before.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The host gave no answer.
    #[error("the host was not heard")]
    Host(#[from] CallError),
    /// The root did not sign one of the CAs.
    #[error("a CA is not believed: {0}")]
    Refused(#[from] Refusal),
    /// No CA at all would sign devices.
    #[error("the host names no CA that signs devices")]
    Nobody,
    /// The CAs cannot be stored.
    #[error("the CAs cannot be stored")]
    Store(#[source] Box<dyn Error + Send + Sync>),
}

/// A member that has taken new CAs says so after this time.
const SAID_AFTER: Duration = Duration::from_millis(500);

impl TrustKeeper {
    /// Keeps this trust.
    pub fn new(trust: Trust) -> Self {
        Self { trust, tls: None, store: None }
    }

    /// The same, which stores the certificates, in DER, before it takes them into use.
    pub fn stored_by(
        self,
        store: impl Fn(&[&[u8]]) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        Self { store: Some(Box::new(store)), ..self }
    }

    /// The same, which ends the connections of devices at this host whose CA is trusted no more.
    pub fn serving_at(self, tls: Arc<HostTls>) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Whom the member trusts.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// SHA-256 of the certificate of each CA that is trusted to sign devices.
    pub fn issuing_sha256(&self) -> Vec<Bytes> {
        let issuing = self.trust.issuing();
        issuing.iter().map(|ca| Bytes(ca.fingerprint().as_bytes().to_vec())).collect()
    }

    /// The CAs that are trusted to sign devices, as others are told of them.
    pub fn trusted(&self) -> TrustedCas {
        let issuing = self.trust.issuing();
        TrustedCas { issuing_certificates: issuing.iter().map(|ca| Bytes(ca.der().to_vec())).collect() }
    }

    /// Trusts these CAs and no others, where the root signed every one. Whether that was news.
    ///
    /// # Errors
    /// They are not believed, or cannot be stored; then all is as before.
    pub fn take(&self, told: &TrustedCas) -> Result<bool, TrustError> {
        if *told == self.trusted() {
            return Ok(false);
        }
        let issuing: Vec<&[u8]> = told.issuing_certificates.iter().map(|der| der.0.as_slice()).collect();
        if issuing.is_empty() {
            return Err(TrustError::Nobody);
        }
        let checked = self.trust.check_issuing(&issuing)?;
        if let Some(store) = &self.store {
            store(&issuing).map_err(TrustError::Store)?;
        }
        self.trust.take(checked);
        let ended = self.tls.as_ref().map_or(0, |tls| tls.end_untrusted());
        tracing::info!(cas = issuing.len(), ended, "other CAs sign devices from now on");
        Ok(true)
    }

    /// Asks the host, and takes what it says. Whether that was news.
    ///
    /// # Errors
    /// The host is not heard, or not believed.
    pub async fn pull(&self, host: &Client) -> Result<bool, TrustError> {
        let report = TrustReport { issuing_sha256: self.issuing_sha256(), stations: Vec::new() };
        self.take(&host.post_json("/v1/trust", &report).await?)
    }

    /// Asks the host so often, for as long as it is polled, and once more where there was news.
    pub async fn follow(&self, host: &Client, every: Duration) {
        loop {
            let is_news = self.pull(host).await.unwrap_or_else(|error| {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "it is not known whether other CAs sign devices"
                );
                false
            });
            sleep(if is_news { SAID_AFTER } else { every }).await;
        }
    }
}

impl From<Trust> for TrustKeeper {
    fn from(trust: Trust) -> Self {
        Self::new(trust)
    }
}
