//! `touchmark gateway operator ...`: the people at the stations, and their badges.

use std::path::{Path, PathBuf};

use anyhow::Context;
use identity::MemberName;
use serde::Serialize;

use super::{moment, open_desk, person};
use crate::commands::Edge;
use crate::commands::role_arguments::RoleArguments;
use crate::durable::NewFile;
use crate::label::{self, Label};

/// What is done with operators.
#[derive(clap::Subcommand)]
pub enum OperatorCommand {
    /// Make a badge for an operator, to be printed; an earlier one of theirs is no longer good
    Badge {
        /// The operator's name within the factory, such as sato
        name: MemberName,
        /// The file for the badge, which must be new: PDF where it ends in .pdf, otherwise SVG
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Withdraw an operator's badge
    Withdraw {
        /// The operator
        name: MemberName,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// List the operators
    List {
        #[command(flatten)]
        role: RoleArguments,
    },
}

#[derive(Serialize)]
struct Badge<'a> {
    operator: &'a MemberName,
    file: &'a Path,
}

#[derive(Serialize)]
struct Withdrawn<'a> {
    operator: &'a MemberName,
}

#[derive(Serialize)]
struct Row {
    operator: MemberName,
    made: i64,
    withdrawn: Option<i64>,
}

/// Runs one command.
pub async fn run(command: OperatorCommand, edge: &Edge) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Badge { name, out, role } => badge(&name, &out, &role, edge).await,
        OperatorCommand::Withdraw { name, role } => {
            open_desk(&role.gateway()?, edge).await?.withdraw_badge(&name, &person()).await?;
            let text = format!("the badge of {name} is no longer good; stations learn of it within seconds");
            edge.output.object(&Withdrawn { operator: &name }, text);
            Ok(())
        }
        OperatorCommand::List { role } => {
            let operators = open_desk(&role.gateway()?, edge).await?.operators().await?;
            let rows: Vec<Row> = operators
                .into_iter()
                .map(|one| Row { operator: one.name, made: one.made, withdrawn: one.withdrawn })
                .collect();
            edge.output.rows(&["operator", "badge made", "withdrawn"], &rows, |row| {
                let withdrawn = row.withdrawn.map(moment).unwrap_or_default();
                vec![row.operator.to_string(), moment(row.made), withdrawn]
            });
            Ok(())
        }
    }
}

/// The file is made before the badge, because a badge that could not be written would be lost.
async fn badge(name: &MemberName, out: &Path, role: &RoleArguments, edge: &Edge) -> anyhow::Result<()> {
    let desk = open_desk(&role.gateway()?, edge).await?;
    let file = NewFile::create(out).with_context(|| format!("cannot make {}", out.display()))?;
    let code = desk.make_badge(name, &person()).await?;
    let label = Label::badge(name.as_str(), desk.factory().as_str(), code.expose())?;
    let is_pdf = out.extension().is_some_and(|end| end == "pdf");
    let content = if is_pdf { label::pdf(&[label]) } else { label::svg(&label).into_bytes() };
    file.fill(&content).with_context(|| format!("cannot write {}", out.display()))?;
    let text = format!(
        "the badge of {name} is in {}; print it, hand it over, and erase the file: whoever reads it is {name}",
        out.display()
    );
    edge.output.object(&Badge { operator: name, file: out }, text);
    Ok(())
}
