//! What a center's journal says of a fleet's calls, beside what the fleet has sent.

use std::collections::HashMap;

use anyhow::Context;
use cert::Fingerprint;
use identity::DeviceNumber;
use store::center::journal::{self, Head};
use store::{Schema, Store};

use super::device::{Device, Made};

/// How many entries are read at a time.
const PAGE: u32 = 1_000;

/// What the comparison found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Books {
    /// Calls in the journal.
    pub calls: usize,
    /// Calls that the devices made and that are not in it as they were sent.
    pub lost: usize,
    /// Calls in it that no device made.
    pub doubled: usize,
}

/// Reads the journal from its first entry, checks its hashes, and looks each call up. What the devices have said
/// before they were switched on now, and what others have said, is passed over.
pub async fn compare(url: &str, devices: &[Device]) -> anyhow::Result<Books> {
    let mut missing: HashMap<(DeviceNumber, u32, u32), Fingerprint> = HashMap::new();
    let mut booted: HashMap<&DeviceNumber, u32> = HashMap::new();
    for device in devices {
        for Made { boot, sequence, digest } in &device.calls {
            missing.insert((device.number.clone(), *boot, *sequence), *digest);
            booted.insert(&device.number, *boot);
        }
    }
    let store = Store::open(url, Schema::Center).await?;
    let mut snapshot = store.read().await?;
    let mut head = Head::of_nothing();
    let (mut calls, mut doubled) = (0, 0);
    loop {
        let entries = journal::after(&mut snapshot, head.id, PAGE).await?;
        if entries.is_empty() {
            return Ok(Books { calls, lost: missing.len(), doubled });
        }
        for entry in entries {
            head = entry.follows(&head).with_context(|| format!("entry {} was changed", entry.id))?;
            let since = booted.get(&entry.device);
            let Some((number, since)) = entry.number.zip(since) else { continue };
            if number.boot < *since {
                continue;
            }
            calls += 1;
            let call = (entry.device.clone(), number.boot, number.sequence);
            if missing.get(&call) == Some(&Fingerprint::of(&entry.raw)) {
                missing.remove(&call);
            } else {
                doubled += 1;
            }
        }
    }
}
