//! Bytes on a device's port as no true station sends them: broken off, or no request at all.

use std::io;
use std::time::Duration;

use identity::line::{self, FRAME_BYTES_MAX, Request, Transmission, Version};
use message::bytes::Bytes;
use message::device::PackTransmission;
use message::soap::{Operation, document};
use station::DeviceAddress;
use station::device::DeviceIdentity;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::authority::RehearsalPack;
use crate::emulator::open_serial;

/// How long a port may take to open, and to take all bytes.
const SEND_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a device has to notice that a line was cut.
const PAUSE: Duration = Duration::from_millis(200);

/// What a station sends to have this pack stored, as it goes over the port.
///
/// # Errors
/// The pack does not fit a request.
pub fn request(
    address: &DeviceAddress,
    identity: &DeviceIdentity,
    pack: &RehearsalPack,
) -> io::Result<Zeroizing<Vec<u8>>> {
    let number = &pack.device_number;
    let DeviceAddress::Http(url) = address else {
        let pack = pack.pack.on_the_line(number).map_err(io::Error::other)?;
        let request = Request::Transmission(Transmission { session: identity.session, pack });
        let mut frame = Zeroizing::new(vec![0; FRAME_BYTES_MAX]);
        let length = line::encode(Version::CURRENT, &request, &mut frame).map_err(io::Error::other)?;
        frame.truncate(length);
        return Ok(frame);
    };
    let body = document(&PackTransmission {
        session: identity.session,
        challenge: Bytes(vec![0; 32]),
        // Nobody listens there: the request is never sent whole.
        result_address: "http://127.0.0.1:9/soap".into(),
        device_number: number.clone(),
        pack: pack.pack.clone(),
    });
    let (host, path) = host_and_path(url);
    let action = Operation::CertificateTransmission.soap_action();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/xml; charset=utf-8\r\n\
         SOAPAction: \"{action}\"\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Ok(Zeroizing::new([head.as_bytes(), body.as_bytes()].concat()))
}

/// Sends these bytes and hangs up, whatever the device answers.
///
/// # Errors
/// The port cannot be opened, or does not take them.
pub async fn send(address: &DeviceAddress, bytes: &[u8]) -> io::Result<()> {
    timeout(SEND_TIME_MAX, async {
        match address {
            DeviceAddress::Tcp(address) => write(TcpStream::connect(address).await?, bytes).await,
            DeviceAddress::Serial(path) => write(open_serial(path)?, bytes).await,
            DeviceAddress::Http(url) => {
                let (host, _) = host_and_path(url);
                let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                let address = if has_port { host.to_owned() } else { format!("{host}:80") };
                write(TcpStream::connect(address).await?, bytes).await
            }
        }
    })
    .await??;
    sleep(PAUSE).await;
    Ok(())
}

async fn write(mut port: impl AsyncWrite + Unpin, bytes: &[u8]) -> io::Result<()> {
    port.write_all(bytes).await?;
    port.flush().await
}

/// The parts of `http://HOST:PORT/PATH`.
fn host_and_path(url: &str) -> (&str, &str) {
    let rest = url.trim_start_matches("http://");
    rest.split_once('/').map_or((rest, "/"), |(host, _)| (host, &rest[host.len()..]))
}
