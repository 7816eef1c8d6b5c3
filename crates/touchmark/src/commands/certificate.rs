//! `touchmark certificate ...`: a device's certificate as one looks at it who is no member and cannot ask the register.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use cert::crl::{RevocationDepth, RevocationList, check_revocation};
use cert::device::verify_below;
use cert::issuer::Issuer;
use cert::{Certificate, Refusal};
use jiff::Timestamp;
use serde::Serialize;

use super::Edge;
use crate::failure::Failure;
use crate::pem_files::{self, CERTIFICATE};

/// What to do with it.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Verify that a certificate is a device's, with a root, a CA below it, and what that CA has published as revoked
    Verify(VerifyArguments),
}

/// Arguments of `touchmark certificate verify`.
#[derive(clap::Args)]
pub struct VerifyArguments {
    /// The device's certificate, PEM; the first one in the file counts
    certificate: PathBuf,
    /// The root's certificate, PEM
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// The certificate of the CA that signed the device's, PEM
    #[arg(long, value_name = "FILE")]
    issuing: PathBuf,
    /// A CRL, DER as it is published, complete or delta; may be given several times
    #[arg(long, required = true, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// CRLs must speak for the CA as well, for which the root needs to have signed one
    #[arg(long)]
    whole_path: bool,
    /// The time at which it is to be good, such as 2026-01-31T14:00:00Z; now where it is not given
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verified {
    device_number: String,
    certificate_serial: String,
    issuer: String,
}

/// Runs the command.
pub fn run(command: &Command, edge: &Edge) -> anyhow::Result<()> {
    let Command::Verify(arguments) = command;
    let now = arguments.at.map_or_else(|| edge.clock.epoch_seconds(), Timestamp::as_second);
    let (root, issuing) = (first(&arguments.root)?, first(&arguments.issuing)?);
    let issuer = Issuer::root(&root)
        .and_then(|root| root.subordinate(&issuing))
        .context("root and CA do not fit together")?;
    let lists = arguments.crl.iter().map(|path| list(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let certificate = Certificate::parse(&first(&arguments.certificate)?)?;
    let depth = if arguments.whole_path { RevocationDepth::Path } else { RevocationDepth::EndEntity };
    let device = verify_below(&issuer, &certificate, now)
        .and_then(|device| check_revocation(&issuer, &certificate, now, &lists, depth).map(|()| device))
        .map_err(|refusal| refused(&arguments.certificate, refusal))?;
    let verified = Verified {
        device_number: device.number.to_string(),
        certificate_serial: device.certificate_serial.to_string(),
        issuer: certificate.issuer(),
    };
    let text =
        format!("{} is {}, and was not revoked", arguments.certificate.display(), verified.device_number);
    edge.output.object(&verified, text);
    Ok(())
}

fn first(path: &Path) -> anyhow::Result<Vec<u8>> {
    let found = pem_files::read(path, CERTIFICATE)?.into_iter().next();
    let der = found.ok_or_else(|| Failure::new(format!("{} holds no certificate", path.display())))?;
    Ok(der.to_vec())
}

fn list(path: &Path) -> anyhow::Result<RevocationList> {
    let der = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    RevocationList::parse(&der).with_context(|| format!("{} is of no use", path.display()))
}

fn refused(path: &Path, refusal: Refusal) -> Failure {
    let failure = Failure::new(format!("{} is refused", path.display()));
    let advice = match refusal {
        Refusal::RevocationUnknown { .. } => Some(
            "fetch the CRL that the certificate names (openssl x509 -noout -ext crlDistributionPoints), which is good \
             for a day",
        ),
        _ => None,
    };
    match advice {
        Some(advice) => failure.because(refusal).advise(advice),
        None => failure.because(refusal),
    }
}
