//! Write results: station and gateway; and the elements that a device's write result shares with them.

use super::{Fault, Fields, Header, Message, Writer};
use crate::result::{Confirmation, Proof, WriteOutcome, WriteResultResponse, WriteResultTransmission};

const OK: &str = "O.K.";
const NO_GOOD: &str = "N.G.";

impl Message for WriteResultTransmission {
    const ELEMENT: &'static str = "WriteResultTransmission";
    const COMMAND: &'static str = "write result transmission command";

    fn write_body(&self, body: &mut Writer) {
        body.element("Attempt", self.attempt);
        body.element("DeviceNumber", &self.device_number);
        match &self.outcome {
            WriteOutcome::Ok { proof } => {
                write_ok(body);
                write_proof(body, proof);
            }
            WriteOutcome::NoGood { reason, untouched } => {
                write_no_good(body, reason);
                body.element("Untouched", untouched);
            }
        }
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        let (attempt, device_number) = (body.value("Attempt")?, body.value("DeviceNumber")?);
        let outcome = if read_is_ok(body)? {
            WriteOutcome::Ok { proof: read_proof(body)? }
        } else {
            WriteOutcome::NoGood { reason: body.value("Reason")?, untouched: body.boolean("Untouched")? }
        };
        Ok(Self { attempt, device_number, outcome })
    }
}

impl Message for WriteResultResponse {
    const ELEMENT: &'static str = "WriteResultResponse";
    const COMMAND: &'static str = "write result response command";

    fn write_body(&self, body: &mut Writer) {
        write_ok(body);
        body.element("DeviceNumber", &self.device_number);
        body.element("State", self.state);
    }

    fn read(_: &mut Header<'_>, body: &mut Fields<'_>) -> Result<Self, Fault> {
        expect_ok(body)?;
        Ok(Self { device_number: body.value("DeviceNumber")?, state: body.value("State")? })
    }
}

pub fn write_ok(body: &mut Writer) {
    body.element("Result", OK);
}

pub fn write_no_good(body: &mut Writer, reason: impl std::fmt::Display) {
    body.element("Result", NO_GOOD);
    body.element("Reason", reason);
}

pub fn read_is_ok(body: &mut Fields<'_>) -> Result<bool, Fault> {
    match body.text("Result")? {
        OK => Ok(true),
        NO_GOOD => Ok(false),
        other => Err(Fault::malformed(format!("a result is {OK} or {NO_GOOD}, not {other}"))),
    }
}

pub fn expect_ok(body: &mut Fields<'_>) -> Result<(), Fault> {
    match read_is_ok(body)? {
        true => Ok(()),
        false => Err(Fault::malformed(format!("the response to a write result is {OK}"))),
    }
}

pub fn write_proof(body: &mut Writer, proof: &Proof) {
    body.nest("Proof", |element| {
        element.element("HardwareUid", &proof.hardware_uid);
        element.bytes("Challenge", &proof.challenge.0);
        element.bytes("PackDigest", &proof.pack_digest.0);
        element.optional_bytes("Signature", proof.signature.as_ref());
        if let Some(confirmation) = &proof.confirmation {
            element.nest("Confirmation", |element| {
                element.element("ApparatusId", confirmation.apparatus_id);
                element.bytes("Station", &confirmation.station.0);
                element.bytes("Authority", &confirmation.authority.0);
            });
        }
    });
}

pub fn read_proof(body: &mut Fields<'_>) -> Result<Proof, Fault> {
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
