//! Factories and what each may make: a quota a product, and the serials for it.

use identity::{DeviceNumber, MemberName, ProductCode, Serial};

use crate::statement::{count, parsed};
use crate::{Snapshot, StoreError, Transaction};

/// How much of a product a factory may make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allotment {
    /// The factory.
    pub factory: MemberName,
    /// The product.
    pub product: ProductCode,
    /// How many credentials it may be issued in all.
    pub quota: u64,
    /// How many certificates it has been issued, or are about to be.
    pub issued: u64,
    /// How many symmetric credentials it has been issued; the quota holds for each kind.
    pub apparatuses: u64,
}

/// Serials of one product that belong to one factory, both ends included, of the same width.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// The factory.
    pub factory: MemberName,
    /// The product.
    pub product: ProductCode,
    /// The first serial.
    pub first: Serial,
    /// The last serial.
    pub last: Serial,
}

impl Range {
    /// Whether the number lies in the range.
    pub fn contains(&self, number: &DeviceNumber) -> bool {
        let serial = number.serial();
        self.product == *number.product()
            && self.first.digits() == serial.digits()
            && (self.first.value()..=self.last.value()).contains(&serial.value())
    }
}

/// Adds a factory; whether it is new.
///
/// # Errors
/// The store fails.
pub async fn add_factory(
    transaction: &mut Transaction,
    now: i64,
    name: &MemberName,
) -> Result<bool, StoreError> {
    let added = execute!(
        transaction,
        "INSERT INTO factory (name, added) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        name.as_str(),
        now,
    )?;
    Ok(added == 1)
}

/// All factories, by name.
///
/// # Errors
/// The store fails.
pub async fn factories(snapshot: &mut Snapshot) -> Result<Vec<MemberName>, StoreError> {
    let rows: Vec<(String,)> = fetch_all!(snapshot, "SELECT name FROM factory ORDER BY name")?;
    rows.iter().map(|(name,)| parsed("factory.name", name)).collect()
}

/// Sets a factory's quota of a product. What it was issued stays counted.
///
/// # Errors
/// There is no such factory or product, or the store fails.
pub async fn set_quota(
    transaction: &mut Transaction,
    factory: &MemberName,
    product: &ProductCode,
    quota: u64,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO allotment (factory, product, quota, issued) VALUES ($1, $2, $3, 0) \
         ON CONFLICT (factory, product) DO UPDATE SET quota = excluded.quota",
        factory.as_str(),
        product.as_str(),
        i64::try_from(quota).unwrap_or(i64::MAX),
    )?;
    Ok(())
}

/// Counts so many more credentials as issued, where the quota covers them; whether it does. Fewer, where
/// the number is negative, it always covers.
///
/// # Errors
/// The store fails.
pub async fn count_issued(
    transaction: &mut Transaction,
    factory: &MemberName,
    product: &ProductCode,
    more: i64,
) -> Result<bool, StoreError> {
    let counted = execute!(
        transaction,
        "UPDATE allotment SET issued = issued + $3 \
         WHERE factory = $1 AND product = $2 AND ($3 < 0 OR issued + $3 <= quota)",
        factory.as_str(),
        product.as_str(),
        more,
    )?;
    Ok(counted == 1)
}

/// Counts so many more symmetric credentials as issued.
///
/// # Errors
/// The store fails.
pub async fn count_apparatuses(
    transaction: &mut Transaction,
    factory: &MemberName,
    product: &ProductCode,
    more: u64,
) -> Result<(), StoreError> {
    execute!(
        transaction,
        "UPDATE allotment SET apparatuses = apparatuses + $3 WHERE factory = $1 AND product = $2",
        factory.as_str(),
        product.as_str(),
        i64::try_from(more).unwrap_or(i64::MAX),
    )?;
    Ok(())
}

/// Gives a factory a range of serials, which must overlap no other ([`ranges_of_product`]).
///
/// # Errors
/// The factory has no allotment of the product, or the store fails.
pub async fn add_range(transaction: &mut Transaction, range: &Range) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO serial_range (product, digits, first, last, factory) VALUES ($1, $2, $3, $4, $5)",
        range.product.as_str(),
        i64::from(range.first.digits()),
        range.first.value() as i64,
        range.last.value() as i64,
        range.factory.as_str(),
    )?;
    Ok(())
}

/// What a factory may make of a product, where it may make any.
///
/// # Errors
/// The store fails.
pub async fn find(
    snapshot: &mut Snapshot,
    factory: &MemberName,
    product: &ProductCode,
) -> Result<Option<Allotment>, StoreError> {
    let row: Option<AllotmentRow> = fetch_optional!(
        snapshot,
        "SELECT factory, product, quota, issued, apparatuses FROM allotment WHERE factory = $1 AND product = $2",
        factory.as_str(),
        product.as_str(),
    )?;
    row.map(allotment_from).transpose()
}

/// All allotments, by factory and product.
///
/// # Errors
/// The store fails.
pub async fn all(snapshot: &mut Snapshot) -> Result<Vec<Allotment>, StoreError> {
    let rows: Vec<AllotmentRow> = fetch_all!(
        snapshot,
        "SELECT factory, product, quota, issued, apparatuses FROM allotment ORDER BY factory, product"
    )?;
    rows.into_iter().map(allotment_from).collect()
}

/// The ranges of one product, whoever has them, in rising order.
///
/// # Errors
/// The store fails.
pub async fn ranges_of_product(
    snapshot: &mut Snapshot,
    product: &ProductCode,
) -> Result<Vec<Range>, StoreError> {
    let rows: Vec<RangeRow> = fetch_all!(
        snapshot,
        "SELECT product, digits, first, last, factory FROM serial_range WHERE product = $1 \
         ORDER BY digits, first",
        product.as_str(),
    )?;
    rows.into_iter().map(range_from).collect()
}

/// The ranges that a factory has, of whichever product.
///
/// # Errors
/// The store fails.
pub async fn ranges_of_factory(
    snapshot: &mut Snapshot,
    factory: &MemberName,
) -> Result<Vec<Range>, StoreError> {
    let rows: Vec<RangeRow> = fetch_all!(
        snapshot,
        "SELECT product, digits, first, last, factory FROM serial_range WHERE factory = $1 \
         ORDER BY product, digits, first",
        factory.as_str(),
    )?;
    rows.into_iter().map(range_from).collect()
}

type AllotmentRow = (String, String, i64, i64, i64);

fn allotment_from(
    (factory, product, quota, issued, apparatuses): AllotmentRow,
) -> Result<Allotment, StoreError> {
    Ok(Allotment {
        factory: parsed("allotment.factory", &factory)?,
        product: parsed("allotment.product", &product)?,
        quota: count("allotment.quota", quota)?,
        issued: count("allotment.issued", issued)?,
        apparatuses: count("allotment.apparatuses", apparatuses)?,
    })
}

type RangeRow = (String, i64, i64, i64, String);

fn range_from((product, digits, first, last, factory): RangeRow) -> Result<Range, StoreError> {
    let serial = |value: i64| {
        let digits = u8::try_from(digits).ok()?;
        Serial::new(u64::try_from(value).ok()?, digits)
    };
    let corrupt = StoreError::Corrupt { what: "serial_range" };
    let (Some(first), Some(last)) = (serial(first), serial(last)) else { return Err(corrupt) };
    Ok(Range {
        factory: parsed("serial_range.factory", &factory)?,
        product: parsed("serial_range.product", &product)?,
        first,
        last,
    })
}
