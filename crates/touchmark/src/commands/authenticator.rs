//! `touchmark authenticator ...`: the role that authenticates devices with symmetric credentials.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use authenticator::{Authenticator, OPEN_TO_ALL, Register};
use identity::{ApparatusId, Role};
use serde::Serialize;
use store::{Schema, Store, Vault, VaultError, read_unlock_file};
use transport::Limits;

use super::Edge;
use super::gateway::person;
use super::role_arguments::RoleArguments;
use crate::config::AuthenticatorConfig;
use crate::failure::Failure;
use crate::member_files;
use crate::metrics;
use crate::output::moment;
use crate::serving;

/// What an authenticator does.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Join an authority with the token that its `invite authenticator` printed
    Join(JoinArguments),
    /// Authenticate devices until stopped, and follow the authority's registrations
    Serve(ServeArguments),
    /// Show who may authenticate, and how far the authority's registrations are stored
    Status(RoleArguments),
    /// Refuse a device from now on, for good
    Revoke(RevokeArguments),
}

/// Arguments of `touchmark authenticator join`.
#[derive(clap::Args)]
pub struct JoinArguments {
    /// The join token
    token: String,
    #[command(flatten)]
    role: RoleArguments,
}

/// Arguments of `touchmark authenticator serve`.
#[derive(clap::Args)]
pub struct ServeArguments {
    #[command(flatten)]
    role: RoleArguments,
}

/// Arguments of `touchmark authenticator revoke`.
#[derive(clap::Args)]
pub struct RevokeArguments {
    /// Whose credential it is, 26 characters
    #[arg(value_name = "APPARATUS ID")]
    apparatus_id: ApparatusId,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    role: RoleArguments,
}

/// Runs the command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Join(arguments) => join(&arguments, edge).await,
        Command::Serve(arguments) => serve(&arguments, edge).await,
        Command::Status(arguments) => status(&arguments, edge).await,
        Command::Revoke(arguments) => revoke(&arguments, edge).await,
    }
}

/// What `join` prints.
#[derive(Serialize)]
struct Joined<'a> {
    member: String,
    data: &'a Path,
}

async fn join(arguments: &JoinArguments, edge: &Edge) -> anyhow::Result<()> {
    let config = arguments.role.authenticator()?;
    // Whatever can fail here fails before the token is used up.
    let store = open_store(&config).await?;
    open_vault(&store, &config).await?;
    let member =
        member_files::join(&config.data, &arguments.token, &config.proxy, Arc::clone(&edge.clock)).await?;
    let text = format!("joined as {member}; its files are in {}", config.data.display());
    edge.output.object(&Joined { member: member.to_string(), data: &config.data }, text);
    Ok(())
}

async fn serve(arguments: &ServeArguments, edge: &Edge) -> anyhow::Result<()> {
    let config = arguments.role.authenticator()?;
    let files = member_files::load(&config.data)?;
    if files.member.role() != Role::Authenticator {
        let what = format!("{} is the directory of {}", config.data.display(), files.member);
        return Err(Failure::new(what).advise("name the authenticator's own with --data").into());
    }
    let authority =
        files.client(&member_files::load_host(&config.data)?, &config.proxy, Arc::clone(&edge.clock))?;
    let store = open_store(&config).await?;
    let vault = open_vault(&store, &config).await?;
    let (clock, random) = (Arc::clone(&edge.clock), Arc::clone(&edge.random));
    let member = files.member.clone();
    let here = Arc::new(Authenticator::open(member, store, vault, config.settings(), clock, random).await?);
    let limits = Limits { open_to_all: OPEN_TO_ALL, ..config.limits.limits() };
    let router = Arc::clone(&here).router();
    let tls = serving::host_tls(&files, edge)?;
    let keeper = member_files::trust_keeper(&config.data, files.trust.clone()).serving_at(Arc::clone(&tls));
    let every = config.settings().pull_every;
    let (of_here, clock) = (Arc::clone(&here), Arc::clone(&edge.clock));
    let read = move || metrics::books::of_authenticator(Arc::clone(&of_here), Arc::clone(&clock));
    let shown = metrics::serve(&config.metrics_listen, read).await?;
    let beside = async { tokio::join!(here.tend(&authority), keeper.follow(&authority, every), shown) };
    serving::serve(config.listen, &files.member, tls, router, limits, beside, edge).await
}

/// What `status` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    registered: i64,
    revoked: i64,
    challenges: u64,
    sequence: u64,
    heard: Option<i64>,
    services_shut_out: Vec<String>,
    refused: Vec<RefusedRecord>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefusedRecord {
    sequence: u64,
    subject: String,
    reason: String,
}

async fn status(arguments: &RoleArguments, edge: &Edge) -> anyhow::Result<()> {
    let status = register(&arguments.authenticator()?, edge).await?.status().await?;
    let refused = status.refused.into_iter().map(|refused| RefusedRecord {
        sequence: refused.sequence,
        subject: refused.subject,
        reason: refused.reason,
    });
    let status = Status {
        registered: status.apparatuses.registered,
        revoked: status.apparatuses.revoked,
        challenges: status.nonces,
        sequence: status.feed.sequence,
        heard: status.feed.heard,
        services_shut_out: status.shut_out.services.iter().map(ToString::to_string).collect(),
        refused: refused.collect(),
    };
    let mut text = format!(
        "{} may authenticate, {} are revoked\nregistrations are stored up to {}, last heard {}",
        status.registered,
        status.revoked,
        status.sequence,
        status.heard.map_or("never".to_owned(), moment),
    );
    for service in &status.services_shut_out {
        text.push_str(&format!("\nthe service {service} is shut out"));
    }
    for refused in &status.refused {
        let RefusedRecord { sequence, subject, reason } = refused;
        text.push_str(&format!("\nrecord {sequence} was refused: {subject}, {reason}"));
    }
    edge.output.object(&status, text);
    Ok(())
}

/// What `revoke` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Revoked {
    apparatus_id: ApparatusId,
    since: i64,
    was_registered: bool,
}

async fn revoke(arguments: &RevokeArguments, edge: &Edge) -> anyhow::Result<()> {
    let id = arguments.apparatus_id;
    let register = register(&arguments.role.authenticator()?, edge).await?;
    let was_registered = register.holds(id).await?;
    let since = register.revoke(id, &arguments.reason, &person()).await?;
    let text = if was_registered {
        format!("{id} is revoked; its tokens are no longer good for services that ask")
    } else {
        format!("{id} could not authenticate before either, and never will")
    };
    edge.output.object(&Revoked { apparatus_id: id, since, was_registered }, text);
    Ok(())
}

async fn register(config: &AuthenticatorConfig, edge: &Edge) -> anyhow::Result<Register> {
    Ok(Register::new(open_store(config).await?, Arc::clone(&edge.clock)))
}

async fn open_store(config: &AuthenticatorConfig) -> anyhow::Result<Store> {
    let opened = Store::open(&config.store, Schema::Authenticator).await;
    opened.with_context(|| format!("cannot open {}", config.store))
}

/// The store's vault, made where there is none.
async fn open_vault(store: &Store, config: &AuthenticatorConfig) -> anyhow::Result<Vault> {
    let passphrase = || {
        read_unlock_file(&config.unlock_file).map_err(|error| {
            let example = format!("openssl rand -base64 32 > {}", config.unlock_file.display());
            Failure::new("the vault stays shut")
                .because(error)
                .advise(format!("name the file with --unlock-file, or make one: {example}"))
        })
    };
    match Vault::unlock(store, passphrase()?).await {
        Err(VaultError::Missing) => Ok(Vault::create(store, passphrase()?).await?),
        unlocked => unlocked.context("the vault stays shut"),
    }
}
