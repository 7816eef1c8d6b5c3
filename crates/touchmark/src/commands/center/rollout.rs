//! `touchmark center rollout ...`: which devices get a firmware package, and when no more.

use center::RolloutPlan;
use identity::{FirmwareVersion, ProductCode};
use serde::Serialize;
use store::center::rollout::Rollout;

use super::{CenterArguments, Edge, open_desk, person};
use crate::failure::Failure;
use crate::output::moment;

/// What is done with roll-outs.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Give a package to a share of a product's devices, as they call; the roll-out before ends
    Start(StartArguments),
    /// Give the package to a larger share
    Widen {
        /// The roll-out
        rollout: u64,
        /// The share of the product's devices, in percent
        #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
        share: u8,
        #[command(flatten)]
        role: CenterArguments,
    },
    /// Ask no more devices, and give the package to none, until it is resumed
    Halt(OneArguments),
    /// Let it go on; what has failed so far no longer counts against it
    Resume(OneArguments),
    /// Ask the devices that run the package to go back, as they call
    RollBack {
        /// The roll-out
        rollout: u64,
        /// The package to go back to; by default the last version before
        #[arg(long, value_name = "PACKAGE")]
        to: Option<String>,
        #[command(flatten)]
        role: CenterArguments,
    },
    /// Show one roll-out
    Show(OneArguments),
    /// List the roll-outs, the last first
    List {
        #[command(flatten)]
        role: CenterArguments,
    },
}

/// Arguments of `touchmark center rollout start`.
#[derive(clap::Args)]
pub struct StartArguments {
    /// The package, by name
    #[arg(long, value_name = "PACKAGE")]
    firmware: String,
    /// The product that it is for
    #[arg(long, value_name = "CODE")]
    product: ProductCode,
    /// The share of the product's devices that get it, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    share: u8,
    /// It halts by itself where more than so many percent of the results are no success
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(..=100))]
    halt_above: u8,
    /// How many results there must be before it does
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    minimum: u64,
    #[command(flatten)]
    role: CenterArguments,
}

/// Which roll-out.
#[derive(clap::Args)]
pub struct OneArguments {
    /// The roll-out
    rollout: u64,
    #[command(flatten)]
    role: CenterArguments,
}

/// Runs the command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    let rollout = match command {
        Command::Start(arguments) => start(arguments, edge).await?,
        Command::Widen { rollout, share, role } => {
            open_desk(&role.center()?, edge).await?.widen_rollout(rollout, share, &person()).await?
        }
        Command::Halt(OneArguments { rollout, role }) => {
            open_desk(&role.center()?, edge).await?.halt_rollout(rollout, &person()).await?
        }
        Command::Resume(OneArguments { rollout, role }) => {
            open_desk(&role.center()?, edge).await?.resume_rollout(rollout, &person()).await?
        }
        Command::RollBack { rollout, to, role } => {
            open_desk(&role.center()?, edge).await?.roll_back(rollout, to, &person()).await?
        }
        Command::Show(OneArguments { rollout, role }) => {
            let found = open_desk(&role.center()?, edge).await?.rollouts().await?;
            found.into_iter().find(|found| found.id == rollout).ok_or_else(|| {
                Failure::new(format!("there is no roll-out {rollout}")).advise("see `center rollout list`")
            })?
        }
        Command::List { role } => return list(&role, edge).await,
    };
    let row = Row::of(rollout);
    edge.output.object(&row, row.for_people());
    Ok(())
}

async fn start(arguments: StartArguments, edge: &Edge) -> anyhow::Result<Rollout> {
    let StartArguments { firmware, product, share, halt_above, minimum, role } = arguments;
    let plan = RolloutPlan { firmware, product, share, halt_above, minimum };
    Ok(open_desk(&role.center()?, edge).await?.start_rollout(plan, &person()).await?)
}

async fn list(role: &CenterArguments, edge: &Edge) -> anyhow::Result<()> {
    let found = open_desk(&role.center()?, edge).await?.rollouts().await?;
    let rows: Vec<Row> = found.into_iter().map(Row::of).collect();
    let headings = ["roll-out", "product", "version", "share", "state", "asked", "done", "refused", "failed"];
    edge.output.rows(&headings, &rows, |row| {
        vec![
            row.rollout.to_string(),
            row.product.to_string(),
            row.version.to_string(),
            format!("{} %", row.share),
            row.state.to_owned(),
            row.asked.to_string(),
            row.done.to_string(),
            row.refused.to_string(),
            row.failed.to_string(),
        ]
    });
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    rollout: u64,
    product: ProductCode,
    package: String,
    version: FirmwareVersion,
    share: u8,
    halt_above: u8,
    minimum: u64,
    state: &'static str,
    reason: String,
    back_to: Option<FirmwareVersion>,
    started: i64,
    changed: i64,
    asked: u64,
    done: u64,
    refused: u64,
    failed: u64,
    rolled_back: u64,
}

impl Row {
    fn of(rollout: Rollout) -> Self {
        Self {
            rollout: rollout.id,
            product: rollout.product,
            package: rollout.firmware,
            version: rollout.version,
            share: rollout.share,
            halt_above: rollout.halt_above,
            minimum: rollout.minimum,
            state: rollout.state.as_str(),
            reason: rollout.reason,
            back_to: rollout.previous.map(|(_, version)| version),
            started: rollout.started,
            changed: rollout.changed,
            asked: rollout.counts.asked,
            done: rollout.counts.done,
            refused: rollout.counts.refused,
            failed: rollout.counts.failed,
            rolled_back: rollout.counts.rolled_back,
        }
    }

    fn for_people(&self) -> String {
        let Self { rollout, product, version, share, state, asked, done, refused, failed, .. } = self;
        let mut text = format!("roll-out {rollout}: {version} to {share} percent of {product}, {state}");
        if !self.reason.is_empty() {
            text += &format!(": {}", self.reason);
        }
        text += &format!(
            "\nsince {}, last changed {}\nhalts where more than {} percent of at least {} results are no success",
            moment(self.started),
            moment(self.changed),
            self.halt_above,
            self.minimum,
        );
        text += &format!("\n{asked} devices asked, {done} run it, {refused} refused, {failed} failed");
        if self.rolled_back > 0 {
            text += &format!("\n{} devices went back", self.rolled_back);
        }
        text
    }
}
