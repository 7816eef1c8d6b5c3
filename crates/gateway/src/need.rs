//! What the coming days need: reserving numbers for certificates, ordering symmetric credentials.

use std::collections::BTreeMap;

use identity::profile::CredentialKind;
use identity::{CredentialState, DeviceNumber, ProductCode, Serial};
use jiff::ToSpan;
use jiff::civil::Date;
use message::allotment::{Allotment, ProductAllotment, SerialRange};
use message::issue::{APPARATUS_PACKS_MAX, OrderId};
use message::problem::ProblemCode;
use serde::Serialize;
use store::audit::{self, Actor, Cause};
use store::gateway::apparatus::{self, Order};
use store::gateway::credential::{self, Count};
use store::gateway::{allotment, number, plan};
use store::{Snapshot, StoreError, Transaction};

use crate::desk::Desk;
use crate::error::GatewayError;
use crate::product::LocalProduct;

/// What one product needs of one kind of credential.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// The product.
    pub product: ProductCode,
    /// Which of its credentials.
    pub credential: CredentialKind,
    /// Units planned for the days ahead, with those made today left out.
    pub planned: u64,
    /// The same with the yield margin.
    pub wanted: u64,
    /// Packs on their way, in stock and at stations.
    pub in_hand: u64,
    /// How many more are needed.
    pub missing: u64,
}

/// What was reserved or ordered for one need.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// What was needed.
    #[serde(flatten)]
    pub need: Need,
    /// Numbers reserved, or symmetric credentials ordered, for it.
    pub reserved: u64,
    /// Why not all could be reserved, where that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortage: Option<String>,
}

impl Desk {
    /// What each product needs for the coming planned days of the credentials that are kept in stock.
    ///
    /// # Errors
    /// The store fails.
    pub async fn needs(&self) -> Result<Vec<Need>, GatewayError> {
        let needs = self.needs_in(&mut self.store.read().await?).await?;
        Ok(needs.into_iter().map(|(_, need)| need).collect())
    }

    /// Reserves numbers and stores orders for what is needed, as far as ranges and quota go.
    pub(crate) async fn reserve(&self, actor: &Actor) -> Result<Vec<Reservation>, GatewayError> {
        let (desk, actor) = (self.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let needs = desk.needs_in(transaction).await?;
                    let mut reservations = Vec::with_capacity(needs.len());
                    for (allotted, need) in needs {
                        reservations.push(desk.reserve_for(transaction, &actor, need, allotted).await?);
                    }
                    Ok(reservations)
                })
            })
            .await
    }

    /// Each need, with what is allotted of its product.
    async fn needs_in(
        &self,
        snapshot: &mut Snapshot,
    ) -> Result<Vec<(Option<ProductAllotment>, Need)>, GatewayError> {
        let today = self.day_of(self.now())?;
        let (start, end) = (self.start_of(today)?, self.start_of(tomorrow(today))?);
        let made_today: BTreeMap<ProductCode, u64> =
            credential::completed_between(snapshot, start, end).await?.into_iter().collect();
        let planned = self.planned_ahead(snapshot, today).await?;
        let (counts, orders) = (credential::counts(snapshot).await?, apparatus::orders(snapshot).await?);
        let mut needs = Vec::new();
        for product in LocalProduct::all(snapshot).await? {
            let of = |map: &BTreeMap<ProductCode, u64>| map.get(&product.code).copied().unwrap_or_default();
            let planned = of(&planned).saturating_sub(of(&made_today));
            let margin = u64::from(self.settings.yield_margin_percent);
            let wanted = planned + (planned * margin).div_ceil(100);
            for kind in product.kinds().filter(|kind| !product.needs_device(*kind)) {
                let in_hand = in_hand(&product, kind, &counts, &orders);
                let missing = wanted.saturating_sub(in_hand);
                let code = product.code.clone();
                let need = Need { product: code, credential: kind, planned, wanted, in_hand, missing };
                needs.push((product.allotted.clone(), need));
            }
        }
        Ok(needs)
    }

    /// Units planned for the next days that have a plan, from today on. Days that the factory does not
    /// work are absent from the plan, so a weekend does not shorten the stock.
    async fn planned_ahead(
        &self,
        snapshot: &mut Snapshot,
        today: Date,
    ) -> Result<BTreeMap<ProductCode, u64>, GatewayError> {
        let cells = plan::between(snapshot, &today.to_string(), LAST_DAY).await?;
        let mut units: BTreeMap<ProductCode, u64> = BTreeMap::new();
        for of_one_day in cells
            .chunk_by(|a, b| a.day == b.day)
            .take(self.settings.days_ahead.try_into().unwrap_or(usize::MAX))
        {
            for cell in of_one_day {
                *units.entry(cell.product.clone()).or_default() += cell.units;
            }
        }
        Ok(units)
    }

    async fn reserve_for(
        &self,
        transaction: &mut Transaction,
        actor: &Actor,
        need: Need,
        allotted: Option<ProductAllotment>,
    ) -> Result<Reservation, GatewayError> {
        let Some(allotted) = allotted else {
            let shortage = (need.missing > 0).then(|| "the authority allots nothing of it".to_owned());
            return Ok(Reservation { need, reserved: 0, shortage });
        };
        let within_quota = left_of_quota(transaction, &allotted, need.credential).await?.min(need.missing);
        let reserved = match need.credential {
            CredentialKind::Certificate => {
                self.reserve_numbers(transaction, actor, &allotted, within_quota).await?
            }
            CredentialKind::Symmetric => {
                self.order(transaction, actor, &need.product, within_quota).await?;
                within_quota
            }
        };
        let shortage = if reserved == need.missing {
            None
        } else if reserved == within_quota {
            Some(format!("the quota of {} is used up", allotted.quota))
        } else {
            Some("the serial ranges are used up".to_owned())
        };
        Ok(Reservation { need, reserved, shortage })
    }

    async fn reserve_numbers(
        &self,
        transaction: &mut Transaction,
        actor: &Actor,
        allotted: &ProductAllotment,
        wanted: u64,
    ) -> Result<u64, GatewayError> {
        let numbers = next_numbers(transaction, allotted, wanted).await?;
        if !numbers.is_empty() {
            let cause = Cause { time: self.now(), actor: actor.as_str(), action: "credential.reserve" };
            number::reserve(transaction, cause, &numbers).await?;
        }
        Ok(numbers.len() as u64)
    }

    /// Stores orders for so many symmetric credentials. They are asked for by these very names until they
    /// are answered, so that a lost answer costs nothing.
    async fn order(
        &self,
        transaction: &mut Transaction,
        actor: &Actor,
        product: &ProductCode,
        mut wanted: u64,
    ) -> Result<(), GatewayError> {
        while wanted > 0 {
            let count = wanted.min(u64::from(APPARATUS_PACKS_MAX));
            let mut name = [0; 16];
            self.random.fill(&mut name);
            let id = OrderId::new(name).to_string();
            let order = Order { id, product: product.clone(), count };
            apparatus::order(transaction, self.now(), &order).await?;
            let body = (&order.id, product, count);
            audit::append(transaction, self.now(), actor.as_str(), "apparatus.order", &body).await?;
            wanted -= count;
        }
        Ok(())
    }
}

/// What there is of a product that devices made now can take. What is sealed under another pre-write key
/// than the product's current one serves older firmware only, and does not count.
fn in_hand(product: &LocalProduct, kind: CredentialKind, counts: &[Count], orders: &[Order]) -> u64 {
    use CredentialState::{Intended, Issued, Leased, Stocked};
    let current = product.allotted.as_ref().and_then(|allotted| allotted.key_identifier.as_ref());
    let counted = counts.iter().filter(|count| count.product == product.code && count.kind == kind);
    let stock = counted.filter(|count| match count.state {
        Intended | Issued | Leased => true,
        Stocked => count.key_identifier.is_none() || count.key_identifier.as_ref() == current,
        _ => false,
    });
    let ordered =
        orders.iter().filter(|order| kind == CredentialKind::Symmetric && order.product == product.code);
    stock.map(|count| count.number).sum::<u64>() + ordered.map(|order| order.count).sum::<u64>()
}

/// After every day that a plan can name.
pub(crate) const LAST_DAY: &str = "9999-12-31";

pub(crate) fn tomorrow(day: Date) -> Date {
    day.saturating_add(1.day())
}

impl Desk {
    /// The numbers that no device has yet, of one product or of all, by product: what rating plates may be
    /// made for ahead of production.
    ///
    /// # Errors
    /// The store fails.
    pub async fn numbers_without_device(
        &self,
        product: Option<&ProductCode>,
    ) -> Result<Vec<DeviceNumber>, GatewayError> {
        Ok(number::without_device(&mut self.store.read().await?, product).await?)
    }

    /// What the factory may make, as the authority last said.
    ///
    /// # Errors
    /// The authority has not said yet, or the store fails.
    pub async fn allotment(&self) -> Result<Allotment, GatewayError> {
        last_allotment(&mut self.store.read().await?).await?.ok_or_else(|| {
            GatewayError::refused(
                ProblemCode::Unavailable,
                "the authority has not yet said what may be made here",
            )
        })
    }
}

/// The last allotment that was heard, if any was.
pub(crate) async fn last_allotment(snapshot: &mut Snapshot) -> Result<Option<Allotment>, StoreError> {
    let body = allotment::last_heard(snapshot).await?;
    let parsed = body.map(|body| serde_json::from_str(&body)).transpose();
    parsed.map_err(|_| StoreError::Corrupt { what: "allotment.body" })
}

/// How many more credentials of a kind may be reserved or ordered; the quota holds for either kind. The
/// authority counts the certificates that it has issued; what is not yet issued comes on top.
async fn left_of_quota(
    snapshot: &mut Snapshot,
    allotted: &ProductAllotment,
    kind: CredentialKind,
) -> Result<u64, StoreError> {
    let counts = credential::counts(snapshot).await?;
    let of_product = counts.iter().filter(|count| count.product == allotted.product && count.kind == kind);
    let (mut waiting, mut arrived) = (0, 0);
    for count in of_product {
        match count.state {
            CredentialState::Intended => waiting += count.number,
            _ => arrived += count.number,
        }
    }
    // The allotment may have been heard before the last packs arrived.
    let issued = match kind {
        CredentialKind::Certificate => allotted.issued.max(arrived),
        CredentialKind::Symmetric => arrived,
    };
    if kind == CredentialKind::Symmetric {
        let orders = apparatus::orders(snapshot).await?;
        let of_product = orders.iter().filter(|order| order.product == allotted.product);
        waiting += of_product.map(|order| order.count).sum::<u64>();
    }
    Ok(allotted.quota.saturating_sub(issued + waiting))
}

/// The next `wanted` numbers of the ranges, in the order of the ranges.
async fn next_numbers(
    snapshot: &mut Snapshot,
    allotted: &ProductAllotment,
    wanted: u64,
) -> Result<Vec<DeviceNumber>, StoreError> {
    let mut numbers = Vec::new();
    for SerialRange { first, last } in &allotted.serial_ranges {
        let highest = number::last_serial(snapshot, &allotted.product, *first, *last).await?;
        let mut next = highest.map_or(Some(*first), Serial::next);
        while let Some(serial) = next.filter(|serial| serial <= last && (numbers.len() as u64) < wanted) {
            numbers.push(DeviceNumber::new(allotted.product.clone(), serial));
            next = serial.next();
        }
    }
    Ok(numbers)
}
