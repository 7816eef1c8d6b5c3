//! Products: which credentials a product's devices take, and how they are made.

use std::str::FromStr;

use identity::ProductCode;
use identity::profile::{CertificateProfile, CredentialProfile};
use identity::scan::CheckDigit;

use crate::statement::parsed;
use crate::{Snapshot, StoreError, Transaction};

/// A product and how its credentials are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Product {
    /// Its code.
    pub code: ProductCode,
    /// Which credentials its devices take, and how they travel.
    pub profile: CredentialProfile,
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
    let certificate = product.profile.certificate();
    execute!(
        transaction,
        "INSERT INTO product \
         (code, key_algorithm, key_origin, form, sealing, organization, validity_days, check_digit) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (code) DO UPDATE SET \
         key_algorithm = excluded.key_algorithm, key_origin = excluded.key_origin, \
         form = excluded.form, sealing = excluded.sealing, \
         organization = excluded.organization, validity_days = excluded.validity_days, \
         check_digit = excluded.check_digit",
        product.code.as_str(),
        certificate.map(|certificate| certificate.algorithm.as_str()),
        certificate.map(|certificate| certificate.origin.as_str()),
        product.profile.symmetric().map(|form| form.as_str()),
        product.profile.sealing().as_str(),
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
        "SELECT code, key_algorithm, key_origin, form, sealing, organization, validity_days, check_digit \
         FROM product WHERE code = $1",
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
        "SELECT code, key_algorithm, key_origin, form, sealing, organization, validity_days, check_digit \
         FROM product ORDER BY code"
    )?;
    rows.into_iter().map(Product::try_from).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    code: String,
    key_algorithm: Option<String>,
    key_origin: Option<String>,
    form: Option<String>,
    sealing: String,
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
            profile: row.profile()?,
            organization: row.organization,
            validity_days: days.map_err(|_| corrupt("product.validity_days"))?,
            check_digit: check_digit.ok_or(corrupt("product.check_digit"))?,
        })
    }
}

impl Row {
    fn profile(&self) -> Result<CredentialProfile, StoreError> {
        let algorithm = optional("product.key_algorithm", self.key_algorithm.as_deref())?;
        let origin = optional("product.key_origin", self.key_origin.as_deref())?;
        let certificate =
            algorithm.zip(origin).map(|(algorithm, origin)| CertificateProfile { algorithm, origin });
        let symmetric = optional("product.form", self.form.as_deref())?;
        let sealing = parsed("product.sealing", &self.sealing)?;
        CredentialProfile::new(certificate, symmetric, sealing)
            .map_err(|_| StoreError::Corrupt { what: "product.sealing" })
    }
}

fn optional<T: FromStr>(column: &'static str, text: Option<&str>) -> Result<Option<T>, StoreError> {
    text.map(|text| parsed(column, text)).transpose()
}

fn check_digit_name(check_digit: CheckDigit) -> &'static str {
    match check_digit {
        CheckDigit::None => "none",
        CheckDigit::Mod37_2 => "mod-37-2",
    }
}
