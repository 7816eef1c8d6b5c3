//! SOAP over HTTP (source A Figs. 17 and 23): the device is sent the pack and calls back with its
//! write result, whose response it gets only when the result is filed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use identity::DeviceNumber;
use identity::line::Session;
use message::bytes::Bytes;
use message::device::{
    CertificateReceptionResponse, DeviceIdentification, DeviceIdentificationRequest, DeviceWriteResult,
    DeviceWriteResultResponse, KeyRequest, PackTransmission, SigningRequestTransmission, WriteResultRequest,
};
use message::pack::CredentialPack;
use message::problem::{Problem, ProblemCode};
use message::result::Proof;
use message::soap::Message;
use tokio::net::{TcpListener, UdpSocket, lookup_host};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use transport::soap::{SoapAnswer, SoapCallError, SoapFault, SoapRequest, call};

use super::{DeviceError, DeviceIdentity, WriteError};

/// How long the station leaves a device alone after the response to its write result, before it looks
/// whether the device has taken note. To ask it anything opens a new session, and the response is then
/// too late for the old one; so a device that was too slow is left alone for longer the next time.
const NOTE_PAUSES: [Duration; 4] = [
    Duration::from_millis(5),
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_millis(1_000),
];

/// A device that speaks SOAP.
pub struct SoapDevice {
    url: String,
    step_limit: Duration,
    /// Where the device waits to hear that its write result is filed, and the number it was for.
    waiting: Option<(Callback, DeviceNumber)>,
    /// How often the device was too slow to take note.
    times_too_slow: usize,
}

impl SoapDevice {
    pub fn new(url: String, step_limit: Duration) -> Self {
        Self { url, step_limit, waiting: None, times_too_slow: 0 }
    }

    pub async fn identify(&mut self) -> Result<DeviceIdentity, DeviceError> {
        let identity: DeviceIdentification = self.ask(&DeviceIdentificationRequest).await?;
        Ok(DeviceIdentity {
            session: identity.session,
            product: identity.product,
            hardware_uid: identity.hardware_uid,
            holding: identity.holding,
            confirmed: identity.confirmed,
            key_identifier: identity.key_identifier,
            chip_key: identity.chip_key,
        })
    }

    pub async fn make_key(
        &mut self,
        identity: &DeviceIdentity,
        number: &DeviceNumber,
    ) -> Result<Bytes, DeviceError> {
        let request = KeyRequest { session: identity.session, device_number: number.clone() };
        let SigningRequestTransmission { outcome } = self.ask(&request).await?;
        outcome.map_err(DeviceError::Refused)
    }

    pub async fn write(
        &mut self,
        identity: &DeviceIdentity,
        number: &DeviceNumber,
        pack: &CredentialPack,
        challenge: [u8; 32],
    ) -> Result<Proof, WriteError> {
        let callback = self.open_callback(identity, number).await.map_err(WriteError::Unknown)?;
        let transmission = PackTransmission {
            session: identity.session,
            challenge: Bytes(challenge.to_vec()),
            result_address: callback.url(),
            device_number: number.clone(),
            pack: pack.clone(),
        };
        let response: CertificateReceptionResponse =
            self.ask(&transmission).await.map_err(WriteError::Unknown)?;
        response.outcome.map_err(WriteError::NotTaken)?;
        self.await_result(callback, number).await.map_err(WriteError::Unknown)
    }

    pub async fn prove(
        &mut self,
        identity: &DeviceIdentity,
        number: &DeviceNumber,
        challenge: [u8; 32],
    ) -> Result<Proof, DeviceError> {
        let callback = self.open_callback(identity, number).await?;
        let request = WriteResultRequest {
            session: identity.session,
            challenge: Bytes(challenge.to_vec()),
            result_address: callback.url(),
            device_number: number.clone(),
        };
        let response: CertificateReceptionResponse = self.ask(&request).await?;
        response.outcome.map_err(DeviceError::Refused)?;
        self.await_result(callback, number).await
    }

    /// Gives the device the response to its write result, and looks whether it has taken note.
    pub async fn confirm(&mut self) -> Result<(), DeviceError> {
        let not_noted = || DeviceError::NoAnswer("it does not take note that its result is filed".into());
        let (callback, number) = self.waiting.take().ok_or_else(not_noted)?;
        callback.respond(self.step_limit).await;
        sleep(NOTE_PAUSES[self.times_too_slow.min(NOTE_PAUSES.len() - 1)]).await;
        let identity = self.identify().await?;
        if identity.confirmed && identity.holding.as_ref() == Some(&number) {
            return Ok(());
        }
        self.times_too_slow += 1;
        Err(not_noted())
    }

    async fn ask<Request: Message, Answer: Message>(&self, request: &Request) -> Result<Answer, DeviceError> {
        call(&self.url, request, self.step_limit).await.map_err(device_error)
    }

    async fn open_callback(
        &self,
        identity: &DeviceIdentity,
        number: &DeviceNumber,
    ) -> Result<Callback, DeviceError> {
        let opened = Callback::open(&self.url, identity.session, number).await;
        opened.map_err(|error| DeviceError::NoAnswer(error.to_string()))
    }

    /// Waits for the write result, whose response the device then waits for.
    async fn await_result(
        &mut self,
        mut callback: Callback,
        number: &DeviceNumber,
    ) -> Result<Proof, DeviceError> {
        let Ok(Some(result)) = timeout(self.step_limit, callback.results.recv()).await else {
            let detail = format!("no write result within {} s", self.step_limit.as_secs());
            return Err(DeviceError::NoAnswer(detail));
        };
        self.waiting = Some((callback, number.clone()));
        result.outcome.map_err(DeviceError::Refused)
    }
}

/// Where the device delivers the result of one write.
struct Callback {
    address: SocketAddr,
    results: mpsc::Receiver<DeviceWriteResult>,
    /// Set once the result is filed; closed where it will not be.
    filed: watch::Sender<bool>,
    server: JoinHandle<()>,
}

/// What the handler of a callback knows.
#[derive(Clone)]
struct Expected {
    session: Session,
    number: DeviceNumber,
    results: mpsc::Sender<DeviceWriteResult>,
    filed: watch::Receiver<bool>,
}

impl Callback {
    async fn open(device: &str, session: Session, number: &DeviceNumber) -> std::io::Result<Self> {
        let listener = TcpListener::bind((own_address_towards(device).await?, 0)).await?;
        let address = listener.local_addr()?;
        let (results_sender, results) = mpsc::channel(1);
        let (filed, filed_receiver) = watch::channel(false);
        let expected = Expected {
            session,
            number: number.clone(),
            results: results_sender,
            filed: filed_receiver.clone(),
        };
        let router = Router::new().route("/soap", post(take_result)).with_state(expected);
        let server = tokio::spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(until_filed(filed_receiver));
            if let Err(error) = served.await {
                tracing::warn!(%error, "the callback of a device ended");
            }
        });
        Ok(Self { address, results, filed, server })
    }

    fn url(&self) -> String {
        format!("http://{}/soap", self.address)
    }

    /// Tells the device that its result is filed, and ends when the response is sent.
    async fn respond(mut self, limit: Duration) {
        self.filed.send_replace(true);
        // Where the device does not take the response in time, the next identification shows it.
        let _ = timeout(limit, &mut self.server).await;
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn until_filed(mut filed: watch::Receiver<bool>) {
    let _ = filed.wait_for(|filed| *filed).await;
}

async fn take_result(
    State(mut expected): State<Expected>,
    request: SoapRequest,
) -> Result<SoapAnswer<DeviceWriteResultResponse>, SoapFault> {
    let result: DeviceWriteResult = request.message()?;
    if result.session != expected.session || result.device_number != expected.number {
        return Err(Problem::new(ProblemCode::IllegalState, "no result of this session is waited for").into());
    }
    let device_number = result.device_number.clone();
    // A repeated result finds the channel full or closed: the first one counts.
    let _ = expected.results.try_send(result);
    match expected.filed.wait_for(|filed| *filed).await {
        Ok(_) => Ok(SoapAnswer(DeviceWriteResultResponse { device_number })),
        Err(_) => Err(Problem::new(ProblemCode::Unavailable, "the result was not filed").into()),
    }
}

/// The address of this station on the network that leads to the device. Connecting a datagram
/// socket sends nothing; it only asks the operating system for the way.
async fn own_address_towards(url: &str) -> std::io::Result<IpAddr> {
    let authority = url.trim_start_matches("http://").split(['/', '?']).next().unwrap_or_default();
    let device = match authority.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => lookup_host(authority).await?.next(),
        _ => lookup_host((authority, 80)).await?.next(),
    };
    let device = device.ok_or_else(|| std::io::Error::other("the device's host has no address"))?;
    let any: SocketAddr = match device {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(device).await?;
    socket.local_addr().map(|address| address.ip())
}

fn device_error(error: SoapCallError) -> DeviceError {
    match error {
        SoapCallError::Address(_) | SoapCallError::NoAnswer(_) => DeviceError::NoAnswer(error.to_string()),
        SoapCallError::Fault(_) | SoapCallError::Garbled(_) => DeviceError::Garbled(error.to_string()),
    }
}
