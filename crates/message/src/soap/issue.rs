//! Issuing: gateway and authority.

use super::pack::{read_numbered, write_numbered};
use super::{Fault, Fields, Header, Message, Writer};
use crate::issue::{CertificateTransmission, CertificateTransmissionRequest, DEVICE_NUMBERS_MAX};

impl Message for CertificateTransmissionRequest {
    const ELEMENT: &'static str = "CertificateTransmissionRequest";
    const COMMAND: &'static str = "certificate transmission request command";

    fn write_body(&self, body: &mut Writer) {
        self.device_numbers.iter().for_each(|number| body.element("DeviceNumber", number));
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let mut device_numbers = vec![body.value("DeviceNumber")?];
        device_numbers.append(&mut body.values("DeviceNumber")?);
        if device_numbers.len() > DEVICE_NUMBERS_MAX {
            return Err(Fault::malformed(format!(
                "at most {DEVICE_NUMBERS_MAX} device numbers are asked at once"
            )));
        }
        Ok(Self { device_numbers })
    }
}

impl Message for CertificateTransmission {
    const ELEMENT: &'static str = "CertificateTransmission";
    const COMMAND: &'static str = "certificate transmission command";

    fn write_body(&self, body: &mut Writer) {
        self.packs.iter().for_each(|pack| write_numbered(body, pack));
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let mut packs = vec![read_numbered(Fields::of(body.required("Pack")?)?)?];
        while let Some(node) = body.optional("Pack")? {
            packs.push(read_numbered(Fields::of(node)?)?);
        }
        Ok(Self { packs })
    }
}
