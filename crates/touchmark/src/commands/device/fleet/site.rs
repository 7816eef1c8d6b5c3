//! A center of a fleet's own, which can be stopped and started, and the devices that it knows.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use center::{Center, Desk, Settings};
use cert::tls::{Credential, HostTrust};
use cert::{Certificate, Fingerprint, Trust};
use identity::profile::KeyAlgorithm;
use identity::{Clock, CredentialState, DeviceNumber, Member, Random, Serial};
use message::bytes::Bytes;
use message::fleet::{DEVICE_REGISTRATIONS_MAX, DeviceRegistration, DeviceRegistrations};
use pki::{DeviceProfile, IssuingCa, NO_EXPIRY, NameText, PlantCa, Root, Validity};
use store::{Schema, Store};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use transport::{HostTls, Limits, serve};

use super::Edge;
use super::device::Device;
use super::storm::Host;

const PRODUCT: &str = "3012";
const SERVER: &str = "urn:touchmark:center:fleet";

/// A center's plant.
pub struct Site {
    url: String,
    member: Member,
    trust: Trust,
    issuing: Arc<IssuingCa>,
    tls: Arc<HostTls>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Where the center serves, each time that it is started.
    address: SocketAddr,
    running: Option<Runtime>,
}

impl Site {
    /// A center on the empty store at `url`, to which so many devices may be connected.
    pub fn found(url: &str, connected: usize, edge: &Edge) -> anyhow::Result<Self> {
        let member: Member = SERVER.parse()?;
        let (random, now) = (edge.random.as_ref(), edge.clock.epoch_seconds() - 60);
        let validity = Validity::days(now, 1)?;
        let name = |text: &str| text.parse::<NameText>();
        let root = Root::create(None, &name("Root")?, validity, random)?;
        let plant = root.issue_ca(None, &name("Plant CA")?, validity, random)?;
        let issuing = root.issue_ca(None, &name("Issuing CA")?, validity, random)?;
        let trust = Trust::new(root.certificate(), &plant.certificate, &[&issuing.certificate])?;
        let plant = PlantCa::open(plant.certificate, plant.key)?;
        let (certificate, key) = plant.issue_with_key(&member, now, random)?;
        let credential = Credential::member(&trust, certificate, key.to_pkcs8()?);
        let clock = Arc::clone(&edge.clock);
        Ok(Self {
            url: url.to_owned(),
            tls: Arc::new(HostTls::new(trust.clone(), &credential, Arc::clone(&clock))?),
            issuing: Arc::new(IssuingCa::open(issuing.certificate, issuing.key)?),
            // All devices of a fleet come from one address.
            limits: Limits {
                connections_max: connected,
                connections_per_address_max: connected,
                open_to_all: &[],
                ..Limits::default()
            },
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            running: None,
            member,
            trust,
            clock,
            random: Arc::clone(&edge.random),
        })
    }

    /// What devices know of the center.
    pub fn host(&self) -> Host {
        let trust = HostTrust::Plant(self.trust.clone());
        Host { member: self.member.clone(), trust, clock: Arc::clone(&self.clock) }
    }

    /// Makes so many devices and names them to the center.
    pub async fn make_devices(&self, count: usize) -> anyhow::Result<Vec<Device>> {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let issuer = Certificate::parse(self.issuing.certificate())?.fingerprint();
        let mut making = Vec::new();
        for worker in 0..workers {
            let (issuing, clock, random) =
                (Arc::clone(&self.issuing), Arc::clone(&self.clock), Arc::clone(&self.random));
            making.push(tokio::task::spawn_blocking(move || {
                let numbers = (1..=count as u64).skip(worker).step_by(workers);
                numbers
                    .map(|serial| make(serial, &issuing, &*clock, &*random))
                    .collect::<anyhow::Result<Vec<_>>>()
            }));
        }
        let (mut devices, mut records) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for made in making {
            for (device, public_key) in made.await?? {
                records.push(DeviceRegistration {
                    sequence: records.len() as u64 + 1,
                    time: self.clock.epoch_seconds(),
                    device_number: device.number.clone(),
                    state: CredentialState::Verified,
                    public_key_sha256: bytes(public_key),
                    issuer_sha256: bytes(issuer),
                    expires: None,
                    renew_from: None,
                    hardware_uid: None,
                    new_board: false,
                });
                devices.push(device);
            }
        }
        let center = self.center().await?;
        for records in records.chunks(DEVICE_REGISTRATIONS_MAX as usize) {
            center.register(DeviceRegistrations { records: records.to_vec() }).await?;
        }
        Ok(devices)
    }

    /// Starts the center, on threads of its own. Where it serves.
    pub async fn start(&mut self) -> anyhow::Result<SocketAddr> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().thread_name("center").enable_all().build()?;
        let center = self.center().await?;
        let (tls, limits) = (Arc::clone(&self.tls), self.limits);
        let address = self.address;
        let listener = runtime.spawn(TcpListener::bind(address)).await?.context("cannot serve")?;
        self.address = listener.local_addr()?;
        runtime.spawn(serve(listener, tls, center.router(), limits, std::future::pending()));
        self.running = Some(runtime);
        Ok(self.address)
    }

    /// Stops the center, whatever it is at: as if its power failed.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_background();
        }
    }

    async fn center(&self) -> anyhow::Result<Arc<Center>> {
        let store = Store::open(&self.url, Schema::Center).await?;
        let desk = Desk::new(store, Arc::clone(&self.clock));
        Ok(Arc::new(Center::new(self.member.clone(), desk, Arc::clone(&self.random), Settings::default())))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A device, and the digest of its public key.
fn make(
    serial: u64,
    issuing: &IssuingCa,
    clock: &dyn Clock,
    random: &dyn Random,
) -> anyhow::Result<(Device, Fingerprint)> {
    let serial = Serial::new(serial, 6).context("too many devices")?;
    let number = DeviceNumber::new(PRODUCT.parse()?, serial);
    let profile = DeviceProfile { organization: None, key_algorithm: KeyAlgorithm::P256 };
    let validity = Validity::new(clock.epoch_seconds() - 60, NO_EXPIRY)?;
    let made = issuing.issue(issuing.prepare(&profile, &number, validity, random)?)?;
    let public_key = Certificate::parse(&made.certificate)?.spki_fingerprint();
    let chain = vec![made.certificate, issuing.certificate().to_vec()];
    Ok((Device::new(number, Credential::new(chain, made.secret_key))?, public_key))
}

fn bytes(fingerprint: Fingerprint) -> Bytes {
    Bytes(fingerprint.as_bytes().to_vec())
}
