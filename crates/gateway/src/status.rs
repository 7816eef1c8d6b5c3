//! The figures of the factory.

use std::collections::BTreeMap;

use identity::{CredentialState, ProductCode};
use jiff::civil::Date;
use message::status::{DayStatus, FactoryStatus, ParkedRecord, ProductStatus};
use store::gateway::plan::PlannedUnits;
use store::gateway::{credential, outbox, plan};
use store::{Snapshot, StoreError};

use crate::desk::Desk;
use crate::error::GatewayError;
use crate::need::tomorrow;

/// The most planned days that are set against what was made.
const DAYS_MAX: usize = 92;

impl Desk {
    /// Stock, plan against written, and what waits for the authority or for a person.
    ///
    /// # Errors
    /// The store fails.
    pub async fn status(&self) -> Result<FactoryStatus, GatewayError> {
        let today = self.day_of(self.now())?.to_string();
        let mut snapshot = self.store.read().await?;
        let planned = all_planned(&mut snapshot).await?;
        let parked = outbox::parked(&mut snapshot).await?;
        Ok(FactoryStatus {
            factory: self.factory.clone(),
            products: products(&mut snapshot, &planned, &today).await?,
            days: self.days(&mut snapshot, &planned).await?,
            outbox: outbox::length(&mut snapshot).await?,
            parked: parked
                .into_iter()
                .map(|record| ParkedRecord {
                    sequence: record.sequence,
                    device_number: record.number,
                    reason: record.parked.unwrap_or_default(),
                })
                .collect(),
        })
    }

    async fn days(
        &self,
        snapshot: &mut Snapshot,
        planned: &[PlannedUnits],
    ) -> Result<Vec<DayStatus>, GatewayError> {
        let mut days = Vec::new();
        let mut of_days: Vec<&[PlannedUnits]> = planned.chunk_by(|a, b| a.day == b.day).collect();
        of_days.drain(..of_days.len().saturating_sub(DAYS_MAX));
        for cells in of_days {
            let Some(day) = cells.first().and_then(|cell| cell.day.parse::<Date>().ok()) else {
                return Err(StoreError::Corrupt { what: "plan.day" }.into());
            };
            let (start, end) = (self.start_of(day)?, self.start_of(tomorrow(day))?);
            let verified: BTreeMap<ProductCode, u64> =
                credential::completed_between(snapshot, start, end).await?.into_iter().collect();
            days.extend(cells.iter().map(|cell| DayStatus {
                day: cell.day.clone(),
                product: cell.product.clone(),
                planned: cell.units,
                verified: verified.get(&cell.product).copied().unwrap_or_default(),
            }));
        }
        Ok(days)
    }
}

/// The plan of the products that take a credential, by day and product.
async fn all_planned(snapshot: &mut Snapshot) -> Result<Vec<PlannedUnits>, StoreError> {
    let Some((first, last)) = plan::extent(snapshot).await? else { return Ok(Vec::new()) };
    let taking: Vec<ProductCode> = plan::products(snapshot)
        .await?
        .into_iter()
        .filter(|product| product.takes_certificate)
        .map(|product| product.code)
        .collect();
    let mut planned = plan::between(snapshot, &first, &last).await?;
    planned.retain(|cell| taking.contains(&cell.product));
    Ok(planned)
}

/// One entry for each product that takes a credential, in the list's order, and for each that did and
/// of which there still is stock.
async fn products(
    snapshot: &mut Snapshot,
    planned: &[PlannedUnits],
    today: &str,
) -> Result<Vec<ProductStatus>, StoreError> {
    let list = plan::products(snapshot).await?;
    let mut rows: Vec<ProductStatus> = list
        .into_iter()
        .filter(|product| product.takes_certificate)
        .map(|product| empty(product.code))
        .collect();
    for (product, state, number) in credential::counts(snapshot).await? {
        let at = rows.iter().position(|row| row.product == product).unwrap_or_else(|| {
            rows.push(empty(product));
            rows.len() - 1
        });
        let row = &mut rows[at];
        match state {
            CredentialState::Intended => row.reserved = number,
            CredentialState::Stocked => row.stocked = number,
            CredentialState::Leased => row.leased = number,
            CredentialState::Written => row.written = number,
            CredentialState::Verified => row.verified = number,
            CredentialState::Suspect => row.suspect = number,
            CredentialState::Voided => row.voided = number,
            // Issuing and filing are one unit of work here, and abandoned numbers were never issued.
            CredentialState::Issued | CredentialState::Abandoned => {}
        }
    }
    for row in &mut rows {
        let ahead = planned.iter().filter(|cell| cell.product == row.product && cell.day.as_str() >= today);
        row.planned_ahead = ahead.map(|cell| cell.units).sum();
    }
    Ok(rows)
}

fn empty(product: ProductCode) -> ProductStatus {
    ProductStatus {
        product,
        reserved: 0,
        stocked: 0,
        leased: 0,
        written: 0,
        verified: 0,
        suspect: 0,
        voided: 0,
        planned_ahead: 0,
    }
}
