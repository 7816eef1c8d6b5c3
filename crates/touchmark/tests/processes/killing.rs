//! `kill -9` of authority and gateway at random moments of a day: whatever was acknowledged is there
//! afterwards, every device gets its result, and no number gets a second device.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use identity::HardwareUid;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use station::{DeviceAddress, Failure, Limits, Station};
use tokio::net::TcpListener;
use touchmark::config::ProxyConfig;
use touchmark::emulator::{EmulatedDevice, serve_tcp};
use touchmark::member_files;
use touchmark::surroundings::{SystemClock, SystemRandom};

use crate::site::{Process, Site};

/// Packs that the gateway fetches while both are killed.
const STOCK: u64 = 2_500;
const KILLS_WHILE_STOCKING: u32 = 8;
/// The station makes devices until so many kills have come.
const KILLS_WHILE_MAKING: u32 = 15;
/// Far more than one device ever takes.
const DEVICE_PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_day_with_kills_at_random_moments_ends_whole() {
    let site = Site::new();
    let services = Services::start(&site);
    site.set_up_station("line-1");
    site.plan(STOCK);
    let mut random = StdRng::seed_from_u64(20_030_317);

    site.json(&["gateway", "replenish"]);
    for _ in 0..KILLS_WHILE_STOCKING {
        services.kill_one(&site, &mut random, 50..600);
    }
    site.wait_for_stock(STOCK);

    let kills = AtomicU32::new(0);
    let made = thread::scope(|scope| {
        scope.spawn(|| {
            while kills.fetch_add(1, Ordering::SeqCst) < KILLS_WHILE_MAKING {
                services.kill_one(&site, &mut random, 50..800);
            }
        });
        Line::of(&site).make_devices(|| kills.load(Ordering::SeqCst) > KILLS_WHILE_MAKING)
    });
    let made = made.unwrap();
    assert!(made >= KILLS_WHILE_MAKING, "only {made} devices were made");

    site.wait_until("the outbox to run empty", || site.json(&["gateway", "status"])["outbox"] == 0);
    let made = u64::from(made);
    let status = site.json(&["gateway", "status"]);
    let row = &status["products"][0];
    let counts =
        ["stocked", "leased", "written", "verified", "suspect", "voided"].map(|key| row[key].as_u64());
    assert_eq!(counts, [STOCK - made, 0, 0, made, 0, 0].map(Some), "{status}");
    assert!(status["parked"].as_array().unwrap().is_empty(), "{status}");
    drop(services);
    site.assert_books_are_whole();
}

/// Authority and gateway, which come back whenever they are killed.
struct Services {
    authority: Mutex<Option<Process>>,
    gateway: Mutex<Option<Process>>,
}

impl Services {
    fn start(site: &Site) -> Self {
        let authority = Mutex::new(Some(site.set_up_authority()));
        Self { authority, gateway: Mutex::new(Some(site.set_up_gateway())) }
    }

    /// Kills one or both after so many milliseconds, and starts what was killed again.
    fn kill_one(&self, site: &Site, random: &mut StdRng, after: std::ops::Range<u64>) {
        thread::sleep(Duration::from_millis(random.random_range(after)));
        let which = random.random_range(0..3);
        let killed = [(&self.authority, "authority", which != 1), (&self.gateway, "gateway", which != 0)];
        let killed = || killed.iter().filter(|(.., is_killed)| *is_killed);
        // Dropping a process is SIGKILL.
        killed().for_each(|(process, ..)| drop(process.lock().unwrap().take()));
        killed().for_each(|(process, role, _)| *process.lock().unwrap() = Some(site.serve(role)));
    }
}

/// The station, and the shelf where the memories of its devices are put.
struct Line {
    station: Station,
    shelf: PathBuf,
}

impl Line {
    fn of(site: &Site) -> Self {
        let directory = site.path("station");
        let files = member_files::load(&directory).unwrap();
        let host = member_files::load_host(&directory).unwrap();
        let gateway = files.client(&host, &ProxyConfig::default(), Arc::new(SystemClock)).unwrap();
        let limits = Limits { device_step: Duration::from_secs(10), gateway: Duration::from_secs(5) };
        let attempts = directory.join("attempts");
        let station = Station::new(gateway, &attempts, Arc::new(SystemRandom), limits).unwrap();
        Self { station, shelf: site.path("devices") }
    }

    /// Makes devices until the day is over: how many.
    #[tokio::main]
    async fn make_devices(self, is_over: impl Fn() -> bool) -> Result<u32, Failure> {
        let mut made = 0;
        while !is_over() {
            let n = made;
            let plate = format!("3012-{}", 123_456 + n);
            let (device, address) = on_port(n).await;
            let started = Instant::now();
            while let Err(failure) = self.station.write(&plate, &address).await {
                let is_done = matches!(failure, Failure::AlreadyFinished(_));
                if is_done || started.elapsed() > DEVICE_PATIENCE {
                    return Err(failure);
                }
            }
            let (_, second) = on_port(!n).await;
            match self.write_patiently(&plate, &second).await {
                Err(failure) if failure.word() == "second-device" => {}
                Err(failure) => return Err(failure),
                Ok(()) => panic!("{plate} was given to a second device"),
            }
            let mut device = device.lock().unwrap();
            assert_eq!(device.confirmed_number().unwrap().unwrap().to_string(), plate);
            device.save_as(&self.shelf.join(format!("{plate}.flash"))).unwrap();
            made += 1;
        }
        Ok(made)
    }

    /// Scans again as long as only the gateway's absence stands in the way.
    async fn write_patiently(&self, plate: &str, address: &DeviceAddress) -> Result<(), Failure> {
        loop {
            match self.station.write(plate, address).await {
                Ok(_) => return Ok(()),
                Err(Failure::GatewaySilent) => {}
                Err(Failure::GatewayRefused { problem, .. }) if problem.code.is_passing() => {}
                Err(failure) => return Err(failure),
            }
        }
    }
}

async fn on_port(n: u32) -> (Arc<Mutex<EmulatedDevice>>, DeviceAddress) {
    let hardware_uid = HardwareUid::new(&n.to_be_bytes()).unwrap();
    let device = EmulatedDevice::new("3012".parse().unwrap(), hardware_uid, n.into());
    let device = Arc::new(Mutex::new(device));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = DeviceAddress::Tcp(listener.local_addr().unwrap().to_string());
    tokio::spawn(serve_tcp(Arc::clone(&device), listener));
    (device, address)
}
