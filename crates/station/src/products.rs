//! What the gateway says of its products: how their plates are read, and which credentials they take.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::profile::CredentialProfile;
use identity::scan::{self, CheckDigit, ScanError};
use identity::{DeviceNumber, ProductCode};
use message::allotment::Allotment;

/// What a plate says, and what its device takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plate {
    /// The number on it.
    pub number: DeviceNumber,
    /// Which credentials devices of its product take; none where the gateway does not know the product.
    pub profile: CredentialProfile,
}

/// The products that are known so far.
#[derive(Default)]
pub struct Products {
    known: Mutex<HashMap<ProductCode, Product>>,
}

#[derive(Clone, Copy)]
struct Product {
    check_digit: CheckDigit,
    profile: CredentialProfile,
}

const UNKNOWN: Product = Product { check_digit: CheckDigit::None, profile: CredentialProfile::NONE };

impl Products {
    /// Reads a scan, where its product is known.
    pub fn read(&self, scan: &str) -> Option<Result<Plate, ScanError>> {
        let mut found = None;
        let read = scan::device_number(scan, |product| {
            found = product.parse().ok().and_then(|product: ProductCode| self.known().get(&product).copied());
            found.unwrap_or(UNKNOWN).check_digit
        });
        let profile = found?.profile;
        Some(read.map(|number| Plate { number, profile }))
    }

    /// Takes what the gateway says in place of what was known, and reads a scan whether its product is
    /// among it or not.
    pub fn learn(&self, allotment: Allotment, scan: &str) -> Result<Plate, ScanError> {
        let products = allotment.products.into_iter().map(|product| {
            let check_digit = product.check_digit.into();
            (product.product, Product { check_digit, profile: product.credentials.0 })
        });
        *self.known() = products.collect();
        self.read(scan).unwrap_or_else(|| {
            let number = scan::device_number(scan, |_| UNKNOWN.check_digit)?;
            Ok(Plate { number, profile: UNKNOWN.profile })
        })
    }

    /// Forgets all, since something at the gateway is not as it was known.
    pub fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ProductCode, Product>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
