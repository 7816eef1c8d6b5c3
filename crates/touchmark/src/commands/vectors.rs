//! `touchmark vectors`: putting another implementation to the test.

use std::io::{BufRead, stdin};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Edge;
use crate::failure::Failure;
use crate::vectors::exchange::{Difference, run as exchange};
use crate::vectors::{Case, answer, cases};

/// Test vectors for other implementations of device, station and server
#[derive(clap::Subcommand)]
pub enum Command {
    /// List every case
    List,
    /// Ask a program every case, a line each, and compare its answers
    Run(RunArguments),
    /// Answer questions from stdin as a program under test does: the reference
    Answer,
}

/// Arguments of `touchmark vectors run`.
#[derive(clap::Args)]
pub struct RunArguments {
    /// Ask only cases of this operation; may be given more than once
    #[arg(long, value_name = "OPERATION")]
    only: Vec<String>,
    /// The program under test and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Serialize)]
struct Listed {
    file: &'static str,
    operation: String,
    name: String,
}

#[derive(Serialize)]
struct Tested {
    cases: usize,
    passed: usize,
    differences: Vec<Difference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    operation: String,
    input: Value,
}

/// Runs one command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::List => {
            list(edge);
            Ok(())
        }
        Command::Run(arguments) => test(&arguments, edge).await,
        Command::Answer => answer_questions(edge),
    }
}

fn list(edge: &Edge) {
    let listed: Vec<Listed> = cases()
        .into_iter()
        .map(|case| Listed { file: case.file, operation: case.operation, name: case.name })
        .collect();
    edge.output.rows(&["file", "operation", "case"], &listed, |case| {
        vec![case.file.to_owned(), case.operation.clone(), case.name.clone()]
    });
}

async fn test(arguments: &RunArguments, edge: &Edge) -> anyhow::Result<()> {
    let is_wanted = |case: &Case| arguments.only.is_empty() || arguments.only.contains(&case.operation);
    let cases: Vec<Case> = cases().into_iter().filter(is_wanted).collect();
    if cases.is_empty() {
        return Err(Failure::usage(format!("no case has the operation {}", arguments.only.join(" or ")))
            .advise("touchmark vectors list shows the operations")
            .into());
    }
    let differences = exchange(&arguments.command, &cases).await?;
    let tested = Tested { cases: cases.len(), passed: cases.len() - differences.len(), differences };
    edge.output.object(&tested, for_people(&tested));
    if tested.differences.is_empty() { Ok(()) } else { Err(Failure::new("the program differs").into()) }
}

fn for_people(tested: &Tested) -> String {
    let mut text = String::new();
    for Difference { case, answered } in &tested.differences {
        text.push_str(&format!(
            "{}: {} ({})\n  input    {}\n  expected {}\n  answered {answered}\n",
            case.file, case.name, case.operation, case.input, case.output
        ));
    }
    text + &format!("{} of {} cases passed", tested.passed, tested.cases)
}

fn answer_questions(edge: &Edge) -> anyhow::Result<()> {
    for line in stdin().lock().lines() {
        let line = line.context("cannot read stdin")?;
        let question: Question = serde_json::from_str(&line).context("a line is not a question")?;
        let output = answer::answer(&question.operation, &question.input)?;
        edge.output.raw(format!("{output}\n").as_bytes());
    }
    Ok(())
}
