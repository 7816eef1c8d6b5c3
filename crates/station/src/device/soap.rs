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
    DeviceWriteResultResponse, PackTransmission,
};
use message::pack::CredentialPack;
use message::problem::{Problem, ProblemCode};
use message::result::Proof;
use tokio::net::{TcpListener, UdpSocket, lookup_host};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use transport::soap::{SoapAnswer, SoapCallError, SoapFault, SoapRequest, call};

use super::{DeviceError, DeviceIdentity, WriteError};

/// How long the station leaves a device alone after the response to its write result, before it looks
/// whether the device has taken note. To ask it anything opens a new session, and the response is then
/// too late for the old one; so a device that was too slow is taken through the write again, and left
/// alone for longer.
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
    /// The write whose result the device waits to have filed.
    written: Option<(PackTransmission, Callback)>,
}

impl SoapDevice {
    pub fn new(url: String, step_limit: Duration) -> Self {
        Self { url, step_limit, written: None }
    }

    pub async fn identify(&mut self) -> Result<DeviceIdentity, DeviceError> {
        let DeviceIdentification { session, product, hardware_uid, holding, confirmed, key_identifier: _, chip_key: _ } =
            call(&self.url, &DeviceIdentificationRequest, self.step_limit).await.map_err(device_error)?;
        Ok(DeviceIdentity { session, product, hardware_uid, holding, confirmed })
    }

    pub async fn write(
        &mut self,
        identity: &DeviceIdentity,
        number: &DeviceNumber,
        pack: &CredentialPack,
        challenge: [u8; 32],
    ) -> Result<Proof, WriteError> {
        let transmission = PackTransmission {
            session: identity.session,
            challenge: Bytes(challenge.to_vec()),
            result_address: String::new(),
            device_number: number.clone(),
            pack: pack.clone(),
        };
        self.transmit(transmission).await
    }

    /// Gives the device the response to its write result, and looks whether it has taken note.
    pub async fn confirm(&mut self) -> Result<(), DeviceError> {
        for pause in NOTE_PAUSES {
            let (transmission, callback) = self.written.take().ok_or(DeviceError::NotOffered)?;
            callback.respond(self.step_limit).await;
            sleep(pause).await;
            let identity = self.identify().await?;
            if identity.confirmed && identity.holding.as_ref() == Some(&transmission.device_number) {
                return Ok(());
            }
            // The device takes the pack that it holds without writing it, and delivers its result again.
            let again = PackTransmission { session: identity.session, ..transmission };
            self.transmit(again).await.map_err(|error| match error {
                WriteError::NotTaken(refusal) => DeviceError::Refused(refusal),
                WriteError::Unknown(error) => error,
            })?;
        }
        Err(DeviceError::NoAnswer("it does not take note that its result is filed".into()))
    }

    async fn transmit(&mut self, transmission: PackTransmission) -> Result<Proof, WriteError> {
        let unknown = |error: std::io::Error| WriteError::Unknown(DeviceError::NoAnswer(error.to_string()));
        let mut callback = Callback::open(&self.url, &transmission).await.map_err(unknown)?;
        let transmission =
            PackTransmission { result_address: format!("http://{}/soap", callback.address), ..transmission };
        let response: CertificateReceptionResponse = call(&self.url, &transmission, self.step_limit)
            .await
            .map_err(|error| WriteError::Unknown(device_error(error)))?;
        response.outcome.map_err(WriteError::NotTaken)?;
        let Ok(Some(result)) = timeout(self.step_limit, callback.results.recv()).await else {
            let detail = format!("no write result within {} s", self.step_limit.as_secs());
            return Err(WriteError::Unknown(DeviceError::NoAnswer(detail)));
        };
        self.written = Some((transmission, callback));
        result.outcome.map_err(|refusal| WriteError::Unknown(DeviceError::Refused(refusal)))
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
    async fn open(device: &str, transmission: &PackTransmission) -> std::io::Result<Self> {
        let listener = TcpListener::bind((own_address_towards(device).await?, 0)).await?;
        let address = listener.local_addr()?;
        let (results_sender, results) = mpsc::channel(1);
        let (filed, filed_receiver) = watch::channel(false);
        let expected = Expected {
            session: transmission.session,
            number: transmission.device_number.clone(),
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
