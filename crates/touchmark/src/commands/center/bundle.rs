//! `touchmark center bundle ...`: files between the center and devices that no network joins to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bundle::Signer;
use center::{Center, CenterError};
use identity::DeviceNumber;
use message::bundle::CallOutcome;
use serde::Serialize;

use super::open_desk;
use crate::bundle_files::{self, ExportArguments, Opened, Row};
use crate::commands::Edge;
use crate::commands::gateway::person;
use crate::commands::role_arguments::CenterArguments;
use crate::config::CenterConfig;
use crate::member_files;

/// What is done with bundles.
#[derive(clap::Subcommand)]
pub enum BundleCommand {
    /// Take in a file of a device's calls
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        role: CenterArguments,
    },
    /// Write a file for a device: the answers to its calls, and what it is asked
    Export {
        /// The device
        #[arg(long, value_name = "NUMBER")]
        device: DeviceNumber,
        #[command(flatten)]
        export: ExportArguments,
        #[command(flatten)]
        role: CenterArguments,
    },
}

/// Runs the command.
pub async fn run(command: BundleCommand, edge: &Edge) -> anyhow::Result<()> {
    match command {
        BundleCommand::Import { file, role } => import(&file, &role.center()?, edge).await,
        BundleCommand::Export { device, export, role } => {
            let waiting = open_desk(&role.center()?, edge).await?.bundles_for(&device).await?;
            bundle_files::write(&export.out, &waiting)?;
            let bundles: Vec<u64> = waiting.iter().map(|waiting| waiting.sequence).collect();
            let text = format!("{} has {} bundles for {device}", export.out.display(), bundles.len());
            edge.output.object(&Exported { device, file: &export.out, bundles }, text);
            Ok(())
        }
    }
}

/// What `import` prints.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Imported {
    #[serde(skip_serializing_if = "Option::is_none")]
    device_number: Option<DeviceNumber>,
    bundles: Vec<Row>,
    /// Calls that were taken, by their numbers in the journal; one that had come by another way has its old number.
    calls: Vec<u64>,
    /// Why calls are not taken, now or ever.
    refused: Vec<String>,
}

/// What `export` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported<'a> {
    device: DeviceNumber,
    file: &'a Path,
    bundles: Vec<u64>,
}

async fn import(file: &Path, config: &CenterConfig, edge: &Edge) -> anyhow::Result<()> {
    let content = bundle_files::read(file)?;
    let member = member_files::load(&config.data)?;
    let now = edge.clock.epoch_seconds();
    let opened = bundle_files::open(file, &content, |document| bundle::open(document, &member.trust, now))?;
    let desk = open_desk(config, edge).await?;
    let center = Center::new(member.member.clone(), desk, Arc::clone(&edge.random), config.settings());
    let signer = Signer::new(member.credential.clone());
    let (mut imported, mut refusal) = (Imported::default(), None);
    for Opened { received, .. } in opened {
        let sequence = received.bundle.sequence;
        match center.import(received, &signer, &person()).await {
            Ok(done) => imported.add(sequence, done),
            Err(error @ (CenterError::Bundle(_) | CenterError::Refused { .. })) => {
                refusal = Some(error);
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut text = bundle_files::for_people(&imported.bundles);
    text.push_str(&format!("\n{} calls taken", imported.calls.len()));
    for refused in &imported.refused {
        text.push_str(&format!("\na call is refused for good: {refused}"));
    }
    edge.output.object(&imported, text.trim_start());
    bundle_files::finish(file, &imported.bundles, refusal, "`device bundle export`")
}

impl Imported {
    fn add(&mut self, sequence: u64, done: center::Imported) {
        self.device_number = Some(done.device);
        self.bundles.push(Row::new(sequence, done.arrival));
        for outcome in done.outcomes {
            match outcome {
                CallOutcome::Answered(answer) => self.calls.push(answer.call),
                CallOutcome::Refused(problem) => self.refused.push(problem.to_string()),
            }
        }
    }
}
