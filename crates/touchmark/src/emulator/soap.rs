//! SOAP over HTTP (source A Figs. 17 and 23): the station posts to the device, and the device posts
//! its write result back to the address that the station gave.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::FromRequest;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use identity::DeviceNumber;
use identity::line::{Refusal, Session, SigningRequest, Transmission};
use message::bytes::Bytes;
use message::device::{
    CertificateReceptionResponse, DeviceIdentification, DeviceIdentificationRequest, DeviceWriteResult,
    DeviceWriteResultResponse, KeyRequest, PackTransmission, SigningRequestTransmission, WriteResultRequest,
};
use message::problem::{Problem, ProblemCode};
use message::result::{Confirmation, Proof};
use message::soap::Operation;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use transport::soap::{SoapAnswer, SoapCallError, SoapFault, SoapRequest, call};

use super::line::lock;
use super::{EmulatedDevice, Silence};

/// How long a request may take from its first byte to the last of the answer.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// How long the head of a request may take.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the station may take to answer a write result: it has to file it first.
const RESULT_TIME_MAX: Duration = Duration::from_secs(60);
/// How often a write result is offered to a station that does not answer.
const RESULT_ATTEMPTS_MAX: u32 = 3;
/// How long the device waits before it offers the result again.
const RESULT_RETRY: Duration = Duration::from_secs(1);

type SharedDevice = Arc<Mutex<EmulatedDevice>>;

/// Answers `POST /soap` of stations, one after the other, and delivers write results to them.
///
/// # Errors
/// The listener fails.
pub async fn serve_http(device: SharedDevice, listener: TcpListener) -> io::Result<Infallible> {
    loop {
        let (stream, peer) = listener.accept().await?;
        match timeout(REQUEST_TIME_MAX, serve_request(&device, stream)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::info!(%peer, error = &error as &dyn std::error::Error, "request ended");
            }
            Err(_) => tracing::info!(%peer, "request took too long"),
        }
    }
}

async fn serve_request(device: &SharedDevice, stream: TcpStream) -> hyper::Result<()> {
    let service = service_fn(|request| answer(device, request));
    // One request a connection: a device has no memory to keep many open.
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// The answer, or silence: then the connection ends without one.
async fn answer(device: &SharedDevice, request: Request<Incoming>) -> Result<Response, Silence> {
    if request.uri().path() != "/soap" {
        return Ok(StatusCode::NOT_FOUND.into_response());
    }
    if request.method() != Method::POST {
        return Ok(StatusCode::METHOD_NOT_ALLOWED.into_response());
    }
    let answered = match SoapRequest::from_request(request.map(Body::new), &()).await {
        Ok(request) => operate(device, &request),
        Err(fault) => Err(Failure::Fault(fault)),
    };
    match answered {
        Ok(response) => Ok(response),
        Err(Failure::Fault(fault)) => Ok(fault.into_response()),
        Err(Failure::Silence(silence)) => Err(silence),
    }
}

enum Failure {
    Fault(SoapFault),
    Silence(Silence),
}

impl From<SoapFault> for Failure {
    fn from(fault: SoapFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Silence> for Failure {
    fn from(silence: Silence) -> Self {
        Self::Silence(silence)
    }
}

fn operate(device: &SharedDevice, request: &SoapRequest) -> Result<Response, Failure> {
    match request.operation() {
        Operation::DeviceIdentificationRequest => {
            let DeviceIdentificationRequest = request.message()?;
            Ok(SoapAnswer(identify(device)?).into_response())
        }
        Operation::CertificateTransmission => {
            Ok(SoapAnswer(receive(device, request.message()?)?).into_response())
        }
        Operation::KeyRequest => {
            let KeyRequest { session, device_number } = request.message()?;
            let made = lock(device).request_certificate(session, &device_number)?;
            let outcome = made.map(|SigningRequest(request)| Bytes(request.to_vec()));
            Ok(SoapAnswer(SigningRequestTransmission { outcome }).into_response())
        }
        Operation::WriteResultRequest => {
            let request: WriteResultRequest = request.message()?;
            let order = Order::read(
                request.session,
                request.device_number,
                &request.challenge,
                &request.result_address,
            )?;
            Ok(SoapAnswer(prove(device, order)?).into_response())
        }
        other => Err(SoapFault::not_served(other).into()),
    }
}

/// An order to deliver a write result.
struct Order {
    session: Session,
    number: DeviceNumber,
    challenge: [u8; 32],
    /// Where at the station.
    address: String,
}

impl Order {
    fn read(
        session: Session,
        number: DeviceNumber,
        challenge: &Bytes,
        address: &str,
    ) -> Result<Self, Failure> {
        let challenge: [u8; 32] =
            challenge.0.as_slice().try_into().map_err(|_| malformed("a challenge has 32 bytes"))?;
        let url: Uri = address.parse().map_err(|_| malformed("the result address is not a URL"))?;
        if url.scheme_str() != Some("http") {
            return Err(malformed("the result address does not begin with http://"));
        }
        Ok(Self { session, number, challenge, address: address.to_owned() })
    }
}

fn identify(device: &SharedDevice) -> Result<DeviceIdentification, Failure> {
    let identity = lock(device).identify()?.map_err(|refusal| {
        let detail = format!("the device cannot say what it holds: {refusal}");
        SoapFault::from(Problem::new(ProblemCode::Internal, detail))
    })?;
    Ok(DeviceIdentification {
        session: identity.session,
        product: identity.product,
        hardware_uid: identity.hardware_uid,
        holding: identity.holding,
        confirmed: identity.confirmed,
        key_identifier: identity.key_identifier,
        chip_key: identity.chip_key.map(|key| Bytes(key.to_vec())),
    })
}

/// Stores the pack, and has the write result delivered while the answer is on its way.
fn receive(
    device: &SharedDevice,
    transmission: PackTransmission,
) -> Result<CertificateReceptionResponse, Failure> {
    let PackTransmission { session, challenge, result_address, device_number, pack } = transmission;
    let pack = pack.on_the_line(&device_number).map_err(|_| malformed("a batch's challenge has 32 bytes"))?;
    let order = Order::read(session, device_number, &challenge, &result_address)?;
    let outcome = lock(device).receive(&Transmission { session, pack })?;
    if outcome.is_ok() {
        let result = write_result(&mut lock(device), &order)?;
        tokio::spawn(deliver(Arc::clone(device), order, result));
    }
    Ok(CertificateReceptionResponse { outcome })
}

/// Has the write result of what the device holds delivered while the answer is on its way.
fn prove(device: &SharedDevice, order: Order) -> Result<CertificateReceptionResponse, Failure> {
    let result = write_result(&mut lock(device), &order)?;
    if let Err(refusal) = result.outcome {
        return Ok(CertificateReceptionResponse { outcome: Err(refusal) });
    }
    tokio::spawn(deliver(Arc::clone(device), order, result));
    Ok(CertificateReceptionResponse { outcome: Ok(()) })
}

async fn deliver(device: SharedDevice, order: Order, result: DeviceWriteResult) {
    if let Err(error) = deliver_result(&device, &order, &result).await {
        let number = order.number;
        tracing::warn!(%number, error = &error as &dyn std::error::Error, "write result not delivered");
    }
}

/// Why the station did not take a write result, or the device not the station's answer.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error("the station does not take the write result")]
    NotTaken(#[source] SoapCallError),
    #[error("the station answers about {0}")]
    OtherNumber(DeviceNumber),
    #[error("the device does not let itself be confirmed")]
    NotConfirmed(#[source] Refusal),
    #[error(transparent)]
    Silence(#[from] Silence),
}

async fn deliver_result(
    device: &SharedDevice,
    order: &Order,
    result: &DeviceWriteResult,
) -> Result<(), DeliveryError> {
    let mut attempt = 1;
    let response: DeviceWriteResultResponse = loop {
        match call(&order.address, result, RESULT_TIME_MAX).await {
            Err(SoapCallError::NoAnswer(_)) if attempt < RESULT_ATTEMPTS_MAX => {
                attempt += 1;
                sleep(RESULT_RETRY).await;
            }
            answered => break answered.map_err(DeliveryError::NotTaken)?,
        }
    };
    if response.device_number != order.number {
        return Err(DeliveryError::OtherNumber(response.device_number));
    }
    lock(device).confirm(order.session)?.map_err(DeliveryError::NotConfirmed)
}

fn write_result(device: &mut EmulatedDevice, order: &Order) -> Result<DeviceWriteResult, Silence> {
    let hardware_uid = device.hardware_uid();
    let proved = device.write_result(order.session, &order.challenge)?;
    let outcome = proved.map(|result| Proof {
        hardware_uid,
        challenge: Bytes(order.challenge.to_vec()),
        pack_digest: Bytes(result.pack_digest.to_vec()),
        signature: (!result.signature.is_empty()).then(|| Bytes(result.signature.to_vec())),
        confirmation: result.confirmation.map(|confirmation| Confirmation {
            apparatus_id: confirmation.apparatus_id,
            station: Bytes(confirmation.station.to_vec()),
            authority: Bytes(confirmation.authority.to_vec()),
        }),
    });
    Ok(DeviceWriteResult { session: order.session, device_number: order.number.clone(), outcome })
}

fn malformed(detail: &str) -> Failure {
    SoapFault::from(Problem::new(ProblemCode::MalformedRequest, detail)).into()
}
