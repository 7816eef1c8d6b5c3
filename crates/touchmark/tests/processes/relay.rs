//! A wire between station and device that stops while a pack is on it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;

use identity::line::{FRAME_BYTES_MAX, FrameCollector, Request, decode};

/// Far more than a station needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A place for a station's device, behind which any device can stand.
pub struct Relay {
    /// Where the station finds it.
    pub address: String,
    device: Arc<Mutex<String>>,
    packs: Receiver<Vec<u8>>,
    go_on: Sender<()>,
}

impl Relay {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tcp:{}", listener.local_addr().unwrap());
        let device = Arc::new(Mutex::new(String::new()));
        let (found, packs) = channel();
        let (go_on, told) = channel();
        let behind = Arc::clone(&device);
        spawn(move || {
            for station in listener.incoming() {
                let device = TcpStream::connect(behind.lock().unwrap().trim_start_matches("tcp:")).unwrap();
                carry(station.unwrap(), device, &found, &told);
            }
        });
        Self { address, device, packs, go_on }
    }

    /// Puts the device at this address onto the wire.
    pub fn connect_to(&self, device: &str) {
        device.clone_into(&mut self.device.lock().unwrap());
    }

    /// Waits until a pack is on the wire, and holds it there. Returns the frame without its closing
    /// byte.
    pub fn hold_pack(&self) -> Vec<u8> {
        self.packs.recv_timeout(PATIENCE).expect("a pack comes over the wire")
    }

    /// Lets the pack that is held go on to the device.
    pub fn release_pack(&self) {
        self.go_on.send(()).unwrap();
    }
}

/// Carries bytes both ways until one side closes.
fn carry(mut station: TcpStream, mut device: TcpStream, found: &Sender<Vec<u8>>, told: &Receiver<()>) {
    let (mut answers, mut to_station) = (device.try_clone().unwrap(), station.try_clone().unwrap());
    spawn(move || {
        let _ = std::io::copy(&mut answers, &mut to_station);
        let _ = to_station.shutdown(Shutdown::Both);
    });
    let mut collector = FrameCollector::<FRAME_BYTES_MAX>::new();
    let mut bytes = [0; 1024];
    while let Ok(length @ 1..) = station.read(&mut bytes) {
        for byte in &bytes[..length] {
            if let Some(Ok(frame)) = collector.push(*byte)
                && let frame = frame.to_vec()
                && matches!(decode(&mut frame.clone()), Ok((_, Request::Transmission(_))))
            {
                found.send(frame).unwrap();
                told.recv().unwrap();
            }
        }
        if device.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = device.shutdown(Shutdown::Both);
}
