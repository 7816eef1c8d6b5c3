//! Frames of the line protocol over TCP, a serial line, or any stream.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use identity::line::{FRAME_BYTES_MAX, FrameCollector};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_serial::{SerialPortBuilderExt, SerialStream};
use zeroize::Zeroizing;

use super::EmulatedDevice;

/// How long after an answer the next request must be there, whole.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a peer may take to fetch an answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// 8 data bits, no parity, one stop bit, at this rate.
const BAUD: u32 = 115_200;

/// Answers the frames of one peer until it closes the stream.
///
/// # Errors
/// The stream fails, the peer is too slow, or the device falls [silent](super::Silence).
pub async fn serve_stream(
    device: &Mutex<EmulatedDevice>,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut collector = FrameCollector::<FRAME_BYTES_MAX>::new();
    let mut bytes = Zeroizing::new([0; 1_024]);
    let mut deadline = Instant::now() + REQUEST_TIME_MAX;
    loop {
        let length = timeout_at(deadline, stream.read(&mut *bytes)).await??;
        if length == 0 {
            return Ok(());
        }
        for &byte in &bytes[..length] {
            let Some(frame) = collector.push(byte) else { continue };
            // A frame that was too long is answered like any other that cannot be read.
            let answer = lock(device).handle_frame(frame.unwrap_or_default()).map_err(io::Error::other)?;
            timeout(ANSWER_TIME_MAX, stream.write_all(&answer)).await??;
            timeout(ANSWER_TIME_MAX, stream.flush()).await??;
            deadline = Instant::now() + REQUEST_TIME_MAX;
        }
    }
}

/// Answers peers that connect over TCP, one after the other.
///
/// # Errors
/// The listener fails.
pub async fn serve_tcp(device: Arc<Mutex<EmulatedDevice>>, listener: TcpListener) -> io::Result<Infallible> {
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        if let Err(error) = serve_stream(&device, stream).await {
            tracing::info!(%peer, error = &error as &dyn std::error::Error, "connection ended");
        }
    }
}

/// Opens the serial line at `path`.
///
/// # Errors
/// There is none, or it cannot be had.
pub fn open_serial(path: &str) -> io::Result<SerialStream> {
    Ok(tokio_serial::new(path, BAUD).open_native_async()?)
}

/// Answers whoever is at the other end of a serial line.
///
/// # Errors
/// The line fails or is closed, or the device falls [silent](super::Silence).
pub async fn serve_serial(
    device: Arc<Mutex<EmulatedDevice>>,
    mut line: SerialStream,
) -> io::Result<Infallible> {
    loop {
        match serve_stream(&device, &mut line).await {
            // A line is idle between two devices; what was left of a request is forgotten.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => return Err(error),
            Ok(()) => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

pub(super) fn lock(device: &Mutex<EmulatedDevice>) -> std::sync::MutexGuard<'_, EmulatedDevice> {
    // A device is as its memory is, whoever panicked while asking it.
    device.lock().unwrap_or_else(PoisonError::into_inner)
}
