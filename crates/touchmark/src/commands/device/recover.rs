//! `touchmark device recover`: an emulated device that has lost its certificate, or a new board, asks for one
//! under its common certificate.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use auth::{ChannelBinding, recovery_confirmation};
use axum::http::Uri;
use cert::Fingerprint;
use cert::tls::{Credential, HostTrust};
use identity::{DeviceNumber, Member, MemberName};
use message::bytes::Bytes;
use message::pack::{CertificatePack, CredentialPack};
use message::recovery::{RecoveryAnswer, RecoveryProof, RecoveryRequest, recovery_message};
use message::standing::DeviceStanding;
use pki::SigningRequest;
use serde::Serialize;
use transport::{Channel, Client};

use super::address::address_of;
use super::keys::KeyArguments;
use super::{Edge, open};
use crate::emulator::EmulatedDevice;
use crate::failure::Failure;

/// Arguments of `touchmark device recover`.
#[derive(clap::Args)]
pub struct RecoverArguments {
    /// The file that is the device's memory
    #[arg(long, value_name = "FILE")]
    flash: PathBuf,
    /// The number on its rating plate; by default the one that it remembers
    #[arg(long, value_name = "NUMBER")]
    number: Option<DeviceNumber>,
    /// Bring no proof, and wait for a person's word
    #[arg(long)]
    without_proof: bool,
    #[command(flatten)]
    authority: Authority,
    #[command(flatten)]
    keys: KeyArguments,
}

/// Where a device asks that has no certificate of its own.
#[derive(clap::Args)]
pub struct Authority {
    /// The address of the authority
    #[arg(long = "authority", value_name = "URL", default_value = "https://127.0.0.1:7443")]
    pub url: Uri,
    /// The authority's name, which its certificate must state
    #[arg(long = "authority-name", value_name = "NAME", default_value = "authority")]
    pub name: MemberName,
    /// SHA-256 of the root certificate, which a device's firmware knows
    #[arg(long, value_name = "HEX")]
    pub root_sha256: Fingerprint,
}

/// Where a request stands.
pub enum Recovery {
    /// A person decides.
    Pending {
        /// What the request goes by.
        recovery: u64,
    },
    /// The device has its certificate, and the authority has seen it.
    Done {
        /// What the request goes by.
        recovery: u64,
        /// The certificate, DER.
        certificate: Vec<u8>,
    },
}

/// What the command prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recovered {
    device_number: DeviceNumber,
    state: &'static str,
    recovery: u64,
    key_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_sha256: Option<String>,
}

/// Runs the command. Asked again, it goes on where it was.
pub async fn run(arguments: RecoverArguments, edge: &Edge) -> anyhow::Result<()> {
    let RecoverArguments { flash, number, without_proof, authority, keys } = arguments;
    let mut device = keys.give_to(open(&flash, edge)?)?;
    let flash = flash.display();
    let remembered =
        device.confirmed_number().with_context(|| format!("cannot read the NVRAM in {flash}"))?;
    let number = number.or(remembered).ok_or_else(|| {
        Failure::usage(format!("the device in {flash} remembers no number")).advise("name it with --number")
    })?;
    let (key, recovery) = recover(&mut device, &number, &authority, !without_proof, edge).await?;
    let shown = |state, recovery, certificate_sha256| Recovered {
        device_number: number.clone(),
        state,
        recovery,
        key_sha256: key.to_string(),
        certificate_sha256,
    };
    match recovery {
        Recovery::Pending { recovery } => {
            let text = format!(
                "request {recovery} waits for a person's word; the key's SHA-256 is {key}\n\
                 ask again when it is approved"
            );
            edge.output.object(&shown("pending", recovery, None), text);
        }
        Recovery::Done { recovery, certificate } => {
            let certificate = Fingerprint::of(&certificate).to_string();
            let text = format!("{number} has its certificate, SHA-256 {certificate}");
            edge.output.object(&shown("issued", recovery, Some(certificate)), text);
        }
    }
    Ok(())
}

/// Has the device ask for the certificate of this number, and take it where it is given: SHA-256 of the
/// new key, and where the request stands. Asked again, it goes on where it was.
///
/// # Errors
/// The authority refuses or cannot be reached, or the device's memory fails.
pub async fn recover(
    device: &mut EmulatedDevice,
    number: &DeviceNumber,
    authority: &Authority,
    is_proving: bool,
    edge: &Edge,
) -> anyhow::Result<(Fingerprint, Recovery)> {
    let common = device.common_certificate().context("cannot read the device's memory")?;
    let (certificate, key) = common.ok_or_else(|| {
        Failure::new("the device has no common certificate")
            .advise("give it one: device emulate --common-certificate FILE")
    })?;
    let common = Credential::new(vec![certificate], key);
    let request = device.begin_recovery(number)?.context("the device makes no request")?.0.to_vec();
    let public_key = SigningRequest::verify(&request)?.public_key_sha256();

    let member = Member::authority(authority.name.clone());
    let trust = HostTrust::Root(authority.root_sha256);
    let (address, clock) = (address_of(&authority.url).await?, Arc::clone(&edge.clock));
    let mut channel = Channel::connect_as(address, trust, member.clone(), &common, clock)
        .await
        .with_context(|| format!("cannot reach {member} at {}", authority.url))?;
    let proof = match is_proving {
        true => proof(device, number, &public_key, &channel.binding().0)?,
        false => None,
    };
    let asked = RecoveryRequest {
        device_number: number.clone(),
        hardware_uid: device.hardware_uid(),
        signing_request: Bytes(request),
        proof,
    };
    let answer = channel
        .post_json("/v1/recoveries", &asked)
        .await
        .with_context(|| format!("{member} gives no certificate to {number}"))?;
    let recovery = match answer {
        RecoveryAnswer::Pending { recovery } => Recovery::Pending { recovery },
        RecoveryAnswer::Issued { recovery, pack } => {
            let certificate = install(device, number, authority, *pack)?;
            confirm(device, authority, member, edge).await?;
            device.accept_recovered(number)?.context("the device does not take its new identity")?;
            Recovery::Done { recovery, certificate }
        }
    };
    Ok((public_key, recovery))
}

/// What the device can prove itself with: its pass phrase, or the key of its last certificate.
fn proof(
    device: &mut EmulatedDevice,
    number: &DeviceNumber,
    public_key: &Fingerprint,
    binding: &[u8; 32],
) -> anyhow::Result<Option<RecoveryProof>> {
    let chip = device.hardware_uid();
    if let Ok(credential) = device.symmetric_credential() {
        let confirmation = recovery_confirmation(
            &credential.pass_phrase,
            credential.apparatus_id,
            number,
            &chip,
            public_key.as_bytes(),
            &ChannelBinding::new(*binding),
        );
        let hmac = Bytes(confirmation.as_bytes().to_vec());
        return Ok(Some(RecoveryProof::PassPhrase { apparatus_id: credential.apparatus_id, hmac }));
    }
    let has_certificate = device.pack()?.is_some_and(|pack| !pack.client_certificate.is_empty());
    if !has_certificate {
        return Ok(None);
    }
    let message = recovery_message(number, &chip, public_key.as_bytes(), binding);
    let signature = device.sign(&message)?;
    Ok(signature.ok().map(|signature| RecoveryProof::FormerKey { signature: Bytes(signature) }))
}

/// Has the device store the certificate beside what it holds, and returns it.
fn install(
    device: &mut EmulatedDevice,
    number: &DeviceNumber,
    authority: &Authority,
    pack: CredentialPack,
) -> anyhow::Result<Vec<u8>> {
    let Some(CertificatePack { root_certificate, issuing_certificate, client_certificate, .. }) =
        pack.certificate
    else {
        return Err(Failure::new("the authority gave something else than a certificate").into());
    };
    if Fingerprint::of(&root_certificate.0) != authority.root_sha256 {
        return Err(Failure::new("the certificate comes with another root than the device trusts").into());
    }
    device
        .receive_recovered(number, &root_certificate.0, &issuing_certificate.0, &client_certificate.0)?
        .context("the device does not take the certificate")?;
    Ok(client_certificate.0)
}

/// Shows the authority the new identity; until it has answered, the old one is kept.
async fn confirm(
    device: &mut EmulatedDevice,
    authority: &Authority,
    member: Member,
    edge: &Edge,
) -> anyhow::Result<()> {
    let held = device.candidate()?.context("the device holds no certificate")?;
    let chain = vec![held.client_certificate, held.issuing_certificate];
    let credential = Credential::new(chain, held.secret_key);
    let (trust, url) = (HostTrust::Root(authority.root_sha256), authority.url.to_string());
    let client = Client::new(trust, Some(&credential), member, &url, Arc::clone(&edge.clock))?;
    let _: DeviceStanding = client
        .post_json("/v1/identity/confirmation", &())
        .await
        .context("the authority does not take the new certificate yet: recover again")?;
    Ok(())
}
