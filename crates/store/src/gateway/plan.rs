//! The product list and the production plan (source A Figs. 19A and 19B).

use identity::ProductCode;

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// A row of the product list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Product {
    /// The product.
    pub code: ProductCode,
    /// Whether its devices take a certificate.
    pub takes_certificate: bool,
    /// For people.
    pub remarks: String,
}

/// A cell of the plan.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PlannedUnits {
    /// The day, as `2003-03-17`.
    pub day: String,
    /// The product.
    pub product: ProductCode,
    /// How many units are to be made.
    pub units: u64,
}

/// The product list, in its own order.
///
/// # Errors
/// The store fails.
pub async fn products(snapshot: &mut Snapshot) -> Result<Vec<Product>, StoreError> {
    let rows: Vec<(String, i64, String)> =
        fetch_all!(snapshot, "SELECT code, takes_certificate, remarks FROM product ORDER BY place")?;
    rows.into_iter().map(product_from).collect()
}

/// One product of the list.
///
/// # Errors
/// The store fails.
pub async fn product(snapshot: &mut Snapshot, code: &ProductCode) -> Result<Option<Product>, StoreError> {
    let row: Option<(String, i64, String)> = fetch_optional!(
        snapshot,
        "SELECT code, takes_certificate, remarks FROM product WHERE code = $1",
        code.as_str(),
    )?;
    row.map(product_from).transpose()
}

/// Puts a new product list in place of the old one.
///
/// # Errors
/// The store fails.
pub async fn replace_products(transaction: &mut Transaction, products: &[Product]) -> Result<(), StoreError> {
    execute!(transaction, "DELETE FROM product")?;
    let rows: Vec<(i64, &Product)> = (1..).zip(products).collect();
    execute_all!(
        transaction,
        "INSERT INTO product (code, place, takes_certificate, remarks) ",
        rows,
        |row| (
            row.1.code.as_str().to_owned(),
            row.0,
            i64::from(row.1.takes_certificate),
            row.1.remarks.clone()
        ),
        ""
    )?;
    Ok(())
}

/// The plan from day `first` to day `last`, both included, by day and product.
///
/// # Errors
/// The store fails.
pub async fn between(
    snapshot: &mut Snapshot,
    first: &str,
    last: &str,
) -> Result<Vec<PlannedUnits>, StoreError> {
    let rows: Vec<(String, String, i64)> = fetch_all!(
        snapshot,
        "SELECT day, product, units FROM plan WHERE day >= $1 AND day <= $2 ORDER BY day, product",
        first,
        last,
    )?;
    rows.into_iter()
        .map(|(day, product, units)| {
            Ok(PlannedUnits {
                day,
                product: parsed("plan.product", &product)?,
                units: count("plan.units", units)?,
            })
        })
        .collect()
}

/// Whether any unit of the product is planned, on whichever day.
///
/// # Errors
/// The store fails.
pub async fn is_planned(snapshot: &mut Snapshot, product: &ProductCode) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = fetch_optional!(
        snapshot,
        "SELECT units FROM plan WHERE product = $1 AND units > 0 LIMIT 1",
        product.as_str(),
    )?;
    Ok(row.is_some())
}

/// The first and the last planned day, where there is a plan.
///
/// # Errors
/// The store fails.
pub async fn extent(snapshot: &mut Snapshot) -> Result<Option<(String, String)>, StoreError> {
    let (first, last): (Option<String>, Option<String>) =
        fetch_one!(snapshot, "SELECT min(day), max(day) FROM plan")?;
    Ok(first.zip(last))
}

/// Puts `cells` in place of all that was planned for `days`.
///
/// # Errors
/// The store fails.
pub async fn replace_days(
    transaction: &mut Transaction,
    days: &[String],
    cells: &[PlannedUnits],
) -> Result<(), StoreError> {
    for day in days {
        execute!(transaction, "DELETE FROM plan WHERE day = $1", day.as_str())?;
    }
    execute_all!(
        transaction,
        "INSERT INTO plan (product, day, units) ",
        cells,
        |cell| (cell.product.as_str().to_owned(), cell.day.clone(), cell.units as i64),
        ""
    )?;
    Ok(())
}

fn product_from((code, takes_certificate, remarks): (String, i64, String)) -> Result<Product, StoreError> {
    Ok(Product { code: parsed("product.code", &code)?, takes_certificate: takes_certificate != 0, remarks })
}
