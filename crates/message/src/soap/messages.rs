//! Which elements each message is made of. The same is said to others in `provisioning.wsdl`.

use super::{Fault, Fields, Header, Message, Writer};
use crate::device::{
    CertificateReceptionResponse, DeviceIdentification, DeviceIdentificationRequest, DeviceWriteResult,
    DeviceWriteResultResponse, PackTransmission,
};
use crate::issue::{
    CertificatePack, CertificateTransmission, CertificateTransmissionRequest, DEVICE_NUMBERS_MAX,
    NumberedPack,
};
use crate::lease::{Lease, LeaseRequest};
use crate::result::{Proof, WriteOutcome, WriteResultResponse, WriteResultTransmission};

const OK: &str = "O.K.";
const NO_GOOD: &str = "N.G.";

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
        self.packs.iter().for_each(|numbered| write_pack(body, &numbered.device_number, &numbered.pack));
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let mut packs = vec![read_pack(body)?];
        while let Some(pack) = optional_pack(body)? {
            packs.push(pack);
        }
        Ok(Self { packs })
    }
}

impl Message for LeaseRequest {
    const ELEMENT: &'static str = CertificateTransmissionRequest::ELEMENT;
    const COMMAND: &'static str = CertificateTransmissionRequest::COMMAND;

    fn write_body(&self, body: &mut Writer) {
        body.element("DeviceNumber", &self.device_number);
        body.element("Attempt", self.attempt);
        body.element("Product", &self.product);
        body.element("HardwareUid", &self.hardware_uid);
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(Self {
            device_number: body.value("DeviceNumber")?,
            attempt: body.value("Attempt")?,
            product: body.value("Product")?,
            hardware_uid: body.value("HardwareUid")?,
        })
    }
}

impl Message for Lease {
    const ELEMENT: &'static str = CertificateTransmission::ELEMENT;
    const COMMAND: &'static str = CertificateTransmission::COMMAND;

    fn write_body(&self, body: &mut Writer) {
        write_pack(body, &self.device_number, &self.pack);
        body.element("Expires", self.expires);
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let NumberedPack { device_number, pack } = read_pack(body)?;
        Ok(Self { device_number, pack, expires: body.value("Expires")? })
    }
}

impl Message for WriteResultTransmission {
    const ELEMENT: &'static str = "WriteResultTransmission";
    const COMMAND: &'static str = "write result transmission command";

    fn write_body(&self, body: &mut Writer) {
        body.element("Attempt", self.attempt);
        body.element("DeviceNumber", &self.device_number);
        write_outcome(body, &self.outcome);
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(Self {
            attempt: body.value("Attempt")?,
            device_number: body.value("DeviceNumber")?,
            outcome: read_outcome(body)?,
        })
    }
}

impl Message for WriteResultResponse {
    const ELEMENT: &'static str = "WriteResultResponse";
    const COMMAND: &'static str = "write result response command";

    fn write_body(&self, body: &mut Writer) {
        body.element("Result", OK);
        body.element("DeviceNumber", &self.device_number);
        body.element("State", self.state);
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        expect_ok(body)?;
        Ok(Self { device_number: body.value("DeviceNumber")?, state: body.value("State")? })
    }
}

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
        body.element("Session", self.session);
        body.element("Product", &self.product);
        body.element("HardwareUid", &self.hardware_uid);
        if let Some(number) = &self.holding {
            body.element("Holding", number);
        }
        body.element("Confirmed", self.confirmed);
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(Self {
            session: body.value("Session")?,
            product: body.value("Product")?,
            hardware_uid: body.value("HardwareUid")?,
            holding: body.optional_value("Holding")?,
            confirmed: read_boolean(body.text("Confirmed")?)?,
        })
    }
}

impl Message for PackTransmission {
    const ELEMENT: &'static str = CertificateTransmission::ELEMENT;
    const COMMAND: &'static str = CertificateTransmission::COMMAND;

    fn write_header(&self, header: &mut Writer) {
        header.element("Session", self.session);
        header.bytes("Challenge", &self.challenge.0);
        header.element("ResultAddress", &self.result_address);
    }

    fn write_body(&self, body: &mut Writer) {
        write_pack(body, &self.device_number, &self.pack);
    }

    fn read(header: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let (session, challenge) = (header.value("Session")?, header.bytes("Challenge")?);
        let result_address = header.value("ResultAddress")?;
        let NumberedPack { device_number, pack } = read_pack(body)?;
        Ok(Self { session, challenge, result_address, device_number, pack })
    }
}

impl Message for CertificateReceptionResponse {
    const ELEMENT: &'static str = "CertificateReceptionResponse";
    const COMMAND: &'static str = "certificate reception response command";

    fn write_body(&self, body: &mut Writer) {
        match self {
            Self::Ok => body.element("Result", OK),
            Self::NoGood { reason } => {
                body.element("Result", NO_GOOD);
                body.element("Reason", reason);
            }
        }
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        match body.text("Result")? {
            OK => Ok(Self::Ok),
            NO_GOOD => Ok(Self::NoGood { reason: body.value("Reason")? }),
            other => Err(no_result(other)),
        }
    }
}

impl Message for DeviceWriteResult {
    const ELEMENT: &'static str = WriteResultTransmission::ELEMENT;
    const COMMAND: &'static str = WriteResultTransmission::COMMAND;

    fn write_header(&self, header: &mut Writer) {
        header.element("Session", self.session);
    }

    fn write_body(&self, body: &mut Writer) {
        body.element("DeviceNumber", &self.device_number);
        write_outcome(body, &self.outcome);
    }

    fn read(header: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(Self {
            session: header.value("Session")?,
            device_number: body.value("DeviceNumber")?,
            outcome: read_outcome(body)?,
        })
    }
}

impl Message for DeviceWriteResultResponse {
    const ELEMENT: &'static str = WriteResultResponse::ELEMENT;
    const COMMAND: &'static str = WriteResultResponse::COMMAND;

    fn write_body(&self, body: &mut Writer) {
        body.element("Result", OK);
        body.element("DeviceNumber", &self.device_number);
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        expect_ok(body)?;
        Ok(Self { device_number: body.value("DeviceNumber")? })
    }
}

fn write_pack(body: &mut Writer, device_number: &identity::DeviceNumber, pack: &CertificatePack) {
    body.nest("Pack", |element| {
        element.element("DeviceNumber", device_number);
        element.bytes("RootCertificate", &pack.root_certificate.0);
        element.bytes("IssuingCertificate", &pack.issuing_certificate.0);
        element.bytes("ClientCertificate", &pack.client_certificate.0);
        element.bytes("SecretKey", pack.secret_key.expose());
    });
}

fn read_pack(body: &mut Fields<'_>) -> Result<NumberedPack, Fault> {
    pack_in(Fields::of(body.required("Pack")?)?)
}

fn optional_pack(body: &mut Fields<'_>) -> Result<Option<NumberedPack>, Fault> {
    body.optional("Pack")?.map(|node| pack_in(Fields::of(node)?)).transpose()
}

fn pack_in(mut element: Fields<'_>) -> Result<NumberedPack, Fault> {
    let device_number = element.value("DeviceNumber")?;
    let pack = CertificatePack {
        root_certificate: element.bytes("RootCertificate")?,
        issuing_certificate: element.bytes("IssuingCertificate")?,
        client_certificate: element.bytes("ClientCertificate")?,
        secret_key: element.secret("SecretKey")?,
    };
    element.end()?;
    Ok(NumberedPack { device_number, pack })
}

fn write_outcome(body: &mut Writer, outcome: &WriteOutcome) {
    match outcome {
        WriteOutcome::Ok { proof } => {
            body.element("Result", OK);
            body.nest("Proof", |element| {
                element.element("HardwareUid", &proof.hardware_uid);
                element.bytes("Challenge", &proof.challenge.0);
                element.bytes("PackDigest", &proof.pack_digest.0);
                element.bytes("Signature", &proof.signature.0);
            });
        }
        WriteOutcome::NoGood { reason, untouched } => {
            body.element("Result", NO_GOOD);
            body.element("Reason", reason);
            body.element("Untouched", untouched);
        }
    }
}

fn read_outcome(body: &mut Fields<'_>) -> Result<WriteOutcome, Fault> {
    match body.text("Result")? {
        OK => {
            let mut element = Fields::of(body.required("Proof")?)?;
            let proof = Proof {
                hardware_uid: element.value("HardwareUid")?,
                challenge: element.bytes("Challenge")?,
                pack_digest: element.bytes("PackDigest")?,
                signature: element.bytes("Signature")?,
            };
            element.end()?;
            Ok(WriteOutcome::Ok { proof })
        }
        NO_GOOD => Ok(WriteOutcome::NoGood {
            reason: body.value("Reason")?,
            untouched: read_boolean(body.text("Untouched")?)?,
        }),
        other => Err(no_result(other)),
    }
}

fn expect_ok(body: &mut Fields<'_>) -> Result<(), Fault> {
    match body.text("Result")? {
        OK => Ok(()),
        other => Err(no_result(other)),
    }
}

fn no_result(found: &str) -> Fault {
    Fault::malformed(format!("a result is {OK} or {NO_GOOD}, not {found}"))
}

/// A boolean as XML Schema Part 2 clause 3.2.2 writes it.
fn read_boolean(text: &str) -> Result<bool, Fault> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Fault::malformed("true or false expected")),
    }
}
