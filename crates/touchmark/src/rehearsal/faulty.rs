//! A device with a fault: an emulated one that is asked something else, or whose answers are changed or
//! held back.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use identity::line::{
    self, ANSWER_FRAME_BYTES_MAX, Answer, FRAME_BYTES_MAX, FrameCollector, Request, Version,
};
use minicbor::Encode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zeroize::Zeroizing;

use crate::emulator::EmulatedDevice;

/// What a device answers to a request, or that it falls silent. The sound device is at hand: it is asked what
/// the fault makes of the request, if anything.
pub type Fault = Box<dyn FnMut(&Request<'_>, &mut Sound<'_>) -> Option<Answer> + Send>;

/// Asks the sound device. It falls silent only where its power is cut.
pub type Sound<'a> = dyn FnMut(&Request<'_>) -> Option<Answer> + 'a;

/// A device with a fault.
pub struct FaultyDevice {
    device: Arc<Mutex<EmulatedDevice>>,
    fault: Mutex<Fault>,
    was_asked: AtomicBool,
}

impl FaultyDevice {
    /// The device with this fault.
    pub fn new(device: Arc<Mutex<EmulatedDevice>>, fault: Fault) -> Self {
        Self { device, fault: Mutex::new(fault), was_asked: AtomicBool::new(false) }
    }

    /// The device without its fault.
    pub fn device(&self) -> MutexGuard<'_, EmulatedDevice> {
        lock(&self.device)
    }

    /// Whether anyone has asked it anything.
    pub fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::Relaxed)
    }

    /// Answers peers that connect, one after the other. A silence ends the connection.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<Infallible> {
        loop {
            let (stream, peer) = listener.accept().await?;
            if let Err(error) = self.serve_stream(stream).await {
                tracing::info!(%peer, %error, "connection ended");
            }
        }
    }

    async fn serve_stream(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut collector = FrameCollector::<FRAME_BYTES_MAX>::new();
        let mut bytes = Zeroizing::new([0; 1_024]);
        loop {
            let length = stream.read(&mut *bytes).await?;
            if length == 0 {
                return Ok(());
            }
            for &byte in &bytes[..length] {
                let Some(frame) = collector.push(byte) else { continue };
                let answer = self.answer(frame.unwrap_or_default())?;
                stream.write_all(&answer).await?;
            }
        }
    }

    /// Answers one frame, or falls silent.
    fn answer(&self, frame: &mut [u8]) -> io::Result<Vec<u8>> {
        let mut device = self.device();
        let mut copy = Zeroizing::new(frame.to_vec());
        let Ok((version, request)) = line::decode::<Request<'_>>(&mut copy) else {
            return device.handle_frame(frame).map_err(io::Error::other);
        };
        self.was_asked.store(true, Ordering::Relaxed);
        let mut sound = |request: &Request<'_>| ask(&mut device, version, request).ok();
        let answer = lock(&self.fault)(&request, &mut sound).ok_or(io::ErrorKind::BrokenPipe)?;
        framed(version, &answer, ANSWER_FRAME_BYTES_MAX).map(|answer| answer.to_vec())
    }
}

fn ask(device: &mut EmulatedDevice, version: Version, request: &Request<'_>) -> io::Result<Answer> {
    let mut frame = framed(version, request, FRAME_BYTES_MAX)?;
    let mut answer = device.handle_frame(&mut frame).map_err(io::Error::other)?;
    line::decode(&mut answer).map(|(_, answer)| answer).map_err(io::Error::other)
}

fn framed(version: Version, message: &impl Encode<()>, length_max: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut frame = Zeroizing::new(vec![0; length_max]);
    let length = line::encode(version, message, &mut frame).map_err(io::Error::other)?;
    frame.truncate(length);
    Ok(frame)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
