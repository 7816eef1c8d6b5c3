//! `GET /metrics`: what a role counts and how its books stand, as Prometheus reads it.
//!
//! What is counted as it happens lives in the process and begins anew with it (`transport`). How the books stand is
//! read from the store at each look, so it says the same whichever process looks, and a state that is empty now is not
//! shown as it was. Nothing here names a device, but whoever may look sees how much is made and how much is wrong:
//! therefore it is shown on this machine alone, and only where the configuration says so.

pub mod books;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics::{Label, gauge, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use transport::{Limits, describe_metrics, serve_in_clear};

use crate::failure::Failure;
use crate::serving;

/// The bounds of the histograms, in seconds: from a look into memory to the longest that a request may take.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Whoever watches needs few connections.
const CONNECTIONS_MAX: usize = 16;

/// How a role's books stand.
#[derive(Default)]
pub struct Figures(Vec<Figure>);

struct Figure {
    name: &'static str,
    labels: Vec<Label>,
    value: f64,
}

impl Figures {
    /// Adds a figure, told apart from others of its name by labels.
    pub fn add(&mut self, name: &'static str, labels: &[(&'static str, &dyn ToString)], value: u64) {
        let labels = labels.iter().map(|(key, value)| Label::new(*key, value.to_string())).collect();
        self.0.push(Figure { name, labels, value: value as f64 });
    }

    fn render(self) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, || {
            for Figure { name, labels, value } in self.0 {
                gauge!(name, labels).set(value);
            }
        });
        recorder.handle().render()
    }
}

/// Listens at the address of the key `metrics_listen`, where it is one; what then answers there.
///
/// # Errors
/// It is no address of this machine alone, or cannot be listened on.
pub async fn serve<R, F>(address: &str, read: R) -> anyhow::Result<impl Future<Output = ()> + use<R, F>>
where
    R: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = anyhow::Result<Figures>> + Send + 'static,
{
    let listening = match address {
        "" => None,
        text => Some((serving::listen(loopback(text)?, "metrics_listen").await?, install()?)),
    };
    Ok(async move {
        if let Some((listener, handle)) = listening {
            let router = Router::new().route("/metrics", get(show::<R, F>)).with_state((handle, read));
            let limits = Limits { connections_max: CONNECTIONS_MAX, ..Limits::default() };
            serve_in_clear(listener, router, limits, std::future::pending()).await;
        }
    })
}

fn loopback(text: &str) -> anyhow::Result<SocketAddr> {
    let refused = |why: &str| {
        Failure::new(format!("metrics_listen is \"{text}\", which is {why}")).advise(
            "give one of this machine alone, such as 127.0.0.1:7457; a proxy there may show it to others",
        )
    };
    let address: SocketAddr = text.parse().map_err(|_| refused("no address to listen on"))?;
    if !address.ip().is_loopback() {
        return Err(
            refused("an address that others reach, and metrics are shown without asking who looks").into()
        );
    }
    Ok(address)
}

/// Counts from now on what the process does.
fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new().set_buckets(SECONDS)?.install_recorder()?;
    describe_metrics();
    Ok(handle)
}

async fn show<R, F>(State((handle, read)): State<(PrometheusHandle, R)>) -> Response
where
    R: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = anyhow::Result<Figures>> + Send + 'static,
{
    handle.run_upkeep();
    let books = read().await.map(Figures::render).unwrap_or_else(|error| {
        // What the process counts is all the more wanted then.
        tracing::error!(error = format!("{error:#}"), "metrics are shown without the books");
        String::new()
    });
    ([(CONTENT_TYPE, TEXT)], handle.render() + &books).into_response()
}
