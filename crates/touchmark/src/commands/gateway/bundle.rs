//! `touchmark gateway bundle ...`: files between a factory and an authority that no network joins.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bundle::Signer;
use gateway::{Desk, GatewayError, Reservation, Taken};
use message::trust::TrustReport;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use transport::TrustKeeper;

use super::{desk_of, is_in_use, open, person};
use crate::bundle_files::{self, ExportArguments, Opened, Row};
use crate::commands::Edge;
use crate::commands::role_arguments::RoleArguments;
use crate::config::GatewayConfig;
use crate::failure::Failure;
use crate::member_files::{self, Host, MemberFiles};

/// What is done with bundles.
#[derive(clap::Subcommand)]
pub enum BundleCommand {
    /// Write a file for the authority: reports, and orders for what the coming days need
    Export {
        #[command(flatten)]
        export: ExportArguments,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Take in a file from the authority: packs, and answers to reports
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        role: RoleArguments,
    },
}

/// How long the serving gateway has to file what was brought.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs the command.
pub async fn run(command: BundleCommand, edge: &Edge) -> anyhow::Result<()> {
    match command {
        BundleCommand::Export { export, role } => {
            Party::load(role.gateway()?, edge).await?.export(&export.out, edge).await
        }
        BundleCommand::Import { file, role } => {
            Party::load(role.gateway()?, edge).await?.import(&file, edge).await
        }
    }
}

/// What `export` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported<'a> {
    file: &'a Path,
    bundles: Vec<u64>,
    new: usize,
    is_full: bool,
    products: &'a [Reservation],
}

/// What `import` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Imported<'a> {
    bundles: &'a [Row],
    /// What each brought, where this command filed it; a serving gateway logs it.
    taken: &'a [Taken],
}

/// This end and the other one.
struct Party {
    config: GatewayConfig,
    member: MemberFiles,
    host: Host,
    desk: Desk,
}

impl Party {
    async fn load(config: GatewayConfig, edge: &Edge) -> anyhow::Result<Self> {
        let member = member_files::load(&config.data)?;
        let host = member_files::load_host(&config.data)?;
        let desk = desk_of(&config, &member, edge).await?;
        Ok(Self { config, member, host, desk })
    }

    async fn export(&self, out: &Path, edge: &Edge) -> anyhow::Result<()> {
        // Whoever opens the gateway makes the key that the answer is sealed to.
        match open(&self.config, &self.member, edge).await {
            Err(error) if !is_in_use(&error) => return Err(error),
            _ => {}
        }
        let signer = Signer::new(self.member.credential.clone());
        let keeper = TrustKeeper::new(self.member.trust.clone());
        let trust = TrustReport { issuing_sha256: keeper.issuing_sha256(), stations: Vec::new() };
        let exported = self.desk.export_bundles(&self.host.member, &signer, trust, &person()).await?;
        bundle_files::write(out, &exported.bundles)?;
        let bundles: Vec<u64> = exported.bundles.iter().map(|waiting| waiting.sequence).collect();
        let gateway::Exported { new, is_full, products, .. } = exported;
        let mut text = format!("{} has {} bundles, {new} of them new", out.display(), bundles.len());
        if is_full {
            text.push_str("; more waits until the authority's answers are here");
        }
        edge.output.object(&Exported { file: out, bundles, new, is_full, products: &products }, text);
        Ok(())
    }

    async fn import(&self, file: &Path, edge: &Edge) -> anyhow::Result<()> {
        let content = bundle_files::read(file)?;
        let now = edge.clock.epoch_seconds();
        let opened =
            bundle_files::open(file, &content, |document| bundle::open(document, &self.member.trust, now))?;
        let (mut rows, mut refusal) = (Vec::new(), None);
        for Opened { received, document } in opened {
            let sequence = received.bundle.sequence;
            match self.desk.receive_bundle(received, document, &self.host.member, &person()).await {
                Ok(arrival) => rows.push(Row::new(sequence, arrival)),
                Err(error @ GatewayError::Refused(_)) => {
                    refusal = Some(error);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let taken = self.file(edge).await?;
        let mut text = bundle_files::for_people(&rows);
        for taken in &taken {
            text.push_str(&taken_for_people(taken));
        }
        edge.output.object(&Imported { bundles: &rows, taken: &taken }, text);
        let again = format!("`authority bundle export --gateway {}`", self.member.member.name());
        bundle_files::finish(file, &rows, refusal, again)
    }

    /// Files what was brought, or waits until the process that serves, and so has the key ring, has done so.
    async fn file(&self, edge: &Edge) -> anyhow::Result<Vec<Taken>> {
        match open(&self.config, &self.member, edge).await {
            Ok(gateway) => return Ok(gateway.take_bundles().await?),
            Err(error) if !is_in_use(&error) => return Err(error),
            Err(_) => {}
        }
        let started = Instant::now();
        while !self.desk.bundles_waiting().await?.is_empty() {
            if started.elapsed() > PATIENCE {
                return Err(Failure::new("the serving gateway has not filed what was brought")
                    .advise("look at its log; nothing is lost, and the file need not be taken in again")
                    .into());
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(Vec::new())
    }
}

fn taken_for_people(taken: &Taken) -> String {
    let Taken { sequence, records, parked, stocked, refused, refused_products, fault } = taken;
    let mut text =
        format!("\nbundle {sequence}: {stocked} packs filed, {records} records taken, {parked} parked");
    for (number, reason) in refused {
        text.push_str(&format!("\n{number} will not be issued: {reason}"));
    }
    for (product, reason) in refused_products {
        text.push_str(&format!("\nnothing more of {product} is issued for now: {reason}"));
    }
    if let Some(fault) = fault {
        text.push_str(&format!("\nits packs are ordered again: {fault}"));
    }
    text
}
