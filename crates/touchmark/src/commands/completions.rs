//! `touchmark completions SHELL` and `touchmark manual --out DIR`: made from the commands themselves.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::Edge;

/// Arguments of `touchmark completions`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The shell that is to complete
    shell: Shell,
}

/// Arguments of `touchmark manual`.
#[derive(clap::Args)]
pub struct ManualArguments {
    /// The directory to write to, made where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Prints the completion script.
pub fn run(arguments: &Arguments, edge: &Edge) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "touchmark", &mut script);
    edge.output.raw(&script);
    Ok(())
}

/// Writes the manual pages.
pub fn run_manual(arguments: &ManualArguments, edge: &Edge) -> anyhow::Result<()> {
    let directory = &arguments.out;
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    clap_mangen::generate_to(super::Arguments::command(), directory)
        .with_context(|| format!("cannot write to {}", directory.display()))?;
    edge.output.note(format!("manual pages are in {}", directory.display()));
    Ok(())
}
