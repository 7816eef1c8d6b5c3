//! `touchmark authority pre-write-key ...`: the keys that firmware is built with.

use std::path::{Path, PathBuf};

use anyhow::Context;
use identity::{KeyIdentifier, ProductCode};
use serde::Serialize;
use store::authority::pre_write_key::{PreWriteKey, Stage};

use super::device_keys::{self, DeviceKeyArguments};
use super::{open_desk, passphrase, person};
use crate::commands::Edge;
use crate::commands::role_arguments::RoleArguments;
use crate::durable::NewFile;
use crate::failure::Failure;
use crate::firmware_source;
use crate::output::moment;

/// What is done with pre-write keys.
#[derive(clap::Subcommand)]
pub enum PreWriteKeyCommand {
    /// Make a product's first key
    Make(ProductArguments),
    /// Make a product's next key; the one before stays in use until it is retired
    Rotate(ProductArguments),
    /// List the keys, without the keys themselves
    List {
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Erase a key that was replaced, once no firmware in use was built with it
    Retire {
        /// The key identifier, such as A123-1
        #[arg(value_name = "KEY IDENTIFIER")]
        identifier: KeyIdentifier,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Write a key into source files for the firmware build; this can be done once
    Export(ExportArguments),
    /// Write the keys of single chips, derived from a key, for the station that programs them
    DeviceKeys(DeviceKeyArguments),
}

/// Arguments of `touchmark authority pre-write-key make` and `rotate`.
#[derive(clap::Args)]
pub struct ProductArguments {
    /// The product, such as A123
    product: ProductCode,
    #[command(flatten)]
    role: RoleArguments,
}

/// Arguments of `touchmark authority pre-write-key export`.
#[derive(clap::Args)]
pub struct ExportArguments {
    /// The key identifier, such as A123-1
    #[arg(value_name = "KEY IDENTIFIER")]
    identifier: KeyIdentifier,
    /// The C header to write
    #[arg(long, value_name = "FILE", required_unless_present_any = ["rust", "json_file"])]
    c: Option<PathBuf>,
    /// The Rust source file to write
    #[arg(long, value_name = "FILE")]
    rust: Option<PathBuf>,
    /// The JSON file to write, for emulated devices in place of a firmware build
    #[arg(long, value_name = "FILE")]
    json_file: Option<PathBuf>,
    #[command(flatten)]
    role: RoleArguments,
}

/// Runs one command.
pub async fn run(command: PreWriteKeyCommand, edge: &Edge) -> anyhow::Result<()> {
    match command {
        PreWriteKeyCommand::Make(arguments) => {
            let config = arguments.role.authority()?;
            let (desk, passphrase) = (open_desk(&config, edge).await?, passphrase(&config.unlock_file)?);
            let key = desk.make_pre_write_key(&arguments.product, passphrase, &person()).await?;
            show(&key, edge);
            Ok(())
        }
        PreWriteKeyCommand::Rotate(arguments) => {
            let config = arguments.role.authority()?;
            let (desk, passphrase) = (open_desk(&config, edge).await?, passphrase(&config.unlock_file)?);
            let key = desk.rotate_pre_write_key(&arguments.product, passphrase, &person()).await?;
            show(&key, edge);
            Ok(())
        }
        PreWriteKeyCommand::List { role } => {
            let keys = open_desk(&role.authority()?, edge).await?.pre_write_keys().await?;
            let rows: Vec<Row> = keys.iter().map(row).collect();
            let headings = ["key identifier", "product", "stage", "made", "exported", "retired"];
            edge.output.rows(&headings, &rows, |row| cells(row).to_vec());
            Ok(())
        }
        PreWriteKeyCommand::Retire { identifier, role } => {
            open_desk(&role.authority()?, edge).await?.retire_pre_write_key(&identifier, &person()).await?;
            edge.output
                .object(&Retired { retired: &identifier }, format!("{identifier} is retired and erased"));
            Ok(())
        }
        PreWriteKeyCommand::Export(arguments) => export(&arguments, edge).await,
        PreWriteKeyCommand::DeviceKeys(arguments) => device_keys::run(&arguments, edge).await,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    key_identifier: &'a KeyIdentifier,
    product: &'a ProductCode,
    stage: &'static str,
    made: i64,
    exported: Option<i64>,
    replaced: Option<i64>,
    retired: Option<i64>,
}

#[derive(Serialize)]
struct Retired<'a> {
    retired: &'a KeyIdentifier,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported<'a> {
    key_identifier: &'a KeyIdentifier,
    files: Vec<&'a Path>,
}

/// The files are made before the key is asked for, because a key that was handed out and then could
/// not be written would be spent.
async fn export(arguments: &ExportArguments, edge: &Edge) -> anyhow::Result<()> {
    let ExportArguments { identifier, c, rust, json_file, role } = arguments;
    let config = role.authority()?;
    let (desk, passphrase) = (open_desk(&config, edge).await?, passphrase(&config.unlock_file)?);
    let made = |path: &Option<PathBuf>| path.as_deref().map(new_file).transpose();
    let (header, source, json) = (made(c)?, made(rust)?, made(json_file)?);
    let key = desk.export_pre_write_key(identifier, passphrase, &person()).await?;
    let renderings: [(_, fn(&authority::ExportedKey) -> _); 3] = [
        (header, firmware_source::c_header),
        (source, firmware_source::rust_source),
        (json, firmware_source::json_file),
    ];
    for (file, render) in renderings {
        let Some(file) = file else { continue };
        let path = file.path().to_owned();
        file.fill(render(&key).as_bytes()).map_err(|error| {
            Failure::new(format!("cannot write {}", path.display()))
                .because(error)
                .advise(format!("the key counts as exported: rotate the key of {}", key.product))
        })?;
    }
    let files: Vec<&Path> = [c, rust, json_file].into_iter().flatten().map(PathBuf::as_path).collect();
    let text = format!(
        "{identifier} is in the file for the firmware build, and is never shown again; \
         keep the file out of version control, and erase it after the build"
    );
    edge.output.object(&Exported { key_identifier: identifier, files }, text);
    Ok(())
}

fn new_file(path: &Path) -> anyhow::Result<NewFile> {
    NewFile::create(path).with_context(|| format!("cannot make {}", path.display()))
}

fn show(key: &PreWriteKey, edge: &Edge) {
    let text = format!("{} is the current key of {}", key.identifier, key.product);
    edge.output.object(&row(key), text);
}

fn row(key: &PreWriteKey) -> Row<'_> {
    Row {
        key_identifier: &key.identifier,
        product: &key.product,
        stage: match key.stage() {
            Stage::Current => "current",
            Stage::Previous => "previous",
            Stage::Retired => "retired",
        },
        made: key.made,
        exported: key.exported,
        replaced: key.replaced,
        retired: key.retired,
    }
}

fn cells(row: &Row) -> [String; 6] {
    let moment = |seconds: Option<i64>| seconds.map(moment).unwrap_or_default();
    [
        row.key_identifier.to_string(),
        row.product.to_string(),
        row.stage.to_owned(),
        moment(Some(row.made)),
        moment(row.exported),
        moment(row.retired),
    ]
}
