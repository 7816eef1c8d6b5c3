//! Which elements each message is made of. The same is said to others in `provisioning.wsdl`.

use identity::line::{Refusal, Session};

use super::{Fault, Fields, Header, Message, Writer};
use crate::bytes::Bytes;
use crate::device::{
    CertificateReceptionResponse, DeviceIdentification, DeviceIdentificationRequest, DeviceWriteResult,
    DeviceWriteResultResponse, PackTransmission,
};
use crate::issue::{
    CertificateTransmission, CertificateTransmissionRequest, DEVICE_NUMBERS_MAX, NumberedPack,
};
use crate::lease::{Lease, LeaseRequest};
use crate::pack::{ApparatusPack, CertificatePack, CredentialPack, PackKey, Sealed, TwoKeys};
use crate::result::{Confirmation, Proof, WriteOutcome, WriteResultResponse, WriteResultTransmission};

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
        for NumberedPack { device_number, pack } in &self.packs {
            write_pack(body, device_number, |element| write_certificate(element, pack));
        }
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let mut packs = vec![numbered_pack(Fields::of(body.required("Pack")?)?)?];
        while let Some(node) = body.optional("Pack")? {
            packs.push(numbered_pack(Fields::of(node)?)?);
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
        write_optional(body, "KeyIdentifier", self.key_identifier.as_ref());
        write_optional_bytes(body, "ChipKey", self.chip_key.as_ref());
        write_optional_bytes(body, "SigningRequest", self.signing_request.as_ref());
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
        write_pack(body, &self.device_number, |element| write_credentials(element, &self.pack));
        if self.certificate_owed {
            body.element("CertificateOwed", true);
        }
        body.element("Expires", self.expires);
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let (device_number, pack) = read_credentials(body)?;
        let certificate_owed = match body.optional_value::<String>("CertificateOwed")? {
            Some(text) => read_boolean(&text)?,
            None => false,
        };
        Ok(Self { device_number, pack, certificate_owed, expires: body.value("Expires")? })
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
        body.element("Session", hex::encode(self.session.as_bytes()));
        body.element("Product", &self.product);
        body.element("HardwareUid", &self.hardware_uid);
        if let Some(number) = &self.holding {
            body.element("Holding", number);
        }
        body.element("Confirmed", self.confirmed);
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(Self {
            session: read_session(body.text("Session")?)?,
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
        header.element("Session", hex::encode(self.session.as_bytes()));
        header.bytes("Challenge", &self.challenge.0);
        header.element("ResultAddress", &self.result_address);
    }

    fn write_body(&self, body: &mut Writer) {
        write_pack(body, &self.device_number, |element| write_credentials(element, &self.pack));
    }

    fn read(header: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let (session, challenge) = (read_session(header.text("Session")?)?, header.bytes("Challenge")?);
        let result_address = header.value("ResultAddress")?;
        let (device_number, pack) = read_credentials(body)?;
        Ok(Self { session, challenge, result_address, device_number, pack })
    }
}

impl Message for CertificateReceptionResponse {
    const ELEMENT: &'static str = "CertificateReceptionResponse";
    const COMMAND: &'static str = "certificate reception response command";

    fn write_body(&self, body: &mut Writer) {
        match self.outcome {
            Ok(()) => body.element("Result", OK),
            Err(refusal) => write_refusal(body, refusal),
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
        header.element("Session", hex::encode(self.session.as_bytes()));
    }

    fn write_body(&self, body: &mut Writer) {
        body.element("DeviceNumber", &self.device_number);
        match &self.outcome {
            Ok(proof) => write_proof(body, proof),
            Err(refusal) => write_refusal(body, *refusal),
        }
    }

    fn read(header: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let session = read_session(header.text("Session")?)?;
        let device_number = body.value("DeviceNumber")?;
        let outcome = if read_is_ok(body)? { Ok(read_proof(body)?) } else { Err(body.value("Reason")?) };
        Ok(Self { session, device_number, outcome })
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

fn write_pack(body: &mut Writer, device_number: &identity::DeviceNumber, content: impl FnOnce(&mut Writer)) {
    body.nest("Pack", |element| {
        element.element("DeviceNumber", device_number);
        content(element);
    });
}

fn numbered_pack(mut element: Fields<'_>) -> Result<NumberedPack, Fault> {
    let device_number = element.value("DeviceNumber")?;
    let root_certificate = element.bytes("RootCertificate")?;
    let pack = read_certificate(&mut element, root_certificate)?;
    element.end()?;
    Ok(NumberedPack { device_number, pack })
}

fn write_credentials(element: &mut Writer, pack: &CredentialPack) {
    if let Some(certificate) = &pack.certificate {
        write_certificate(element, certificate);
    }
    if let Some(apparatus) = &pack.apparatus {
        element.nest("Apparatus", |element| write_apparatus(element, apparatus));
    }
}

fn read_credentials(body: &mut Fields<'_>) -> Result<(identity::DeviceNumber, CredentialPack), Fault> {
    let mut element = Fields::of(body.required("Pack")?)?;
    let device_number = element.value("DeviceNumber")?;
    let certificate = match element.optional_bytes("RootCertificate")? {
        Some(root_certificate) => Some(read_certificate(&mut element, root_certificate)?),
        None => None,
    };
    let apparatus =
        element.optional("Apparatus")?.map(|node| read_apparatus(Fields::of(node)?)).transpose()?;
    element.end()?;
    Ok((device_number, CredentialPack { certificate, apparatus }))
}

fn write_certificate(element: &mut Writer, pack: &CertificatePack) {
    element.bytes("RootCertificate", &pack.root_certificate.0);
    element.bytes("IssuingCertificate", &pack.issuing_certificate.0);
    element.bytes("ClientCertificate", &pack.client_certificate.0);
    match &pack.key {
        PackKey::Plain(key) => element.bytes("SecretKey", key.expose()),
        PackKey::Sealed(key) => write_sealed(element, "SealedKey", key),
        PackKey::DeviceOwn => {}
    }
}

fn read_certificate(element: &mut Fields<'_>, root_certificate: Bytes) -> Result<CertificatePack, Fault> {
    let (issuing_certificate, client_certificate) =
        (element.bytes("IssuingCertificate")?, element.bytes("ClientCertificate")?);
    let key = match (element.optional_secret("SecretKey")?, element.optional("SealedKey")?) {
        (Some(key), None) => PackKey::Plain(key),
        (None, Some(node)) => PackKey::Sealed(read_sealed(Fields::of(node)?)?),
        (None, None) => PackKey::DeviceOwn,
        (Some(_), Some(_)) => return Err(Fault::malformed(TwoKeys.to_string())),
    };
    Ok(CertificatePack { root_certificate, issuing_certificate, client_certificate, key })
}

fn write_apparatus(element: &mut Writer, pack: &ApparatusPack) {
    element.element("ApparatusId", pack.apparatus_id);
    write_sealed(element, "Sealed", &pack.sealed);
    element.element("Form", pack.form);
    element.bytes("Challenge", &pack.challenge.0);
    element.bytes("Confirmation", &pack.confirmation.0);
}

fn read_apparatus(mut element: Fields<'_>) -> Result<ApparatusPack, Fault> {
    let pack = ApparatusPack {
        apparatus_id: element.value("ApparatusId")?,
        sealed: read_sealed(Fields::of(element.required("Sealed")?)?)?,
        form: element.value("Form")?,
        challenge: element.bytes("Challenge")?,
        confirmation: element.bytes("Confirmation")?,
    };
    element.end()?;
    Ok(pack)
}

fn write_sealed(element: &mut Writer, name: &'static str, sealed: &Sealed) {
    element.nest(name, |element| {
        write_optional(element, "KeyIdentifier", sealed.key_identifier.as_ref());
        element.bytes("Ciphertext", &sealed.ciphertext.0);
    });
}

fn read_sealed(mut element: Fields<'_>) -> Result<Sealed, Fault> {
    let sealed = Sealed {
        key_identifier: element.optional_value("KeyIdentifier")?,
        ciphertext: element.bytes("Ciphertext")?,
    };
    element.end()?;
    Ok(sealed)
}

fn write_optional(body: &mut Writer, name: &'static str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        body.element(name, value);
    }
}

fn write_optional_bytes(body: &mut Writer, name: &'static str, bytes: Option<&Bytes>) {
    if let Some(bytes) = bytes {
        body.bytes(name, &bytes.0);
    }
}

fn write_outcome(body: &mut Writer, outcome: &WriteOutcome) {
    match outcome {
        WriteOutcome::Ok { proof } => write_proof(body, proof),
        WriteOutcome::NoGood { reason, untouched } => {
            body.element("Result", NO_GOOD);
            body.element("Reason", reason);
            body.element("Untouched", untouched);
        }
    }
}

fn read_outcome(body: &mut Fields<'_>) -> Result<WriteOutcome, Fault> {
    if read_is_ok(body)? {
        return Ok(WriteOutcome::Ok { proof: read_proof(body)? });
    }
    let reason = body.value("Reason")?;
    Ok(WriteOutcome::NoGood { reason, untouched: read_boolean(body.text("Untouched")?)? })
}

fn write_refusal(body: &mut Writer, refusal: Refusal) {
    body.element("Result", NO_GOOD);
    body.element("Reason", refusal);
}

fn write_proof(body: &mut Writer, proof: &Proof) {
    body.element("Result", OK);
    body.nest("Proof", |element| {
        element.element("HardwareUid", &proof.hardware_uid);
        element.bytes("Challenge", &proof.challenge.0);
        element.bytes("PackDigest", &proof.pack_digest.0);
        write_optional_bytes(element, "Signature", proof.signature.as_ref());
        if let Some(confirmation) = &proof.confirmation {
            element.nest("Confirmation", |element| {
                element.element("ApparatusId", confirmation.apparatus_id);
                element.bytes("Station", &confirmation.station.0);
                element.bytes("Authority", &confirmation.authority.0);
            });
        }
    });
}

fn read_proof(body: &mut Fields<'_>) -> Result<Proof, Fault> {
    let mut element = Fields::of(body.required("Proof")?)?;
    let proof = Proof {
        hardware_uid: element.value("HardwareUid")?,
        challenge: element.bytes("Challenge")?,
        pack_digest: element.bytes("PackDigest")?,
        signature: element.optional_bytes("Signature")?,
        confirmation: element
            .optional("Confirmation")?
            .map(|node| read_confirmation(Fields::of(node)?))
            .transpose()?,
    };
    element.end()?;
    Ok(proof)
}

fn read_confirmation(mut element: Fields<'_>) -> Result<Confirmation, Fault> {
    let confirmation = Confirmation {
        apparatus_id: element.value("ApparatusId")?,
        station: element.bytes("Station")?,
        authority: element.bytes("Authority")?,
    };
    element.end()?;
    Ok(confirmation)
}

fn expect_ok(body: &mut Fields<'_>) -> Result<(), Fault> {
    match read_is_ok(body)? {
        true => Ok(()),
        false => Err(Fault::malformed(format!("the response to a write result is {OK}"))),
    }
}

fn read_is_ok(body: &mut Fields<'_>) -> Result<bool, Fault> {
    match body.text("Result")? {
        OK => Ok(true),
        NO_GOOD => Ok(false),
        other => Err(Fault::malformed(format!("a result is {OK} or {NO_GOOD}, not {other}"))),
    }
}

fn read_session(text: &str) -> Result<Session, Fault> {
    let mut bytes = [0; Session::LENGTH];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| Fault::malformed("element Session: a session is 32 hexadecimal digits"))?;
    Ok(Session::new(bytes))
}

/// A boolean as XML Schema Part 2 clause 3.2.2 writes it.
fn read_boolean(text: &str) -> Result<bool, Fault> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Fault::malformed("true or false expected")),
    }
}
