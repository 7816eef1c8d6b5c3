//! From when to when a certificate is valid.

use std::time::Duration;

use der::DateTime;
use der::asn1::{GeneralizedTime, UtcTime};
use x509_cert::time::Time;

/// 9999-12-31T23:59:59Z: no well-defined expiration (RFC 5280 clause 4.1.2.5), as IEEE 802.1AR
/// recommends for devices.
pub const NO_EXPIRY: i64 = 253_402_300_799;

/// The first and last second of a certificate's validity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    not_before: Time,
    not_after: Time,
}

/// The times are no validity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a validity begins in 1970 or later, ends in 9999 or earlier, and ends after it begins")]
pub struct ValidityError;

impl Validity {
    /// Valid from `not_before` to `not_after`, in seconds since 1970.
    ///
    /// # Errors
    /// Where they are out of order or out of range.
    pub fn new(not_before: i64, not_after: i64) -> Result<Self, ValidityError> {
        if not_before >= not_after {
            return Err(ValidityError);
        }
        Ok(Self { not_before: time(not_before)?, not_after: time(not_after)? })
    }

    /// Valid for so many days from `not_before`.
    ///
    /// # Errors
    /// Where that ends after 9999.
    pub fn days(not_before: i64, days: u32) -> Result<Self, ValidityError> {
        Self::new(not_before, not_before.saturating_add(i64::from(days) * 86_400))
    }

    pub(crate) fn not_before(&self) -> Time {
        self.not_before
    }

    pub(crate) fn not_after(&self) -> Time {
        self.not_after
    }

    pub(crate) fn to_x509(self) -> x509_cert::time::Validity {
        x509_cert::time::Validity::new(self.not_before, self.not_after)
    }
}

/// UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 clause 4.1.2.5).
pub(crate) fn time(epoch_seconds: i64) -> Result<Time, ValidityError> {
    let seconds = u64::try_from(epoch_seconds).map_err(|_| ValidityError)?;
    let moment = DateTime::from_unix_duration(Duration::from_secs(seconds)).map_err(|_| ValidityError)?;
    match UtcTime::from_date_time(moment) {
        Ok(time) => Ok(Time::UtcTime(time)),
        Err(_) => Ok(Time::GeneralTime(GeneralizedTime::from_date_time(moment))),
    }
}
