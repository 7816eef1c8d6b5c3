//! The figures of the factory.

use std::collections::BTreeMap;

use identity::profile::CredentialKind;
use identity::{CredentialState, KeyIdentifier, ProductCode};
use jiff::civil::Date;
use message::status::{DayStatus, FactoryStatus, ParkedRecord, ProductStatus};
use store::gateway::plan::PlannedUnits;
use store::gateway::{apparatus, credential, outbox, plan};
use store::{Snapshot, StoreError};

use crate::desk::Desk;
use crate::error::GatewayError;
use crate::need::tomorrow;
use crate::product::LocalProduct;

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
        let made = LocalProduct::all(&mut snapshot).await?;
        let planned = all_planned(&mut snapshot, &made).await?;
        let parked = outbox::parked(&mut snapshot).await?;
        Ok(FactoryStatus {
            factory: self.factory.clone(),
            products: products(&mut snapshot, &made, &planned, &today).await?,
            days: self.days(&mut snapshot, &planned).await?,
            outbox: outbox::length(&mut snapshot).await?,
            parked: parked
                .into_iter()
                .map(|record| ParkedRecord {
                    sequence: record.sequence,
                    credential: record.credential,
                    reason: record.parked.unwrap_or_default(),
                })
                .collect(),
        })
    }

    /// Plan against written of the days from the first to the last that are named, or of the whole plan.
    pub(crate) async fn planned_days(
        &self,
        extent: Option<(&str, &str)>,
    ) -> Result<Vec<DayStatus>, GatewayError> {
        let mut snapshot = self.store.read().await?;
        let made = LocalProduct::all(&mut snapshot).await?;
        let planned = match extent {
            Some((first, last)) => planned_between(&mut snapshot, &made, first, last).await?,
            None => all_planned(&mut snapshot, &made).await?,
        };
        self.days(&mut snapshot, &planned).await
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
async fn all_planned(
    snapshot: &mut Snapshot,
    made: &[LocalProduct],
) -> Result<Vec<PlannedUnits>, StoreError> {
    let Some((first, last)) = plan::extent(snapshot).await? else { return Ok(Vec::new()) };
    planned_between(snapshot, made, &first, &last).await
}

async fn planned_between(
    snapshot: &mut Snapshot,
    made: &[LocalProduct],
    first: &str,
    last: &str,
) -> Result<Vec<PlannedUnits>, StoreError> {
    let mut planned = plan::between(snapshot, first, last).await?;
    planned.retain(|cell| made.iter().any(|product| product.code == cell.product));
    Ok(planned)
}

/// One entry for each kind of credential of each product, in the list's order, and for each that was
/// taken and of which there still is stock.
async fn products(
    snapshot: &mut Snapshot,
    made: &[LocalProduct],
    planned: &[PlannedUnits],
    today: &str,
) -> Result<Vec<ProductStatus>, StoreError> {
    let mut rows = Rows::default();
    for product in made {
        let key = product.allotted.as_ref().and_then(|allotted| allotted.key_identifier.as_ref());
        product.kinds().for_each(|kind| rows.of(&product.code, kind).key_identifier = key.cloned());
    }
    for count in credential::counts(snapshot).await? {
        let row = rows.of(&count.product, count.kind);
        add(row, count.state, count.key_identifier.as_ref(), count.number);
    }
    for order in apparatus::orders(snapshot).await? {
        rows.of(&order.product, CredentialKind::Symmetric).reserved += order.count;
    }
    for (product, owed) in credential::owed(snapshot).await? {
        let row = rows.of(&product, CredentialKind::Certificate);
        row.owed = owed;
        row.reserved -= owed;
    }
    for row in &mut rows.0 {
        let ahead = planned.iter().filter(|cell| cell.product == row.product && cell.day.as_str() >= today);
        row.planned_ahead = ahead.map(|cell| cell.units).sum();
    }
    Ok(rows.0)
}

#[derive(Default)]
struct Rows(Vec<ProductStatus>);

impl Rows {
    /// The row of this kind, made where there is none yet.
    fn of(&mut self, product: &ProductCode, credential: CredentialKind) -> &mut ProductStatus {
        let is_it = |row: &ProductStatus| row.product == *product && row.credential == credential;
        let at = self.0.iter().position(is_it).unwrap_or_else(|| {
            self.0.push(ProductStatus {
                product: product.clone(),
                credential,
                key_identifier: None,
                reserved: 0,
                stocked: 0,
                stocked_under_other_key: 0,
                leased: 0,
                written: 0,
                verified: 0,
                owed: 0,
                suspect: 0,
                voided: 0,
                planned_ahead: 0,
            });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

/// Counts so many credentials in this state.
fn add(row: &mut ProductStatus, state: CredentialState, key: Option<&KeyIdentifier>, number: u64) {
    match state {
        CredentialState::Intended => row.reserved += number,
        CredentialState::Stocked => {
            row.stocked += number;
            if key.is_some() && key != row.key_identifier.as_ref() {
                row.stocked_under_other_key += number;
            }
        }
        CredentialState::Leased => row.leased += number,
        CredentialState::Written => row.written += number,
        CredentialState::Verified => row.verified += number,
        CredentialState::Suspect => row.suspect += number,
        CredentialState::Voided => row.voided += number,
        // Issuing and filing are one unit of work here, and abandoned numbers were never issued.
        CredentialState::Issued | CredentialState::Abandoned => {}
    }
}
