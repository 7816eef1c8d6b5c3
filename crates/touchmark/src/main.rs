//! touchmark gives every connected device its identity at birth and answers for it for life.
//!
//! One binary, a role each.

use std::process::ExitCode;

use clap::Parser;
use touchmark::commands::{Arguments, run};

fn main() -> ExitCode {
    run(Arguments::parse())
}
