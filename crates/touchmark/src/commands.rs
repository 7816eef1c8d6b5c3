//! The commands, noun then verb, a file each.
//!
//! To add one: a file `commands/NOUN.rs` with
//!
//! ```text
//! #[derive(clap::Subcommand)]
//! pub enum Command { /* a variant a verb */ }
//!
//! pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()>
//! ```
//!
//! and a line here in `Command` and one in `dispatch`. A command prints through
//! [`Edge::output`] only, takes time and randomness from [`Edge`], and fails with a
//! [`Failure`](crate::failure::Failure) that says what to do.

mod audit;
mod authenticator;
mod authority;
mod bench;
mod center;
mod certificate;
mod completions;
mod demo;
mod device;
mod doctor;
mod firmware;
mod gateway;
mod invoice;
mod label;
mod ledger;
mod plan;
mod role_arguments;
mod staff;
mod station;
mod vectors;

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use identity::{Clock, Random};
use tracing_subscriber::EnvFilter;

use crate::failure;
use crate::output::Output;
use crate::surroundings::{SystemClock, SystemRandom};

/// touchmark gives every connected device its identity at birth and answers for it for life.
#[derive(Parser)]
#[command(name = "touchmark", version, arg_required_else_help = true, after_help = AFTER_HELP)]
pub struct Arguments {
    /// Print results as JSON, one object or one a line
    #[arg(long, global = true)]
    json: bool,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "Environment:
  TOUCHMARK_LOG   what to log on stderr: error, warn, info (default), debug, or a filter such as transport=debug
  NO_COLOR        no colours

Exit codes: 0 done, 1 refused or failed, 2 wrong usage";

/// What to do. Each variant is one file in `commands/`.
#[derive(Subcommand)]
enum Command {
    /// Issues credentials, and records what became of each
    #[command(subcommand)]
    Authority(authority::Command),
    /// Play a production day with emulated devices, all roles in one process
    Demo(demo::Arguments),
    /// Emulated devices, and what is in their flash
    #[command(subcommand)]
    Device(device::Command),
    /// Signed firmware packages, as their maker makes them
    #[command(subcommand)]
    Firmware(firmware::Command),
    /// A factory's buffer: keeps credentials encrypted, leases each to one device, reports
    #[command(subcommand)]
    Gateway(gateway::Command),
    /// The product list and the production plan of a factory
    #[command(subcommand)]
    Plan(plan::Command),
    /// Rating plates to be printed
    #[command(subcommand)]
    Label(label::Command),
    /// The role on the production line: scan, write, prove, report
    #[command(subcommand)]
    Station(station::Command),
    /// The role that authenticates devices with symmetric credentials
    #[command(subcommand)]
    Authenticator(authenticator::Command),
    /// The role that takes the calls of devices in the field
    #[command(subcommand)]
    Center(center::Command),
    /// Certificates, as one looks at them who is no member
    #[command(subcommand)]
    Certificate(certificate::Command),
    /// A period's billing lines, each explained by its calls
    Invoice(invoice::Arguments),
    /// Measure, beside the limits of the same run
    #[command(subcommand)]
    Bench(bench::Command),
    /// Examine a role's configuration and all that it names, and say how to mend what is wrong
    Doctor(doctor::Arguments),
    /// Whether every credential is accounted for
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// The audit log: verify, export
    #[command(subcommand)]
    Audit(audit::Command),
    /// Test vectors for other implementations of device, station and server
    #[command(subcommand)]
    Vectors(vectors::Command),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Write manual pages, one a command
    #[command(hide = true)]
    Manual(completions::ManualArguments),
}

/// What a command reaches of the world outside.
pub struct Edge {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Unpredictable bytes.
    pub random: Arc<dyn Random>,
    /// Where results are printed.
    pub output: Output,
}

/// Runs one command to its end: 0 done, 1 refused or failed, 2 wrong usage.
pub fn run(arguments: Arguments) -> ExitCode {
    log_to_stderr(arguments.command.log_level());
    let edge = Edge {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        output: Output::new(arguments.json),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&anyhow::Error::new(error).context("cannot start threads")),
    };
    match runtime.block_on(dispatch(arguments.command, &edge)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

async fn dispatch(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Demo(arguments) => demo::run(&arguments, edge).await,
        Command::Authority(command) => authority::run(command, edge).await,
        Command::Device(command) => device::run(command, edge).await,
        Command::Firmware(command) => firmware::run(command, edge).await,
        Command::Gateway(command) => gateway::run(command, edge).await,
        Command::Plan(command) => plan::run(command, edge).await,
        Command::Label(command) => label::run(command, edge).await,
        Command::Station(command) => station::run(command, edge).await,
        Command::Authenticator(command) => authenticator::run(command, edge).await,
        Command::Center(command) => center::run(command, edge).await,
        Command::Certificate(command) => certificate::run(&command, edge),
        Command::Invoice(arguments) => invoice::run(&arguments, edge).await,
        Command::Bench(command) => bench::run(command, edge).await,
        Command::Doctor(arguments) => doctor::run(&arguments, edge).await,
        Command::Ledger(command) => ledger::run(command, edge).await,
        Command::Audit(command) => audit::run(command, edge).await,
        Command::Vectors(command) => vectors::run(command, edge).await,
        Command::Completions(arguments) => completions::run(&arguments, edge),
        Command::Manual(arguments) => completions::run_manual(&arguments, edge),
    }
}

impl Command {
    /// What is logged where the environment does not say.
    fn log_level(&self) -> &'static str {
        match self {
            // Their refusals and their outages are on purpose.
            Self::Demo(_) | Self::Device(device::Command::Fleet(_)) => "error",
            _ => "info",
        }
    }
}

fn log_to_stderr(level: &str) {
    let filter = EnvFilter::try_from_env("TOUCHMARK_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let is_coloured =
        stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(is_coloured).init();
}
