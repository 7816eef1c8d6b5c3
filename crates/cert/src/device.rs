//! Which device presents a certificate.
//!
//! A TLS library takes more as a client certificate than we may: no extended key usage, no basic
//! constraints, a key that signs certificates, serial number 0, an expired root. So every device
//! certificate passes [`DeviceVerifier`] after the library, and then the register
//! ([`DeviceIdentity::check_registration`]): only the key that was issued for the number, and only
//! while its credential is in use.

use const_oid::db::rfc5280::ID_KP_CLIENT_AUTH;
use identity::profile::KeyAlgorithm;
use identity::{CredentialState, DeviceNumber};

use crate::certificate::{Certificate, CertificateSerial};
use crate::fingerprint::Fingerprint;
use crate::issuer::{Issuer, Purpose};
use crate::refusal::Refusal;
use crate::trust::{Trust, check_signing_only};

/// A device by its verified certificate.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DeviceIdentity {
    /// The number that the certificate states.
    pub number: DeviceNumber,
    /// SHA-256 of the certificate's subject public key info.
    pub spki_sha256: Fingerprint,
    /// The certificate's serial number.
    pub certificate_serial: CertificateSerial,
    /// SHA-256 of the certificate of the CA that signed it.
    pub issuer_sha256: Fingerprint,
}

/// A device whose certificate is past its end, and good but for that.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ExpiredDevice {
    /// Who it was.
    pub identity: DeviceIdentity,
    /// The last second of the certificate, in seconds since 1970.
    pub expired: i64,
}

/// What the register says of a key of a device number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registration {
    /// SHA-256 of the subject public key info that was issued for the number: that of the device, or, where
    /// none is, any.
    pub spki_sha256: Fingerprint,
    /// Where the certificate of this key stands.
    pub state: CredentialState,
    /// Whether it followed another certificate of the number. It counts from the moment on that its device,
    /// which had shown who it is, was handed it; a number's first one once the device has proved it.
    pub is_successor: bool,
}

impl DeviceIdentity {
    /// Compares the device with what the register says of its number: the same key, and a
    /// credential that a device is known to hold.
    pub fn check_registration(&self, registration: &Registration) -> Result<(), Refusal> {
        if registration.spki_sha256 != self.spki_sha256 {
            return Err(Refusal::OtherKey(self.number.clone()));
        }
        match registration.state {
            CredentialState::Written | CredentialState::Verified => Ok(()),
            CredentialState::Leased if registration.is_successor => Ok(()),
            state => Err(Refusal::NotInUse { number: self.number.clone(), state }),
        }
    }
}

/// Verifies device certificates beyond the chain.
#[derive(Clone, Debug)]
pub struct DeviceVerifier {
    trust: Trust,
}

impl DeviceVerifier {
    /// A verifier that takes devices of the issuing CAs in `trust`.
    pub fn new(trust: Trust) -> Self {
        Self { trust }
    }

    /// The device that presents this certificate (DER): signed directly by a listed issuing CA which
    /// the root signed, valid `now`, extended key usage with clientAuth, key usage exactly
    /// digitalSignature, no CA, P-256 or P-384, a serial number of 1 to 2^159, one device number.
    pub fn verify(&self, certificate: &[u8], now: i64) -> Result<DeviceIdentity, Refusal> {
        self.verify_parsed(&Certificate::parse(certificate)?, now)
    }

    /// The device whose certificate (DER) was good in its last second, and its CA is `now`.
    pub fn verify_expired(&self, certificate: &[u8], now: i64) -> Result<ExpiredDevice, Refusal> {
        let certificate = Certificate::parse(certificate)?;
        let expired = certificate.not_after();
        match self.verify_parsed(&certificate, now) {
            // Its age is looked at once the CAs above it were found current.
            Err(Refusal::NotCurrent) if expired < now => {}
            Err(refusal) => return Err(refusal),
            Ok(_) => return Err(Refusal::NotExpired),
        }
        Ok(ExpiredDevice { identity: self.verify_parsed(&certificate, expired)?, expired })
    }

    fn verify_parsed(&self, certificate: &Certificate, now: i64) -> Result<DeviceIdentity, Refusal> {
        let issuer = self.trust.issuing_authority(certificate)?;
        verify_below(&issuer, certificate, now)
    }
}

/// The device that presents this certificate, where one that trusts `issuer` alone, such as a stranger to the plant, may
/// take it; what it must be is what [`DeviceVerifier::verify`] says.
pub fn verify_below(issuer: &Issuer, certificate: &Certificate, now: i64) -> Result<DeviceIdentity, Refusal> {
    issuer.verify(certificate, Purpose::Client, now)?;
    check_signing_only(certificate, KeyAlgorithm::ALL)?;
    if !certificate.extended_key_usage()?.contains(&ID_KP_CLIENT_AUTH) {
        return Err(Refusal::ExtendedKeyUsage("clientAuth"));
    }
    Ok(DeviceIdentity {
        number: certificate.device_number().ok_or(Refusal::NoDeviceNumber)?,
        spki_sha256: certificate.spki_fingerprint(),
        certificate_serial: certificate.serial(),
        issuer_sha256: issuer.certificate().fingerprint(),
    })
}
