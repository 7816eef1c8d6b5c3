//! A tap on a production line: it passes bytes on, and keeps what the station sent.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// A tap between one station and the device at an address.
pub struct Recorder {
    /// Where the station finds the device now.
    pub address: SocketAddr,
    recording: JoinHandle<io::Result<Zeroizing<Vec<u8>>>>,
}

impl Recorder {
    /// Taps the line to the device for the next connection.
    pub async fn start(device: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, recording: tokio::spawn(record(listener, device)) })
    }

    /// What the station sent until it hung up.
    pub async fn finish(self) -> io::Result<Zeroizing<Vec<u8>>> {
        self.recording.await.map_err(io::Error::other)?
    }
}

async fn record(listener: TcpListener, device: SocketAddr) -> io::Result<Zeroizing<Vec<u8>>> {
    let (station, _) = listener.accept().await?;
    let device = TcpStream::connect(device).await?;
    let (mut from_station, mut to_station) = station.into_split();
    let (mut from_device, mut to_device) = device.into_split();
    let answers = tokio::spawn(async move { tokio::io::copy(&mut from_device, &mut to_station).await });
    let mut recorded = Zeroizing::new(Vec::new());
    let mut buffer = Zeroizing::new([0; 4_096]);
    loop {
        let length = from_station.read(&mut *buffer).await?;
        if length == 0 {
            answers.abort();
            return Ok(recorded);
        }
        recorded.extend_from_slice(&buffer[..length]);
        to_device.write_all(&buffer[..length]).await?;
    }
}
