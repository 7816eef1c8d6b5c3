//! `touchmark authority bundle ...`: files between the authority and factories that no network joins to it.

use std::path::{Path, PathBuf};

use authority::{Authority, AuthorityError};
use bundle::Signer;
use identity::MemberName;
use serde::Serialize;

use super::{desk_of, open_desk, passphrase, person};
use crate::bundle_files::{self, ExportArguments, Opened, Row};
use crate::commands::Edge;
use crate::commands::role_arguments::RoleArguments;
use crate::config::AuthorityConfig;
use crate::member_files;

/// What is done with bundles.
#[derive(clap::Subcommand)]
pub enum BundleCommand {
    /// Take in a file from a factory, and do what it asks
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Write a file for a factory: packs, answers to its reports, and what it may make
    Export {
        /// The factory
        #[arg(long, value_name = "NAME")]
        gateway: MemberName,
        #[command(flatten)]
        export: ExportArguments,
        #[command(flatten)]
        role: RoleArguments,
    },
}

/// Runs the command.
pub async fn run(command: BundleCommand, edge: &Edge) -> anyhow::Result<()> {
    match command {
        BundleCommand::Import { file, role } => import(&file, &role.authority()?, edge).await,
        BundleCommand::Export { gateway, export, role } => {
            write(&gateway, &export.out, &role.authority()?, edge).await
        }
    }
}

/// What `import` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Imported {
    #[serde(skip_serializing_if = "Option::is_none")]
    factory: Option<MemberName>,
    bundles: Vec<Row>,
    records: u64,
    records_refused: u64,
    packs: u64,
    refused: Vec<String>,
}

/// What `export` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported<'a> {
    factory: &'a MemberName,
    file: &'a Path,
    bundles: Vec<u64>,
}

async fn import(file: &Path, config: &AuthorityConfig, edge: &Edge) -> anyhow::Result<()> {
    let content = bundle_files::read(file)?;
    let member = member_files::load(&config.data)?;
    let now = edge.clock.epoch_seconds();
    let opened = bundle_files::open(file, &content, |document| bundle::open(document, &member.trust, now))?;
    let desk = desk_of(config, &member, edge).await?;
    let authority = Authority::open_beside(desk, passphrase(&config.unlock_file)?).await?;
    let signer = Signer::new(member.credential.clone());
    let mut imported = Imported {
        factory: None,
        bundles: Vec::new(),
        records: 0,
        records_refused: 0,
        packs: 0,
        refused: Vec::new(),
    };
    let mut refusal = None;
    for Opened { received, .. } in opened {
        let done = async {
            let bundle = authority.desk().admit_bundle(received).await?;
            imported.factory = Some(bundle.factory().clone());
            let sequence = bundle.sequence();
            Ok((sequence, authority.import(bundle, &signer, &person()).await?))
        };
        match done.await {
            Ok((sequence, done)) => imported.add(sequence, done),
            Err(error @ AuthorityError::Refused(_)) => {
                refusal = Some(error);
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut text = bundle_files::for_people(&imported.bundles);
    text.push_str(&format!(
        "\n{} records taken, {} refused; {} packs go out with the answers",
        imported.records, imported.records_refused, imported.packs
    ));
    for refused in &imported.refused {
        text.push_str(&format!("\nnot issued: {refused}"));
    }
    edge.output.object(&imported, text);
    bundle_files::finish(file, &imported.bundles, refusal, "`gateway bundle export`")
}

impl Imported {
    fn add(&mut self, sequence: u64, done: authority::Imported) {
        self.bundles.push(Row::new(sequence, done.arrival));
        self.records += done.records;
        self.records_refused += done.records_refused;
        self.packs += done.packs;
        self.refused.extend(done.refused);
    }
}

async fn write(
    factory: &MemberName,
    out: &Path,
    config: &AuthorityConfig,
    edge: &Edge,
) -> anyhow::Result<()> {
    let signer = Signer::new(member_files::load(&config.data)?.credential);
    let waiting = open_desk(config, edge).await?.bundles_for(factory, &signer, &person()).await?;
    bundle_files::write(out, &waiting)?;
    let bundles: Vec<u64> = waiting.iter().map(|waiting| waiting.sequence).collect();
    let text = format!("{} has {} bundles for {factory}", out.display(), bundles.len());
    edge.output.object(&Exported { factory, file: out, bundles }, text);
    Ok(())
}
