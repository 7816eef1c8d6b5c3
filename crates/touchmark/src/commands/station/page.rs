//! `touchmark station serve --console ADDRESS`: the operator's page.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Serialize;
use station::page::{Page, open};
use station::{DeviceAddress, Station};
use transport::{Limits, serve_in_clear};

use super::report;
use crate::commands::Edge;
use crate::config::StationConfig;
use crate::failure::Failure;
use crate::member_files;
use crate::serving::{listen, told_to_stop};

/// What is printed once the page answers.
#[derive(Serialize)]
struct Started {
    member: String,
    console: String,
}

/// Where the page is to be served, if anywhere.
pub fn address(argument: Option<SocketAddr>, config: &StationConfig) -> anyhow::Result<Option<SocketAddr>> {
    let address = match (argument, config.console.listen.as_str()) {
        (Some(address), _) => address,
        (None, "") => return Ok(None),
        (None, text) => text.parse().map_err(|error| {
            Failure::new(format!("console.listen is \"{text}\", which is no address to listen on"))
                .because(error)
                .advise("give an address such as 127.0.0.1:7480, or leave it empty")
        })?,
    };
    if !address.ip().is_loopback() {
        return Err(Failure::new(format!("the operator's page cannot be served at {address}"))
            .because("badges and scans would cross the network in clear")
            .advise("give an address of this machine itself, such as 127.0.0.1:7480")
            .into());
    }
    Ok(Some(address))
}

/// Serves the page until the process is told to stop.
pub async fn serve(
    address: SocketAddr,
    station: Station,
    device: DeviceAddress,
    config: &StationConfig,
    edge: &Edge,
) -> anyhow::Result<()> {
    let output = edge.output;
    let member = member_files::load(&config.data)?.member;
    let pictures = Some(&config.console.pictures).filter(|path| !path.as_os_str().is_empty());
    let told_to_stop = told_to_stop()?;
    let listener = listen(address, "console.listen").await?;
    let console = format!("http://{}/", listener.local_addr()?);
    let (router, beside) = open(Page {
        station,
        member: member.clone(),
        device,
        data: config.data.clone(),
        pictures: pictures.cloned(),
        clock: Arc::clone(&edge.clock),
        random: Arc::clone(&edge.random),
        time_zone: TimeZone::system(),
        report: Box::new(move |scan, result| report(output, scan, result)),
    })?;
    let text = format!("{member} serves its operator's page at {console}");
    output.object(&Started { member: member.to_string(), console }, text);
    tokio::select! {
        () = serve_in_clear(listener, router, Limits::default(), std::future::pending()) => {}
        () = beside => {}
        () = told_to_stop => {}
    }
    Ok(())
}
