//! The port of a station, onto which any device can be put.

use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use identity::HardwareUid;
use identity::line::{Answer, Refusal, Request};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use touchmark::emulator::EmulatedDevice;
use touchmark::rehearsal::faulty::{Fault, FaultyDevice};

/// A port with at most one device on it.
pub struct Port {
    runtime: Runtime,
    address: SocketAddr,
    device: Option<JoinHandle<()>>,
    go_on: Option<Sender<()>>,
}

/// Far more than a script needs.
const PATIENCE: Duration = Duration::from_secs(60);

impl Port {
    pub fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        Self { address: listener.local_addr().unwrap(), runtime, device: None, go_on: None }
    }

    /// As a station takes it.
    pub fn address(&self) -> String {
        format!("tcp:{}", self.address)
    }

    /// Puts a blank device onto the port, in place of the one that was there.
    pub fn put(&mut self, product: &str, chip: u8) {
        self.put_faulty(product, chip, Box::new(|request, sound| sound(request)));
    }

    /// As [`Port::put`], with a device whose memory fails when it is written.
    pub fn put_broken(&mut self, product: &str, chip: u8) {
        let fault: Fault = Box::new(|request, sound| match request {
            Request::Transmission(_) => Some(Answer::Refused(Refusal::StorageFailed)),
            other => sound(other),
        });
        self.put_faulty(product, chip, fault);
    }

    /// As [`Port::put`], with a device that stores its pack only when it is told to go on.
    pub fn put_waiting(&mut self, product: &str, chip: u8) {
        let (go_on, told) = channel();
        self.go_on = Some(go_on);
        let fault: Fault = Box::new(move |request, sound| {
            if matches!(request, Request::Transmission(_)) {
                let _ = told.recv_timeout(PATIENCE);
            }
            sound(request)
        });
        self.put_faulty(product, chip, fault);
    }

    /// Lets the device that waits go on.
    pub fn go_on(&mut self) {
        self.go_on = None;
    }

    /// Takes the device off.
    pub fn clear(&mut self) {
        if let Some(device) = self.device.take() {
            device.abort();
            let _ = self.runtime.block_on(device);
        }
    }

    fn put_faulty(&mut self, product: &str, chip: u8, fault: Fault) {
        self.clear();
        let device = EmulatedDevice::new(product.parse().unwrap(), HardwareUid::new(&[chip; 8]).unwrap(), 7);
        let device = FaultyDevice::new(Arc::new(Mutex::new(device)), fault);
        let listener = self.runtime.block_on(TcpListener::bind(self.address)).unwrap();
        self.device = Some(self.runtime.spawn(async move { drop(device.serve(listener).await) }));
    }
}
