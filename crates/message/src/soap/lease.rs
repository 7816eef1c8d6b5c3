//! Leasing: station and gateway.

use super::pack::{read_credentials, write_credentials};
use super::{Fault, Fields, Header, Message, Writer};
use crate::issue::{CertificateTransmission, CertificateTransmissionRequest};
use crate::lease::{Lease, LeaseRequest};

impl Message for LeaseRequest {
    const ELEMENT: &'static str = CertificateTransmissionRequest::ELEMENT;
    const COMMAND: &'static str = CertificateTransmissionRequest::COMMAND;

    fn write_body(&self, body: &mut Writer) {
        body.element("DeviceNumber", &self.device_number);
        body.element("Attempt", self.attempt);
        body.element("Product", &self.product);
        body.element("HardwareUid", &self.hardware_uid);
        body.optional("KeyIdentifier", self.key_identifier.as_ref());
        body.optional_bytes("ChipKey", self.chip_key.as_ref());
        body.optional_bytes("SigningRequest", self.signing_request.as_ref());
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(Self {
            device_number: body.value("DeviceNumber")?,
            attempt: body.value("Attempt")?,
            product: body.value("Product")?,
            hardware_uid: body.value("HardwareUid")?,
            key_identifier: body.optional_value("KeyIdentifier")?,
            chip_key: body.optional_bytes("ChipKey")?,
            signing_request: body.optional_bytes("SigningRequest")?,
        })
    }
}

impl Message for Lease {
    const ELEMENT: &'static str = CertificateTransmission::ELEMENT;
    const COMMAND: &'static str = CertificateTransmission::COMMAND;

    fn write_body(&self, body: &mut Writer) {
        write_credentials(body, &self.device_number, &self.pack);
        if self.certificate_owed {
            body.element("CertificateOwed", true);
        }
        body.element("Expires", self.expires);
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let (device_number, pack) = read_credentials(body)?;
        let certificate_owed = body.optional_boolean("CertificateOwed")?.unwrap_or(false);
        Ok(Self { device_number, pack, certificate_owed, expires: body.value("Expires")? })
    }
}
