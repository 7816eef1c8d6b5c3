//! touchmark gives every connected device its identity at birth and answers for it for life.
//!
//! One binary, a role each.

use std::process::ExitCode;

use clap::Parser;

/// The command line.
#[derive(Parser)]
#[command(name = "touchmark", version, about, arg_required_else_help = true)]
struct Arguments {
    /// What to do.
    #[command(subcommand)]
    command: touchmark::commands::Command,
}

fn main() -> ExitCode {
    touchmark::commands::run(Arguments::parse().command)
}
