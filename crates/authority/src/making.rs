//! What may be made: products, factories, quotas and serial ranges, as people set them and gateways
//! hear them.

use identity::scan::CheckDigit;
use identity::{MemberName, ProductCode, Serial};
use message::allotment::{self as said, CheckDigitName, Credentials, ProductAllotment, SerialRange};
use message::problem::ProblemCode;
use serde::Serialize;
use store::audit::{self, Actor};
use store::authority::allotment::{self, Allotment, Range};
use store::authority::pre_write_key;
use store::authority::product::{self, Product};
use store::authority::renewal_policy::{self, RenewalPolicy};
use store::{Snapshot, Transaction};

use crate::desk::Desk;
use crate::error::AuthorityError;

/// Serials to be added to what a factory has, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewRange {
    /// The first serial.
    pub first: Serial,
    /// The last serial, of the same width.
    pub last: Serial,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProductSet<'a> {
    product: &'a ProductCode,
    credentials: Credentials,
    organization: Option<&'a str>,
    validity_days: Option<u32>,
    check_digit: CheckDigitName,
}

#[derive(Serialize)]
struct Allotted<'a> {
    factory: &'a MemberName,
    product: &'a ProductCode,
    quota: Option<u64>,
    first: Option<Serial>,
    last: Option<Serial>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RenewalSet<'a> {
    product: &'a ProductCode,
    expired_days: u32,
    before_days: Option<u32>,
}

impl Desk {
    /// Sets a product and its profile, in place of what was said of it before. What was issued stays
    /// as it is.
    ///
    /// # Errors
    /// The maker's name does not fit a certificate, or the store fails.
    pub async fn set_product(&self, product: Product, actor: &Actor) -> Result<(), AuthorityError> {
        if let Some(organization) = &product.organization {
            let parsed = organization.parse::<pki::NameText>();
            parsed.map_err(|error| malformed(error.to_string()))?;
        }
        let (now, actor) = (self.now(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    product::set(transaction, &product).await?;
                    let entry = ProductSet {
                        product: &product.code,
                        credentials: Credentials(product.profile),
                        organization: product.organization.as_deref(),
                        validity_days: product.validity_days,
                        check_digit: check_digit_name(product.check_digit),
                    };
                    Ok(audit::append(transaction, now, actor.as_str(), "product.set", &entry).await?)
                })
            })
            .await
    }

    /// Sets when a product's devices may, and when they are to, renew their certificates.
    ///
    /// # Errors
    /// There is no such product, or the store fails.
    pub async fn set_renewal_policy(
        &self,
        product: &ProductCode,
        policy: RenewalPolicy,
        actor: &Actor,
    ) -> Result<(), AuthorityError> {
        let (now, product, actor) = (self.now(), product.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    if product::find(transaction, &product).await?.is_none() {
                        let detail = format!("no product {product} is known here");
                        return Err(AuthorityError::refused(ProblemCode::UnknownProduct, detail));
                    }
                    renewal_policy::set(transaction, &product, policy).await?;
                    let entry = RenewalSet {
                        product: &product,
                        expired_days: policy.expired_days,
                        before_days: policy.before_days,
                    };
                    Ok(audit::append(transaction, now, actor.as_str(), "product.renewal", &entry).await?)
                })
            })
            .await
    }

    /// The renewal policies of the products that have one.
    ///
    /// # Errors
    /// The store fails.
    pub async fn renewal_policies(&self) -> Result<Vec<(ProductCode, RenewalPolicy)>, AuthorityError> {
        Ok(renewal_policy::all(&mut self.store.read().await?).await?)
    }

    /// All products.
    ///
    /// # Errors
    /// The store fails.
    pub async fn products(&self) -> Result<Vec<Product>, AuthorityError> {
        Ok(product::all(&mut self.store.read().await?).await?)
    }

    /// Adds a factory; whether it is new.
    ///
    /// # Errors
    /// The store fails.
    pub async fn add_factory(&self, name: &MemberName, actor: &Actor) -> Result<bool, AuthorityError> {
        let (now, name, actor) = (self.now(), name.clone(), actor.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let is_new = allotment::add_factory(transaction, now, &name).await?;
                    if is_new {
                        audit::append(transaction, now, actor.as_str(), "factory.add", &name).await?;
                    }
                    Ok(is_new)
                })
            })
            .await
    }

    /// Sets how many of a product a factory may make in all, and gives it more serials for them.
    /// Either may be left as it is, but a factory's first allotment has a quota.
    ///
    /// # Errors
    /// Unknown factory or product, serials that some factory has already, or the store fails.
    pub async fn allot(
        &self,
        factory: &MemberName,
        product: &ProductCode,
        quota: Option<u64>,
        serials: Option<NewRange>,
        actor: &Actor,
    ) -> Result<(), AuthorityError> {
        let (now, actor) = (self.now(), actor.clone());
        let (factory, product) = (factory.clone(), product.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    check_known(transaction, &factory, &product).await?;
                    if let Some(quota) = quota {
                        allotment::set_quota(transaction, &factory, &product, quota).await?;
                    } else if allotment::find(transaction, &factory, &product).await?.is_none() {
                        let detail = format!("the first allotment of {product} to {factory} needs a quota");
                        return Err(malformed(detail));
                    }
                    if let Some(NewRange { first, last }) = serials {
                        let range = Range { factory: factory.clone(), product: product.clone(), first, last };
                        check_free(transaction, &range).await?;
                        allotment::add_range(transaction, &range).await?;
                    }
                    let entry = Allotted {
                        factory: &factory,
                        product: &product,
                        quota,
                        first: serials.map(|range| range.first),
                        last: serials.map(|range| range.last),
                    };
                    Ok(audit::append(transaction, now, actor.as_str(), "factory.allot", &entry).await?)
                })
            })
            .await
    }

    /// Sets a quota that is no higher than it is, which one person may do.
    ///
    /// # Errors
    /// It is higher, factory or product is unknown, or the store fails.
    pub async fn lower_quota(
        &self,
        factory: &MemberName,
        product: &ProductCode,
        quota: u64,
        actor: &Actor,
    ) -> Result<(), AuthorityError> {
        let (now, actor) = (self.now(), actor.clone());
        let (factory, product) = (factory.clone(), product.clone());
        self.store
            .write(move |transaction| {
                Box::pin(async move {
                    let found = allotment::find(transaction, &factory, &product).await?;
                    if found.is_none_or(|allotted| allotted.quota < quota) {
                        let detail = "two people raise a quota: propose it";
                        return Err(AuthorityError::refused(ProblemCode::NotAllowed, detail));
                    }
                    set_quota(transaction, now, &actor, &factory, &product, quota).await
                })
            })
            .await
    }

    /// All that one factory may make, as its gateway is told.
    ///
    /// # Errors
    /// The store fails.
    pub async fn allotment(&self, factory: &MemberName) -> Result<said::Allotment, AuthorityError> {
        let mut snapshot = self.store.read().await?;
        let mut products = Vec::new();
        for allotted in allotment::all(&mut snapshot).await? {
            if allotted.factory == *factory {
                products.extend(product_allotment(&mut snapshot, allotted).await?);
            }
        }
        Ok(said::Allotment { factory: factory.clone(), products })
    }
}

/// Sets a quota alone, with its audit entry.
pub(crate) async fn set_quota(
    transaction: &mut Transaction,
    now: i64,
    actor: &Actor,
    factory: &MemberName,
    product: &ProductCode,
    quota: u64,
) -> Result<(), AuthorityError> {
    check_known(transaction, factory, product).await?;
    allotment::set_quota(transaction, factory, product, quota).await?;
    let entry = Allotted { factory, product, quota: Some(quota), first: None, last: None };
    Ok(audit::append(transaction, now, actor.as_str(), "factory.allot", &entry).await?)
}

/// What a gateway is told of one product; nothing where its devices take no credential.
async fn product_allotment(
    snapshot: &mut Snapshot,
    allotted: Allotment,
) -> Result<Option<ProductAllotment>, AuthorityError> {
    let Allotment { factory, product: code, quota, issued, apparatuses } = allotted;
    let Some(product) = product::find(snapshot, &code).await?.filter(|product| product.profile.takes_any())
    else {
        return Ok(None);
    };
    let ranges = allotment::ranges_of_product(snapshot, &code).await?;
    let serial_ranges = ranges
        .into_iter()
        .filter(|range| range.factory == factory)
        .map(|range| SerialRange { first: range.first, last: range.last })
        .collect();
    let (_, current_key) = pre_write_key::of_product(snapshot, &code).await?;
    Ok(Some(ProductAllotment {
        product: code,
        check_digit: check_digit_name(product.check_digit),
        credentials: Credentials(product.profile),
        key_identifier: current_key
            .filter(|_| product.profile.sealing().needs_pre_write_key())
            .map(|key| key.identifier),
        quota,
        issued: issued.max(apparatuses),
        serial_ranges,
    }))
}

async fn check_known(
    snapshot: &mut Snapshot,
    factory: &MemberName,
    product: &ProductCode,
) -> Result<(), AuthorityError> {
    if !allotment::factories(snapshot).await?.contains(factory) {
        let detail = format!("no factory {factory} is known here");
        return Err(AuthorityError::refused(ProblemCode::NotFound, detail));
    }
    if product::find(snapshot, product).await?.is_none() {
        let detail = format!("no product {product} is known here");
        return Err(AuthorityError::refused(ProblemCode::UnknownProduct, detail));
    }
    Ok(())
}

/// Refuses a range that is none, or has a serial that some factory has already.
async fn check_free(snapshot: &mut Snapshot, range: &Range) -> Result<(), AuthorityError> {
    let (first, last) = (range.first, range.last);
    if first.digits() != last.digits() || first > last {
        return Err(malformed(format!("{first} to {last} is no range of serials of the same width")));
    }
    let taken = allotment::ranges_of_product(snapshot, &range.product).await?;
    let overlapping = taken
        .iter()
        .find(|other| other.first.digits() == first.digits() && other.first <= last && first <= other.last);
    match overlapping {
        Some(other) => {
            let detail = format!(
                "{} has serials {} to {} of {} already",
                other.factory, other.first, other.last, other.product
            );
            Err(AuthorityError::refused(ProblemCode::Conflict, detail))
        }
        None => Ok(()),
    }
}

fn check_digit_name(check_digit: CheckDigit) -> CheckDigitName {
    match check_digit {
        CheckDigit::None => CheckDigitName::None,
        CheckDigit::Mod37_2 => CheckDigitName::Mod37_2,
    }
}

fn malformed(detail: String) -> AuthorityError {
    AuthorityError::refused(ProblemCode::MalformedRequest, detail)
}
