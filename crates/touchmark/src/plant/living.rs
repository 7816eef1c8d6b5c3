//! A plant that lives: two stations write a device every few seconds, devices call their center, and now and then
//! something is wrong, until it is told to stop. With a console for each role, for people to look on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use device::calling::{Event, Outcome};
use identity::{DeviceNumber, MemberName, Random};
use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use staff::{SecondFactor, Staff, StaffName, StaffRole};
use store::{Secret, Store};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use transport::{Limits, serve_to_people};

use super::day::{Done, Job, Line, Order, Port, flash_file, queues};
use super::field::{Caller, Field};
use super::{Plant, TOKEN_SECONDS};

/// How long a station waits between two devices.
const TAKT: Duration = Duration::from_secs(6);
/// How many devices each station writes at once, so that there is something to see.
const AT_ONCE: usize = 12;
/// How many units one wrong scan of each kind comes on.
const UNITS_PER_FAULT: usize = 30;
/// How long the field waits between two calls.
const CALL_PAUSE: Duration = Duration::from_secs(2);
/// How many devices have left the factory before the first of them calls.
const DEVICES_IN_THE_FIELD: usize = 8;
/// The most pages that a device prints before it calls.
const PAGES_MAX: u64 = 400;
/// Which calls are an impostor's, and which two copies': every so often, the first after the fewer.
const IMPOSTORS: (u64, u64) = (25, 10);
const CLONES: (u64, u64) = (60, 20);
/// How long a call may take.
const CALL_TIME_MAX: Duration = Duration::from_secs(20);

/// Where the consoles are.
pub struct Consoles {
    /// The authority's.
    pub authority: SocketAddr,
    /// The gateway's.
    pub gateway: SocketAddr,
    /// The center's.
    pub center: SocketAddr,
}

/// What has happened so far.
#[derive(Default)]
pub struct Pulse {
    /// Devices that were written.
    pub written: AtomicU64,
    /// Scans that were refused, as they should be.
    pub refused: AtomicU64,
    /// Calls that the center took.
    pub calls: AtomicU64,
}

/// The devices in the field, by number.
type Shipped = Mutex<Vec<DeviceNumber>>;

impl Plant {
    /// Opens a console for each role, on loopback ports.
    ///
    /// # Errors
    /// No port is free.
    pub async fn open_consoles(&mut self, field: &Field) -> anyhow::Result<Consoles> {
        let (time_zone, over_tls) = (TimeZone::system(), false);
        let settings = authority::ConsoleSettings { time_zone: time_zone.clone(), over_tls };
        let authority = Arc::clone(&self.authority).console(settings);
        let settings = gateway::ConsoleSettings {
            url: super::url(self.gateway_address),
            token_seconds: TOKEN_SECONDS,
            over_tls,
        };
        let gateway = Arc::clone(&self.gateway).console(settings);
        let settings =
            center::ConsoleSettings { authority: Some(field.authority.clone()), time_zone, over_tls };
        let center = field.center.console(settings);
        Ok(Consoles {
            authority: self.serve_to_people(authority).await?,
            gateway: self.serve_to_people(gateway).await?,
            center: self.serve_to_people(center).await?,
        })
    }

    async fn serve_to_people(&mut self, router: Router) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no loopback port is free")?;
        let address = listener.local_addr()?;
        let mut stop = self.services.stop.subscribe();
        self.services.tasks.spawn(async move {
            let stopped = async move {
                let _ = stop.wait_for(|stop| *stop).await;
            };
            serve_to_people(listener, None, router, Limits::default(), stopped).await;
        });
        Ok(address)
    }

    /// Adds one person to the staff of every console. `random` gives each the same second factor, so that one code
    /// is good for all.
    ///
    /// # Errors
    /// A store fails.
    pub async fn add_person(
        &self,
        name: &StaffName,
        password: &[u8],
        random: impl Fn() -> Arc<dyn Random>,
        center: &Store,
    ) -> anyhow::Result<SecondFactor> {
        let mut factor = None;
        for store in [&self.authority_store, &self.gateway_store, center] {
            let staff = Staff::new(store.clone(), Arc::clone(&self.clock), random());
            let password = Secret::new(password.to_vec());
            factor = Some(staff.add("demo", name, &StaffRole::ALL, password, &self.actor).await?);
        }
        factor.context("there are consoles")
    }

    /// Keeps the plant living until `stop` completes.
    ///
    /// # Errors
    /// The stations cannot be set up.
    pub async fn live(
        &self,
        field: &Field,
        orders: &[Order],
        devices: &Path,
        seed: u64,
        pulse: &Pulse,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let mut random = StdRng::seed_from_u64(seed);
        let [frames, soap] = queues(orders, UNITS_PER_FAULT, &mut random)?;
        let (first, second) = (
            self.line("line-1", Port::Frames, devices).await?,
            self.line("line-2", Port::Soap, devices).await?,
        );
        let shipped = Shipped::default();
        let life = async {
            tokio::join!(
                first.work_slowly(frames, &shipped, pulse),
                second.work_slowly(soap, &shipped, pulse),
                self.call_home_slowly(field, &shipped, devices, random, pulse),
                field.center.tend(&field.authority),
            );
        };
        tokio::select! {
            () = life => {}
            () = stop => {}
        }
        Ok(())
    }

    async fn line(&self, name: &str, port: Port, devices: &Path) -> anyhow::Result<Line> {
        let name: MemberName = name.parse()?;
        let (station, firmware_keys) = (self.station(&name).await?, self.firmware_keys());
        Ok(Line { station, port, firmware_keys, devices: devices.to_owned() })
    }

    /// Lets devices call, one after the other.
    async fn call_home_slowly(
        &self,
        field: &Field,
        shipped: &Shipped,
        devices: &Path,
        mut random: StdRng,
        pulse: &Pulse,
    ) {
        for turn in 1.. {
            sleep(CALL_PAUSE).await;
            let pair = {
                let shipped = locked(shipped);
                // Those that were written last are on their way.
                let left = shipped.len().saturating_sub(DEVICES_IN_THE_FIELD);
                shipped[..left].iter().cloned().sample(&mut random, 2)
            };
            let [number, other] = pair.as_slice() else { continue };
            let call = self.one_call(field, number, other, devices.to_owned(), turn, &mut random);
            match timeout(CALL_TIME_MAX, call).await {
                Ok(Ok(is_copied)) => {
                    pulse.calls.fetch_add(1, Ordering::Relaxed);
                    if is_copied {
                        locked(shipped).retain(|of| of != number);
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(%number, error = format!("{error:#}"), "a device could not call")
                }
                Err(_) => tracing::warn!(%number, "a call took too long"),
            }
        }
    }

    /// One device calls; whether there are two of it from now on.
    async fn one_call(
        &self,
        field: &Field,
        number: &DeviceNumber,
        other: &DeviceNumber,
        devices: PathBuf,
        turn: u64,
        random: &mut StdRng,
    ) -> anyhow::Result<bool> {
        let mut caller = Caller::switch_on(self, field, flash_file(&devices, number), random.random())?;
        if turn % CLONES.0 == CLONES.1 {
            caller.call_as_two().await?;
            return Ok(true);
        }
        if turn % IMPOSTORS.0 == IMPOSTORS.1 {
            caller.call_as(other).await?;
            return Ok(false);
        }
        match random.random_range(0..10) {
            0 => caller.call(Event::Service { fault_code: "E-13" }).await?,
            1 => caller.call(Event::Supply { consumable: "toner", remaining_percent: 5 }).await?,
            2 => caller.call(Event::Alarm { alarm: "cover open" }).await?,
            3 => caller.call(Event::Poll).await?,
            _ => {
                let before = caller.device.calling()?.counters().first().map_or(0, |counter| counter.value);
                caller.device.count("total", before + random.random_range(1..=PAGES_MAX))?;
                caller.call(Event::Counter).await?;
            }
        }
        // What takes a device longer, nobody waits for here.
        while let Some(task) = caller.device.calling()?.task().cloned() {
            caller.device.finish_task(task.request, Outcome::refused("not in this demo"))?;
        }
        Ok(false)
    }
}

impl Line {
    /// Works through the queue, the first few at once and then one every few seconds.
    async fn work_slowly(self, queue: Vec<Job>, shipped: &Shipped, pulse: &Pulse) {
        let (tell, mut told) = mpsc::unbounded_channel();
        for (place, job) in queue.iter().enumerate() {
            if let Err(error) = self.job(job, &tell).await {
                tracing::warn!(plate = %job.plate, error = format!("{error:#}"), "a scan went wrong");
            }
            while let Ok(done) = told.try_recv() {
                match done {
                    Done::Written(number) => {
                        pulse.written.fetch_add(1, Ordering::Relaxed);
                        locked(shipped).push(number);
                    }
                    Done::Refused(_) | Done::ReplayRefused => {
                        pulse.refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            if place >= AT_ONCE {
                sleep(TAKT).await;
            }
        }
    }
}

fn locked(shipped: &Shipped) -> MutexGuard<'_, Vec<DeviceNumber>> {
    shipped.lock().unwrap_or_else(PoisonError::into_inner)
}
