//! `touchmark device renew`: an emulated device gets its next certificate, as it does before the one that it has
//! expires, or where the center asks for it.
//!
//! Whatever breaks off in between, the same command goes on where it was.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use cert::Fingerprint;
use cert::tls::{Credential, HostTrust};
use device::Renewal;
use device::calling::{Outcome, Work};
use device::sim::Tear;
use identity::{DeviceNumber, Member, MemberName};
use message::bytes::Bytes;
use message::pack::{CertificatePack, CredentialPack, PackKey};
use message::problem::{Problem, ProblemCode};
use message::renewal::RenewalRequest;
use message::standing::DeviceStanding;
use serde::Serialize;
use transport::{CallError, Client};

use super::call::{Center, pack_of};
use super::{Edge, carried, open, seed};
use crate::config::ProxyConfig;
use crate::emulator::{EmulatedDevice, HeldPack};
use crate::failure::Failure;

/// Arguments of `touchmark device renew`.
#[derive(clap::Args)]
pub struct RenewArguments {
    /// The file that is the device's memory
    #[arg(long, value_name = "FILE")]
    flash: PathBuf,
    /// The address of the authority
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:7443")]
    authority: String,
    /// The authority's name, which its certificate must state
    #[arg(long, value_name = "NAME", default_value = "authority")]
    authority_name: MemberName,
    /// The memory of the intermediate device that carries the request to the center, with its certificate
    #[arg(long, value_name = "FILE")]
    through: Option<PathBuf>,
    /// The address of the center, for a device whose requests another carries
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:7447", requires = "through")]
    center: String,
    /// The center's name, which its certificate must state
    #[arg(long, value_name = "NAME", default_value = "center", requires = "through")]
    center_name: MemberName,
    #[command(flatten)]
    proxy: ProxyConfig,
    /// Cut the device's power after so many changes of its memory, to see what becomes of it
    #[arg(long, value_name = "N")]
    cut_power_after: Option<u32>,
}

/// What the command prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Renewed {
    device_number: DeviceNumber,
    certificate_sha256: String,
}

/// Runs the command.
pub async fn run(arguments: RenewArguments, edge: &Edge) -> anyhow::Result<()> {
    let mut device = open(&arguments.flash, edge)?;
    if let Some(changes) = arguments.cut_power_after {
        device.cut_power_after(changes, Tear::Noisy(seed(edge)));
    }
    let device_number = match &arguments.through {
        Some(through) => {
            let (name, url) = (arguments.center_name, arguments.center);
            let center = Center { name, url, proxy: arguments.proxy };
            let carrier = pack_of(&mut open(through, edge)?, through)?;
            carried::renew(&mut device, &center.client(carrier, edge)?).await?
        }
        None => {
            let (name, url) = (arguments.authority_name, arguments.authority);
            renew(&mut device, &Authority { name, url, proxy: arguments.proxy }, edge).await?
        }
    };
    if let Some(task) = device.calling()?.task().filter(|task| task.work == Work::RenewCertificate) {
        device.finish_task(task.request, Outcome::Done)?;
    }
    let certificate = current(&mut device)?.client_certificate;
    let certificate_sha256 = Fingerprint::of(&certificate).to_string();
    let text = format!("{device_number} has a new certificate, SHA-256 {certificate_sha256}");
    edge.output.object(&Renewed { device_number, certificate_sha256 }, text);
    Ok(())
}

/// Where a device asks for its certificates.
#[derive(Clone)]
pub struct Authority {
    /// The name that its certificate must state.
    pub name: MemberName,
    /// Its address, https://HOST:PORT.
    pub url: String,
    /// The way there.
    pub proxy: ProxyConfig,
}

/// Takes the device through a renewal, from wherever it is in one. Its number.
///
/// # Errors
/// What is not done yet is done by calling this again; [`Refused`] where the authority does not want the
/// new certificate, and the device stays with the one that it had.
pub async fn renew(
    device: &mut EmulatedDevice,
    authority: &Authority,
    edge: &Edge,
) -> anyhow::Result<DeviceNumber> {
    let held = current(device)?;
    if device.renewal()?? != Renewal::Confirmation {
        fetch(device, authority, edge).await?;
    }
    confirm(device, authority, edge).await?;
    Ok(held.device_number)
}

/// The authority does not want the new certificate.
#[derive(Debug, thiserror::Error)]
#[error("the new certificate is refused, and the device stays with the one that it had: {0}")]
pub struct Refused(Problem);

/// Fetches the new certificate with the identity in use.
async fn fetch(device: &mut EmulatedDevice, authority: &Authority, edge: &Edge) -> anyhow::Result<()> {
    let held = current(device)?;
    let cannot = || format!("{} cannot renew its certificate", held.device_number);
    let request = device.begin_renewal()?.with_context(cannot)?;
    let request = RenewalRequest { signing_request: Bytes(request.0.to_vec()) };
    let answer: CredentialPack = authority
        .client(&held, edge)?
        .post_json("/v1/renewals", &request)
        .await
        .with_context(|| format!("{} gets no new certificate", held.device_number))?;
    receive(device, &held, answer)
}

/// Has the device store the certificate beside the one that it has.
pub(super) fn receive(
    device: &mut EmulatedDevice,
    held: &HeldPack,
    answer: CredentialPack,
) -> anyhow::Result<()> {
    let Some(CertificatePack {
        root_certificate: root,
        issuing_certificate: issuing,
        client_certificate: client,
        key: PackKey::DeviceOwn,
    }) = answer.certificate.filter(|pack| pack.root_certificate.0 == held.root_certificate)
    else {
        return Err(Failure::new(
            "the authority gave something else than a certificate of the device's root",
        )
        .into());
    };
    device
        .receive_candidate(&root.0, &issuing.0, &client.0)?
        .context("the device does not take the certificate")
}

/// Shows the new certificate to the authority, and takes it for the device's own where it counts.
async fn confirm(device: &mut EmulatedDevice, authority: &Authority, edge: &Edge) -> anyhow::Result<()> {
    let candidate = device.candidate()?.context("the device has no new certificate")?;
    let answered: Result<DeviceStanding, CallError> =
        authority.client(&candidate, edge)?.post_json("/v1/identity/confirmation", &()).await;
    let refused = match answered {
        Ok(_) => return Ok(device.accept_candidate()??),
        Err(CallError::Refused(problem)) if problem.code == ProblemCode::NotAllowed => problem,
        Err(error) => return Err(error).context("the new certificate is not confirmed yet"),
    };
    // Without another that counts, the device keeps it nevertheless.
    let before = authority.client(&current(device)?, edge)?;
    let standing: Result<DeviceStanding, CallError> = before.get_json("/v1/identity").await;
    if standing.is_err() {
        return Err(Failure::new(format!("neither the old nor the new certificate counts: {refused}")).into());
    }
    device.abandon_renewal()??;
    Err(Refused(refused).into())
}

impl Authority {
    fn client(&self, held: &HeldPack, edge: &Edge) -> anyhow::Result<Client> {
        let root = HostTrust::Root(Fingerprint::of(&held.root_certificate));
        let chain = vec![held.client_certificate.clone(), held.issuing_certificate.clone()];
        let credential = Credential::new(chain, held.secret_key.clone());
        let member = Member::authority(self.name.clone());
        let proxy = self.proxy.to(&self.url)?;
        Ok(Client::through(
            proxy.as_ref(),
            root,
            Some(&credential),
            member,
            &self.url,
            Arc::clone(&edge.clock),
        )?)
    }
}

pub(super) fn current(device: &mut EmulatedDevice) -> anyhow::Result<HeldPack> {
    device.pack()?.filter(|held| !held.client_certificate.is_empty()).ok_or_else(|| {
        Failure::new("the device has no certificate").advise("have a station write it first").into()
    })
}
