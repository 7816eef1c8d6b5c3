//! Ordered symmetric credentials: fetched by the names of their orders, filed encrypted, anybody's until
//! a lease draws them.

use std::collections::BTreeSet;

use identity::ApparatusId;
use message::issue::{ApparatusPackRequest, ApparatusPacks};
use store::StoreError;
use store::audit::{self, Cause};
use store::gateway::apparatus::{self, Order};
use store::gateway::pack::ApparatusPack;

use crate::error::GatewayError;
use crate::filing::{apparatus_fault, filed_apparatus, slots_of};
use crate::gateway::Gateway;
use crate::replenish::{Fetched, ReplenishError, stock};
use crate::upstream::UpstreamError;

impl Gateway {
    /// Fetches all open orders. One that the authority refuses for good is given up; the next need orders
    /// anew.
    pub(crate) async fn fetch_orders(&self, fetched: &mut Fetched) -> Result<(), ReplenishError> {
        let mut snapshot = self.desk.store.read().await.map_err(GatewayError::from)?;
        let orders = apparatus::orders(&mut snapshot).await.map_err(GatewayError::from)?;
        drop(snapshot);
        for order in orders {
            match self.upstream.issue_apparatuses(&request(&order)?).await {
                Ok(answer) => fetched.stocked += self.file_order(order, answer).await?,
                Err(UpstreamError::Refused(problem)) if !problem.code.is_passing() => {
                    fetched.refuse(order.product.clone(), &problem);
                    self.give_up(order, problem.to_string()).await?;
                }
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    /// Checks, encrypts and stores what has arrived for an order.
    pub(crate) async fn file_order(
        &self,
        order: Order,
        answer: ApparatusPacks,
    ) -> Result<u64, ReplenishError> {
        let unusable = |fault: &str| ReplenishError::Unusable {
            asked: format!("order {}", order.id),
            fault: fault.into(),
        };
        if let Some(fault) = fault(&order, &answer) {
            return Err(unusable(fault));
        }
        let secrets: Vec<_> = answer
            .packs
            .iter()
            .map(|pack| (pack.apparatus_id.into(), Some(pack.sealed.ciphertext.0.as_slice())))
            .collect();
        let sealed = self.encrypt(&secrets).await?;
        let (slots, now) = (slots_of(&sealed), self.desk.now());
        let packs: Vec<(ApparatusId, ApparatusPack)> = answer
            .packs
            .into_iter()
            .zip(sealed)
            .map(|(pack, secret)| (pack.apparatus_id, filed_apparatus(pack, secret, now)))
            .collect();
        let filed = packs.len() as u64;
        match self.store_order(order, packs, now).await {
            Ok(()) => self.work.notify_one(),
            Err(error) => {
                self.discard(&slots).await?;
                return Err(error.into());
            }
        }
        Ok(filed)
    }

    async fn store_order(
        &self,
        order: Order,
        packs: Vec<(ApparatusId, ApparatusPack)>,
        now: i64,
    ) -> Result<(), GatewayError> {
        let actor = self.actor.clone();
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    let cause = Cause { time: now, actor: actor.as_str(), action: "credential.stock" };
                    apparatus::file(transaction, &order.product, None, &packs).await?;
                    apparatus::end_order(transaction, &order.id).await?;
                    stock(transaction, cause, packs.iter().map(|(id, _)| (*id).into()).collect()).await
                })
            })
            .await
    }

    pub(crate) async fn give_up(&self, order: Order, reason: String) -> Result<(), GatewayError> {
        let (now, actor) = (self.desk.now(), self.actor.clone());
        self.desk
            .store
            .write(move |transaction| {
                Box::pin(async move {
                    apparatus::end_order(transaction, &order.id).await?;
                    let body = (&order.id, &order.product, order.count, reason);
                    Ok(audit::append(transaction, now, actor.as_str(), "apparatus.give-up", &body).await?)
                })
            })
            .await
    }
}

pub(crate) fn request(order: &Order) -> Result<ApparatusPackRequest, GatewayError> {
    let corrupt = |what| GatewayError::Store(StoreError::Corrupt { what });
    Ok(ApparatusPackRequest {
        order: order.id.parse().map_err(|_| corrupt("apparatus_order.id"))?,
        product: order.product.clone(),
        count: u32::try_from(order.count).map_err(|_| corrupt("apparatus_order.count"))?,
    })
}

/// Why the answer is not what was ordered, if it is not.
fn fault(order: &Order, answer: &ApparatusPacks) -> Option<&'static str> {
    let ids: BTreeSet<ApparatusId> = answer.packs.iter().map(|pack| pack.apparatus_id).collect();
    if answer.packs.len() as u64 != order.count {
        return Some("it is not as many as were ordered");
    }
    if ids.len() != answer.packs.len() {
        return Some("an apparatus ID is in it twice");
    }
    if answer.packs.iter().any(|pack| pack.sealed.key_identifier.is_none()) {
        return Some("a pack does not say which pre-write key it is sealed under");
    }
    answer.packs.iter().find_map(apparatus_fault)
}
