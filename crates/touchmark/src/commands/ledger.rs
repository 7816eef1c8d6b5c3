//! `touchmark ledger check`: whether every credential is accounted for.

use std::path::{Path, PathBuf};

use store::{Schema, Store};

use super::Edge;
use crate::config::store_url;
use crate::failure::Failure;
use crate::ledger::{Books, Verdict, check};

/// Look at the conservation of credentials
#[derive(clap::Subcommand)]
pub enum Command {
    /// Check that every credential is accounted for, and the invariants that stores can show
    Check {
        /// The directory with authority/, gateway/, center/ and devices/, as far as they are at hand
        #[arg(long, default_value = "touchmark-data")]
        data: PathBuf,
        /// The authority's store, where it is not authority/store.sqlite
        #[arg(long, value_name = "URL")]
        authority_store: Option<String>,
        /// A gateway's store, where it is not gateway/store.sqlite; may be given more than once
        #[arg(long, value_name = "URL")]
        gateway_store: Vec<String>,
        /// A center's store, where it is not center/store.sqlite
        #[arg(long, value_name = "URL")]
        center_store: Option<String>,
    },
}

/// Runs one command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    let Command::Check { data, authority_store, gateway_store, center_store } = command;
    let authority = authority_store.or_else(|| embedded_store(&data.join("authority")));
    let gateways = if gateway_store.is_empty() {
        embedded_store(&data.join("gateway")).into_iter().collect()
    } else {
        gateway_store
    };
    let center = center_store.or_else(|| embedded_store(&data.join("center")));
    if authority.is_none() && gateways.is_empty() && center.is_none() {
        return Err(Failure::new(format!("{} holds no store", data.display()))
            .advise("name the directory that has authority/, gateway/ or center/ with --data")
            .into());
    }
    let authority = match authority {
        Some(url) => Some(Store::open(&url, Schema::Authority).await?),
        None => None,
    };
    let mut stores = Vec::new();
    for url in gateways {
        stores.push(Store::open(&url, Schema::Gateway).await?);
    }
    let devices = Some(data.join("devices")).filter(|directory| directory.is_dir());
    let now = edge.clock.epoch_seconds();
    let mut books = Books::read(authority.as_ref(), &stores, devices.as_deref(), now).await?;
    if let Some(url) = center {
        books = books.with_center(&Store::open(&url, Schema::Center).await?).await?;
    }
    let verdict = check(&books);
    edge.output.object(&verdict, for_people(&verdict));
    if verdict.violations.is_empty() { Ok(()) } else { Err(Failure::new("the books do not add up").into()) }
}

/// The URL of the embedded store in a role's directory, if there is one.
fn embedded_store(directory: &Path) -> Option<String> {
    directory.join("store.sqlite").exists().then(|| store_url("", directory))
}

fn for_people(verdict: &Verdict) -> String {
    let mut text = format!("{} credentials, {} devices\n", verdict.credentials, verdict.devices);
    for (name, holds) in &verdict.invariants {
        text.push_str(&format!("{name:<4} {}\n", if *holds { "holds" } else { "BROKEN" }));
    }
    for violation in &verdict.violations {
        text.push_str(&format!("{}: {}\n", violation.invariant, violation.detail));
    }
    text.push_str(if verdict.conserved { "conserved" } else { "NOT conserved" });
    text
}
