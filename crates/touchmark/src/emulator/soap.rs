//! SOAP over HTTP (source A Figs. 17 and 23): the station posts to the device, and the device posts
//! its write result back to the address that the station gave.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use identity::HardwareUid;
use identity::line::{Pack, Transmission, WriteResult};
use message::bytes::Bytes as Base64;
use message::device::{
    CertificateReceptionResponse, DeviceIdentification, DeviceIdentificationRequest, DeviceWriteResult,
    DeviceWriteResultResponse, PackTransmission,
};
use message::problem::{Problem, ProblemCode};
use message::result::Proof;
use message::soap::{self, DOCUMENT_BYTES_MAX, Envelope, Fault, Operation};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use transport::soap::{SoapCallError, call};
use zeroize::Zeroizing;

use super::line::lock;
use super::{EmulatedDevice, Silence};

/// How long a request may take from the first byte to the last of the answer.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// How long the head of a request may take.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the station may take to answer a write result.
const RESULT_TIME_MAX: Duration = Duration::from_secs(10);
/// How often a write result is offered to the station.
const RESULT_ATTEMPTS_MAX: u32 = 3;
/// How long the device waits before it offers the result again.
const RESULT_RETRY: Duration = Duration::from_secs(1);

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("text/xml; charset=utf-8");

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
    let service = service_fn(|request| {
        let device = Arc::clone(device);
        async move { answer(&device, request).await }
    });
    // One request a connection: a device has no memory to keep many open.
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// The answer, or silence: then the connection ends without one.
async fn answer(device: &SharedDevice, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Silence> {
    if request.uri().path() != "/soap" {
        return Ok(empty(StatusCode::NOT_FOUND));
    }
    if request.method() != Method::POST {
        return Ok(empty(StatusCode::METHOD_NOT_ALLOWED));
    }
    let Ok(body) = Limited::new(request.into_body(), DOCUMENT_BYTES_MAX).collect().await else {
        return Ok(empty(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let document = Zeroizing::new(body.to_bytes().to_vec());
    match operate(device, &document) {
        Ok(document) => Ok(envelope(StatusCode::OK, document.to_string())),
        Err(Failure::Silence(silence)) => Err(silence),
        // SOAP 1.1 clause 6.2: every fault travels with status 500.
        Err(Failure::Fault(fault)) => Ok(envelope(StatusCode::INTERNAL_SERVER_ERROR, fault.document())),
    }
}

enum Failure {
    Silence(Silence),
    Fault(Fault),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Silence> for Failure {
    fn from(silence: Silence) -> Self {
        Self::Silence(silence)
    }
}

fn operate(device: &SharedDevice, document: &[u8]) -> Result<Zeroizing<String>, Failure> {
    let envelope = Envelope::parse(document)?;
    match envelope.operation()? {
        Operation::DeviceIdentificationRequest => {
            let DeviceIdentificationRequest = envelope.message()?;
            identify(device)
        }
        Operation::CertificateTransmission => receive(device, envelope.message()?),
        other => Err(refused(format!("a device does not answer {}", other.as_str()))),
    }
}

fn identify(device: &SharedDevice) -> Result<Zeroizing<String>, Failure> {
    let identity = lock(device).identify()?.map_err(|refusal| {
        let detail = format!("the device cannot say what it holds: {refusal}");
        Fault::from(Problem::new(ProblemCode::Internal, detail))
    })?;
    Ok(soap::document(&DeviceIdentification {
        session: identity.session,
        product: identity.product,
        hardware_uid: identity.hardware_uid,
        holding: identity.holding,
        confirmed: identity.confirmed,
    }))
}

/// Stores the pack, and has the write result delivered once the answer is on its way.
fn receive(device: &SharedDevice, order: PackTransmission) -> Result<Zeroizing<String>, Failure> {
    let challenge: [u8; 32] =
        order.challenge.0.as_slice().try_into().map_err(|_| refused("a challenge has 32 bytes"))?;
    if !order.result_address.starts_with("http://") {
        return Err(refused("the result address does not begin with http://"));
    }
    let outcome = lock(device).receive(&Transmission {
        session: order.session,
        pack: Pack {
            device_number: order.device_number.clone(),
            root_certificate: &order.pack.root_certificate.0,
            issuing_certificate: &order.pack.issuing_certificate.0,
            client_certificate: &order.pack.client_certificate.0,
            secret_key: order.pack.secret_key.expose(),
        },
    })?;
    if outcome.is_ok() {
        let device = Arc::clone(device);
        tokio::spawn(async move {
            let number = order.device_number.clone();
            if let Err(error) = deliver_result(&device, &order, challenge).await {
                tracing::warn!(%number, error = &error as &dyn std::error::Error, "write result not delivered");
            }
        });
    }
    Ok(soap::document(&CertificateReceptionResponse { outcome }))
}

/// Why the station did not take a write result.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error("the station does not take the write result")]
    Station(#[from] SoapCallError),
    #[error("the station answers about {0}")]
    OtherNumber(identity::DeviceNumber),
    #[error("the device refuses to be confirmed: {0}")]
    Device(identity::line::Refusal),
    #[error(transparent)]
    Silence(#[from] Silence),
}

async fn deliver_result(
    device: &SharedDevice,
    order: &PackTransmission,
    challenge: [u8; 32],
) -> Result<(), DeliveryError> {
    let result = {
        let mut device = lock(device);
        let hardware_uid = device.hardware_uid();
        let outcome = device.write_result(order.session, &challenge)?;
        DeviceWriteResult {
            session: order.session,
            device_number: order.device_number.clone(),
            outcome: outcome.map(|result| proof(result, hardware_uid, challenge)),
        }
    };
    let mut attempt = 1;
    let response: DeviceWriteResultResponse = loop {
        match call(&order.result_address, &result, RESULT_TIME_MAX).await {
            Err(SoapCallError::NoAnswer(_)) if attempt < RESULT_ATTEMPTS_MAX => {
                attempt += 1;
                sleep(RESULT_RETRY).await;
            }
            outcome => break outcome?,
        }
    };
    if response.device_number != order.device_number {
        return Err(DeliveryError::OtherNumber(response.device_number));
    }
    lock(device).confirm(order.session)?.map_err(DeliveryError::Device)
}

fn proof(result: WriteResult, hardware_uid: HardwareUid, challenge: [u8; 32]) -> Proof {
    Proof {
        hardware_uid,
        challenge: Base64(challenge.to_vec()),
        pack_digest: Base64(result.pack_digest.to_vec()),
        signature: Base64(result.signature.to_vec()),
    }
}

fn refused(detail: impl Into<String>) -> Failure {
    Failure::Fault(Problem::new(ProblemCode::MalformedRequest, detail).into())
}

fn envelope(status: StatusCode, document: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(document)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
