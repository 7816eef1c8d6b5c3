//! `touchmark plan ...`: the product list and the production plan of a factory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use gateway::plan::{BadCell, Change, ImportError};
use identity::ProductCode;
use serde::Serialize;

use super::Edge;
use super::gateway::{open_desk, person};
use super::role_arguments::RoleArguments;
use crate::failure::Failure;

/// What is done with the plan.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Import a product list or a plan from a CSV file; its heading tells which it is
    Import(ImportArguments),
    /// Show the plan
    Show {
        #[command(flatten)]
        role: RoleArguments,
    },
}

/// Arguments of `touchmark plan import`.
#[derive(clap::Args)]
pub struct ImportArguments {
    /// The file: No,DEVICE CODE,CERTIFICATE,REMARKS or DEVICE CODE,3/17,3/18...
    file: PathBuf,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// The year of days such as 3/17; this year without it
    #[arg(long)]
    year: Option<i16>,
    #[command(flatten)]
    role: RoleArguments,
}

/// Runs one command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Import(arguments) => import(&arguments, edge).await,
        Command::Show { role } => show(&role, edge).await,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlanRow {
    day: String,
    product: ProductCode,
    units: u64,
    takes_certificate: bool,
}

async fn import(arguments: &ImportArguments, edge: &Edge) -> anyhow::Result<()> {
    let desk = open_desk(&arguments.role.gateway()?, edge).await?;
    let file =
        fs::read(&arguments.file).with_context(|| format!("cannot read {}", arguments.file.display()))?;
    let year = match arguments.year {
        Some(year) => year,
        None => desk.this_year()?,
    };
    match desk.import(&file, year, arguments.dry_run, &person()).await {
        Ok(changes) => {
            edge.output.rows(&["what", "day", "before", "after"], &changes, cells_of_change);
            let verb = if arguments.dry_run { "would change" } else { "changed" };
            edge.output.note(format!("{} entries {verb}", changes.len()));
            Ok(())
        }
        Err(ImportError::BadCells(cells)) => {
            edge.output.rows(&["line", "column", "what is wrong"], &cells, cells_of_bad_cell);
            Err(nothing_imported(&arguments.file, cells.len()).into())
        }
        Err(ImportError::Gateway(error)) => Err(error.into()),
    }
}

fn nothing_imported(file: &Path, faults: usize) -> Failure {
    Failure::new(format!("nothing of {} was imported: {faults} cells are wrong", file.display()))
        .advise("mend the cells named above and import the file again")
}

async fn show(role: &RoleArguments, edge: &Edge) -> anyhow::Result<()> {
    let desk = open_desk(&role.gateway()?, edge).await?;
    let taking: Vec<ProductCode> = desk
        .products()
        .await?
        .into_iter()
        .filter(|product| product.takes_certificate)
        .map(|product| product.code)
        .collect();
    let rows: Vec<PlanRow> = desk
        .plan()
        .await?
        .into_iter()
        .map(|cell| PlanRow {
            takes_certificate: taking.contains(&cell.product),
            day: cell.day,
            product: cell.product,
            units: cell.units,
        })
        .collect();
    edge.output.rows(&["day", "product", "units", "certificate"], &rows, |row| {
        let certificate = if row.takes_certificate { "YES" } else { "NO" };
        vec![row.day.clone(), row.product.to_string(), row.units.to_string(), certificate.to_owned()]
    });
    Ok(())
}

fn cells_of_change(change: &Change) -> Vec<String> {
    match change {
        Change::Product { product, before, after, .. } => {
            let yes_or_no = |takes: &Option<bool>| match takes {
                Some(true) => "YES".to_owned(),
                Some(false) => "NO".to_owned(),
                None => String::new(),
            };
            vec![product.to_string(), String::new(), yes_or_no(before), yes_or_no(after)]
        }
        Change::Units { day, product, before, after } => {
            let units = |units: &Option<u64>| units.map(|units| units.to_string()).unwrap_or_default();
            vec![product.to_string(), day.clone(), units(before), units(after)]
        }
    }
}

fn cells_of_bad_cell(cell: &BadCell) -> Vec<String> {
    vec![cell.line.to_string(), cell.column.to_string(), cell.message.clone()]
}
