//! `touchmark authority ...`: the role that issues credentials.

mod bundle;
mod ca;
mod common_certificate;
mod device_keys;
mod pre_write_key;
mod product;
mod recovery;
mod revoke;
mod successors;

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use authority::{
    Authority, AuthorityStatus, Ceremony, ConsoleSettings, Desk, Names, NewRange, OPEN_TO_ALL,
    OPEN_TO_COMMON, OPEN_TO_EXPIRED,
};
use identity::profile::{CredentialKind, KeyAlgorithm};
use identity::{CredentialId, CredentialState, Member, MemberName, ProductCode, Role, Serial};
use jiff::tz::TimeZone;
use pki::{NameText, ParsePublishedUrlError, SigningKey, decrypt_key, encrypt_key};
use serde::Serialize;
use store::audit::Actor;
use store::{Schema, Secret, Store, VaultError, read_unlock_file};
use transport::{Limits, serve_in_clear};

use self::bundle::BundleCommand;
use self::ca::CaCommand;
use self::common_certificate::CommonCertificateCommand;
use self::pre_write_key::PreWriteKeyCommand;
pub use self::product::CheckDigitKind;
use self::product::ProductCommand;
use self::recovery::{BoardSwapArguments, HistoryArguments, RecoveriesArguments, RecoveryCommand};
use self::revoke::RevokeArguments;
use self::successors::SuccessorsArguments;
use super::Edge;
use super::role_arguments::RoleArguments;
use super::staff::StaffCommand;
use crate::config::AuthorityConfig;
use crate::durable::{Privacy, replace_file};
use crate::failure::Failure;
use crate::member_files::{self, MemberFiles};
use crate::metrics;
use crate::serving;

/// What an authority does, and what people do at it.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Make the root, the CAs below it and the authority's own certificate, once
    Init(InitArguments),
    /// Serve gateways and devices
    Serve {
        /// The address to listen on
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
        /// The address to publish CRLs and OCSP at, in clear and to everyone
        #[arg(long, value_name = "ADDRESS")]
        publish: Option<SocketAddr>,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Print a token by which a member may join, once
    #[command(subcommand)]
    Invite(InviteCommand),
    /// Shut out a member, or devices by what they have in common
    Revoke(Box<RevokeArguments>),
    /// The products and the profiles of their credentials
    #[command(subcommand)]
    Product(ProductCommand),
    /// The keys that firmware is built with
    #[command(subcommand)]
    PreWriteKey(PreWriteKeyCommand),
    /// What the devices of a batch share, to ask for an individual certificate with
    #[command(subcommand)]
    CommonCertificate(CommonCertificateCommand),
    /// The CAs that sign devices, one after another
    #[command(subcommand)]
    Ca(CaCommand),
    /// The factories
    #[command(subcommand)]
    Factory(FactoryCommand),
    /// Say how much of a product a factory may make, and with which serials
    Allot(AllotArguments),
    /// Files for and from factories that no network joins to this authority
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// Withdraw a credential for good
    Void(VoidArguments),
    /// List the certificates that followed the first ones of devices: by renewal, recovery, board swap
    Successors(SuccessorsArguments),
    /// List what devices ask for that have nothing but their common certificates
    Recoveries(RecoveriesArguments),
    /// Decide what such a device has asked for
    #[command(subcommand)]
    Recovery(RecoveryCommand),
    /// Void what the old board of a device holds, and let a new one have its number
    BoardSwap(BoardSwapArguments),
    /// Show what became of a device number: its certificates, their causes, its boards
    History(HistoryArguments),
    /// The people who sign in at the console
    #[command(subcommand)]
    Staff(StaffCommand<RoleArguments>),
    /// Show what was issued, what became of it, and who takes part
    Status {
        #[command(flatten)]
        role: RoleArguments,
    },
}

/// Arguments of `touchmark authority void`.
#[derive(clap::Args)]
pub struct VoidArguments {
    /// The device number of a certificate, or an apparatus ID
    credential: CredentialId,
    /// Why, for whoever reads it later
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    role: RoleArguments,
}

/// Arguments of `touchmark authority init`.
#[derive(clap::Args)]
pub struct InitArguments {
    /// The authority's name among its members, such as head-office
    #[arg(long)]
    name: MemberName,
    /// The organization in the names of the CAs
    #[arg(long, value_name = "TEXT")]
    organization: Option<NameText>,
    /// The file with the passphrase for the root's key; not the unlock file, for the two are kept apart
    #[arg(long, value_name = "FILE")]
    root_passphrase_file: PathBuf,
    /// Where to write the root's key, encrypted; by default root-key.pem in the data directory
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    #[command(flatten)]
    role: RoleArguments,
}

/// Who is invited.
#[derive(clap::Subcommand)]
pub enum InviteCommand {
    /// The gateway of a factory
    Gateway {
        /// The factory's name, such as osaka
        #[arg(long)]
        name: MemberName,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// An authenticator of devices that hold a symmetric credential
    Authenticator {
        /// Its name, such as europe
        #[arg(long)]
        name: MemberName,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// A service that takes devices on an authenticator's word
    Service {
        /// Its name, such as supplies
        #[arg(long)]
        name: MemberName,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// A center that devices in the field call
    Center {
        /// Its name, such as europe
        #[arg(long)]
        name: MemberName,
        #[command(flatten)]
        role: RoleArguments,
    },
}

/// What is done with factories.
#[derive(clap::Subcommand)]
pub enum FactoryCommand {
    /// Make a factory known
    Set {
        /// The factory's name, such as osaka
        name: MemberName,
        #[command(flatten)]
        role: RoleArguments,
    },
}

/// Arguments of `touchmark authority allot`.
#[derive(clap::Args)]
pub struct AllotArguments {
    /// The factory
    factory: MemberName,
    /// The product
    product: ProductCode,
    /// How many credentials the factory may be issued in all
    #[arg(long, value_name = "N")]
    quota: Option<u64>,
    /// The first of the serials that the factory gets in addition
    #[arg(long, value_name = "SERIAL", requires = "last")]
    first: Option<Serial>,
    /// The last of them
    #[arg(long, value_name = "SERIAL", requires = "first")]
    last: Option<Serial>,
    #[command(flatten)]
    role: RoleArguments,
}

/// Runs one command.
pub async fn run(command: Command, edge: &Edge) -> anyhow::Result<()> {
    match command {
        Command::Init(arguments) => init(&arguments, edge).await,
        Command::Serve { listen, publish, role } => {
            let mut config = role.authority()?;
            config.listen = listen.unwrap_or(config.listen);
            config.publish = publish.map_or(config.publish, |address| address.to_string());
            serve(&config, edge).await
        }
        Command::Invite(whom) => {
            let (member, role) = match whom {
                InviteCommand::Gateway { name, role } => (Member::gateway(name), role),
                InviteCommand::Authenticator { name, role } => (Member::authenticator(name), role),
                InviteCommand::Service { name, role } => (Member::service(name), role),
                InviteCommand::Center { name, role } => (Member::center(name), role),
            };
            invite(&member, &role.authority()?, edge).await
        }
        Command::Revoke(arguments) => revoke::run(*arguments, edge).await,
        Command::Product(command) => product::run(command, edge).await,
        Command::PreWriteKey(command) => pre_write_key::run(command, edge).await,
        Command::CommonCertificate(command) => common_certificate::run(command, edge).await,
        Command::Ca(command) => ca::run(command, edge).await,
        Command::Factory(FactoryCommand::Set { name, role }) => {
            let desk = open_desk(&role.authority()?, edge).await?;
            let is_new = desk.add_factory(&name, &person()).await?;
            let text = if is_new { "is known now" } else { "was known already" };
            edge.output.object(&Factory { factory: &name, is_new }, format!("{name} {text}"));
            Ok(())
        }
        Command::Bundle(command) => bundle::run(command, edge).await,
        Command::Allot(arguments) => allot(&arguments, edge).await,
        Command::Void(VoidArguments { credential, reason, role }) => {
            open_desk(&role.authority()?, edge).await?.void(&credential, &reason, &person()).await?;
            let voided = Voided { credential: &credential, state: CredentialState::Voided };
            edge.output.object(&voided, format!("{credential} is void"));
            Ok(())
        }
        Command::Successors(arguments) => successors::run(arguments, edge).await,
        Command::Recoveries(arguments) => recovery::list(arguments, edge).await,
        Command::Recovery(command) => recovery::decide(command, edge).await,
        Command::BoardSwap(arguments) => recovery::swap_board(arguments, edge).await,
        Command::History(arguments) => recovery::history(arguments, edge).await,
        Command::Staff(command) => {
            let store = Store::open(&command.role().authority()?.store, Schema::Authority).await?;
            command.run(store, "authority", &person(), edge).await
        }
        Command::Status { role } => {
            let status = open_desk(&role.authority()?, edge).await?.status().await?;
            edge.output.object(&status, status_for_people(&status));
            if status.conserved { Ok(()) } else { Err(Failure::new("the figures do not add up").into()) }
        }
    }
}

/// The books of the authority whose membership is in the data directory.
pub async fn open_desk(config: &AuthorityConfig, edge: &Edge) -> anyhow::Result<Desk> {
    desk_of(config, &member_files::load(&config.data)?, edge).await
}

/// The file of the root's key, in the data directory unless it was written elsewhere.
const ROOT_KEY: &str = "root-key.pem";
/// The authority renews its own certificate when it starts with fewer days than this left.
const RENEWED_BEFORE_DAYS: i64 = 60;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Initialised<'a> {
    authority: &'a Member,
    data: &'a Path,
    root_key: &'a Path,
    root_sha256: String,
}

#[derive(Serialize)]
struct Token<'a> {
    token: &'a str,
}

#[derive(Serialize)]
struct Voided<'a> {
    credential: &'a CredentialId,
    state: CredentialState,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Factory<'a> {
    factory: &'a MemberName,
    is_new: bool,
}

#[derive(Serialize)]
struct Allotted<'a> {
    factory: &'a MemberName,
    product: &'a ProductCode,
}

async fn init(arguments: &InitArguments, edge: &Edge) -> anyhow::Result<()> {
    let config = arguments.role.authority()?;
    let root_key = arguments.root_key.clone().unwrap_or_else(|| config.data.join(ROOT_KEY));
    refuse_to_overwrite(&config.data, &root_key)?;
    let unlock = passphrase(&config.unlock_file)?;
    let root_passphrase = passphrase(&arguments.root_passphrase_file)?;
    if unlock == root_passphrase {
        return Err(Failure::new("the root's passphrase is the same as that of the vault")
            .advise("make another one: whoever serves day by day has no need of the root")
            .into());
    }
    let store = Store::open(&config.store, Schema::Authority).await?;
    let names = Names { authority: arguments.name.clone(), organization: arguments.organization.clone() };
    let ceremony = Ceremony::prepare(&names, edge.clock.as_ref(), edge.random.as_ref())?;
    let pem = encrypt_key(ceremony.root_key(), root_passphrase.expose(), edge.random.as_ref())?;
    member_files::save(&config.data, &ceremony.membership(), ceremony.member_key())?;
    replace_file(&root_key, Privacy::Owner, pem.as_bytes())
        .with_context(|| format!("cannot write {}", root_key.display()))?;
    ceremony.store(&store, unlock, &person()).await?;
    let member = member_files::load(&config.data)?;
    let fingerprint = member.trust.root_fingerprint().to_string();
    let text = format!(
        "{} is set up in {}\nroot certificate SHA-256 {fingerprint}\n\
         the root's key is in {}: move it, and keep its passphrase, where this machine cannot reach them",
        member.member,
        config.data.display(),
        root_key.display(),
    );
    let result = Initialised {
        authority: &member.member,
        data: &config.data,
        root_key: &root_key,
        root_sha256: fingerprint,
    };
    edge.output.object(&result, text);
    Ok(())
}

/// An authority's keys are never written over, whatever state its store is in.
fn refuse_to_overwrite(data: &Path, root_key: &Path) -> anyhow::Result<()> {
    for path in [data.join(member_files::MEMBER), root_key.to_path_buf()] {
        if path.exists() {
            return Err(Failure::new(format!("{} is there already", path.display()))
                .advise("name another --data, or move what an interrupted `init` has left out of the way")
                .into());
        }
    }
    Ok(())
}

async fn serve(config: &AuthorityConfig, edge: &Edge) -> anyhow::Result<()> {
    let mut member = member_files::load(&config.data)?;
    let desk = desk_of(config, &member, edge).await?;
    let authority = Authority::open(desk, passphrase(&config.unlock_file)?).await?;
    let left = member.certificate.not_after() - edge.clock.epoch_seconds();
    if left < RENEWED_BEFORE_DAYS * 86_400 {
        let (membership, key) = authority.renew_own().await?;
        member_files::save(&config.data, &membership, &key)?;
        member = member_files::load(&config.data)?;
    }
    // What the files do not know yet, such as a CA that was made since.
    member.trust = authority.trust().clone();
    let limits = Limits {
        open_to_all: OPEN_TO_ALL,
        open_to_common: OPEN_TO_COMMON,
        open_to_expired: OPEN_TO_EXPIRED,
        ..config.limits.limits()
    };
    let publishing = publish(config, Arc::clone(&authority), limits).await?;
    let tls = serving::host_tls(&member, edge)?;
    let pages = Arc::clone(&authority);
    let console = serving::console(&config.console, &member, limits, edge, move |over_tls| {
        pages.console(ConsoleSettings { time_zone: TimeZone::system(), over_tls })
    })
    .await?;
    let of_authority = Arc::clone(&authority);
    let read = move || metrics::books::of_authority(Arc::clone(&of_authority));
    let shown = metrics::serve(&config.metrics_listen, read).await?;
    let (here, host) = (Arc::clone(&authority), Arc::clone(&tls));
    let beside = async { tokio::join!(publishing, console, shown, here.follow_cas(&host)) };
    serving::serve(config.listen, &member.member, tls, authority.router(), limits, beside, edge).await
}

/// Listens where the authority publishes, if anywhere; what then serves it.
async fn publish(
    config: &AuthorityConfig,
    authority: Arc<Authority>,
    limits: Limits,
) -> anyhow::Result<impl Future<Output = ()>> {
    let address: Option<SocketAddr> = match config.publish.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|error| {
            Failure::new(format!("publish is \"{text}\", which is no address to listen on"))
                .because(error)
                .advise("give one such as 0.0.0.0:7480")
        })?),
    };
    let listener = match address {
        Some(address) => Some(serving::listen(address, "publish").await?),
        None => None,
    };
    Ok(async move {
        if let Some(listener) = listener {
            tracing::info!(address = config.publish, "CRLs and OCSP are published");
            let router = authority.publication_router();
            serve_in_clear(listener, router, limits, std::future::pending()).await;
        }
    })
}

async fn invite(invited: &Member, config: &AuthorityConfig, edge: &Edge) -> anyhow::Result<()> {
    let member = member_files::load(&config.data)?;
    let desk = desk_of(config, &member, edge).await?;
    let valid_seconds = config.token_minutes.saturating_mul(60);
    let root = member.trust.root_fingerprint();
    let token = desk.invite(invited, &config.url, root, valid_seconds, &person()).await?.to_text();
    edge.output.object(&Token { token: &token }, &token);
    Ok(())
}

async fn allot(arguments: &AllotArguments, edge: &Edge) -> anyhow::Result<()> {
    let AllotArguments { factory, product, quota, first, last, role } = arguments;
    let serials = first.zip(*last).map(|(first, last)| NewRange { first, last });
    if quota.is_none() && serials.is_none() {
        return Err(Failure::usage("there is nothing to allot")
            .advise("give --quota, or --first and --last")
            .into());
    }
    let desk = open_desk(&role.authority()?, edge).await?;
    desk.allot(factory, product, *quota, serials, &person()).await?;
    edge.output.object(&Allotted { factory, product }, format!("{factory} may make {product} accordingly"));
    Ok(())
}

async fn desk_of(config: &AuthorityConfig, member: &MemberFiles, edge: &Edge) -> anyhow::Result<Desk> {
    if member.member.role() != Role::Authority {
        let what = format!("{} holds the membership of {}", config.data.display(), member.member);
        return Err(Failure::new(what).advise("name the authority's own directory with --data").into());
    }
    let store = Store::open(&config.store, Schema::Authority)
        .await
        .with_context(|| format!("cannot open the store of {}", member.member))?;
    let desk = Desk::new(store, member.member.clone(), Arc::clone(&edge.clock), Arc::clone(&edge.random));
    match config.published_url.as_str() {
        "" => Ok(desk),
        text => Ok(desk.published(text.parse().map_err(|error: ParsePublishedUrlError| {
            Failure::new(format!("published_url is \"{text}\"")).because(error).advise(
                "give the address of this machine, or of a proxy before it, such as http://pki.example",
            )
        })?)),
    }
}

/// The passphrase in a file, or what to do to have one.
pub fn passphrase(file: &Path) -> anyhow::Result<Secret> {
    read_unlock_file(file).map_err(|error| {
        let advice = match &error {
            VaultError::UnlockFile { .. } => format!(
                "name the right file, or make one with `openssl rand -base64 32 > {}`, on a medium that is \
                 kept apart from the store",
                file.display()
            ),
            _ => "take the output of `openssl rand -base64 32`".to_owned(),
        };
        Failure::new(format!("there is no passphrase in {}", file.display()))
            .because(error)
            .advise(advice)
            .into()
    })
}

/// The root's key, from the file where it is kept apart or the data directory.
fn root_key(
    config: &AuthorityConfig,
    file: Option<&Path>,
    passphrase_file: &Path,
) -> anyhow::Result<SigningKey> {
    let path = file.map_or_else(|| config.data.join(ROOT_KEY), Path::to_path_buf);
    let pem = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let root_passphrase = passphrase(passphrase_file)?;
    decrypt_key(&pem, root_passphrase.expose(), KeyAlgorithm::P384)
        .with_context(|| format!("cannot open the root's key in {}", path.display()))
}

/// The person at the keyboard, as the audit log names them.
fn person() -> Actor {
    Actor::person(&std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()))
}

fn status_for_people(status: &AuthorityStatus) -> String {
    let mut text = format!("{}\n\n", status.authority);
    text.push_str(
        "factory      product  credential      quota   issued  in stock  verified  suspect   voided\n",
    );
    for row in &status.factories {
        let kinds = [
            (CredentialKind::Certificate, row.issued, &row.states),
            (CredentialKind::Symmetric, row.apparatuses, &row.apparatus_states),
        ];
        // A product of which nothing was issued has its line all the same.
        let of_certificates = row.apparatuses == 0;
        for (kind, issued, states) in kinds {
            if issued == 0 && !(of_certificates && kind == CredentialKind::Certificate) {
                continue;
            }
            let count = |state| states.get(&state).copied().unwrap_or_default();
            let _ = writeln!(
                text,
                "{:<12} {:<8} {:<11} {:>9} {:>8} {:>9} {:>9} {:>8} {:>8}",
                row.factory,
                row.product,
                kind,
                row.quota,
                issued,
                count(CredentialState::Stocked),
                count(CredentialState::Verified),
                count(CredentialState::Suspect),
                count(CredentialState::Voided),
            );
        }
        if !row.successor_states.is_empty() {
            let states: Vec<String> =
                row.successor_states.iter().map(|(state, count)| format!("{count} {state}")).collect();
            let states = states.join(", ");
            let _ =
                writeln!(text, "{:<12} {:<8} certificates that followed: {states}", row.factory, row.product);
        }
    }
    text.push_str("\nmember, and what it reported\n");
    for row in &status.members {
        let _ = write!(text, "{}", row.member);
        if row.records > 0 {
            let _ = write!(text, ": {} records, the last is number {}", row.records, row.last_record);
        }
        text.push('\n');
    }
    text.push_str(if status.conserved { "\nevery credential is accounted for" } else { "\nNOT CONSERVED" });
    text
}
