//! `touchmark authority common-certificate ...`: what the devices of a batch share.

use std::path::{Path, PathBuf};

use authority::{ExportedCommonCertificate, UseToday};
use der::pem::{self, LineEnding};
use identity::{CommonBatch, ProductCode};
use message::bytes::{Bytes, SecretBytes};
use pki::certificate_pem;
use serde::Serialize;
use store::authority::common_certificate::CommonCertificate;
use zeroize::{Zeroize, Zeroizing};

use super::{open_desk, passphrase, person, root_key};
use crate::commands::Edge;
use crate::commands::role_arguments::RoleArguments;
use crate::common_certificate_file::CommonCertificateFile;
use crate::durable::NewFile;
use crate::failure::Failure;
use crate::pem_files::PRIVATE_KEY;

/// What is done with common certificates.
#[derive(clap::Subcommand)]
pub enum CommonCertificateCommand {
    /// Make the CA that signs them, once, in an authority that was set up before there was one
    Enable(EnableArguments),
    /// Make the common certificate of a product's next batch
    Make {
        /// The product, such as A123
        product: ProductCode,
        /// How many requests a day it may carry that nothing but itself speaks for; one more is an alarm
        #[arg(long, value_name = "N", default_value_t = 100)]
        unproved_a_day: u32,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// List them, without their keys
    List {
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Stop a batch for good: nobody is answered any more who shows its certificate
    Stop {
        /// The batch, such as A123-1
        batch: CommonBatch,
        /// Why, for whoever reads it later
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Write a common certificate with its key for the firmware build; this can be done once
    Export(ExportArguments),
}

/// Arguments of `touchmark authority common-certificate enable`.
#[derive(clap::Args)]
pub struct EnableArguments {
    /// The root's key, encrypted; by default root-key.pem in the data directory
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// The file with the passphrase for the root's key
    #[arg(long, value_name = "FILE")]
    root_passphrase_file: PathBuf,
    #[command(flatten)]
    role: RoleArguments,
}

/// Arguments of `touchmark authority common-certificate export`.
#[derive(clap::Args)]
pub struct ExportArguments {
    /// The batch, such as A123-1
    batch: CommonBatch,
    /// The PEM file to write, for the firmware build: the certificate and its key
    #[arg(long, value_name = "FILE", required_unless_present = "json_file")]
    pem: Option<PathBuf>,
    /// The JSON file to write, for emulated devices in place of a firmware build
    #[arg(long, value_name = "FILE")]
    json_file: Option<PathBuf>,
    #[command(flatten)]
    role: RoleArguments,
}

/// Runs one command.
pub async fn run(command: CommonCertificateCommand, edge: &Edge) -> anyhow::Result<()> {
    match command {
        CommonCertificateCommand::Enable(arguments) => enable(&arguments, edge).await,
        CommonCertificateCommand::Make { product, unproved_a_day, role } => {
            let config = role.authority()?;
            let (desk, passphrase) = (open_desk(&config, edge).await?, passphrase(&config.unlock_file)?);
            let made = desk.make_common_certificate(&product, unproved_a_day, passphrase, &person()).await?;
            edge.output
                .object(&row(&made, None), format!("{} has a common certificate: export it", made.batch));
            Ok(())
        }
        CommonCertificateCommand::List { role } => {
            let desk = open_desk(&role.authority()?, edge).await?;
            let found = desk.common_certificates().await?;
            let used = desk.used_today(&found).await?;
            let rows: Vec<Row> =
                found.iter().zip(used).map(|(common, today)| row(common, Some(today))).collect();
            let headings = [
                "batch",
                "certificate serial",
                "today without proof",
                "today false proofs",
                "a day at most",
                "made",
                "exported",
                "stopped",
                "why",
            ];
            edge.output.rows(&headings, &rows, |row| cells(row).to_vec());
            Ok(())
        }
        CommonCertificateCommand::Stop { batch, reason, role } => {
            let desk = open_desk(&role.authority()?, edge).await?;
            desk.stop_common_certificate(&batch, &reason, &person()).await?;
            edge.output.object(&Stopped { stopped: &batch }, format!("{batch} is stopped"));
            Ok(())
        }
        CommonCertificateCommand::Export(arguments) => export(&arguments, edge).await,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    batch: &'a CommonBatch,
    certificate_serial: String,
    unproved_a_day_max: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    unproved_today: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    false_proofs_today: Option<u64>,
    made: i64,
    exported: Option<i64>,
    stopped: Option<i64>,
    stop_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Stopped<'a> {
    stopped: &'a CommonBatch,
}

#[derive(Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Serialize)]
struct Exported<'a> {
    batch: &'a CommonBatch,
    files: Vec<&'a Path>,
}

async fn enable(arguments: &EnableArguments, edge: &Edge) -> anyhow::Result<()> {
    let config = arguments.role.authority()?;
    let root_key = root_key(&config, arguments.root_key.as_deref(), &arguments.root_passphrase_file)?;
    let desk = open_desk(&config, edge).await?;
    desk.enable_common_certificates(root_key, passphrase(&config.unlock_file)?, &person()).await?;
    let text = "common certificates can be made now; \
                a serving authority takes them once it is started again";
    edge.output.object(&Enabled { enabled: true }, text);
    Ok(())
}

/// The files are made before the key is asked for, because a key that was handed out and then could
/// not be written would be spent.
async fn export(arguments: &ExportArguments, edge: &Edge) -> anyhow::Result<()> {
    let ExportArguments { batch, pem, json_file, role } = arguments;
    let config = role.authority()?;
    let (desk, passphrase) = (open_desk(&config, edge).await?, passphrase(&config.unlock_file)?);
    let made = |path: &Option<PathBuf>| {
        let made = path.as_deref().map(|path| NewFile::create(path).map_err(|error| (path, error)));
        made.transpose().map_err(|(path, error)| {
            anyhow::Error::new(error).context(format!("cannot make {}", path.display()))
        })
    };
    let (text, json) = (made(pem)?, made(json_file)?);
    let common = desk.export_common_certificate(batch, passphrase, &person()).await?;
    let renderings: [(_, fn(&ExportedCommonCertificate) -> _); 2] = [(text, as_pem), (json, as_json)];
    for (file, render) in renderings {
        let Some(file) = file else { continue };
        let path = file.path().to_owned();
        file.fill(render(&common).as_bytes()).map_err(|error| {
            Failure::new(format!("cannot write {}", path.display()))
                .because(error)
                .advise(format!("the key counts as exported: stop {batch} and make another batch"))
        })?;
    }
    let files: Vec<&Path> = [pem, json_file].into_iter().flatten().map(PathBuf::as_path).collect();
    let text = format!(
        "the common certificate of {batch} is in the file for the firmware build, and its key is never shown \
         again; keep the file out of version control, and erase it after the build"
    );
    edge.output.object(&Exported { batch, files }, text);
    Ok(())
}

fn as_pem(common: &ExportedCommonCertificate) -> Zeroizing<String> {
    let mut key = pem::encode_string(PRIVATE_KEY, LineEnding::LF, common.key.expose())
        .expect("a key is far shorter than the length that PEM cannot count");
    let text = Zeroizing::new(certificate_pem(&common.certificate) + &key);
    key.zeroize();
    text
}

fn as_json(common: &ExportedCommonCertificate) -> Zeroizing<String> {
    let file = CommonCertificateFile {
        batch: common.batch.clone(),
        certificate: Bytes(common.certificate.clone()),
        key: SecretBytes::new(common.key.expose().to_vec()),
    };
    Zeroizing::new(serde_json::to_string_pretty(&file).expect("a certificate and its key have a JSON form"))
}

fn row(common: &CommonCertificate, today: Option<UseToday>) -> Row<'_> {
    Row {
        batch: &common.batch,
        certificate_serial: hex::encode(&common.certificate_serial),
        unproved_a_day_max: common.unproved_a_day_max,
        unproved_today: today.map(|today| today.unproved),
        false_proofs_today: today.map(|today| today.false_proofs),
        made: common.made,
        exported: common.exported,
        stopped: common.stopped.as_ref().map(|(moment, _)| *moment),
        stop_reason: common.stopped.as_ref().map(|(_, reason)| reason.as_str()),
    }
}

fn cells(row: &Row) -> [String; 9] {
    let moment = |seconds: Option<i64>| {
        let moment = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        moment.map(|moment| moment.to_string()).unwrap_or_default()
    };
    [
        row.batch.to_string(),
        row.certificate_serial.clone(),
        row.unproved_today.unwrap_or_default().to_string(),
        row.false_proofs_today.unwrap_or_default().to_string(),
        row.unproved_a_day_max.to_string(),
        moment(Some(row.made)),
        moment(row.exported),
        moment(row.stopped),
        row.stop_reason.unwrap_or_default().to_owned(),
    ]
}
