//! `touchmark device authenticate`: an emulated device proves itself to an authenticator, and leaves
//! with a token for a service.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use authenticator::caller::{CallerError, authenticate};
use axum::http::Uri;
use cert::Fingerprint;
use cert::tls::HostTrust;
use identity::{ApparatusId, DeviceNumber, Member, MemberName};
use message::problem::ProblemCode;
use serde::Serialize;
use transport::CallError;

use super::address::channel;
use super::keys::KeyArguments;
use super::{Edge, open};
use crate::config::ProxyConfig;
use crate::emulator::EmulatedDevice;
use crate::failure::Failure;

/// Arguments of `touchmark device authenticate`.
#[derive(clap::Args)]
pub struct AuthenticateArguments {
    /// The file that is the device's memory
    #[arg(long, value_name = "FILE")]
    flash: PathBuf,
    #[command(flatten)]
    keys: KeyArguments,
    /// The service that the token is for
    #[arg(long, value_name = "NAME")]
    service: MemberName,
    /// The address of the authenticator
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:7446")]
    authenticator: Uri,
    /// The authenticator's name, which its certificate must state
    #[arg(long, value_name = "NAME", default_value = "authenticator")]
    authenticator_name: MemberName,
    /// SHA-256 of the root certificate, for a device that holds none
    #[arg(long, value_name = "HEX")]
    root_sha256: Option<Fingerprint>,
    #[command(flatten)]
    proxy: ProxyConfig,
}

/// What the command prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Authenticated {
    device_number: DeviceNumber,
    apparatus_id: ApparatusId,
    authenticator: Member,
    service: MemberName,
    token: String,
    expires_in: u32,
}

/// Runs the command.
pub async fn run(arguments: AuthenticateArguments, edge: &Edge) -> anyhow::Result<()> {
    let device = open(&arguments.flash, edge)?;
    let mut device = arguments.keys.give_to(device)?;
    let flash = arguments.flash.display();
    let credential = device.symmetric_credential().map_err(|refusal| {
        Failure::new(format!("the device in {flash} cannot open a symmetric credential"))
            .because(refusal)
            .advise("have a station write it first; what is kept sealed opens with --pre-write-key")
    })?;
    let (device_number, root) = number_and_root(&mut device, &arguments)?;

    let server = Member::authenticator(arguments.authenticator_name.clone());
    let (trust, clock) = (HostTrust::Root(root), Arc::clone(&edge.clock));
    let mut channel =
        channel(&arguments.authenticator, &arguments.proxy, trust, &server, None, clock).await?;
    let service = arguments.service.clone();
    let session = authenticate(&mut channel, &credential, &server, service, &*edge.random)
        .await
        .map_err(|error| not_authenticated(&device_number, error))?;

    let authenticated = Authenticated {
        apparatus_id: credential.apparatus_id,
        authenticator: server,
        service: arguments.service,
        token: session.token,
        expires_in: session.expires_in,
        device_number,
    };
    let Authenticated { device_number, service, expires_in, token, .. } = &authenticated;
    let text = format!("{device_number} has a token for {service}, good for {expires_in} s:\n{token}");
    edge.output.object(&authenticated, text);
    Ok(())
}

/// The number that the device has, and the root that it knows its authenticator by.
fn number_and_root(
    device: &mut EmulatedDevice,
    arguments: &AuthenticateArguments,
) -> anyhow::Result<(DeviceNumber, Fingerprint)> {
    let flash = arguments.flash.display();
    let pack = device.pack().with_context(|| format!("cannot read the pack in {flash}"))?;
    let pack = pack.ok_or_else(|| Failure::new(format!("the device in {flash} holds no pack")))?;
    let own = (!pack.root_certificate.is_empty()).then(|| Fingerprint::of(&pack.root_certificate));
    let root = arguments.root_sha256.or(own).ok_or_else(|| {
        Failure::usage(format!("{} holds no root certificate", pack.device_number))
            .advise("say which root to trust with --root-sha256, as `touchmark authority init` printed it")
    })?;
    Ok((pack.device_number, root))
}

fn not_authenticated(device_number: &DeviceNumber, error: CallerError) -> Failure {
    let failure = Failure::new(format!("{device_number} is not authenticated"));
    let advice = match &error {
        CallerError::Call(CallError::Refused(problem)) if problem.code == ProblemCode::NotAuthenticated => {
            "an authenticator learns of a device some seconds after its registration; \
             `touchmark authenticator status` shows how far it is"
        }
        CallerError::Challenge(_) | CallerError::Server(_) => {
            "name the authenticator that has this device's registration"
        }
        _ => "try again",
    };
    failure.because(error).advise(advice)
}
