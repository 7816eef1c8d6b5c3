//! Importing: what a file would change, and changing it in one unit of work.

use std::collections::{BTreeMap, BTreeSet};

use identity::ProductCode;
use serde::Serialize;
use store::audit::{self, Actor};
use store::gateway::plan::{self, PlannedUnits, Product};
use store::{Snapshot, StoreError, Transaction};

use super::csv_text::{self, BadCell, File, PlanFile};
use crate::desk::Desk;
use crate::error::GatewayError;

/// One thing that an import changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "what", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Change {
    /// A row of the product list. Nothing before: it is new; nothing after: it is gone.
    Product {
        /// The product.
        product: ProductCode,
        /// Whether its devices took a certificate.
        before: Option<bool>,
        /// Whether they take one now.
        after: Option<bool>,
        /// The remarks now.
        remarks: String,
    },
    /// A cell of the plan.
    Units {
        /// The day, `2003-03-17`.
        day: String,
        /// The product.
        product: ProductCode,
        /// Units planned before; nothing where the cell is new.
        before: Option<u64>,
        /// Units planned now; nothing where the cell is gone.
        after: Option<u64>,
    },
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is wrong in these places.
    #[error("{} cells of the file are wrong; nothing was imported", .0.len())]
    BadCells(Vec<BadCell>),
    /// The gateway failed.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

impl Desk {
    /// Imports a product list or a plan: what it changes. A plan replaces all that was planned for the
    /// days of its heading; a product list replaces the list. With `dry_run` nothing is changed.
    ///
    /// # Errors
    /// All bad cells of the file, or the store fails; then nothing is changed.
    pub async fn import(
        &self,
        file: &[u8],
        year: i16,
        dry_run: bool,
        actor: &Actor,
    ) -> Result<Vec<Change>, ImportError> {
        let file = csv_text::parse(file, year).map_err(ImportError::BadCells)?;
        if dry_run {
            let mut snapshot = self.store.read().await.map_err(GatewayError::from)?;
            return changes(&mut snapshot, &file).await;
        }
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let changes = changes(transaction, &file).await?;
                    apply(transaction, &file).await?;
                    audit::append(transaction, now, actor.as_str(), "plan.import", &changes).await?;
                    Ok(changes)
                })
            })
            .await
    }

    /// The year that days without one are in: this year's at the factory.
    ///
    /// # Errors
    /// The clock shows a time outside the calendar.
    pub fn this_year(&self) -> Result<i16, GatewayError> {
        Ok(self.day_of(self.now())?.year())
    }

    /// The product list as it stands.
    ///
    /// # Errors
    /// The store fails.
    pub async fn products(&self) -> Result<Vec<Product>, GatewayError> {
        Ok(plan::products(&mut self.store.read().await?).await?)
    }

    /// The whole plan as it stands, by day and product.
    ///
    /// # Errors
    /// The store fails.
    pub async fn plan(&self) -> Result<Vec<PlannedUnits>, GatewayError> {
        let mut snapshot = self.store.read().await?;
        Ok(match plan::extent(&mut snapshot).await? {
            Some((first, last)) => plan::between(&mut snapshot, &first, &last).await?,
            None => Vec::new(),
        })
    }
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Gateway(error.into())
    }
}

async fn changes(snapshot: &mut Snapshot, file: &File) -> Result<Vec<Change>, ImportError> {
    let known = plan::products(snapshot).await?;
    match file {
        File::Products(products) => Ok(changed_products(&known, products)),
        File::Plan(file) => {
            let unknown: Vec<BadCell> = file
                .rows
                .iter()
                .filter(|row| known.iter().all(|product| product.code != row.product))
                .map(|row| BadCell {
                    line: row.line,
                    column: 1,
                    message: format!("{} is not in the product list: import that first", row.product),
                })
                .collect();
            if !unknown.is_empty() {
                return Err(ImportError::BadCells(unknown));
            }
            changed_units(snapshot, file).await
        }
    }
}

fn changed_products(before: &[Product], after: &[Product]) -> Vec<Change> {
    let find = |list: &[Product], code: &ProductCode| list.iter().find(|row| row.code == *code).cloned();
    let mut codes: Vec<&ProductCode> = after.iter().map(|product| &product.code).collect();
    codes.extend(before.iter().map(|product| &product.code).filter(|code| find(after, code).is_none()));
    codes
        .into_iter()
        .map(|code| (code, find(before, code), find(after, code)))
        .filter(|(_, before, after)| before != after)
        .map(|(code, before, after)| Change::Product {
            product: code.clone(),
            before: before.map(|product| product.takes_certificate),
            after: after.as_ref().map(|product| product.takes_certificate),
            remarks: after.map(|product| product.remarks).unwrap_or_default(),
        })
        .collect()
}

async fn changed_units(snapshot: &mut Snapshot, file: &PlanFile) -> Result<Vec<Change>, ImportError> {
    let days: BTreeSet<String> = file.days.iter().map(ToString::to_string).collect();
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(Vec::new()) };
    let by_cell = |cells: Vec<PlannedUnits>| -> BTreeMap<(String, ProductCode), u64> {
        cells.into_iter().map(|cell| ((cell.day, cell.product), cell.units)).collect()
    };
    let mut before = plan::between(snapshot, first, last).await?;
    before.retain(|cell| days.contains(&cell.day));
    let (before, after) = (by_cell(before), by_cell(cells(file)));
    let all: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = all.into_iter().filter(|cell| before.get(cell) != after.get(cell));
    Ok(changed
        .map(|cell| Change::Units {
            day: cell.0.clone(),
            product: cell.1.clone(),
            before: before.get(cell).copied(),
            after: after.get(cell).copied(),
        })
        .collect())
}

async fn apply(transaction: &mut Transaction, file: &File) -> Result<(), StoreError> {
    match file {
        File::Products(products) => plan::replace_products(transaction, products).await,
        File::Plan(file) => {
            let days: Vec<String> = file.days.iter().map(ToString::to_string).collect();
            plan::replace_days(transaction, &days, &cells(file)).await
        }
    }
}

fn cells(file: &PlanFile) -> Vec<PlannedUnits> {
    let of_row = |row: &csv_text::PlanRow| {
        let product = row.product.clone();
        let cell = move |(day, units): (&jiff::civil::Date, &u64)| PlannedUnits {
            day: day.to_string(),
            product: product.clone(),
            units: *units,
        };
        file.days.iter().zip(&row.units).map(cell).collect::<Vec<_>>()
    };
    file.rows.iter().flat_map(of_row).collect()
}
