//! Replenishing: what the coming days need is reserved or ordered, fetched in batches and filed
//! encrypted. Certificates are here, symmetric credentials in `order`.
//!
//! A reserved number is kept until its pack is filed, so a run that breaks off goes on where it was:
//! the same numbers asked for again give the same packs.

use std::collections::VecDeque;

use identity::{CredentialId, DeviceNumber, ProductCode, Transition};
use message::allotment::Allotment;
use message::issue::{
    CertificateTransmission, CertificateTransmissionRequest, DEVICE_NUMBERS_MAX, NumberedPack,
};
use message::problem::Problem;
use message::report::Event;
use serde::Serialize;
use store::audit::Cause;
use store::gateway::credential;
use store::gateway::moment::{self, Moment};
use store::gateway::pack::{self, CertificatePack};
use store::gateway::{allotment, number, outbox};
use store::{KeyRingError, StoreError, Transaction};

use crate::desk::event_text;
use crate::error::GatewayError;
use crate::filing::{filed_certificate, secret_of, slots_of};
use crate::gateway::Gateway;
use crate::need::Reservation;
use crate::upstream::UpstreamError;

/// What a replenishing did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replenishment {
    /// What was reserved or ordered, an entry a product and kind of credential.
    pub products: Vec<Reservation>,
    /// Packs filed.
    pub stocked: u64,
    /// Numbers that the authority will not issue, with its reason.
    pub refused: Vec<(DeviceNumber, String)>,
    /// Products of which it issues nothing more for now, with its reason.
    pub refused_products: Vec<(ProductCode, String)>,
}

/// What a round of fetching brought.
#[derive(Default)]
pub(crate) struct Fetched {
    pub(crate) stocked: u64,
    pub(crate) refused: Vec<(DeviceNumber, String)>,
    pub(crate) refused_products: Vec<(ProductCode, String)>,
}

/// Why replenishing broke off. What was filed stays; the rest is fetched the next time.
#[derive(Debug, thiserror::Error)]
pub enum ReplenishError {
    /// The authority gave no answer, or refused for a reason of this factory's.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The authority sent packs that are not what was asked for.
    #[error("the authority sent an unusable pack for {asked}: {fault}")]
    Unusable {
        /// The number or the order.
        asked: String,
        /// What is wrong.
        fault: String,
    },
    /// The gateway failed.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

impl Gateway {
    /// Works out the need, reserves numbers for it and fetches all packs that are missing. Without the
    /// authority nothing is lost: reserved numbers are fetched the next time.
    ///
    /// # Errors
    /// The authority gives no answer or makes no sense, or the store fails.
    pub async fn replenish(&self) -> Result<Replenishment, ReplenishError> {
        let _only_one = self.replenishing.lock().await;
        let started = self.desk.now();
        self.hear_allotment().await?;
        let products = self.desk.reserve(&self.actor).await?;
        let Fetched { stocked, refused, refused_products } = self.fetch().await?;
        self.note_replenished(started).await?;
        Ok(Replenishment { products, stocked, refused, refused_products })
    }

    /// Fetches what is reserved and ordered already. How many packs were filed.
    ///
    /// # Errors
    /// As for [`Gateway::replenish`].
    pub async fn resume(&self) -> Result<u64, ReplenishError> {
        let _only_one = self.replenishing.lock().await;
        Ok(self.fetch().await?.stocked)
    }

    async fn hear_allotment(&self) -> Result<(), ReplenishError> {
        let heard = self.upstream.allotment().await?;
        Ok(self.keep_allotment(&heard).await?)
    }

    /// Notes what the authority says that may be made here.
    pub(crate) async fn keep_allotment(&self, heard: &Allotment) -> Result<(), GatewayError> {
        let body = serde_json::to_string(heard)
            .map_err(|_| GatewayError::Store(StoreError::Corrupt { what: "allotment.body" }))?;
        let now = self.desk.now();
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move { Ok(allotment::replace(transaction, now, &body).await?) })
            })
            .await
    }

    /// Fetches product by product, so that one whose packs cannot be made stops no other.
    async fn fetch(&self) -> Result<Fetched, ReplenishError> {
        let mut snapshot = self.desk.store.read().await.map_err(GatewayError::from)?;
        let products = number::reserved_products(&mut snapshot).await.map_err(GatewayError::from)?;
        drop(snapshot);
        let mut fetched = Fetched::default();
        for product in products {
            self.fetch_certificates(product, &mut fetched).await?;
        }
        self.fetch_orders(&mut fetched).await?;
        Ok(fetched)
    }

    async fn fetch_certificates(
        &self,
        product: ProductCode,
        fetched: &mut Fetched,
    ) -> Result<(), ReplenishError> {
        loop {
            let mut snapshot = self.desk.store.read().await.map_err(GatewayError::from)?;
            let numbers = number::reserved(&mut snapshot, &product, DEVICE_NUMBERS_MAX).await;
            let numbers = numbers.map_err(GatewayError::from)?;
            drop(snapshot);
            if numbers.is_empty() {
                return Ok(());
            }
            // A batch is issued whole or not at all, so a refused one is halved until the numbers that
            // are at fault stand alone.
            let mut batches = VecDeque::from([numbers]);
            while let Some(mut batch) = batches.pop_front() {
                let request = CertificateTransmissionRequest { device_numbers: batch.clone() };
                match self.upstream.issue(&request).await {
                    Ok(answer) => fetched.stocked += self.file(batch, answer).await?,
                    Err(UpstreamError::Refused(problem)) if problem.code.is_about_a_number() => {
                        let half = batch.split_off(batch.len() / 2);
                        if batch.is_empty() {
                            fetched.refused.extend(self.abandon(half, &problem).await?);
                        } else {
                            batches.push_front(half);
                            batches.push_front(batch);
                        }
                    }
                    Err(UpstreamError::Refused(problem)) if !problem.code.is_passing() => {
                        fetched.refuse(product, &problem);
                        return Ok(());
                    }
                    Err(other) => return Err(other.into()),
                }
            }
        }
    }

    /// Gives up numbers that will never be issued; the next need reserves others.
    pub(crate) async fn abandon(
        &self,
        numbers: Vec<DeviceNumber>,
        problem: &Problem,
    ) -> Result<Vec<(DeviceNumber, String)>, GatewayError> {
        let (now, actor, reason) = (self.desk.now(), self.actor.clone(), problem.to_string());
        let given_up: Vec<_> = numbers.iter().map(|number| (number.clone(), reason.clone())).collect();
        tracing::warn!(?numbers, reason, "the authority will not issue these numbers");
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let cause = Cause { time: now, actor: actor.as_str(), action: "credential.abandon" };
                    let changes: Vec<_> = numbers
                        .into_iter()
                        .map(|number| (number.into(), &[Transition::Abandon][..]))
                        .collect();
                    credential::apply(transaction, cause, &changes, &reason).await?;
                    Ok::<(), GatewayError>(())
                })
            })
            .await?;
        Ok(given_up)
    }

    /// Checks, encrypts and stores packs that have arrived.
    pub(crate) async fn file(
        &self,
        numbers: Vec<DeviceNumber>,
        answer: CertificateTransmission,
    ) -> Result<u64, ReplenishError> {
        let now = self.desk.now();
        self.check(&numbers, &answer.packs, now)?;
        let secrets: Vec<_> = answer
            .packs
            .iter()
            .map(|numbered| (numbered.device_number.clone().into(), secret_of(&numbered.pack)))
            .collect();
        let sealed = self.encrypt(&secrets).await?;
        let slots = slots_of(&sealed);
        let packs: Vec<(DeviceNumber, CertificatePack)> = answer
            .packs
            .into_iter()
            .zip(sealed)
            .map(|(numbered, secret)| (numbered.device_number, filed_certificate(numbered.pack, secret, now)))
            .collect();
        let filed = packs.len() as u64;
        if let Err(error) = self.store_packs(packs, now).await {
            self.discard(&slots).await?;
            return Err(error.into());
        }
        self.work.notify_one();
        Ok(filed)
    }

    fn check(
        &self,
        numbers: &[DeviceNumber],
        packs: &[NumberedPack],
        now: i64,
    ) -> Result<(), ReplenishError> {
        for (at, number) in numbers.iter().enumerate() {
            let numbered = packs.get(at).filter(|numbered| numbered.device_number == *number);
            let fault = match numbered {
                None => Some("it is missing from its place in the answer".to_owned()),
                Some(numbered) => self.certificate_fault(number, &numbered.pack, now),
            };
            if let Some(fault) = fault {
                return Err(ReplenishError::Unusable { asked: number.to_string(), fault });
            }
        }
        Ok(())
    }

    async fn store_packs(
        &self,
        packs: Vec<(DeviceNumber, CertificatePack)>,
        now: i64,
    ) -> Result<(), GatewayError> {
        let actor = self.actor.clone();
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let cause = Cause { time: now, actor: actor.as_str(), action: "credential.stock" };
                    pack::file_certificates(transaction, &packs).await?;
                    let filed = packs.iter().map(|(number, _)| number.clone().into()).collect();
                    stock(transaction, cause, filed).await
                })
            })
            .await
    }

    async fn note_replenished(&self, started: i64) -> Result<(), GatewayError> {
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move { Ok(moment::note(transaction, Moment::Replenished, started).await?) })
            })
            .await
    }
}

impl Fetched {
    pub(crate) fn refuse(&mut self, product: ProductCode, problem: &Problem) {
        tracing::warn!(%product, %problem, "the authority issues nothing more of a product for now");
        self.refused_products.push((product, problem.to_string()));
    }
}

/// Counts credentials whose packs are filed as stocked, and reports them.
pub(crate) async fn stock(
    transaction: &mut Transaction,
    cause: Cause<'_>,
    filed: Vec<CredentialId>,
) -> Result<(), GatewayError> {
    let stocked = event_text(&Event::Stocked)?;
    let steps = &[Transition::Issue, Transition::Stock][..];
    let changes: Vec<_> = filed.iter().map(|id| (id.clone(), steps)).collect();
    credential::apply(transaction, cause, &changes, &()).await?;
    let events: Vec<_> = filed.into_iter().map(|id| (id, stocked.clone())).collect();
    Ok(outbox::push(transaction, cause.time, &events).await?)
}

impl From<KeyRingError> for ReplenishError {
    fn from(error: KeyRingError) -> Self {
        Self::Gateway(error.into())
    }
}
