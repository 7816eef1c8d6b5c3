//! The second factor: codes that follow from a secret and the time (RFC 6238), as every authenticator app
//! makes them.

use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

/// As RFC 4226 recommends.
pub(crate) const SECRET_BYTES: usize = 20;

/// A new person's secret, to be shown once.
pub struct SecondFactor {
    uri: Zeroizing<String>,
    secret: Zeroizing<Vec<u8>>,
}

impl SecondFactor {
    pub(crate) fn new(role: &str, name: &str, secret: &[u8]) -> Self {
        let base32 = Zeroizing::new(totp(secret).secret().to_base32());
        let issuer = format!("touchmark%20{role}");
        let name = name.replace('@', "%40");
        let uri = format!("otpauth://totp/{issuer}:{name}?secret={}&issuer={issuer}", *base32);
        Self { uri: Zeroizing::new(uri), secret: Zeroizing::new(secret.to_vec()) }
    }

    /// The address that an authenticator app takes. It holds the secret.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The code at a moment, as the app shows it.
    pub fn code(&self, epoch_seconds: i64) -> Zeroizing<String> {
        Zeroizing::new(totp(&self.secret).generate(epoch_seconds.unsigned_abs()).to_string())
    }

    /// The same as a QR code of block characters, for a terminal.
    pub fn qr(&self) -> String {
        let code = fast_qr::QRBuilder::new(self.uri.as_str()).build();
        code.expect("an address of some hundred characters fits a QR code").to_str()
    }
}

/// The time step of which this is the code: now's, the one before or the one after.
pub(crate) fn step_of(secret: &[u8], code: &str, now: i64) -> Option<i64> {
    let step = totp(secret).check(code.trim(), u64::try_from(now).ok()?)?;
    i64::try_from(step).ok()
}

/// The code of a time, as an app shows it.
#[cfg(feature = "testing")]
pub(crate) fn code_at(secret: &[u8], now: i64) -> String {
    totp(secret).generate(u64::try_from(now).unwrap_or_default()).to_string()
}

fn totp(secret: &[u8]) -> Totp {
    let totp = Builder::new().with_secret(Secret::from(secret.to_vec())).with_skew(1).build();
    totp.expect("a secret of 20 bytes and the usual parameters are legal")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_6238_are_met() {
        let secret = b"12345678901234567890";
        // The last six of the eight digits of appendix B.
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")] {
            assert_eq!(step_of(secret, code, time), Some(time / 30));
            assert_eq!(step_of(secret, code, time + 30), Some(time / 30), "a clock may be a step behind");
            assert_eq!(step_of(secret, code, time + 90), None);
        }
    }

    #[test]
    fn an_app_finds_all_that_it_needs() {
        let factor = SecondFactor::new("gateway", "suzuki@osaka", b"12345678901234567890");
        assert_eq!(
            factor.uri(),
            "otpauth://totp/touchmark%20gateway:suzuki%40osaka?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=touchmark%20gateway"
        );
        assert!(factor.qr().lines().count() > 10);
    }
}
