//! `touchmark bench ...`: how fast something is, beside the physical limit of the same run.
//!
//! Machines differ, so only the ratio to a limit that was measured a moment ago says anything. To add
//! one: a file in `bench/` whose `run` gives [`Figure`]s.

mod authenticate;
mod call;
mod drain;
mod fleet;
mod handshake;
mod issue;
mod lease;
mod place;
mod revoke;

use std::time::Duration;

use serde::Serialize;

use super::Edge;

/// What to measure.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Packs in batches, as a gateway asks for them: durable, linted, audited, sealed
    Issue(issue::Arguments),
    /// Full mutual exchanges of devices with an authenticator, over real TLS and a durable store
    Authenticate(authenticate::Arguments),
    /// Durable calls of devices on connections that stay open
    Call(call::Arguments),
    /// The results of a day without the authority, once the link is back
    Drain(drain::Arguments),
    /// Full mutual handshakes with the check of the device and one durable call
    Handshake(handshake::Arguments),
    /// Durable leases of a gateway with 200 stations
    Lease(lease::Arguments),
    /// One more revocation, OCSP answers and CRLs of an authority that has revoked many
    Revoke(revoke::Arguments),
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
    /// How long one takes, where that was measured.
    #[serde(flatten)]
    pub latency: Option<Latency>,
}

/// How long one of many takes, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Latency {
    /// Half take no longer.
    p50: f64,
    /// Of a hundred, 99 take no longer.
    p99: f64,
}

impl Latency {
    /// The latency in all that were measured; none were: no latency.
    pub fn of(mut all: Vec<Duration>) -> Option<Self> {
        all.sort_unstable();
        let at = |percent: usize| {
            let index = (all.len() * percent / 100).min(all.len().checked_sub(1)?);
            Some(all[index].as_secs_f64() * 1_000.0)
        };
        Some(Self { p50: at(50)?, p99: at(99)? })
    }
}

impl Figure {
    /// The figure with how long one takes.
    pub fn with_latency(self, latency: Option<Latency>) -> Self {
        Self { latency, ..self }
    }

    /// The figure with its ratio.
    pub fn new(
        name: &'static str,
        unit: &'static str,
        value: f64,
        limit: f64,
        n: usize,
        store: &'static str,
    ) -> Self {
        Self { name, value, unit, limit, ratio: value / limit, n, store, latency: None }
    }
}

/// Runs the command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    let figures = match command {
        Command::Issue(arguments) => issue::run(&arguments, edge).await?,
        Command::Authenticate(arguments) => authenticate::run(&arguments, edge).await?,
        Command::Call(arguments) => call::run(&arguments, edge).await?,
        Command::Drain(arguments) => drain::run(&arguments, edge).await?,
        Command::Handshake(arguments) => handshake::run(&arguments, edge).await?,
        Command::Lease(arguments) => lease::run(&arguments, edge).await?,
        Command::Revoke(arguments) => revoke::run(&arguments, edge).await?,
    };
    edge.output.rows(
        &["what", "value", "limit", "unit", "ratio", "n", "store", "p50/p99 ms"],
        &figures,
        |figure| {
            let Figure { name, value, unit, limit, ratio, n, store, latency } = figure;
            let latency = latency.map(|Latency { p50, p99 }| format!("{p50:.1}/{p99:.1}"));
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
                latency.unwrap_or_default(),
            ]
        },
    );
    Ok(())
}
