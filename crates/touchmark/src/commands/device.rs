//! `touchmark device ...`: emulated devices, and what is in their flash.

mod address;
mod authenticate;
mod bundle;
mod call;
mod carried;
mod collect;
mod fleet;
mod keys;
pub(crate) mod recover;
pub(crate) mod renew;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use cert::Fingerprint;
use identity::profile::SymmetricForm;
use identity::{ApparatusId, DeviceNumber, FirmwareVersion, HardwareUid, ProductCode};
use serde::Serialize;

use super::Edge;
use super::firmware::read_maker_key;
use crate::common_certificate_file::CommonCertificateFile;
use crate::durable::Privacy;
use crate::emulator::{EmulatedDevice, Port, PortAddress};
use crate::failure::Failure;
use crate::pem_files::{self, CERTIFICATE, PRIVATE_KEY};
use crate::serving::told_to_stop;
use keys::KeyArguments;

/// What to do with a device.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Be a device until stopped: answer a station on a port, remember in a file
    Emulate(EmulateArguments),
    /// Write what a device holds as PEM files: root.pem, client.pem, key.pem
    Export(ExportArguments),
    /// Show what a device holds
    Show(ShowArguments),
    /// Collect the certificate that it was owed when it was made
    Collect(collect::CollectArguments),
    /// Ask for a certificate under the common one: it was lost, has expired, or the board is new
    Recover(recover::RecoverArguments),
    /// Prove itself to an authenticator, for a token for a service
    Authenticate(authenticate::AuthenticateArguments),
    /// Call the center as a device in the field
    #[command(subcommand)]
    Call(call::CallCommand),
    /// Get the next certificate, without ever being without one
    Renew(renew::RenewArguments),
    /// Files for and from a center that no network joins to the device
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    /// Be many devices that call at once, also after their center was gone
    Fleet(fleet::FleetArguments),
}

/// Arguments of `touchmark device emulate`.
#[derive(clap::Args)]
pub struct EmulateArguments {
    /// The file that is the device's memory; a new one is a blank device
    #[arg(long, value_name = "FILE")]
    flash: PathBuf,
    /// What a blank device is built as, such as 3012
    #[arg(long, value_name = "CODE", requires = "hardware_uid")]
    product: Option<ProductCode>,
    /// The chip of a blank device, 4 to 16 bytes in hexadecimal
    #[arg(long, value_name = "HEX", requires = "product")]
    hardware_uid: Option<HardwareUid>,
    /// Where it answers: tcp:HOST:PORT, http://HOST:PORT/soap or serial:PATH; port 0 is a free one
    #[arg(long, value_name = "ADDRESS", default_value = "tcp:127.0.0.1:0")]
    listen: PortAddress,
    /// The maker's public key, PEM: programmed into the fixed parameters of a device that has none yet
    #[arg(long, value_name = "FILE", requires = "firmware")]
    maker_key: Option<PathBuf>,
    /// The version of the firmware that the device is built with
    #[arg(long, value_name = "VERSION", requires = "maker_key")]
    firmware: Option<FirmwareVersion>,
    /// Build it with this common certificate: a file of `authority common-certificate export --json-file`
    #[arg(long, value_name = "FILE")]
    common_certificate: Option<PathBuf>,
    #[command(flatten)]
    keys: KeyArguments,
}

/// Arguments of `touchmark device export`.
#[derive(clap::Args)]
pub struct ExportArguments {
    /// The file that is the device's memory
    #[arg(long, value_name = "FILE")]
    flash: PathBuf,
    /// The directory to write to, made where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Arguments of `touchmark device show`.
#[derive(clap::Args)]
pub struct ShowArguments {
    /// The file that is the device's memory
    #[arg(long, value_name = "FILE")]
    flash: PathBuf,
}

/// Runs the command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Emulate(arguments) => emulate(arguments, edge).await,
        Command::Export(arguments) => export(&arguments, edge),
        Command::Show(arguments) => show(&arguments, edge),
        Command::Collect(arguments) => collect::run(arguments, edge).await,
        Command::Recover(arguments) => recover::run(arguments, edge).await,
        Command::Authenticate(arguments) => authenticate::run(arguments, edge).await,
        Command::Call(command) => call::run(command, edge).await,
        Command::Renew(arguments) => renew::run(arguments, edge).await,
        Command::Bundle(command) => bundle::run(command, edge),
        Command::Fleet(arguments) => fleet::run(arguments, edge).await,
    }
}

async fn emulate(arguments: EmulateArguments, edge: &Edge) -> anyhow::Result<()> {
    let mut device = arguments.keys.give_to(device_of(&arguments, edge)?)?;
    if let Some((path, version)) = arguments.maker_key.as_ref().zip(arguments.firmware) {
        device.set_fixed_parameters(&read_maker_key(path)?, version)?;
    }
    if let Some(path) = &arguments.common_certificate {
        give_common_certificate(&mut device, path)?;
    }
    let port = Port::open(&arguments.listen)
        .await
        .with_context(|| format!("cannot answer at {}", arguments.listen))?;
    let started = Started {
        address: port.address()?.to_string(),
        product: device.product(),
        hardware_uid: device.hardware_uid(),
    };
    let told_to_stop = told_to_stop()?;
    let text = format!("device {} answers at {}", started.hardware_uid, started.address);
    edge.output.object(&started, text);
    tokio::select! {
        served = port.serve(Arc::new(Mutex::new(device))) => {
            let Err(error) = served;
            Err(anyhow::Error::new(error).context(format!("{} failed", started.address)))
        }
        () = told_to_stop => Ok(()),
    }
}

/// What `emulate` prints once the device answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    address: String,
    product: ProductCode,
    hardware_uid: HardwareUid,
}

/// Writes the common certificate into the device, unless it has it already.
fn give_common_certificate(device: &mut EmulatedDevice, path: &Path) -> anyhow::Result<()> {
    let file = CommonCertificateFile::read(path)?;
    if *file.batch.product() != device.product() {
        let text = format!("{} is for {}; the device is a {}", path.display(), file.batch, device.product());
        return Err(Failure::usage(text).into());
    }
    let held = device.common_certificate().context("cannot read the common certificate")?;
    if held.is_some_and(|(certificate, _)| certificate == file.certificate.0) {
        return Ok(());
    }
    device
        .set_common_certificate(&file.certificate.0, file.key.expose())?
        .context("cannot write the common certificate")
}

fn device_of(arguments: &EmulateArguments, edge: &Edge) -> anyhow::Result<EmulatedDevice> {
    let path = &arguments.flash;
    let told = arguments.product.clone().zip(arguments.hardware_uid.clone());
    if path.exists() {
        let mut device = open(path, edge)?;
        let kept = (device.product(), device.hardware_uid());
        return match told {
            Some(told) if told != kept => Err(Failure::usage(format!(
                "{} is the memory of a {} with the chip {}",
                path.display(),
                kept.0,
                kept.1
            ))
            .advise("leave --product and --hardware-uid out, or name another --flash")
            .into()),
            _ => Ok(device),
        };
    }
    let Some((product, hardware_uid)) = told else {
        return Err(Failure::usage(format!("{} does not exist", path.display()))
            .advise("say with --product and --hardware-uid what blank device to make")
            .into());
    };
    EmulatedDevice::create(path, product, hardware_uid, seed(edge))
        .with_context(|| format!("cannot make {}", path.display()))
}

fn export(arguments: &ExportArguments, edge: &Edge) -> anyhow::Result<()> {
    let flash = arguments.flash.display();
    let pack = open(&arguments.flash, edge)?
        .pack()
        .with_context(|| format!("cannot read the pack in {flash}"))?
        .ok_or_else(|| {
            Failure::new(format!("the device in {flash} holds no pack"))
                .advise("have a station write it first")
        })?;
    if pack.client_certificate.is_empty() {
        let (number, symmetric) = (&pack.device_number, pack.symmetric.is_some());
        let what = if symmetric { "a pass phrase, which is not exported," } else { "a key" };
        return Err(Failure::new(format!("{number} holds {what} and no certificate")).into());
    }
    let directory = &arguments.out;
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let path = |name: &str| directory.join(name);
    let chain = [
        (CERTIFICATE, pack.client_certificate.as_slice()),
        (CERTIFICATE, pack.issuing_certificate.as_slice()),
    ];
    pem_files::write(&path("root.pem"), &[(CERTIFICATE, &pack.root_certificate)], Privacy::Public)?;
    pem_files::write(&path("client.pem"), &chain, Privacy::Public)?;
    pem_files::write(&path("key.pem"), &[(PRIVATE_KEY, &pack.secret_key)], Privacy::Owner)?;
    let exported = Exported {
        device_number: pack.device_number,
        apparatus_id: pack.symmetric.map(|(apparatus_id, _)| apparatus_id),
        root: path("root.pem"),
        client: path("client.pem"),
        key: path("key.pem"),
    };
    let text = format!("the pack of {} is in {}", exported.device_number, directory.display());
    edge.output.object(&exported, text);
    Ok(())
}

/// What `export` wrote.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported {
    device_number: DeviceNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    apparatus_id: Option<ApparatusId>,
    root: PathBuf,
    client: PathBuf,
    key: PathBuf,
}

fn show(arguments: &ShowArguments, edge: &Edge) -> anyhow::Result<()> {
    let flash = arguments.flash.display();
    let mut device = open(&arguments.flash, edge)?;
    let pack = device.pack().with_context(|| format!("cannot read the pack in {flash}"))?;
    let confirmed = device.confirmed_number().with_context(|| format!("cannot read the NVRAM in {flash}"))?;
    let holding = pack.as_ref().map(|pack| pack.device_number.clone());
    let shown = Shown {
        product: device.product(),
        hardware_uid: device.hardware_uid(),
        firmware: device.running()?.map(|running| running.version),
        confirmed: holding.is_some() && holding == confirmed,
        holding,
        apparatus_id: pack.as_ref().and_then(|pack| pack.symmetric).map(|(apparatus_id, _)| apparatus_id),
        pass_phrase: pack.as_ref().and_then(|pack| pack.symmetric).map(|(_, form)| form),
        certificate_sha256: pack
            .filter(|pack| !pack.client_certificate.is_empty())
            .map(|pack| Fingerprint::of(&pack.client_certificate).to_string()),
    };
    edge.output.object(&shown, shown.for_people());
    Ok(())
}

/// What `show` found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    product: ProductCode,
    hardware_uid: HardwareUid,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<FirmwareVersion>,
    holding: Option<DeviceNumber>,
    confirmed: bool,
    certificate_sha256: Option<String>,
    apparatus_id: Option<ApparatusId>,
    /// How it is kept; what it is, the device alone knows.
    pass_phrase: Option<SymmetricForm>,
}

impl Shown {
    fn for_people(&self) -> String {
        let mut text = format!("product       {}\nhardware uid  {}\n", self.product, self.hardware_uid);
        if let Some(version) = self.firmware {
            text += &format!("firmware      {version}\n");
        }
        let Some(number) = &self.holding else { return text + "holding       nothing" };
        let state = if self.confirmed { "confirmed" } else { "not confirmed" };
        text += &format!("holding       {number}, {state}");
        if let Some(sha256) = &self.certificate_sha256 {
            text += &format!("\ncertificate   SHA-256 {sha256}");
        }
        if let (Some(apparatus_id), Some(form)) = (&self.apparatus_id, self.pass_phrase) {
            text += &format!("\napparatus ID  {apparatus_id}, pass phrase kept {form}");
        }
        text
    }
}

fn open(path: &std::path::Path, edge: &Edge) -> anyhow::Result<EmulatedDevice> {
    EmulatedDevice::open(path, seed(edge)).with_context(|| format!("cannot open {}", path.display()))
}

fn seed(edge: &Edge) -> u64 {
    let mut seed = [0; 8];
    edge.random.fill(&mut seed);
    u64::from_le_bytes(seed)
}
