//! How stock went over time.

use identity::ProductCode;
use identity::profile::CredentialKind;

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// How much there was of one kind of a product's credentials at one time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StockSample {
    /// The product.
    pub product: ProductCode,
    /// Which of its credentials.
    pub kind: CredentialKind,
    /// When.
    pub time: i64,
    /// Packs in stock.
    pub stocked: u64,
    /// Packs that the coming days need: stock is filled up to this.
    pub wanted: u64,
}

/// When stock was last looked at.
///
/// # Errors
/// The store fails.
pub async fn last(snapshot: &mut Snapshot) -> Result<Option<i64>, StoreError> {
    let (last,): (Option<i64>,) = fetch_one!(snapshot, "SELECT max(time) FROM stock_sample")?;
    Ok(last)
}

/// Keeps samples, and forgets those from before `forgotten`.
///
/// # Errors
/// The store fails.
pub async fn note(
    transaction: &mut Transaction,
    samples: &[StockSample],
    forgotten: i64,
) -> Result<(), StoreError> {
    execute!(transaction, "DELETE FROM stock_sample WHERE time < $1", forgotten)?;
    execute_all!(
        transaction,
        "INSERT INTO stock_sample (product, kind, time, stocked, wanted) ",
        samples,
        |sample| (
            sample.product.as_str().to_owned(),
            sample.kind.as_str(),
            sample.time,
            sample.stocked.cast_signed(),
            sample.wanted.cast_signed(),
        ),
        " ON CONFLICT (product, kind, time) DO NOTHING"
    )?;
    Ok(())
}

/// The samples of a product since a time, by kind and time.
///
/// # Errors
/// The store fails.
pub async fn since(
    snapshot: &mut Snapshot,
    product: &ProductCode,
    time: i64,
) -> Result<Vec<StockSample>, StoreError> {
    let rows: Vec<(String, String, i64, i64, i64)> = fetch_all!(
        snapshot,
        "SELECT product, kind, time, stocked, wanted FROM stock_sample \
         WHERE product = $1 AND time >= $2 ORDER BY kind, time",
        product.as_str(),
        time,
    )?;
    rows.into_iter()
        .map(|(product, kind, time, stocked, wanted)| {
            Ok(StockSample {
                product: parsed("stock_sample.product", &product)?,
                kind: parsed("stock_sample.kind", &kind)?,
                time,
                stocked: count("stock_sample.stocked", stocked)?,
                wanted: count("stock_sample.wanted", wanted)?,
            })
        })
        .collect()
}
