//! The commands, noun then verb, a file each.

use std::process::ExitCode;

use clap::Subcommand;

/// What to do. Each variant is one file in `commands/`.
#[derive(Subcommand)]
pub enum Command {}

/// Runs one command to its end: 0 done, 1 refused or failed, 2 wrong usage.
pub fn run(command: Command) -> ExitCode {
    match command {}
}
