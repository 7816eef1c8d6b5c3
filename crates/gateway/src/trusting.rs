//! Which CAs of devices the gateway trusts: it follows the authority, and its stations follow it.

use std::sync::PoisonError;
use std::time::Duration;

use identity::MemberName;
use message::problem::ProblemCode;
use message::trust::{CAS_MAX, STATIONS_MAX, StationTrust, TrustReport, TrustedCas};
use tokio::time::sleep;
use transport::TrustError;

use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::upkeep::Pause;
use crate::upstream::UpstreamError;

/// How often the authority is asked: what a retired CA has signed is refused well within a minute.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// A gateway that has taken new CAs says so after this time.
const SAID_AFTER: Duration = Duration::from_millis(500);

/// Why the gateway trusts on as before.
#[derive(Debug, thiserror::Error)]
pub enum TrustingError {
    /// The authority gave no answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// What it answered is not believed, or not stored.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl Gateway {
    /// Tells the authority which CAs of devices are trusted here and at the stations, and trusts those that it
    /// names. Whether that was news.
    ///
    /// # Errors
    /// It cannot be asked, or is not believed.
    pub async fn pull_trust(&self) -> Result<bool, TrustingError> {
        Ok(self.trust.take(&self.upstream.trust(&self.trust_report()).await?)?)
    }

    /// What the authority is told.
    pub fn trust_report(&self) -> TrustReport {
        let stations = self.stations.lock().unwrap_or_else(PoisonError::into_inner);
        TrustReport {
            issuing_sha256: self.trust.issuing_sha256(),
            stations: stations.values().take(STATIONS_MAX).cloned().collect(),
        }
    }

    /// Hears which CAs of devices a station trusts; which ones it is to trust.
    ///
    /// # Errors
    /// The report is too long.
    pub fn hear_trust(&self, station: &MemberName, report: TrustReport) -> Result<TrustedCas, GatewayError> {
        if report.issuing_sha256.len() > CAS_MAX {
            let detail = format!("a report names at most {CAS_MAX} CAs");
            return Err(GatewayError::refused(ProblemCode::MalformedRequest, detail));
        }
        let said = StationTrust {
            station: station.clone(),
            issuing_sha256: report.issuing_sha256,
            heard: self.desk.now(),
        };
        self.stations.lock().unwrap_or_else(PoisonError::into_inner).insert(station.clone(), said);
        Ok(self.trust.trusted())
    }

    pub(crate) async fn keep_trusting(&self) {
        let mut pause = Pause::default();
        loop {
            match self.pull_trust().await {
                Ok(is_news) => {
                    pause = Pause::default();
                    sleep(if is_news { SAID_AFTER } else { ASK_EVERY }).await;
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "it is not known whether other CAs sign devices"
                    );
                    pause.wait().await;
                }
            }
        }
    }
}
