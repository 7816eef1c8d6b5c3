//! Whether an order for packs may be fulfilled: known product, its factory's numbers, within quota,
//! nothing made twice.

use std::collections::{BTreeMap, HashMap, HashSet};

use identity::{CredentialState, DeviceNumber, MemberName, ProductCode};
use message::issue::DEVICE_NUMBERS_MAX;
use message::problem::ProblemCode;
use store::authority::allotment::{self, Allotment};
use store::authority::credential::{self, Credential};
use store::authority::product::{self, Product};
use store::{Snapshot, Transaction};

use crate::error::AuthorityError;

/// An order that may be fulfilled.
pub(crate) struct Order {
    /// Numbers to be issued, in the order asked.
    pub(crate) new: Vec<DeviceNumber>,
    /// Numbers whose signing an earlier order has begun and not finished; they are among the new.
    pub(crate) interrupted: Vec<Credential>,
    /// The products of the new numbers.
    pub(crate) products: HashMap<ProductCode, Product>,
}

/// When packs are ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Occasion {
    /// For the days to come.
    Ahead,
    /// For the device that stands before a station.
    OnTheSpot,
}

/// Refuses an order that could never be meant: none, too many, or a number twice.
pub(crate) fn check_shape(numbers: &[DeviceNumber]) -> Result<(), AuthorityError> {
    if numbers.is_empty() || numbers.len() > DEVICE_NUMBERS_MAX {
        let detail = format!("an order has 1 to {DEVICE_NUMBERS_MAX} device numbers, not {}", numbers.len());
        return Err(AuthorityError::refused(ProblemCode::MalformedRequest, detail));
    }
    let mut seen = HashSet::with_capacity(numbers.len());
    match numbers.iter().find(|number| !seen.insert(*number)) {
        Some(twice) => {
            Err(AuthorityError::refused(ProblemCode::MalformedRequest, format!("{twice} is asked for twice")))
        }
        None => Ok(()),
    }
}

impl Order {
    /// Looks at an order of `factory` as the store stands.
    ///
    /// # Errors
    /// The refusal, where any of the numbers may not be issued.
    pub(crate) async fn check(
        snapshot: &mut Snapshot,
        factory: &MemberName,
        numbers: &[DeviceNumber],
        occasion: Occasion,
    ) -> Result<Self, AuthorityError> {
        let mut interrupted = Vec::new();
        let mut repeated = HashSet::new();
        for made in credential::find_all(snapshot, numbers).await? {
            match made.state {
                _ if made.factory != *factory => return Err(already_made(&made.number)),
                CredentialState::Intended => interrupted.push(made),
                CredentialState::Issued => {
                    repeated.insert(made.number);
                }
                _ => return Err(already_made(&made.number)),
            }
        }
        let new: Vec<DeviceNumber> =
            numbers.iter().filter(|number| !repeated.contains(*number)).cloned().collect();
        let products = products(snapshot, factory, &new, &interrupted, occasion).await?;
        Ok(Self { new, interrupted, products })
    }

    /// Counts the new numbers as issued, where the quotas still cover them. Other orders may have been
    /// fulfilled since this one was checked; that none of them had these numbers, the store sees to. The
    /// interrupted ones must have been given up before.
    ///
    /// # Errors
    /// The refusal, where the factory may not make so many any more.
    pub(crate) async fn count(
        &self,
        transaction: &mut Transaction,
        factory: &MemberName,
    ) -> Result<(), AuthorityError> {
        for (product, count) in by_product(&self.new) {
            let more = i64::try_from(count).unwrap_or(i64::MAX);
            if !allotment::count_issued(transaction, factory, product, more).await? {
                let detail = format!("{factory} may not be issued {count} more of {product} any more");
                return Err(AuthorityError::refused(ProblemCode::OverQuota, detail));
            }
        }
        Ok(())
    }
}

/// The products of the numbers, where the factory may make so many more of each.
async fn products(
    snapshot: &mut Snapshot,
    factory: &MemberName,
    numbers: &[DeviceNumber],
    counted_already: &[Credential],
    occasion: Occasion,
) -> Result<HashMap<ProductCode, Product>, AuthorityError> {
    let refused = |code, detail| Err(AuthorityError::refused(code, detail));
    let mut products = HashMap::new();
    for (code, wanted) in by_product(numbers) {
        let Some(product) = product::find(snapshot, code).await? else {
            return refused(ProblemCode::UnknownProduct, format!("no product {code} is known here"));
        };
        if product.profile.certificate().is_none() {
            let detail = format!("product {code} takes no certificate");
            return refused(ProblemCode::ProductWithoutCredential, detail);
        }
        if product.profile.certificate_needs_device() && occasion == Occasion::Ahead {
            let detail = format!("a certificate of {code} is made for the device in front of the station");
            return refused(ProblemCode::NotAllowed, detail);
        }
        let ranges = allotment::ranges_of_product(snapshot, code).await?;
        let outside = numbers
            .iter()
            .filter(|number| number.product() == code)
            .find(|number| !ranges.iter().any(|range| range.factory == *factory && range.contains(number)));
        if let Some(number) = outside {
            let detail = format!("{number} lies outside the serial ranges of {factory}");
            return refused(ProblemCode::OutOfRange, detail);
        }
        let quota = quota(snapshot, factory, code).await?;
        let again = counted_already.iter().filter(|intent| intent.number.product() == code).count() as u64;
        let left = quota.quota.saturating_sub(quota.issued.saturating_sub(again));
        if wanted > left {
            let detail = format!("{factory} may be issued {left} more of {code}, not {wanted}");
            return refused(ProblemCode::OverQuota, detail);
        }
        products.insert(code.clone(), product);
    }
    Ok(products)
}

async fn quota(
    snapshot: &mut Snapshot,
    factory: &MemberName,
    product: &ProductCode,
) -> Result<Allotment, AuthorityError> {
    allotment::find(snapshot, factory, product).await?.ok_or_else(|| {
        let detail = format!("{factory} may not make {product}");
        AuthorityError::refused(ProblemCode::OutOfRange, detail)
    })
}

fn by_product(numbers: &[DeviceNumber]) -> BTreeMap<&ProductCode, u64> {
    let mut counts = BTreeMap::new();
    for number in numbers {
        *counts.entry(number.product()).or_default() += 1;
    }
    counts
}

fn already_made(number: &DeviceNumber) -> AuthorityError {
    AuthorityError::refused(ProblemCode::AlreadyMade, format!("{number} was made already"))
}
