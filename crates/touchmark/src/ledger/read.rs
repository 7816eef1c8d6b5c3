//! Reading the books: stores as they stand at one moment, and the flash files of emulated devices.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use cert::Certificate;
use store::audit::{self, AuditError};
use store::authority::allotment;
use store::gateway::{apparatus, number};
use store::{Snapshot, Store, authority, gateway};

use super::{AuthorityBooks, Books, CenterBooks, DeviceMemory, GatewayBooks, HeldCredentials};
use crate::emulator::EmulatedDevice;

/// What a flash file's name ends in.
const FLASH: &str = "flash";

impl Books {
    /// Reads the authority's store, the gateways' stores and a directory of flash files, as far as they
    /// are given.
    pub async fn read(
        authority: Option<&Store>,
        gateways: &[Store],
        devices: Option<&Path>,
        now: i64,
    ) -> anyhow::Result<Self> {
        let mut books = Self { now, ..Self::default() };
        // Gateways first: what the authority hears of a factory later is on record at the factory before.
        for store in gateways {
            let mut snapshot = store.read().await?;
            let mut ordered = BTreeMap::new();
            for order in apparatus::orders(&mut snapshot).await? {
                *ordered.entry(order.product).or_default() += order.count;
            }
            books.gateways.push(GatewayBooks {
                lines: gateway::ledger::lines(&mut snapshot).await?,
                ordered,
                ordered_for: number::ordered(&mut snapshot).await?.into_iter().collect(),
                audit_fault: audit_fault(&mut snapshot).await?,
            });
        }
        if let Some(store) = authority {
            let mut snapshot = store.read().await?;
            books.authority = Some(AuthorityBooks {
                issuing_cas: authority::issuing_ca::states(&mut snapshot).await?,
                certificates: authority::ledger::lines(&mut snapshot).await?,
                successors: authority::successor::all(&mut snapshot).await?,
                apparatuses: authority::ledger::apparatuses(&mut snapshot).await?,
                disputed: authority::ledger::disputed(&mut snapshot).await?.into_iter().collect(),
                allotments: allotment::all(&mut snapshot).await?,
                audit_fault: audit_fault(&mut snapshot).await?,
            });
        }
        if let Some(directory) = devices {
            books.devices = read_devices(directory)?;
        }
        Ok(books)
    }

    /// With what a center's store says.
    pub async fn with_center(self, store: &Store) -> anyhow::Result<Self> {
        let center = CenterBooks {
            recount: center::invoice::recount(store).await,
            audit_fault: audit_fault(&mut store.read().await?).await?,
        };
        Ok(Self { center: Some(center), ..self })
    }
}

async fn audit_fault(snapshot: &mut Snapshot) -> anyhow::Result<Option<String>> {
    match audit::verify(snapshot).await {
        Ok(_) => Ok(None),
        Err(fault @ AuditError::Tampered { .. }) => Ok(Some(fault.to_string())),
        Err(other) => Err(other.into()),
    }
}

fn read_devices(directory: &Path) -> anyhow::Result<Vec<DeviceMemory>> {
    let unreadable = || format!("cannot read {}", directory.display());
    let mut devices = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.extension().is_some_and(|end| end == FLASH) {
            devices.push(DeviceMemory { file: path.display().to_string(), content: read_device(&path) });
        }
    }
    devices.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(devices)
}

fn read_device(path: &Path) -> Result<HeldCredentials, String> {
    // Nothing is asked of the device for which it would need randomness.
    let mut device = EmulatedDevice::open(path, 0).map_err(|error| error.to_string())?;
    let mut held = HeldCredentials {
        hardware_uid: device.hardware_uid(),
        device_number: None,
        public_key_sha256: None,
        apparatus_id: None,
    };
    let Some(pack) = device.pack().map_err(|error| error.to_string())? else { return Ok(held) };
    if !pack.client_certificate.is_empty() {
        let certificate = Certificate::parse(&pack.client_certificate).map_err(|error| error.to_string())?;
        held.public_key_sha256 = Some(certificate.spki_fingerprint().as_bytes().to_vec());
    }
    held.device_number = Some(pack.device_number);
    held.apparatus_id = pack.symmetric.map(|(id, _)| id);
    Ok(held)
}
