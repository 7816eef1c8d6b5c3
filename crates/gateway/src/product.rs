//! What the devices of a product take: the authority says which credentials and how they travel, the
//! factory's own list whether certificates are written here at all.

use identity::profile::{CredentialKind, CredentialProfile};
use identity::{DeviceNumber, ProductCode};
use message::allotment::{Allotment, ProductAllotment};
use message::problem::ProblemCode;
use store::Snapshot;
use store::gateway::plan::{self, Product};

use crate::error::GatewayError;
use crate::need::last_allotment;

/// A product as this factory makes it.
pub(crate) struct LocalProduct {
    /// Its name.
    pub(crate) code: ProductCode,
    /// Which credentials its devices take.
    pub(crate) profile: CredentialProfile,
    /// What the authority last said of it, if anything.
    pub(crate) allotted: Option<ProductAllotment>,
}

impl LocalProduct {
    /// The product of the list, under this allotment.
    pub(crate) fn of(product: &Product, allotment: Option<&Allotment>) -> Self {
        let allotted = allotment.and_then(|allotment| {
            allotment.products.iter().find(|allotted| allotted.product == product.code)
        });
        let profile = match allotted {
            Some(allotted) => allotted.credentials.0,
            // What was true before products had profiles.
            None if product.takes_certificate => CredentialProfile::PLAIN_CERTIFICATE,
            None => CredentialProfile::NONE,
        };
        let is_made_here = product.takes_certificate || profile.certificate().is_none();
        Self {
            code: product.code.clone(),
            profile: if is_made_here { profile } else { CredentialProfile::NONE },
            allotted: allotted.cloned(),
        }
    }

    /// The product of this name, whose devices take something.
    ///
    /// # Errors
    /// It is not in the list, its devices take nothing, or the store fails.
    pub(crate) async fn find(snapshot: &mut Snapshot, code: &ProductCode) -> Result<Self, GatewayError> {
        let product = plan::product(snapshot, code).await?.ok_or_else(|| {
            refused(ProblemCode::UnknownProduct, format!("{code} is not in the product list"))
        })?;
        let local = Self::of(&product, last_allotment(snapshot).await?.as_ref());
        if local.profile.takes_any() {
            Ok(local)
        } else {
            let detail = format!("devices of {code} take no credential here");
            Err(refused(ProblemCode::ProductWithoutCredential, detail))
        }
    }

    /// All products of the list whose devices take something, in the list's order.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn all(snapshot: &mut Snapshot) -> Result<Vec<Self>, GatewayError> {
        let allotment = last_allotment(snapshot).await?;
        let products = plan::products(snapshot).await?;
        let local = products.iter().map(|product| Self::of(product, allotment.as_ref()));
        Ok(local.filter(|local| local.profile.takes_any()).collect())
    }

    /// The kinds of credential that its devices take.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = CredentialKind> {
        let certificate = self.profile.certificate().map(|_| CredentialKind::Certificate);
        let symmetric = self.profile.symmetric().map(|_| CredentialKind::Symmetric);
        certificate.into_iter().chain(symmetric)
    }

    /// Whether credentials of this kind are made only for the device that stands before a station.
    pub(crate) fn needs_device(&self, kind: CredentialKind) -> bool {
        match kind {
            CredentialKind::Certificate => self.profile.certificate_needs_device(),
            CredentialKind::Symmetric => self.profile.symmetric_needs_device(),
        }
    }

    /// Refuses a number for which nothing was reserved and that may not be made here either.
    ///
    /// # Errors
    /// It lies outside the serial ranges, nobody planned its product, or the store fails.
    pub(crate) async fn check_number(
        &self,
        snapshot: &mut Snapshot,
        number: &DeviceNumber,
    ) -> Result<(), GatewayError> {
        let ranges = self.allotted.iter().flat_map(|allotted| &allotted.serial_ranges);
        let serial = number.serial();
        let is_of = |first: identity::Serial, last: identity::Serial| {
            first.digits() == serial.digits() && first <= serial && serial <= last
        };
        if !ranges.into_iter().any(|range| is_of(range.first, range.last)) {
            let detail = format!("{number} lies outside the serial ranges of this factory");
            return Err(refused(ProblemCode::OutOfRange, detail));
        }
        if !plan::is_planned(snapshot, &self.code).await? {
            return Err(unplanned(number));
        }
        Ok(())
    }
}

pub(crate) fn unplanned(number: &DeviceNumber) -> GatewayError {
    refused(ProblemCode::Unplanned, format!("{number} is neither planned nor in stock"))
}

fn refused(code: ProblemCode, detail: impl Into<String>) -> GatewayError {
    GatewayError::refused(code, detail)
}
