//! `touchmark device collect`: an emulated device fetches the certificate that it was owed when it was
//! made.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use axum::http::Uri;
use cert::Fingerprint;
use cert::tls::HostTrust;
use identity::{DeviceNumber, Member, MemberName};
use message::bytes::Bytes;
use message::collection::{CollectionRequest, collection_message};
use message::pack::{CertificatePack, CredentialPack, PackKey};
use serde::Serialize;

use super::address::channel;
use super::{Edge, open};
use crate::config::ProxyConfig;
use crate::emulator::EmulatedDevice;
use crate::failure::Failure;

/// Arguments of `touchmark device collect`.
#[derive(clap::Args)]
pub struct CollectArguments {
    /// The file that is the device's memory
    #[arg(long, value_name = "FILE")]
    flash: PathBuf,
    /// The address of the authority
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:7443")]
    authority: Uri,
    /// The authority's name, which its certificate must state
    #[arg(long, value_name = "NAME", default_value = "authority")]
    authority_name: MemberName,
    /// SHA-256 of the root certificate, which a device's firmware knows
    #[arg(long, value_name = "HEX")]
    root_sha256: Fingerprint,
    #[command(flatten)]
    proxy: ProxyConfig,
}

/// What the command prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Collected {
    device_number: DeviceNumber,
    certificate_sha256: String,
}

/// Runs the command.
pub async fn run(arguments: CollectArguments, edge: &Edge) -> anyhow::Result<()> {
    let mut device = open(&arguments.flash, edge)?;
    let flash = arguments.flash.display();
    let number = device.confirmed_number().with_context(|| format!("cannot read the NVRAM in {flash}"))?;
    let device_number = number.ok_or_else(|| {
        Failure::new(format!("the device in {flash} has no number yet"))
            .advise("have a station write it first")
    })?;

    let authority = Member::authority(arguments.authority_name.clone());
    let trust = HostTrust::Root(arguments.root_sha256);
    let clock = Arc::clone(&edge.clock);
    let mut channel = channel(&arguments.authority, &arguments.proxy, trust, &authority, None, clock).await?;
    let message = collection_message(&device_number, &channel.binding().0);
    let signature =
        device.sign(&message)?.with_context(|| format!("{device_number} has no key to sign with"))?;
    let request = CollectionRequest { device_number, signature: Bytes(signature) };
    let pack: CredentialPack = channel
        .post_json("/v1/collections", &request)
        .await
        .with_context(|| format!("{authority} gives no certificate to {}", request.device_number))?;
    let certificate = install(&mut device, &arguments.root_sha256, pack)?;

    let certificate_sha256 = Fingerprint::of(&certificate).to_string();
    let collected = Collected { device_number: request.device_number, certificate_sha256 };
    let text =
        format!("{} has its certificate, SHA-256 {}", collected.device_number, collected.certificate_sha256);
    edge.output.object(&collected, text);
    Ok(())
}

/// Has the device take the certificate, and returns it.
fn install(device: &mut EmulatedDevice, root: &Fingerprint, pack: CredentialPack) -> anyhow::Result<Vec<u8>> {
    let Some(CertificatePack {
        root_certificate,
        issuing_certificate,
        client_certificate,
        key: PackKey::DeviceOwn,
    }) = pack.certificate
    else {
        return Err(Failure::new("the authority gave something else than a certificate").into());
    };
    if Fingerprint::of(&root_certificate.0) != *root {
        return Err(Failure::new("the certificate comes with another root than the device trusts").into());
    }
    device
        .install_certificate(&root_certificate.0, &issuing_certificate.0, &client_certificate.0)?
        .context("the device does not take the certificate")?;
    Ok(client_certificate.0)
}
