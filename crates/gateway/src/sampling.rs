//! How stock goes over time, for those who look at it.

use std::time::Duration;

use identity::CredentialState;
use store::gateway::credential;
use store::gateway::stock_sample::{self, StockSample};
use tokio::time::sleep;

use crate::desk::Desk;
use crate::error::GatewayError;
use crate::gateway::Gateway;

/// How often it is looked at whether a sample is due.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// How far samples lie apart.
const SAMPLE_SECONDS: i64 = 5 * 60;
/// How long samples are kept: a quarter of a year.
const KEPT_SECONDS: i64 = 92 * 24 * 60 * 60;

impl Desk {
    /// Notes how much is in stock and how much is wanted, if the last time was long enough ago. Whether it was.
    ///
    /// # Errors
    /// The store fails.
    pub async fn sample_stock(&self) -> Result<bool, GatewayError> {
        let now = self.now();
        let mut snapshot = self.store.read().await?;
        let last = stock_sample::last(&mut snapshot).await?;
        if last.is_some_and(|last| now < last + SAMPLE_SECONDS) {
            return Ok(false);
        }
        let counts = credential::counts(&mut snapshot).await?;
        drop(snapshot);
        let stocked = |need: &crate::Need| {
            let of_need = counts.iter().filter(|count| {
                count.state == CredentialState::Stocked
                    && count.product == need.product
                    && count.kind == need.credential
            });
            of_need.map(|count| count.number).sum()
        };
        let samples: Vec<StockSample> = self
            .needs()
            .await?
            .into_iter()
            .map(|need| StockSample {
                stocked: stocked(&need),
                product: need.product,
                kind: need.credential,
                time: now,
                wanted: need.wanted,
            })
            .collect();
        self.store
            .write(move |transaction| {
                Box::pin(async move { stock_sample::note(transaction, &samples, now - KEPT_SECONDS).await })
            })
            .await?;
        Ok(true)
    }
}

impl Gateway {
    pub(crate) async fn keep_sampling(&self) {
        loop {
            if let Err(error) = self.desk.sample_stock().await {
                tracing::error!(error = &error as &dyn std::error::Error, "stock is not sampled");
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
