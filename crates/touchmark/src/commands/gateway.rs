//! `touchmark gateway ...`: a factory's buffer of credentials.

mod bundle;
mod operator;

use std::fmt::Write;
use std::sync::Arc;

use anyhow::Context;
use gateway::{Actor, ConsoleSettings, Desk, Gateway, OpenError, Replenishment};
use identity::profile::CredentialKind;
use identity::{CredentialId, KeyIdentifier, Member, MemberName, Role};
use message::status::FactoryStatus;
use serde::Serialize;
use store::{KeyRingError, Schema, Store, read_unlock_file};
use transport::TrustKeeper;

use self::bundle::BundleCommand;
use self::operator::OperatorCommand;
use super::Edge;
use super::role_arguments::RoleArguments;
use super::staff::StaffCommand;
use crate::config::GatewayConfig;
use crate::failure::Failure;
use crate::member_files::{self, MemberFiles};
use crate::metrics;
use crate::output::moment;
use crate::serving;

/// What a gateway does, and what people do at it.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Join an authority with the token that its `invite gateway` printed
    Join {
        /// The join token
        token: String,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Serve stations, keep the stock filled, report to the authority
    Serve {
        /// The address to listen on
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<std::net::SocketAddr>,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Print a token by which a member may join this gateway, once
    #[command(subcommand)]
    Invite(StationCommand),
    /// Shut a member out
    #[command(subcommand)]
    Revoke(StationCommand),
    /// List the stations that joined
    Stations {
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Fill the stock for the coming days now
    Replenish {
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Show stock, plan against written, and what waits
    Status {
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Withdraw a credential for good
    Void {
        /// A device number, for all that its device has, or an apparatus ID
        credential: CredentialId,
        /// Why, for the records
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// The people at the stations, and their badges
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Files for and from an authority that no network joins to this factory
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// The people who sign in at the console
    #[command(subcommand)]
    Staff(StaffCommand<RoleArguments>),
    /// Send parked records again, once their cause is dealt with
    Unpark {
        #[command(flatten)]
        role: RoleArguments,
    },
}

/// Which member is meant.
#[derive(clap::Subcommand)]
pub enum StationCommand {
    /// A station
    Station {
        /// The station's name within the factory, such as line-1
        #[arg(long)]
        name: MemberName,
        #[command(flatten)]
        role: RoleArguments,
    },
}

/// Runs one command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Join { token, role } => join(&token, &role.gateway()?, edge).await,
        Command::Serve { listen, role } => {
            let mut config = role.gateway()?;
            config.listen = listen.unwrap_or(config.listen);
            serve(&config, edge).await
        }
        Command::Invite(StationCommand::Station { name, role }) => {
            invite(&name, &role.gateway()?, edge).await
        }
        Command::Revoke(StationCommand::Station { name, role }) => {
            let desk = open_desk(&role.gateway()?, edge).await?;
            desk.revoke_station(&name, &person()).await?;
            edge.output.object(&Station { station: &name }, format!("{name} is shut out"));
            Ok(())
        }
        Command::Stations { role } => stations(&role.gateway()?, edge).await,
        Command::Replenish { role } => replenish(&role.gateway()?, edge).await,
        Command::Status { role } => {
            let status = open_desk(&role.gateway()?, edge).await?.status().await?;
            edge.output.object(&status, status_for_people(&status));
            Ok(())
        }
        Command::Void { credential, reason, role } => {
            let desk = open_desk(&role.gateway()?, edge).await?;
            desk.void(&credential, &reason, &person()).await?;
            edge.output.object(&Voided { credential: &credential }, format!("{credential} is withdrawn"));
            Ok(())
        }
        Command::Operator(command) => operator::run(command, edge).await,
        Command::Bundle(command) => bundle::run(command, edge).await,
        Command::Staff(command) => {
            let store = Store::open(&command.role().gateway()?.store, Schema::Gateway).await?;
            command.run(store, "gateway", &person(), edge).await
        }
        Command::Unpark { role } => {
            let unparked = open_desk(&role.gateway()?, edge).await?.unpark(&person()).await?;
            edge.output.object(&Unparked { unparked }, format!("{unparked} records are sent again"));
            Ok(())
        }
    }
}

/// The books of the gateway whose membership is in the data directory.
pub async fn open_desk(config: &GatewayConfig, edge: &Edge) -> anyhow::Result<Desk> {
    let member = member_files::load(&config.data)?;
    desk_of(config, &member, edge).await
}

/// The person at the keyboard, as the audit log names them.
pub fn person() -> Actor {
    Actor::person(&std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()))
}

#[derive(Serialize)]
struct Joined {
    member: Member,
}

#[derive(Serialize)]
struct Token {
    token: String,
}

#[derive(Serialize)]
struct Station<'a> {
    station: &'a MemberName,
}

#[derive(Serialize)]
struct Voided<'a> {
    credential: &'a CredentialId,
}

#[derive(Serialize)]
struct Unparked {
    unparked: u64,
}

#[derive(Serialize)]
struct Asked {
    asked: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StationRow {
    name: MemberName,
    certificate_serial: String,
    joined: i64,
    revoked: Option<i64>,
}

/// Where a gateway's data key ring lies, beside the store of an embedded gateway.
const KEY_RING: &str = "keys";

async fn join(token: &str, config: &GatewayConfig, edge: &Edge) -> anyhow::Result<()> {
    // The vault comes first: it can be made again, and the token works only once.
    let store = Store::open(&config.store, Schema::Gateway).await?;
    Gateway::init(&store, read_unlock_file(&config.unlock_file)?).await?;
    let member = member_files::join(&config.data, token, &config.proxy, Arc::clone(&edge.clock)).await?;
    let text = format!("joined as {member}; its files are in {}", config.data.display());
    edge.output.object(&Joined { member }, text);
    Ok(())
}

async fn serve(config: &GatewayConfig, edge: &Edge) -> anyhow::Result<()> {
    let member = member_files::load(&config.data)?;
    let (tls, limits) = (serving::host_tls(&member, edge)?, config.limits.limits());
    let keeper = member_files::trust_keeper(&config.data, member.trust.clone());
    let gateway = open_with(keeper.serving_at(Arc::clone(&tls)), config, &member, edge).await?;
    let router = Arc::clone(&gateway).router();
    let console = serving::console(&config.console, &member, limits, edge, |over_tls| {
        let (url, token_seconds) = (config.url.clone(), config.token_minutes.saturating_mul(60));
        Arc::clone(&gateway).console(ConsoleSettings { url, token_seconds, over_tls })
    })
    .await?;
    let of_gateway = Arc::clone(&gateway);
    let read = move || metrics::books::of_gateway(Arc::clone(&of_gateway));
    let shown = metrics::serve(&config.metrics_listen, read).await?;
    let beside = async { tokio::join!(gateway.run(), console, shown) };
    serving::serve(config.listen, &member.member, tls, router, limits, beside, edge).await
}

async fn invite(name: &MemberName, config: &GatewayConfig, edge: &Edge) -> anyhow::Result<()> {
    let member = member_files::load(&config.data)?;
    let desk = desk_of(config, &member, edge).await?;
    let valid_seconds = config.token_minutes.saturating_mul(60);
    let root = member.trust.root_fingerprint();
    let token = desk.invite(name, &config.url, root, valid_seconds, &person()).await?.to_text();
    edge.output.object(&Token { token: token.clone() }, &token);
    Ok(())
}

async fn stations(config: &GatewayConfig, edge: &Edge) -> anyhow::Result<()> {
    let stations = open_desk(config, edge).await?.stations().await?;
    let rows: Vec<StationRow> = stations
        .into_iter()
        .map(|station| StationRow {
            name: station.name,
            certificate_serial: station.certificate_serial,
            joined: station.joined,
            revoked: station.revoked,
        })
        .collect();
    edge.output.rows(&["station", "joined", "revoked", "certificate"], &rows, |row| {
        let revoked = row.revoked.map(moment).unwrap_or_default();
        vec![row.name.to_string(), moment(row.joined), revoked, row.certificate_serial.clone()]
    });
    Ok(())
}

/// Replenishes here, or leaves it to the process that serves and so has the key ring.
async fn replenish(config: &GatewayConfig, edge: &Edge) -> anyhow::Result<()> {
    let member = member_files::load(&config.data)?;
    match open(config, &member, edge).await {
        Ok(gateway) => {
            let done = gateway.replenish().await?;
            gateway.drain().await?;
            edge.output.object(&done, replenishment_for_people(&done));
        }
        Err(error) if is_in_use(&error) => {
            open_desk(config, edge).await?.ask_to_replenish(&person()).await?;
            edge.output.object(&Asked { asked: true }, "the serving gateway replenishes now; see `status`");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(OpenError::KeyRing(KeyRingError::InUse { .. })))
}

async fn open(config: &GatewayConfig, member: &MemberFiles, edge: &Edge) -> anyhow::Result<Arc<Gateway>> {
    open_with(member_files::trust_keeper(&config.data, member.trust.clone()), config, member, edge).await
}

async fn open_with(
    keeper: TrustKeeper,
    config: &GatewayConfig,
    member: &MemberFiles,
    edge: &Edge,
) -> anyhow::Result<Arc<Gateway>> {
    let host = member_files::load_host(&config.data)?;
    let authority = member.client(&host, &config.proxy, Arc::clone(&edge.clock))?;
    let passphrase = read_unlock_file(&config.unlock_file)?;
    let desk = desk_of(config, member, edge).await?;
    let key_ring = config.data.join(KEY_RING);
    Ok(Gateway::open(desk, passphrase, &key_ring, keeper, Arc::new(authority)).await?)
}

async fn desk_of(config: &GatewayConfig, member: &MemberFiles, edge: &Edge) -> anyhow::Result<Desk> {
    if member.member.role() != Role::Gateway {
        let what = format!("{} holds the membership of {}", config.data.display(), member.member);
        return Err(Failure::new(what).advise("name the gateway's own directory with --data").into());
    }
    let store = Store::open(&config.store, Schema::Gateway)
        .await
        .with_context(|| format!("cannot open the store of {}", member.member))?;
    let (clock, random) = (Arc::clone(&edge.clock), Arc::clone(&edge.random));
    Ok(Desk::new(store, member.member.name().clone(), config.settings()?, clock, random))
}

fn replenishment_for_people(done: &Replenishment) -> String {
    let mut text = format!("{} packs filed", done.stocked);
    for product in &done.products {
        let need = &product.need;
        let _ = write!(
            text,
            "\n{}, {}: {} planned, {} wanted, {} in hand, {} {}",
            need.product,
            need.credential,
            need.planned,
            need.wanted,
            need.in_hand,
            product.reserved,
            match need.credential {
                CredentialKind::Certificate => "reserved",
                CredentialKind::Symmetric => "ordered",
            }
        );
        if let Some(shortage) = &product.shortage {
            let _ = write!(text, "; short: {shortage}");
        }
    }
    for (number, reason) in &done.refused {
        let _ = write!(text, "\n{number} will not be issued: {reason}");
    }
    for (product, reason) in &done.refused_products {
        let _ = write!(text, "\nnothing more of {product} is issued for now: {reason}");
    }
    text
}

fn status_for_people(status: &FactoryStatus) -> String {
    let mut text = format!("factory {}\n\n", status.factory);
    text.push_str(
        "product  credential  key                      reserved  stocked   leased  written verified     owed  suspect   voided  planned ahead\n",
    );
    for row in &status.products {
        let key = row.key_identifier.as_ref().map_or("", KeyIdentifier::as_str);
        let _ = writeln!(
            text,
            "{:<8} {:<11} {key:<24} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>14}",
            row.product,
            row.credential,
            row.reserved,
            row.stocked,
            row.leased,
            row.written,
            row.verified,
            row.owed,
            row.suspect,
            row.voided,
            row.planned_ahead
        );
    }
    for row in status.products.iter().filter(|row| row.stocked_under_other_key > 0) {
        let (product, number) = (&row.product, row.stocked_under_other_key);
        let _ = writeln!(text, "{number} packs of {product} in stock are sealed under another pre-write key");
    }
    text.push_str("\nday         product   planned verified\n");
    for row in &status.days {
        let _ = writeln!(text, "{:<11} {:<8} {:>8} {:>8}", row.day, row.product, row.planned, row.verified);
    }
    let _ = write!(
        text,
        "\n{} records wait for the authority, {} are parked",
        status.outbox,
        status.parked.len()
    );
    for record in &status.parked {
        let _ = write!(text, "\n  {} {}: {}", record.sequence, record.credential, record.reason);
    }
    text
}
