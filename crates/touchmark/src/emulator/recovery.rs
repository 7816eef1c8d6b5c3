//! An emulated device's common certificate, and how it recovers with it.

use device::common_certificate::{self, CommonCertificate, CommonCertificateBuffer};
use device::slots::StoreError;
use identity::DeviceNumber;
use identity::line::{Refusal, SigningRequest};
use zeroize::Zeroizing;

use super::{EmulatedDevice, Silence};

/// A common certificate, DER, and its key, PKCS#8 DER.
pub type HeldCommonCertificate = (Vec<u8>, Zeroizing<Vec<u8>>);

impl EmulatedDevice {
    /// Gives the device its common certificate, DER, and its key, PKCS#8 DER, as its maker does.
    ///
    /// # Errors
    /// The device gives no answer, or its memory fails.
    pub fn set_common_certificate(
        &mut self,
        certificate: &[u8],
        secret_key: &[u8],
    ) -> Result<Result<(), StoreError>, Silence> {
        let common = CommonCertificate { certificate, secret_key };
        self.with_power(|module| common_certificate::write(module.board(), &common))
    }

    /// The device's common certificate; none where it has none.
    ///
    /// # Errors
    /// The memory fails.
    pub fn common_certificate(&mut self) -> Result<Option<HeldCommonCertificate>, StoreError> {
        let mut buffer = CommonCertificateBuffer::new();
        let found = common_certificate::read(self.module.board(), &mut buffer)?;
        Ok(found.map(|found| (found.certificate.to_vec(), Zeroizing::new(found.secret_key.to_vec()))))
    }

    /// Makes the key of the certificate that the device asks for, or finds the one that it made before.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn begin_recovery(
        &mut self,
        number: &DeviceNumber,
    ) -> Result<Result<SigningRequest, Refusal>, Silence> {
        self.with_power(|module| module.begin_recovery(number))
    }

    /// Stores the certificate that it was given.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn receive_recovered(
        &mut self,
        number: &DeviceNumber,
        root: &[u8],
        issuing: &[u8],
        client: &[u8],
    ) -> Result<Result<(), Refusal>, Silence> {
        self.with_power(|module| module.receive_recovered(number, root, issuing, client))
    }

    /// Takes certificate and number for its own.
    ///
    /// # Errors
    /// The device gives no answer, or its own refusal.
    pub fn accept_recovered(&mut self, number: &DeviceNumber) -> Result<Result<(), Refusal>, Silence> {
        self.with_power(|module| module.accept_recovered(number))
    }
}
