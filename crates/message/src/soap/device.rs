//! Writing: station and device.

use identity::line::Session;

use super::pack::{read_credentials, write_credentials};
use super::result::{expect_ok, read_is_ok, read_proof, write_no_good, write_ok, write_proof};
use super::{Fault, Fields, Header, Message, Writer};
use crate::device::{
    CertificateReceptionResponse, DeviceIdentification, DeviceIdentificationRequest, DeviceWriteResult,
    DeviceWriteResultResponse, KeyRequest, PackTransmission, SigningRequestTransmission, WriteResultRequest,
};
use crate::issue::CertificateTransmission;
use crate::result::{WriteResultResponse, WriteResultTransmission};

impl Message for DeviceIdentificationRequest {
    const ELEMENT: &'static str = "DeviceIdentificationRequest";
    const COMMAND: &'static str = "device identification request command";

    fn write_body(&self, _: &mut Writer) {}

    fn read(_: &mut Header<'_>, _: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(Self)
    }
}

impl Message for DeviceIdentification {
    const ELEMENT: &'static str = "DeviceIdentification";
    const COMMAND: &'static str = "device identification command";

    fn write_body(&self, body: &mut Writer) {
        body.element("Session", session_text(self.session));
        body.element("Product", &self.product);
        body.element("HardwareUid", &self.hardware_uid);
        body.optional("Holding", self.holding.as_ref());
        body.element("Confirmed", self.confirmed);
        body.optional("KeyIdentifier", self.key_identifier.as_ref());
        body.optional_bytes("ChipKey", self.chip_key.as_ref());
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(Self {
            session: session(body.text("Session")?)?,
            product: body.value("Product")?,
            hardware_uid: body.value("HardwareUid")?,
            holding: body.optional_value("Holding")?,
            confirmed: body.boolean("Confirmed")?,
            key_identifier: body.optional_value("KeyIdentifier")?,
            chip_key: body.optional_bytes("ChipKey")?,
        })
    }
}

impl Message for KeyRequest {
    const ELEMENT: &'static str = "KeyRequest";
    const COMMAND: &'static str = "key request command";

    fn write_header(&self, header: &mut Writer) {
        header.element("Session", session_text(self.session));
    }

    fn write_body(&self, body: &mut Writer) {
        body.element("DeviceNumber", &self.device_number);
    }

    fn read(header: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(Self { session: session(header.text("Session")?)?, device_number: body.value("DeviceNumber")? })
    }
}

impl Message for SigningRequestTransmission {
    const ELEMENT: &'static str = "SigningRequestTransmission";
    const COMMAND: &'static str = "signing request transmission command";

    fn write_body(&self, body: &mut Writer) {
        match &self.outcome {
            Ok(request) => {
                write_ok(body);
                body.bytes("SigningRequest", &request.0);
            }
            Err(refusal) => write_no_good(body, refusal),
        }
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let is_ok = read_is_ok(body)?;
        Ok(Self {
            outcome: if is_ok { Ok(body.bytes("SigningRequest")?) } else { Err(body.value("Reason")?) },
        })
    }
}

impl Message for PackTransmission {
    const ELEMENT: &'static str = CertificateTransmission::ELEMENT;
    const COMMAND: &'static str = CertificateTransmission::COMMAND;

    fn write_header(&self, header: &mut Writer) {
        header.element("Session", session_text(self.session));
        header.bytes("Challenge", &self.challenge.0);
        header.element("ResultAddress", &self.result_address);
    }

    fn write_body(&self, body: &mut Writer) {
        write_credentials(body, &self.device_number, &self.pack);
    }

    fn read(header: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let (session, challenge) = (session(header.text("Session")?)?, header.bytes("Challenge")?);
        let result_address = header.value("ResultAddress")?;
        let (device_number, pack) = read_credentials(body)?;
        Ok(Self { session, challenge, result_address, device_number, pack })
    }
}

impl Message for WriteResultRequest {
    const ELEMENT: &'static str = "WriteResultRequest";
    const COMMAND: &'static str = "write result request command";

    fn write_header(&self, header: &mut Writer) {
        header.element("Session", session_text(self.session));
        header.bytes("Challenge", &self.challenge.0);
        header.element("ResultAddress", &self.result_address);
    }

    fn write_body(&self, body: &mut Writer) {
        body.element("DeviceNumber", &self.device_number);
    }

    fn read(header: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(Self {
            session: session(header.text("Session")?)?,
            challenge: header.bytes("Challenge")?,
            result_address: header.value("ResultAddress")?,
            device_number: body.value("DeviceNumber")?,
        })
    }
}

impl Message for CertificateReceptionResponse {
    const ELEMENT: &'static str = "CertificateReceptionResponse";
    const COMMAND: &'static str = "certificate reception response command";

    fn write_body(&self, body: &mut Writer) {
        match self.outcome {
            Ok(()) => write_ok(body),
            Err(refusal) => write_no_good(body, refusal),
        }
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let outcome = if read_is_ok(body)? { Ok(()) } else { Err(body.value("Reason")?) };
        Ok(Self { outcome })
    }
}

impl Message for DeviceWriteResult {
    const ELEMENT: &'static str = WriteResultTransmission::ELEMENT;
    const COMMAND: &'static str = WriteResultTransmission::COMMAND;

    fn write_header(&self, header: &mut Writer) {
        header.element("Session", session_text(self.session));
    }

    fn write_body(&self, body: &mut Writer) {
        body.element("DeviceNumber", &self.device_number);
        match &self.outcome {
            Ok(proof) => {
                write_ok(body);
                write_proof(body, proof);
            }
            Err(refusal) => write_no_good(body, refusal),
        }
    }

    fn read(header: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let session = session(header.text("Session")?)?;
        let device_number = body.value("DeviceNumber")?;
        let outcome = if read_is_ok(body)? { Ok(read_proof(body)?) } else { Err(body.value("Reason")?) };
        Ok(Self { session, device_number, outcome })
    }
}

impl Message for DeviceWriteResultResponse {
    const ELEMENT: &'static str = WriteResultResponse::ELEMENT;
    const COMMAND: &'static str = WriteResultResponse::COMMAND;

    fn write_body(&self, body: &mut Writer) {
        write_ok(body);
        body.element("DeviceNumber", &self.device_number);
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        expect_ok(body)?;
        Ok(Self { device_number: body.value("DeviceNumber")? })
    }
}

fn session_text(session: Session) -> String {
    hex::encode(session.as_bytes())
}

fn session(text: &str) -> Result<Session, Fault> {
    let mut bytes = [0; Session::LENGTH];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| Fault::malformed("element Session: a session is 32 hexadecimal digits"))?;
    Ok(Session::new(bytes))
}
