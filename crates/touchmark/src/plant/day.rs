//! A production day: two stations write every planned unit, some scans are wrong on purpose, and the
//! link to the authority is down for a third of the day.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use cert::tls::Credential;
use identity::line::{self, Answer, FRAME_BYTES_MAX, FrameCollector, Refusal};
use identity::{CredentialState, DeviceNumber, HardwareUid, MemberName, ProductCode, Serial};
use message::standing::DeviceStanding;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom, SliceRandom};
use rand::{Rng, RngExt, SeedableRng};
use seal::PreWriteKey;
use serde::Serialize;
use station::{DeviceAddress, Station};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::recorder::Recorder;
use super::{FirmwareKeys, Plant};
use crate::emulator::{EmulatedDevice, serve_http, serve_tcp};

/// How many units one wrong scan of each kind comes on.
const UNITS_PER_FAULT: usize = 600;
/// How often a unit is scanned again where the station says that this is safe.
const SCANS_MAX: u32 = 3;
/// How long the outbox may take to run empty once the link is back.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a device may take to answer recorded frames.
const REPLAY_TIME_MAX: Duration = Duration::from_secs(5);

/// How many units of a product are to be made.
#[derive(Clone, Debug)]
pub struct Order {
    /// The product.
    pub product: ProductCode,
    /// The serial of the first unit.
    pub first: Serial,
    /// How many units.
    pub units: u64,
}

/// What became of the scans that were wrong on purpose: how many of each kind were refused, as they
/// should be.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Refused {
    /// Plates with a number that nobody planned.
    pub unplanned: u64,
    /// Devices of another product than their plate.
    pub wrong_product: u64,
    /// Second devices with a plate that was used.
    pub second_device: u64,
    /// Recorded packs played to another device.
    pub replayed: u64,
}

/// How the day went.
pub struct Outcome {
    /// What was refused.
    pub refused: Refused,
    /// How many wrong scans of each kind there were.
    pub faults_of_each_kind: u64,
    /// The devices that were written.
    pub written: Vec<DeviceNumber>,
}

/// One device that comes to a station, with its plate.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) plate: DeviceNumber,
    product: ProductCode,
    hardware_uid: HardwareUid,
    seed: u64,
    kind: Kind,
}

/// What is done with a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// It is written.
    Unit,
    /// It is written, somebody records it, and plays the recording to another device.
    Recorded,
    /// Its scan is wrong and must be refused.
    Wrong(Fault),
}

/// What can be wrong with a scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    Unplanned,
    WrongProduct,
    SecondDevice,
}

/// How a station reaches devices.
#[derive(Clone, Copy, Debug)]
pub(super) enum Port {
    Frames,
    Soap,
}

/// What a station tells of its jobs.
pub(super) enum Done {
    Written(DeviceNumber),
    Refused(Fault),
    ReplayRefused,
}

/// Plays the day. Each device's memory is left in `devices` as `NUMBER.flash`; `progress` is told how
/// many units were written so far.
///
/// # Errors
/// A unit could not be written, or a wrong scan was not refused.
pub async fn play(
    plant: &Plant,
    orders: &[Order],
    devices: &Path,
    seed: u64,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<Outcome> {
    let mut random = StdRng::seed_from_u64(seed);
    let [frames, soap] = queues(orders, UNITS_PER_FAULT, &mut random)?;
    let units = orders.iter().map(|order| order.units).sum::<u64>();
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut stations = JoinSet::new();
    for (name, port, queue) in [("line-1", Port::Frames, frames), ("line-2", Port::Soap, soap)] {
        let name: MemberName = name.parse()?;
        let line = Line {
            station: plant.station(&name).await?,
            port,
            firmware_keys: plant.firmware_keys(),
            devices: devices.to_owned(),
        };
        let tell = tell.clone();
        stations.spawn(async move { line.work(queue, tell).await });
    }
    drop(tell);

    let mut refused = Refused::default();
    let mut written = Vec::new();
    while let Some(done) = told.recv().await {
        match done {
            Done::Written(number) => {
                written.push(number);
                let count = written.len() as u64;
                if count == units.div_ceil(3) {
                    plant.link.cut();
                }
                if count == (2 * units).div_ceil(3) {
                    plant.link.restore();
                }
                progress(count);
            }
            Done::Refused(Fault::Unplanned) => refused.unplanned += 1,
            Done::Refused(Fault::WrongProduct) => refused.wrong_product += 1,
            Done::Refused(Fault::SecondDevice) => refused.second_device += 1,
            Done::ReplayRefused => refused.replayed += 1,
        }
    }
    plant.link.restore();
    while let Some(worked) = stations.join_next().await {
        worked.context("a station broke off")??;
    }
    settle(plant).await?;
    Ok(Outcome { refused, faults_of_each_kind: faults_of_each_kind(units as usize) as u64, written })
}

/// Lets some of the day's devices ask the authority whom it takes them for, with what is in their
/// flash. How many were known as themselves.
///
/// # Errors
/// A device was not known as itself.
pub async fn call_home(
    plant: &Plant,
    written: &[DeviceNumber],
    devices: &Path,
    count: usize,
    seed: u64,
) -> anyhow::Result<u64> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut calls = 0;
    for number in written.sample(&mut random, count) {
        let mut device = EmulatedDevice::open(&flash_file(devices, number), random.next_u64())?;
        let pack = device.pack()?.with_context(|| format!("{number} holds nothing"))?;
        let credential =
            Credential::new(vec![pack.client_certificate, pack.issuing_certificate], pack.secret_key);
        let standing: DeviceStanding = plant.device_client(&credential)?.get_json("/v1/identity").await?;
        ensure!(standing.device_number == *number, "{number} was taken for {}", standing.device_number);
        ensure!(standing.state == CredentialState::Verified, "{number} is {}", standing.state);
        calls += 1;
    }
    Ok(calls)
}

/// The file of a device's memory.
pub fn flash_file(devices: &Path, number: &DeviceNumber) -> PathBuf {
    devices.join(format!("{number}.flash"))
}

fn faults_of_each_kind(units: usize) -> usize {
    (units / UNITS_PER_FAULT).max(1)
}

/// The jobs of the two stations: the units, shared out evenly, and between them what is wrong. What is
/// recorded and played again are frames, so that is always the first station's.
pub(super) fn queues(
    orders: &[Order],
    units_per_fault: usize,
    random: &mut StdRng,
) -> anyhow::Result<[Vec<Job>; 2]> {
    let mut queues = [Vec::new(), Vec::new()];
    let mut units = 0;
    for order in orders {
        let mut serial = Some(order.first);
        for _ in 0..order.units {
            let Some(this) = serial else { bail!("the serials of {} run out", order.product) };
            let plate = DeviceNumber::new(order.product.clone(), this);
            queues[units % 2].push(job(plate, order.product.clone(), Kind::Unit, random)?);
            serial = this.next();
            units += 1;
        }
    }
    for queue in &mut queues {
        queue.shuffle(random);
    }
    let products: Vec<&ProductCode> = orders.iter().map(|order| &order.product).collect();
    for _ in 0..(units / units_per_fault).max(1) {
        let recorded = queues[0].iter_mut().filter(|job| job.kind == Kind::Unit).choose(random);
        recorded.into_iter().for_each(|job| job.kind = Kind::Recorded);
        for fault in [Fault::Unplanned, Fault::WrongProduct, Fault::SecondDevice] {
            let is_second = !queues[1].is_empty() && random.random();
            let queue = &mut queues[usize::from(is_second)];
            let units = queue.iter().enumerate().filter(|(_, job)| !matches!(job.kind, Kind::Wrong(_)));
            let Some((at, unit)) = units.choose(random) else { continue };
            // After the unit whose plate it has, so that the plate was used by then.
            let wrong = wrong_job(unit, fault, &products, random)?;
            queue.insert(at + 1, wrong);
        }
    }
    Ok(queues)
}

/// What comes after `unit` and is wrong.
fn wrong_job(
    unit: &Job,
    fault: Fault,
    products: &[&ProductCode],
    random: &mut StdRng,
) -> anyhow::Result<Job> {
    let own = unit.plate.product();
    let (plate, product) = match fault {
        Fault::Unplanned => (unplanned(own)?, own.clone()),
        Fault::WrongProduct => {
            let other = products.iter().find(|product| **product != own);
            (unit.plate.clone(), other.map_or_else(|| "ZZZZ".parse(), |other| Ok((*other).clone()))?)
        }
        Fault::SecondDevice => (unit.plate.clone(), own.clone()),
    };
    job(plate, product, Kind::Wrong(fault), random)
}

/// The last number that the product can have, which no plan comes to.
fn unplanned(product: &ProductCode) -> anyhow::Result<DeviceNumber> {
    let last = 10u64.pow(Serial::DIGITS_MAX as u32) - 1;
    let serial = Serial::new(last, Serial::DIGITS_MAX as u8).context("the last serial exists")?;
    Ok(DeviceNumber::new(product.clone(), serial))
}

fn job(plate: DeviceNumber, product: ProductCode, kind: Kind, random: &mut StdRng) -> anyhow::Result<Job> {
    let mut chip = [0; 12];
    random.fill_bytes(&mut chip);
    let hardware_uid = HardwareUid::new(&chip)?;
    Ok(Job { plate, product, hardware_uid, seed: random.next_u64(), kind })
}

/// Waits until the authority knows what the factory knows, and what must be erased is erased.
async fn settle(plant: &Plant) -> anyhow::Result<()> {
    let drained = async {
        while plant.gateway().desk().status().await?.outbox > 0 {
            if plant.gateway().drain().await.is_err() {
                sleep(Duration::from_millis(100)).await;
            }
        }
        anyhow::Ok(())
    };
    timeout(DRAIN_TIME_MAX, drained).await.context("the outbox does not run empty")??;
    Ok(plant.gateway().tick().await?)
}

/// A station with its port, and the shelf where its devices' memories are put.
pub(super) struct Line {
    pub(super) station: Station,
    pub(super) port: Port,
    pub(super) firmware_keys: Arc<FirmwareKeys>,
    pub(super) devices: PathBuf,
}

impl Line {
    async fn work(self, queue: Vec<Job>, tell: mpsc::UnboundedSender<Done>) -> anyhow::Result<()> {
        for job in queue {
            self.job(&job, &tell).await.with_context(|| format!("plate {}", job.plate))?;
        }
        Ok(())
    }

    pub(super) async fn job(&self, job: &Job, tell: &mpsc::UnboundedSender<Done>) -> anyhow::Result<()> {
        let on_port = OnPort::put(job, self.port, self.firmware_keys.of(&job.product)).await?;
        // Nobody listens any more only where the day was given up.
        let tell = |done| drop(tell.send(done));
        match job.kind {
            Kind::Unit => self.write(&job.plate, &on_port.address()).await?,
            Kind::Recorded => {
                let recorder = Recorder::start(on_port.socket).await?;
                self.write(&job.plate, &DeviceAddress::Tcp(recorder.address.to_string())).await?;
                let blank = Job { seed: !job.seed, ..job.clone() };
                let blank = OnPort::put(&blank, self.port, self.firmware_keys.of(&job.product)).await?;
                play_back(&recorder.finish().await?, &blank).await?;
                tell(Done::ReplayRefused);
            }
            Kind::Wrong(fault) => {
                self.expect_refusal(&job.plate, &on_port.address(), fault).await?;
                ensure!(on_port.is_blank()?, "the device of a refused scan holds something");
                tell(Done::Refused(fault));
                return Ok(());
            }
        }
        on_port.keep(flash_file(&self.devices, &job.plate)).await?;
        tell(Done::Written(job.plate.clone()));
        Ok(())
    }

    async fn write(&self, plate: &DeviceNumber, address: &DeviceAddress) -> anyhow::Result<()> {
        let mut scans = 1;
        loop {
            match self.station.write(&plate.text(), address).await {
                Ok(_) => return Ok(()),
                Err(failure) if failure.handling() == station::Handling::RetrySafe && scans < SCANS_MAX => {
                    scans += 1;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    async fn expect_refusal(
        &self,
        plate: &DeviceNumber,
        address: &DeviceAddress,
        fault: Fault,
    ) -> anyhow::Result<()> {
        let word = match fault {
            Fault::Unplanned => "unplanned",
            Fault::WrongProduct => "wrong-product",
            Fault::SecondDevice => "second-device",
        };
        match self.station.write(&plate.text(), address).await {
            Ok(_) => bail!("a scan that is {word} was taken"),
            Err(failure) if failure.word() == word => Ok(()),
            Err(failure) => Err(anyhow::Error::new(failure).context(format!("the scan is {word}"))),
        }
    }
}

/// Plays recorded frames to a blank device, which must see that the pack in them was for another
/// session, and stay blank.
async fn play_back(recorded: &[u8], blank: &OnPort) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(blank.socket).await?;
    let mut collector = FrameCollector::<FRAME_BYTES_MAX>::new();
    let mut refusals = Vec::new();
    for request in recorded.split_inclusive(|byte| *byte == 0) {
        stream.write_all(request).await?;
        // A zero byte alone only ends what may have been on the line before; nobody answers it.
        if request == [0] {
            continue;
        }
        loop {
            let byte = timeout(REPLAY_TIME_MAX, stream.read_u8()).await??;
            let Some(frame) = collector.push(byte) else { continue };
            if let (_, Answer::Refused(refusal)) = line::decode(frame?)? {
                refusals.push(refusal);
            }
            break;
        }
    }
    ensure!(refusals.contains(&Refusal::Replayed), "a recorded pack was not refused");
    ensure!(blank.is_blank()?, "a recorded pack was taken");
    Ok(())
}

/// A device on a station's port.
struct OnPort {
    device: Arc<Mutex<EmulatedDevice>>,
    socket: SocketAddr,
    port: Port,
    serving: JoinHandle<()>,
}

impl OnPort {
    async fn put(job: &Job, port: Port, pre_write_key: Option<PreWriteKey>) -> anyhow::Result<Self> {
        let mut device = EmulatedDevice::new(job.product.clone(), job.hardware_uid.clone(), job.seed);
        if let Some(key) = pre_write_key {
            device = device.with_pre_write_key(key);
        }
        let device = Arc::new(Mutex::new(device));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let socket = listener.local_addr()?;
        let served = Arc::clone(&device);
        let serving = tokio::spawn(async move {
            let ended = match port {
                Port::Frames => serve_tcp(served, listener).await,
                Port::Soap => serve_http(served, listener).await,
            };
            let Err(error) = ended;
            tracing::warn!(%error, "a device can no longer be reached");
        });
        Ok(Self { device, socket, port, serving })
    }

    fn address(&self) -> DeviceAddress {
        match self.port {
            Port::Frames => DeviceAddress::Tcp(self.socket.to_string()),
            Port::Soap => DeviceAddress::Http(format!("http://{}/soap", self.socket)),
        }
    }

    fn is_blank(&self) -> anyhow::Result<bool> {
        let mut device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(device.pack()?.is_none())
    }

    /// Puts the device's memory into a file.
    async fn keep(&self, file: PathBuf) -> anyhow::Result<()> {
        let device = Arc::clone(&self.device);
        let kept = tokio::task::spawn_blocking(move || {
            device.lock().unwrap_or_else(PoisonError::into_inner).save_as(&file)
        });
        Ok(kept.await??)
    }
}

impl Drop for OnPort {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
