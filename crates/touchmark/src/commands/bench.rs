//! `touchmark bench ...`: how fast something is, beside the physical limit of the same run.
//!
//! Machines differ, so only the ratio to a limit that was measured a moment ago says anything. To add
//! one: a file in `bench/` whose `run` gives [`Figure`]s.

mod authenticate;

use serde::Serialize;

use super::Edge;

/// What to measure.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Full mutual exchanges of devices with an authenticator, over real TLS and a durable store
    Authenticate(authenticate::Arguments),
}

/// One measured figure.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: &'static str,
    /// How much of it.
    pub value: f64,
    /// In what unit.
    pub unit: &'static str,
    /// What this machine could do at most, in the same unit.
    pub limit: f64,
    /// The value as a part of the limit.
    pub ratio: f64,
    /// How many were measured.
    pub n: usize,
    /// On which database.
    pub store: &'static str,
}

impl Figure {
    /// The figure with its ratio.
    pub fn new(
        name: &'static str,
        unit: &'static str,
        value: f64,
        limit: f64,
        n: usize,
        store: &'static str,
    ) -> Self {
        Self { name, value, unit, limit, ratio: value / limit, n, store }
    }
}

/// Runs the command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    let figures = match command {
        Command::Authenticate(arguments) => authenticate::run(&arguments, edge).await?,
    };
    edge.output.rows(&["what", "value", "limit", "unit", "ratio", "n", "store"], &figures, |figure| {
        let Figure { name, value, unit, limit, ratio, n, store } = figure;
        let numbers = [format!("{value:.0}"), format!("{limit:.0}")];
        let [value, limit] = numbers;
        vec![
            name.to_string(),
            value,
            limit,
            unit.to_string(),
            format!("{ratio:.3}"),
            n.to_string(),
            store.to_string(),
        ]
    });
    Ok(())
}
