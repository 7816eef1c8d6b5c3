//! The line protocol over TCP and serial ports.

use std::time::Duration;

use identity::DeviceNumber;
use identity::line::{
    self, ANSWER_FRAME_BYTES_MAX, Answer, FRAME_BYTES_MAX, FrameCollector, Refusal, Request, Session,
    SigningRequest, Transmission, Version, WriteResult,
};
use message::bytes::Bytes;
use message::pack::CredentialPack;
use message::result::{Confirmation, Proof};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_serial::SerialPortBuilderExt;
use zeroize::Zeroizing;

use super::{DeviceError, DeviceIdentity, WriteError};

/// What a device's serial port is set to.
const BAUD_RATE: u32 = 115_200;

/// Where the line leads.
pub enum Line {
    /// To `HOST:PORT`.
    Tcp(String),
    /// To a serial port's path.
    Serial(String),
}

/// A device that speaks the line protocol.
pub struct LineDevice {
    line: Line,
    step_limit: Duration,
    port: Option<Box<dyn Port>>,
    collector: FrameCollector<ANSWER_FRAME_BYTES_MAX>,
    version: Version,
}

/// A stream of bytes both ways.
trait Port: AsyncRead + AsyncWrite + Unpin + Send {}

impl<P: AsyncRead + AsyncWrite + Unpin + Send> Port for P {}

impl LineDevice {
    pub fn new(line: Line, step_limit: Duration) -> Self {
        Self { line, step_limit, port: None, collector: FrameCollector::new(), version: Version::MIN }
    }

    pub async fn identify(&mut self) -> Result<DeviceIdentity, DeviceError> {
        // Identities are asked and answered in the oldest version, which every device understands.
        self.version = Version::MIN;
        let identity = self
            .ask(&Request::Identify, |answer| match answer {
                Answer::Identity(identity) => Some(identity),
                _ => None,
            })
            .await?;
        self.version = identity.versions.newest_common().ok_or(DeviceError::Version)?;
        Ok(DeviceIdentity {
            session: identity.session,
            product: identity.product,
            hardware_uid: identity.hardware_uid,
            holding: identity.holding,
            confirmed: identity.confirmed,
            key_identifier: identity.key_identifier,
            chip_key: identity.chip_key.map(|key| Bytes(key.to_vec())),
        })
    }

    pub async fn make_key(
        &mut self,
        identity: &DeviceIdentity,
        number: &DeviceNumber,
    ) -> Result<Bytes, DeviceError> {
        let request = Request::KeyRequest { session: identity.session, device_number: number.clone() };
        self.ask(&request, |answer| match answer {
            Answer::SigningRequest(SigningRequest(request)) => Some(Bytes(request.to_vec())),
            _ => None,
        })
        .await
    }

    pub async fn write(
        &mut self,
        identity: &DeviceIdentity,
        number: &DeviceNumber,
        pack: &CredentialPack,
        challenge: [u8; 32],
    ) -> Result<Proof, WriteError> {
        let pack = pack.on_the_line(number).map_err(|_| WriteError::NotTaken(Refusal::Malformed))?;
        let request = Request::Transmission(Transmission { session: identity.session, pack });
        let received = self.ask(&request, |answer| matches!(answer, Answer::Reception).then_some(())).await;
        match received {
            Ok(()) => self.prove(identity, challenge).await.map_err(WriteError::Unknown),
            Err(DeviceError::Refused(refusal)) => Err(WriteError::NotTaken(refusal)),
            Err(error) => Err(WriteError::Unknown(error)),
        }
    }

    pub async fn prove(
        &mut self,
        identity: &DeviceIdentity,
        challenge: [u8; 32],
    ) -> Result<Proof, DeviceError> {
        let request = Request::ResultRequest { session: identity.session, challenge };
        let result = self
            .ask(&request, |answer| match answer {
                Answer::WriteResult(result) => Some(result),
                _ => None,
            })
            .await?;
        let WriteResult { pack_digest, signature, confirmation, .. } = result;
        let confirmation = confirmation.map(|confirmation| Confirmation {
            apparatus_id: confirmation.apparatus_id,
            station: Bytes(confirmation.station.to_vec()),
            authority: Bytes(confirmation.authority.to_vec()),
        });
        Ok(Proof {
            hardware_uid: identity.hardware_uid.clone(),
            challenge: Bytes(challenge.to_vec()),
            pack_digest: Bytes(pack_digest.to_vec()),
            signature: Some(signature)
                .filter(|signature| !signature.is_empty())
                .map(|bytes| Bytes(bytes.to_vec())),
            confirmation,
        })
    }

    pub async fn confirm(&mut self, session: Session) -> Result<(), DeviceError> {
        let request = Request::ResultResponse { session };
        self.ask(&request, |answer| matches!(answer, Answer::Done).then_some(())).await
    }

    /// Sends a request and waits for the answer that `wanted` picks. Where anything goes wrong the
    /// port is closed, so that the next request starts afresh.
    async fn ask<T>(
        &mut self,
        request: &Request<'_>,
        wanted: impl Fn(Answer) -> Option<T>,
    ) -> Result<T, DeviceError> {
        let limit = self.step_limit;
        let answered = match timeout(limit, self.exchange(request, wanted)).await {
            Ok(answered) => answered,
            Err(_) => Err(DeviceError::NoAnswer(format!("nothing within {} s", limit.as_secs()))),
        };
        if !matches!(answered, Ok(_) | Err(DeviceError::Refused(_))) {
            self.port = None;
        }
        answered
    }

    async fn exchange<T>(
        &mut self,
        request: &Request<'_>,
        wanted: impl Fn(Answer) -> Option<T>,
    ) -> Result<T, DeviceError> {
        if request.oldest_version() > self.version {
            return Err(DeviceError::Refused(Refusal::UnsupportedVersion));
        }
        let mut frame = Zeroizing::new(vec![0; FRAME_BYTES_MAX]);
        let length = line::encode(self.version, request, &mut frame)
            .map_err(|_| DeviceError::Refused(Refusal::TooLong))?;
        let no_answer = |error: std::io::Error| DeviceError::NoAnswer(error.to_string());
        let mut may_answer_remnant = self.port.is_none();
        let port = match &mut self.port {
            Some(port) => port,
            None => {
                let mut port = open(&self.line).await.map_err(no_answer)?;
                self.collector = FrameCollector::new();
                // Ends whatever half a frame the device may have heard before. It then says that it
                // cannot read that, which is not the answer to this request.
                port.write_all(&[0]).await.map_err(no_answer)?;
                self.port.insert(port)
            }
        };
        port.write_all(&frame[..length]).await.map_err(no_answer)?;
        port.flush().await.map_err(no_answer)?;
        loop {
            let answer = read_answer(port, &mut self.collector).await?;
            if let Answer::Refused(refusal) = answer {
                if refusal == Refusal::Malformed && may_answer_remnant {
                    may_answer_remnant = false;
                    continue;
                }
                return Err(DeviceError::Refused(refusal));
            }
            // An answer of another kind is a late one, to a request that was given up.
            if let Some(answer) = wanted(answer) {
                return Ok(answer);
            }
        }
    }
}

async fn open(line: &Line) -> std::io::Result<Box<dyn Port>> {
    match line {
        Line::Serial(path) => {
            Ok(Box::new(BufReader::new(tokio_serial::new(path, BAUD_RATE).open_native_async()?)))
        }
        Line::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(BufReader::new(stream)))
        }
    }
}

async fn read_answer(
    port: &mut Box<dyn Port>,
    collector: &mut FrameCollector<ANSWER_FRAME_BYTES_MAX>,
) -> Result<Answer, DeviceError> {
    loop {
        let byte = port.read_u8().await.map_err(|error| DeviceError::NoAnswer(error.to_string()))?;
        if let Some(frame) = collector.push(byte) {
            let answer = frame.and_then(line::decode);
            return answer.map(|(_, answer)| answer).map_err(|error| DeviceError::Garbled(error.to_string()));
        }
    }
}
