//! Devices that call, lose their center, and come back.
//!
//! There are as many lines as devices may be connected. Each line carries its share of the devices, one after
//! another; the first of each is connected when the center goes. A device whose call has no answer makes the same
//! call again after a time that it draws, longer with each attempt, and no earlier than the center has told it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use axum::http::{Request, Response, StatusCode};
use cert::tls::{Credential, HostTrust, client_config};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use identity::{Clock, Member, Random};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::Edge;
use super::device::Device;

/// How long a device waits at most before its first repetition, and before a later one.
const PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_MAX: Duration = Duration::from_secs(16);
/// How long one attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 64 * 1_024;

/// What devices know of their center.
#[derive(Clone)]
pub struct Host {
    pub member: Member,
    pub trust: HostTrust,
    pub clock: Arc<dyn Clock>,
}

/// A fleet on its lines.
pub struct Storm {
    shared: Arc<Shared>,
    lines: JoinSet<anyhow::Result<Line>>,
}

/// What came of it.
pub struct Weathered {
    /// The devices.
    pub devices: Vec<Device>,
    /// How many were connected at once, at most.
    pub connected: usize,
    /// How often a call was sent again.
    pub repeated: usize,
    /// From the end of the outage to the last answer.
    pub lasted: Duration,
    /// Of each call that was answered after the outage: from connecting, or sending where a connection was open,
    /// to the answer.
    pub latencies: Vec<Duration>,
}

impl Weathered {
    /// How many milliseconds so many of a hundred calls take at most.
    pub fn latency(&self, percent: usize) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let index = (self.latencies.len() * percent / 100).min(last);
        self.latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
    }
}

struct Shared {
    address: SocketAddr,
    host: Host,
    random: Arc<dyn Random>,
    lines: usize,
    /// How many calls each device makes at least.
    calls: usize,
    connected: AtomicUsize,
    connected_most: AtomicUsize,
    repeated: AtomicUsize,
    is_over: AtomicBool,
}

struct Line {
    devices: Vec<Device>,
    latencies: Vec<Duration>,
}

impl Storm {
    /// Lets the first device of each line call until the outage is over, and the others then; each makes so many
    /// calls at least.
    pub fn begin(
        address: SocketAddr,
        host: Host,
        devices: Vec<Device>,
        lines: usize,
        calls: usize,
        edge: &Edge,
    ) -> Self {
        let shared = Arc::new(Shared {
            address,
            host,
            random: Arc::clone(&edge.random),
            lines,
            calls,
            connected: AtomicUsize::new(0),
            connected_most: AtomicUsize::new(0),
            repeated: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let mut shares: Vec<Vec<Device>> = (0..lines).map(|_| Vec::new()).collect();
        for (index, device) in devices.into_iter().enumerate() {
            shares[index % lines].push(device);
        }
        let lines = shares.into_iter().map(|share| Arc::clone(&shared).run(share)).collect();
        Self { shared, lines }
    }

    /// Waits until each line has a device that is connected.
    pub async fn everybody_is_connected(&self) -> anyhow::Result<()> {
        let wait = async {
            while self.shared.connected.load(Ordering::Relaxed) < self.shared.lines {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(ATTEMPT_MAX, wait).await.context("not all of the devices could connect")
    }

    /// Ends the outage for the devices, and waits until each has an answer to all its calls.
    pub async fn weather(mut self) -> anyhow::Result<Weathered> {
        let started = Instant::now();
        self.shared.is_over.store(true, Ordering::Relaxed);
        let (mut devices, mut latencies) = (Vec::new(), Vec::new());
        while let Some(line) = self.lines.join_next().await {
            let line = line.context("a line ended early")??;
            devices.extend(line.devices);
            latencies.extend(line.latencies);
        }
        latencies.sort_unstable();
        Ok(Weathered {
            devices,
            connected: self.shared.connected_most.load(Ordering::Relaxed),
            repeated: self.shared.repeated.load(Ordering::Relaxed),
            lasted: started.elapsed(),
            latencies,
        })
    }
}

impl Shared {
    async fn run(self: Arc<Self>, mut devices: Vec<Device>) -> anyhow::Result<Line> {
        let mut latencies = Vec::with_capacity(devices.len());
        for device in &mut devices {
            let mut connection = None;
            if device.unanswered()?.is_some() {
                self.answered(device, &mut connection).await?;
            }
            loop {
                let is_over = self.is_over.load(Ordering::Relaxed);
                device.make_call()?;
                let latency = self.answered(device, &mut connection).await?;
                if self.is_over.load(Ordering::Relaxed) {
                    latencies.push(latency);
                }
                if is_over && device.calls.len() >= self.calls {
                    break;
                }
                // A device that calls without pause would only measure itself.
                sleep(self.up_to(PATIENCE)).await;
            }
        }
        Ok(Line { devices, latencies })
    }

    /// Sends the device's call until it has an answer. How long the attempt took that had one.
    async fn answered<'s>(
        &'s self,
        device: &mut Device,
        open: &mut Option<Connection<'s>>,
    ) -> anyhow::Result<Duration> {
        let call = device.unanswered()?.context("a call was made")?;
        let mut patience = PATIENCE;
        loop {
            let started = Instant::now();
            let told = match timeout(ATTEMPT_MAX, self.attempt(device, open, &call)).await {
                Ok(Ok(Attempt::Answered(answer))) => {
                    device.take_answer(&answer)?;
                    return Ok(started.elapsed());
                }
                Ok(Ok(Attempt::Later(told))) => told,
                Ok(Ok(Attempt::Refused(status, answer))) => {
                    anyhow::bail!("the center refuses {}: {status} {answer}", device.number)
                }
                Ok(Err(_)) | Err(_) => Duration::ZERO,
            };
            *open = None;
            self.repeated.fetch_add(1, Ordering::Relaxed);
            sleep(told + self.up_to(patience)).await;
            patience = (patience * 2).min(PATIENCE_MAX);
        }
    }

    /// Sends the call once. An error is a connection that cannot be had or broke.
    async fn attempt<'s>(
        &'s self,
        device: &Device,
        open: &mut Option<Connection<'s>>,
        call: &[u8],
    ) -> anyhow::Result<Attempt> {
        let connection = match open {
            Some(connection) => connection,
            None => open.insert(self.connect(&device.credential).await?),
        };
        let request = Request::post("/v1/calls")
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(call.to_vec()))?;
        connection.sender.ready().await?;
        let response = connection.sender.send_request(request).await?;
        let (status, told) = (response.status(), retry_after(&response));
        let body = to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await?;
        Ok(match status {
            StatusCode::OK => Attempt::Answered(body.to_vec()),
            // A center that fails, as one does that is being stopped, may take the same call later.
            status if status.is_server_error() => Attempt::Later(told),
            StatusCode::TOO_MANY_REQUESTS => Attempt::Later(told),
            _ => Attempt::Refused(status, String::from_utf8_lossy(&body).into_owned()),
        })
    }

    async fn connect(&self, credential: &Credential) -> anyhow::Result<Connection<'_>> {
        let Host { member, trust, clock } = self.host.clone();
        let tls = client_config(trust, member, Some(credential), clock)?;
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends when the sender is dropped.
        tokio::spawn(connection);
        let connected = self.connected.fetch_add(1, Ordering::Relaxed) + 1;
        self.connected_most.fetch_max(connected, Ordering::Relaxed);
        Ok(Connection { sender, connected: &self.connected })
    }

    /// Some part of `most`, so that devices which were refused together do not come together again.
    fn up_to(&self, most: Duration) -> Duration {
        let mut drawn = [0; 4];
        self.random.fill(&mut drawn);
        most.mul_f64(f64::from(u32::from_le_bytes(drawn)) / f64::from(u32::MAX))
    }
}

enum Attempt {
    Answered(Vec<u8>),
    /// The center is busy or fails, and may have said for how long at least.
    Later(Duration),
    Refused(StatusCode, String),
}

/// A device's connection; it counts as long as it is there.
struct Connection<'s> {
    sender: SendRequest<Body>,
    connected: &'s AtomicUsize,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

fn retry_after(response: &Response<Incoming>) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}
