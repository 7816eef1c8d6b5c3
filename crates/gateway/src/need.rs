//! What the coming days need, and reserving numbers for it.

use std::collections::BTreeMap;

use identity::{CredentialState, DeviceNumber, ProductCode, Serial};
use jiff::ToSpan;
use jiff::civil::Date;
use message::allotment::{Allotment, ProductAllotment, SerialRange};
use message::problem::ProblemCode;
use serde::Serialize;
use store::audit::{Actor, Cause};
use store::gateway::credential;
use store::gateway::{allotment, plan};
use store::{Snapshot, StoreError, Transaction};

use crate::desk::Desk;
use crate::error::GatewayError;

/// What one product needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// The product.
    pub product: ProductCode,
    /// Units planned for the days ahead, with those made today left out.
    pub planned: u64,
    /// The same with the yield margin.
    pub wanted: u64,
    /// Packs on their way, in stock and at stations.
    pub in_hand: u64,
    /// How many more are needed.
    pub missing: u64,
}

/// What was reserved for one product.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// What was needed.
    #[serde(flatten)]
    pub need: Need,
    /// Numbers reserved for it.
    pub reserved: u64,
    /// Why not all could be reserved, where that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortage: Option<String>,
}

impl Desk {
    /// What each product that takes a certificate needs for the coming planned days.
    ///
    /// # Errors
    /// The store fails.
    pub async fn needs(&self) -> Result<Vec<Need>, GatewayError> {
        let mut snapshot = self.store.read().await?;
        self.needs_in(&mut snapshot).await
    }

    /// Reserves numbers for what is needed, as far as ranges and quota go.
    pub(crate) async fn reserve(&self, actor: &Actor) -> Result<Vec<Reservation>, GatewayError> {
        let (desk, actor) = (self.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let needs = desk.needs_in(transaction).await?;
                    let allotment = last_allotment(transaction).await?;
                    let mut reservations = Vec::with_capacity(needs.len());
                    for need in needs {
                        reservations.push(desk.reserve_for(transaction, &actor, need, &allotment).await?);
                    }
                    Ok(reservations)
                })
            })
            .await
    }

    async fn needs_in(&self, snapshot: &mut Snapshot) -> Result<Vec<Need>, GatewayError> {
        let today = self.day_of(self.now())?;
        let (start, end) = (self.start_of(today)?, self.start_of(tomorrow(today))?);
        let made_today: BTreeMap<ProductCode, u64> =
            credential::completed_between(snapshot, start, end).await?.into_iter().collect();
        let planned = self.planned_ahead(snapshot, today).await?;
        let mut in_hand: BTreeMap<ProductCode, u64> = BTreeMap::new();
        for (product, state, number) in credential::counts(snapshot).await? {
            use CredentialState::{Intended, Issued, Leased, Stocked};
            if matches!(state, Intended | Issued | Stocked | Leased) {
                *in_hand.entry(product).or_default() += number;
            }
        }
        let products = plan::products(snapshot).await?;
        let needs = products.into_iter().filter(|product| product.takes_certificate).map(|product| {
            let of = |map: &BTreeMap<ProductCode, u64>| map.get(&product.code).copied().unwrap_or_default();
            let planned = of(&planned).saturating_sub(of(&made_today));
            let margin = u64::from(self.settings.yield_margin_percent);
            let wanted = planned + (planned * margin).div_ceil(100);
            let in_hand = of(&in_hand);
            let missing = wanted.saturating_sub(in_hand);
            Need { product: product.code, planned, wanted, in_hand, missing }
        });
        Ok(needs.collect())
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
        allotment: &Allotment,
    ) -> Result<Reservation, GatewayError> {
        let Some(allotted) = allotment.products.iter().find(|allotted| allotted.product == need.product)
        else {
            let shortage = (need.missing > 0).then(|| "the authority allots nothing of it".to_owned());
            return Ok(Reservation { need, reserved: 0, shortage });
        };
        let within_quota = left_of_quota(transaction, allotted).await?.min(need.missing);
        let numbers = next_numbers(transaction, allotted, within_quota).await?;
        if !numbers.is_empty() {
            let cause = Cause { time: self.now(), actor: actor.as_str(), action: "credential.reserve" };
            credential::reserve(transaction, cause, &numbers).await?;
        }
        let reserved = numbers.len() as u64;
        let shortage = if reserved == need.missing {
            None
        } else if reserved == within_quota {
            Some(format!("the quota of {} is used up", allotted.quota))
        } else {
            Some("the serial ranges are used up".to_owned())
        };
        Ok(Reservation { need, reserved, shortage })
    }
}

/// After every day that a plan can name.
const LAST_DAY: &str = "9999-12-31";

pub(crate) fn tomorrow(day: Date) -> Date {
    day.saturating_add(1.day())
}

impl Desk {
    /// What the factory may make, as the authority last said.
    ///
    /// # Errors
    /// The authority has not said yet, or the store fails.
    pub async fn allotment(&self) -> Result<Allotment, GatewayError> {
        last_allotment(&mut self.store.read().await?).await
    }
}

/// The last allotment that was heard.
pub(crate) async fn last_allotment(snapshot: &mut Snapshot) -> Result<Allotment, GatewayError> {
    let body = allotment::last_heard(snapshot).await?.ok_or_else(|| {
        GatewayError::refused(
            ProblemCode::Unavailable,
            "the authority has not yet said what may be made here",
        )
    })?;
    serde_json::from_str(&body).map_err(|_| StoreError::Corrupt { what: "allotment.body" }.into())
}

/// How many more numbers may be reserved. The authority has counted those that it has issued; those
/// that are reserved here and not yet issued come on top.
async fn left_of_quota(snapshot: &mut Snapshot, allotted: &ProductAllotment) -> Result<u64, StoreError> {
    let counts = credential::counts(snapshot).await?;
    let of_product = counts.iter().filter(|(product, ..)| *product == allotted.product);
    let (mut waiting, mut arrived) = (0, 0);
    for (_, state, number) in of_product {
        match state {
            CredentialState::Intended => waiting += number,
            _ => arrived += number,
        }
    }
    // The allotment may have been heard before the last packs arrived.
    Ok(allotted.quota.saturating_sub(allotted.issued.max(arrived) + waiting))
}

/// The next `wanted` numbers of the ranges, in the order of the ranges.
async fn next_numbers(
    snapshot: &mut Snapshot,
    allotted: &ProductAllotment,
    wanted: u64,
) -> Result<Vec<DeviceNumber>, StoreError> {
    let mut numbers = Vec::new();
    for SerialRange { first, last } in &allotted.serial_ranges {
        let highest = credential::last_serial(snapshot, &allotted.product, *first, *last).await?;
        let mut next = highest.map_or(Some(*first), Serial::next);
        while let Some(serial) = next.filter(|serial| serial <= last && (numbers.len() as u64) < wanted) {
            numbers.push(DeviceNumber::new(allotted.product.clone(), serial));
            next = serial.next();
        }
    }
    Ok(numbers)
}
