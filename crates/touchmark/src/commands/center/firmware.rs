//! `touchmark center firmware ...`: which makers' keys count, and which packages there are.

use std::path::PathBuf;

use center::Files;
use identity::{FirmwareVersion, ProductCode};
use serde::Serialize;
use store::center::firmware::Firmware;

use super::super::firmware::read_maker_key;
use super::{CenterArguments, Edge, open_desk, person};
use crate::output::moment;

/// What is done with firmware packages.
#[derive(clap::Subcommand)]
pub enum Command {
    /// The makers' keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Take in a package that a known maker has signed
    Add {
        /// The package
        package: PathBuf,
        #[command(flatten)]
        role: CenterArguments,
    },
    /// List the packages
    List {
        #[command(flatten)]
        role: CenterArguments,
    },
    /// Remove a package that no roll-out needs
    Remove {
        /// Its name
        package: String,
        #[command(flatten)]
        role: CenterArguments,
    },
}

/// What is done with makers' keys.
#[derive(clap::Subcommand)]
pub enum KeyCommand {
    /// Let a maker's key sign a product's firmware
    Add {
        /// The product
        #[arg(long, value_name = "CODE")]
        product: ProductCode,
        /// The maker's public key, PEM
        key: PathBuf,
        #[command(flatten)]
        role: CenterArguments,
    },
    /// List the keys
    List {
        #[command(flatten)]
        role: CenterArguments,
    },
    /// Take no more packages that a key has signed
    Remove {
        /// The product
        #[arg(long, value_name = "CODE")]
        product: ProductCode,
        /// The key's name
        key_name: String,
        #[command(flatten)]
        role: CenterArguments,
    },
}

/// Runs the command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Key(command) => run_key(command, edge).await,
        Command::Add { package, role } => {
            let config = role.center()?;
            let files = Files::new(config.files_directory());
            let desk = open_desk(&config, edge).await?;
            let firmware = Row::of(desk.add_firmware(&files, package, &person()).await?);
            let text = format!("{} {} is package {}", firmware.product, firmware.version, firmware.package);
            edge.output.object(&firmware, text);
            Ok(())
        }
        Command::List { role } => {
            let found = open_desk(&role.center()?, edge).await?.firmware().await?;
            let rows: Vec<Row> = found.into_iter().map(Row::of).collect();
            edge.output.rows(
                &["product", "version", "security", "bytes", "added", "package"],
                &rows,
                |row| {
                    vec![
                        row.product.to_string(),
                        row.version.to_string(),
                        row.security.to_string(),
                        row.length.to_string(),
                        moment(row.added),
                        row.package.clone(),
                    ]
                },
            );
            Ok(())
        }
        Command::Remove { package, role } => {
            let config = role.center()?;
            let files = Files::new(config.files_directory());
            open_desk(&config, edge).await?.remove_firmware(&files, &package, &person()).await?;
            edge.output.object(&Removed { removed: &package }, format!("package {package} is removed"));
            Ok(())
        }
    }
}

async fn run_key(command: KeyCommand, edge: &Edge) -> anyhow::Result<()> {
    match command {
        KeyCommand::Add { product, key, role } => {
            let key = read_maker_key(&key)?;
            let desk = open_desk(&role.center()?, edge).await?;
            let is_new = desk.add_maker_key(product.clone(), &key, &person()).await?;
            let added = KeyAdded { product, key_name: key.name().to_string(), is_new };
            let text = format!("the key {} signs firmware of {}", added.key_name, added.product);
            edge.output.object(&added, text);
        }
        KeyCommand::List { role } => {
            let found = open_desk(&role.center()?, edge).await?.maker_keys().await?;
            let row = |key: store::center::firmware::MakerKey| KeyRow {
                product: key.product,
                key_name: key.name,
                added: key.added,
            };
            let rows: Vec<KeyRow> = found.into_iter().map(row).collect();
            edge.output.rows(&["product", "key", "added"], &rows, |row| {
                vec![row.product.to_string(), row.key_name.clone(), moment(row.added)]
            });
        }
        KeyCommand::Remove { product, key_name, role } => {
            let desk = open_desk(&role.center()?, edge).await?;
            desk.remove_maker_key(product.clone(), key_name.clone(), &person()).await?;
            let text = format!("the key {key_name} signs no more firmware of {product}");
            edge.output.object(&Removed { removed: &key_name }, text);
        }
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    package: String,
    product: ProductCode,
    version: FirmwareVersion,
    security: u32,
    length: u64,
    key_name: String,
    added: i64,
}

impl Row {
    fn of(firmware: Firmware) -> Self {
        let Firmware { name: package, product, version, security, length, key_name, added } = firmware;
        Self { package, product, version, security, length, key_name, added }
    }
}

#[derive(Serialize)]
struct Removed<'a> {
    removed: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyAdded {
    product: ProductCode,
    key_name: String,
    is_new: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyRow {
    product: ProductCode,
    key_name: String,
    added: i64,
}
