//! Products: which credential a product takes, and with what profile.

use identity::ProductCode;
use identity::scan::CheckDigit;

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// A product and the profile of its credentials.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Product {
    /// Its code.
    pub code: ProductCode,
    /// Whether its devices take a certificate.
    pub takes_certificate: bool,
    /// The maker that stands in the certificates, where one does.
    pub organization: Option<String>,
    /// For how many days certificates are valid; none where they do not expire.
    pub validity_days: Option<u32>,
    /// Which check character its rating plates carry.
    pub check_digit: CheckDigit,
}

/// Stores a product, in place of what was said of it before.
///
/// # Errors
/// The store fails.
pub async fn set(transaction: &mut Transaction, product: &Product) -> Result<(), StoreError> {
    execute!(
        transaction,
        "INSERT INTO product (code, takes_certificate, organization, validity_days, check_digit) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (code) DO UPDATE SET \
         takes_certificate = excluded.takes_certificate, organization = excluded.organization, \
         validity_days = excluded.validity_days, check_digit = excluded.check_digit",
        product.code.as_str(),
        i64::from(product.takes_certificate),
        product.organization.as_ref(),
        product.validity_days.map(i64::from),
        check_digit_name(product.check_digit),
    )?;
    Ok(())
}

/// The product of this code.
///
/// # Errors
/// The store fails.
pub async fn find(snapshot: &mut Snapshot, code: &ProductCode) -> Result<Option<Product>, StoreError> {
    let row: Option<Row> = fetch_optional!(
        snapshot,
        "SELECT code, takes_certificate, organization, validity_days, check_digit FROM product \
         WHERE code = $1",
        code.as_str(),
    )?;
    row.map(Product::try_from).transpose()
}

/// All products, by code.
///
/// # Errors
/// The store fails.
pub async fn all(snapshot: &mut Snapshot) -> Result<Vec<Product>, StoreError> {
    let rows: Vec<Row> = fetch_all!(
        snapshot,
        "SELECT code, takes_certificate, organization, validity_days, check_digit FROM product ORDER BY code"
    )?;
    rows.into_iter().map(Product::try_from).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    code: String,
    takes_certificate: i64,
    organization: Option<String>,
    validity_days: Option<i64>,
    check_digit: String,
}

impl TryFrom<Row> for Product {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |what| StoreError::Corrupt { what };
        let days = row.validity_days.map(u32::try_from).transpose();
        let check_digit = [CheckDigit::None, CheckDigit::Mod37_2]
            .into_iter()
            .find(|check_digit| check_digit_name(*check_digit) == row.check_digit);
        Ok(Self {
            code: parsed("product.code", &row.code)?,
            takes_certificate: row.takes_certificate != 0,
            organization: row.organization,
            validity_days: days.map_err(|_| corrupt("product.validity_days"))?,
            check_digit: check_digit.ok_or(corrupt("product.check_digit"))?,
        })
    }
}

fn check_digit_name(check_digit: CheckDigit) -> &'static str {
    match check_digit {
        CheckDigit::None => "none",
        CheckDigit::Mod37_2 => "mod-37-2",
    }
}
