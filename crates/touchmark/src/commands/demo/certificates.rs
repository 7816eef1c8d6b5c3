//! What becomes of certificates in the field: one is renewed, though the power fails in the middle, and one
//! device gets a new board.

use std::path::Path;

use anyhow::{Context, ensure};
use cert::tls::Credential;
use device::sim::Tear;
use identity::{CredentialState, DeviceNumber, HardwareUid};
use message::standing::DeviceStanding;

use super::super::device::recover::{self, Recovery, recover};
use super::super::device::renew::{self, renew};
use super::Edge;
use crate::config::ProxyConfig;
use crate::emulator::EmulatedDevice;
use crate::plant::Plant;

/// After so many changes of its memory the power of a device that renews is cut: it has made its key, and
/// has begun to store the certificate.
const CHANGES_BEFORE_CUT: u32 = 100;

/// Renews a device's certificate, with a power cut in the middle, after which the device must still be known.
///
/// # Errors
/// The device was not known after the cut, or has no new certificate in the end.
pub async fn renew_through_power_cut(
    plant: &Plant,
    flash: &Path,
    seed: u64,
    edge: &Edge,
) -> anyhow::Result<()> {
    let (url, name) = plant.authority_at()?;
    let authority = renew::Authority { name, url, proxy: ProxyConfig::default() };
    let mut device = EmulatedDevice::open(flash, seed)?;
    let before = known(plant, &mut device).await.context("before its renewal")?;
    device.cut_power_after(CHANGES_BEFORE_CUT, Tear::Noisy(seed));
    ensure!(renew(&mut device, &authority, edge).await.is_err(), "the renewal went on without power");
    device.power_on();
    ensure!(
        known(plant, &mut device).await.context("after the power cut")? == before,
        "it was renewed already"
    );
    renew(&mut device, &authority, edge).await?;
    ensure!(known(plant, &mut device).await.context("renewed")? != before, "it was not renewed");
    Ok(())
}

/// Gives a device a new board, whose memory replaces the old one's in `flash`; that is moved to `scrapped`.
///
/// # Errors
/// The old board is still taken for the device, or the new one is not.
pub async fn swap_board(
    plant: &Plant,
    number: &DeviceNumber,
    flash: &Path,
    scrapped: &Path,
    seed: u64,
    edge: &Edge,
) -> anyhow::Result<()> {
    let mut old = EmulatedDevice::open(flash, seed)?;
    known(plant, &mut old).await.context("before its board was swapped")?;
    std::fs::rename(flash, scrapped).with_context(|| format!("cannot move {}", flash.display()))?;
    plant.swap_board(number, "broken board").await?;

    let firmware = plant.firmware_keys();
    let common = firmware.common_certificate(number.product()).context("its product has none")?;
    let chip = HardwareUid::new(&seed.to_be_bytes())?;
    let mut board = EmulatedDevice::create(flash, number.product().clone(), chip, seed)?;
    board.set_common_certificate(&common.certificate, common.key.expose())??;
    let (url, name) = plant.authority_at()?;
    let (root_sha256, proxy) = (plant.root_fingerprint(), ProxyConfig::default());
    let authority = recover::Authority { url: url.parse()?, name, root_sha256, proxy };
    let (_, recovery) = recover(&mut board, number, &authority, false, edge).await?;
    ensure!(matches!(recovery, Recovery::Done { .. }), "the new board of {number} was given nothing");
    known(plant, &mut board).await.context("its new board")?;
    ensure!(known(plant, &mut old).await.is_err(), "the old board of {number} is still taken for it");
    Ok(())
}

/// Lets the authority say whom it takes the device for, which must be itself: its certificate.
async fn known(plant: &Plant, device: &mut EmulatedDevice) -> anyhow::Result<Vec<u8>> {
    let pack = device.pack()?.context("the device holds nothing")?;
    let certificate = pack.client_certificate.clone();
    let credential =
        Credential::new(vec![pack.client_certificate, pack.issuing_certificate], pack.secret_key);
    let standing: DeviceStanding = plant.device_client(&credential)?.get_json("/v1/identity").await?;
    ensure!(
        standing.device_number == pack.device_number && standing.state == CredentialState::Verified,
        "{} is taken for {}, which is {}",
        pack.device_number,
        standing.device_number,
        standing.state
    );
    Ok(certificate)
}
