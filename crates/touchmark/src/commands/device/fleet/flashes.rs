//! Devices that a factory has made, by the files with their memories.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use axum::http::Uri;
use cert::Fingerprint;
use tokio::net::lookup_host;

use super::super::{call, open};
use super::Edge;
use super::device::Device;
use crate::failure::Failure;

/// Devices of one root.
pub struct Flashes {
    /// The root certificate's SHA-256.
    pub root: Fingerprint,
    /// The devices, which are switched on.
    pub fleet: Vec<Device>,
}

/// Switches on all devices whose memories lie in this directory and hold a certificate.
pub fn open_all(directory: &Path, edge: &Edge) -> anyhow::Result<Flashes> {
    let listed = std::fs::read_dir(directory);
    let listed = listed.with_context(|| format!("cannot read {}", directory.display()))?;
    let mut paths = listed.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "flash"));
    paths.sort();
    let (mut root, mut fleet) = (None, Vec::with_capacity(paths.len()));
    for path in paths {
        let mut device = open(&path, edge)?;
        let pack = device.pack().with_context(|| format!("cannot read {}", path.display()))?;
        let Some(pack) = pack.filter(|pack| !pack.client_certificate.is_empty()) else { continue };
        let of_device = Fingerprint::of(&pack.root_certificate);
        if *root.get_or_insert(of_device) != of_device {
            return Err(Failure::new(format!("{} has another root than those before it", path.display()))
                .advise("give a directory with the devices of one plant")
                .into());
        }
        let number = pack.device_number.clone();
        fleet.push(Device::with_flash(number, call::credential_of(pack), device)?);
    }
    let root = root.ok_or_else(|| {
        Failure::new(format!("no device in {} holds a certificate", directory.display()))
            .advise("have a station write them first: NUMBER.flash")
    })?;
    Ok(Flashes { root, fleet })
}

/// Where a center is, by its URL.
pub async fn address_of(center: &str) -> anyhow::Result<SocketAddr> {
    let is_no_address = || {
        Failure::usage(format!("{center} is not the address of a center"))
            .advise("write it as https://HOST:PORT")
    };
    let uri: Uri = center.parse().map_err(|_| is_no_address())?;
    let (Some("https"), Some(host), Some(port)) = (uri.scheme_str(), uri.host(), uri.port_u16()) else {
        return Err(is_no_address().into());
    };
    let mut found = lookup_host((host.trim_matches(['[', ']']), port))
        .await
        .with_context(|| format!("cannot look up {host}"))?;
    Ok(found.next().ok_or_else(is_no_address)?)
}
