//! A renewal of a device without a way to the authority: an intermediate device carries what it asks, signed, to the center.

use anyhow::Context;
use cert::{Certificate, Fingerprint};
use device::Renewal;
use identity::DeviceNumber;
use message::bytes::Bytes;
use message::carried::{CarriedAnswer, CarriedAsk, CarriedRequest, carried_message};
use transport::{CallError, Client};

use super::renew::{current, receive};
use crate::emulator::{EmulatedDevice, HeldPack};
use crate::failure::Failure;

/// Takes the device through a renewal, from wherever it is in one; `carrier` is the intermediate device's connection to
/// the center. The device's number.
///
/// # Errors
/// What is not done yet is done by calling this again.
pub async fn renew(device: &mut EmulatedDevice, carrier: &Client) -> anyhow::Result<DeviceNumber> {
    let held = current(device)?;
    let number = held.device_number.clone();
    if device.renewal()?? != Renewal::Confirmation {
        let request = device.begin_renewal()?.context("the device makes no request")?;
        let ask = CarriedAsk::Renewal { signing_request: Bytes(request.0.to_vec()) };
        let signature = device.sign(&carried_message(&number, &ask))?.context("the device does not sign")?;
        match carry(carrier, request_of(&held, ask, signature)?).await? {
            CarriedAnswer::Renewal { pack } => receive(device, &held, *pack)?,
            CarriedAnswer::Confirmation { .. } => return Err(other_answer()),
        }
    }
    let candidate = device.candidate()?.context("the device has no new certificate")?;
    let ask = CarriedAsk::Confirmation;
    let message = carried_message(&number, &ask);
    let signature = device.sign_as_candidate(&message)?.context("the device does not sign")?;
    match carry(carrier, request_of(&candidate, ask, signature)?).await? {
        CarriedAnswer::Confirmation { .. } => device.accept_candidate()??,
        CarriedAnswer::Renewal { .. } => return Err(other_answer()),
    }
    Ok(number)
}

/// What the device asks, signed with the key of this certificate.
fn request_of(held: &HeldPack, ask: CarriedAsk, signature: Vec<u8>) -> anyhow::Result<CarriedRequest> {
    let key: Fingerprint = Certificate::parse(&held.client_certificate)?.spki_fingerprint();
    Ok(CarriedRequest {
        device_number: held.device_number.clone(),
        public_key_sha256: Bytes(key.as_bytes().to_vec()),
        ask,
        signature: Bytes(signature),
    })
}

async fn carry(carrier: &Client, request: CarriedRequest) -> anyhow::Result<CarriedAnswer> {
    let answer: Result<CarriedAnswer, CallError> = carrier.post_json("/v1/carried-requests", &request).await;
    answer.with_context(|| format!("the request of {} has no answer: renew again", request.device_number))
}

fn other_answer() -> anyhow::Error {
    Failure::new("the answer is one to another question").into()
}
