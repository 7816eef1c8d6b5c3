//! `touchmark device recover`: an emulated device that has lost its certificate, or a new board, asks for one
//! under its common certificate.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use auth::{ChannelBinding, recovery_confirmation};
use axum::http::Uri;
use cert::tls::{Credential, HostTrust};
use cert::{Certificate, Fingerprint};
use device::Renewal;
use device::sim::Tear;
use identity::{DeviceNumber, Member, MemberName};
use message::bytes::Bytes;
use message::pack::{CertificatePack, CredentialPack};
use message::problem::ProblemCode;
use message::recovery::{RecoveryAnswer, RecoveryProof, RecoveryRequest, recovery_message};
use message::standing::DeviceStanding;
use pki::SigningRequest;
use serde::Serialize;
use transport::{CallError, Client};

use super::address::channel;
use super::keys::KeyArguments;
use super::{Edge, open, seed};
use crate::config::ProxyConfig;
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
    /// Cut the device's power after so many changes of its memory, to see what becomes of it
    #[arg(long, value_name = "N")]
    cut_power_after: Option<u32>,
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
    /// The way there.
    #[command(flatten)]
    pub proxy: ProxyConfig,
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
        /// What the request goes by; none where the certificate had come before.
        recovery: Option<u64>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery: Option<u64>,
    key_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_sha256: Option<String>,
}

/// Runs the command. Asked again, it goes on where it was.
pub async fn run(arguments: RecoverArguments, edge: &Edge) -> anyhow::Result<()> {
    let RecoverArguments { flash, number, without_proof, cut_power_after, authority, keys } = arguments;
    let mut device = keys.give_to(open(&flash, edge)?)?;
    if let Some(changes) = cut_power_after {
        device.cut_power_after(changes, Tear::Noisy(seed(edge)));
    }
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
            edge.output.object(&shown("pending", Some(recovery), None), text);
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
    if device.renewal()?? == Renewal::Confirmation {
        let held = device.candidate()?.context("the device holds no certificate")?;
        let key = Certificate::parse(&held.client_certificate)?.spki_fingerprint();
        finish(device, number, authority, edge).await?;
        return Ok((key, Recovery::Done { recovery: None, certificate: held.client_certificate }));
    }
    let request = device.begin_recovery(number)?.context("the device makes no request")?.0.to_vec();
    let public_key = SigningRequest::verify(&request)?.public_key_sha256();
    let recovery = match ask(device, number, authority, request, is_proving, edge).await? {
        RecoveryAnswer::Pending { recovery } => Recovery::Pending { recovery },
        RecoveryAnswer::Issued { recovery, pack } => {
            let certificate = install(device, number, authority, *pack)?;
            finish(device, number, authority, edge).await?;
            Recovery::Done { recovery: Some(recovery), certificate }
        }
    };
    Ok((public_key, recovery))
}

/// Asks under the common certificate, with what proof the device has.
async fn ask(
    device: &mut EmulatedDevice,
    number: &DeviceNumber,
    authority: &Authority,
    request: Vec<u8>,
    is_proving: bool,
    edge: &Edge,
) -> anyhow::Result<RecoveryAnswer> {
    let common = device.common_certificate().context("cannot read the device's memory")?;
    let (certificate, key) = common.ok_or_else(|| {
        Failure::new("the device has no common certificate")
            .advise("give it one: device emulate --common-certificate FILE")
    })?;
    let common = Credential::new(vec![certificate], key);
    let public_key = SigningRequest::verify(&request)?.public_key_sha256();
    let (member, clock) = (authority.member(), Arc::clone(&edge.clock));
    let trust = HostTrust::Root(authority.root_sha256);
    let mut channel = channel(&authority.url, &authority.proxy, trust, &member, Some(&common), clock).await?;
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
    let answer = channel.post_json("/v1/recoveries", &asked).await;
    answer.with_context(|| format!("{member} gives no certificate to {number}"))
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

/// Shows the authority the new identity, and has the device take it for its own; until it has answered, the old one is
/// kept. One that it does not want is forgotten, so that the device may ask for another.
async fn finish(
    device: &mut EmulatedDevice,
    number: &DeviceNumber,
    authority: &Authority,
    edge: &Edge,
) -> anyhow::Result<()> {
    let held = device.candidate()?.context("the device holds no certificate")?;
    let chain = vec![held.client_certificate, held.issuing_certificate];
    let credential = Credential::new(chain, held.secret_key);
    let (trust, url) = (HostTrust::Root(authority.root_sha256), authority.url.to_string());
    let (proxy, clock) = (authority.proxy.to(&url)?, Arc::clone(&edge.clock));
    let client = Client::through(proxy.as_ref(), trust, Some(&credential), authority.member(), &url, clock)?;
    let shown: Result<DeviceStanding, CallError> = client.post_json("/v1/identity/confirmation", &()).await;
    match shown {
        Ok(_) => {
            let accepted = device.accept_recovered(number)?;
            accepted.context("the device does not take its new identity")
        }
        Err(CallError::Refused(problem)) if problem.code == ProblemCode::NotAllowed => {
            device.abandon_renewal()??;
            Err(Failure::new(format!("the certificate that the device was given is refused: {problem}"))
                .advise("recover again")
                .into())
        }
        Err(error) => {
            Err(error).context("the authority does not take the new certificate yet: recover again")
        }
    }
}

impl Authority {
    fn member(&self) -> Member {
        Member::authority(self.name.clone())
    }
}
