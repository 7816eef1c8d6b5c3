//! `touchmark doctor`: what is wrong with a role's installation, and how to mend it.
//!
//! Nothing is changed, and nothing is made that is missing. To add an examination: a function that
//! returns a [`Finding`], and a line in `examine`.

mod examinations;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use identity::Role;
use serde::Serialize;
use store::Schema;

use super::Edge;
use super::role_arguments::{CenterArguments, RoleArguments, StationArguments};
use crate::config::ProxyConfig;
use crate::failure::Failure;
use crate::member_files;

/// Arguments of `touchmark doctor`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration to examine, with all that it names
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Whose configuration it is, where neither its name nor its data directory says so
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
}

/// What one examination found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What was examined.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub found: String,
    /// How to mend it; empty where nothing is to be done.
    pub mend: String,
}

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// It works, and should not stay so.
    Doubtful,
    /// It does not work.
    Wrong,
}

/// What is examined: the parts of a configuration that roles have in common.
pub struct Patient {
    /// The role.
    pub role: Role,
    /// Its data directory.
    pub data: PathBuf,
    /// Its store, for roles that have one.
    pub store: Option<(Schema, String)>,
    /// Its unlock file, for roles that have one.
    pub unlock_file: Option<PathBuf>,
    /// Where it listens, for roles that serve.
    pub listen: Option<SocketAddr>,
    /// How such a role is made in the first place.
    pub made_by: &'static str,
    /// What its host answers to such a member, for roles that have a host.
    pub host_path: Option<&'static str>,
    /// How it reaches its host.
    pub proxy: ProxyConfig,
}

/// Examines and shows the findings; fails where something is wrong.
pub async fn run(arguments: &Arguments, edge: &Edge) -> anyhow::Result<()> {
    let patient = patient(arguments)?;
    let findings = examinations::examine(&patient, edge).await;
    edge.output.rows(&["check", "verdict", "found", "what to do"], &findings, |finding| {
        let Finding { check, verdict, found, mend } = finding.clone();
        vec![check.to_string(), verdict.to_string(), found, mend]
    });
    match findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count() {
        0 => Ok(()),
        count => {
            Err(Failure::new(format!("{count} of {} checks found something wrong", findings.len())).into())
        }
    }
}

impl Finding {
    fn fine(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fine, found: found.into(), mend: String::new() }
    }

    fn doubtful(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Doubtful, found: found.into(), mend: mend.into() }
    }

    fn wrong(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Wrong, found: found.into(), mend: mend.into() }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fine => "fine",
            Self::Doubtful => "doubtful",
            Self::Wrong => "wrong",
        })
    }
}

const JOIN: &str = "join with the token that the host's `invite` prints";

fn patient(arguments: &Arguments) -> anyhow::Result<Patient> {
    let config = &arguments.config;
    match role_of(arguments)? {
        Role::Authority => {
            let config = RoleArguments::of_file(config).authority()?;
            Ok(Patient {
                role: Role::Authority,
                data: config.data,
                store: Some((Schema::Authority, config.store)),
                unlock_file: Some(config.unlock_file),
                listen: Some(config.listen),
                made_by: "run `touchmark authority init`",
                host_path: None,
                proxy: ProxyConfig::default(),
            })
        }
        Role::Gateway => {
            let config = RoleArguments::of_file(config).gateway()?;
            config.settings()?;
            Ok(Patient {
                role: Role::Gateway,
                data: config.data,
                store: Some((Schema::Gateway, config.store)),
                unlock_file: Some(config.unlock_file),
                listen: Some(config.listen),
                made_by: JOIN,
                host_path: Some("/v1/allotment"),
                proxy: config.proxy,
            })
        }
        Role::Station => {
            let config = StationArguments::of_file(config).station()?;
            Ok(Patient {
                role: Role::Station,
                data: config.data,
                store: None,
                unlock_file: None,
                listen: None,
                made_by: JOIN,
                host_path: Some("/v1/status"),
                proxy: config.proxy,
            })
        }
        Role::Authenticator => {
            let config = RoleArguments::of_file(config).authenticator()?;
            Ok(Patient {
                role: Role::Authenticator,
                data: config.data,
                store: Some((Schema::Authenticator, config.store)),
                unlock_file: Some(config.unlock_file),
                listen: Some(config.listen),
                made_by: JOIN,
                host_path: Some("/v1/registrations?after=0"),
                proxy: config.proxy,
            })
        }
        Role::Center => {
            let config = CenterArguments::of_file(config).center()?;
            Ok(Patient {
                role: Role::Center,
                data: config.data,
                store: Some((Schema::Center, config.store)),
                unlock_file: None,
                listen: Some(config.listen),
                made_by: JOIN,
                host_path: Some("/v1/device-registrations?after=0"),
                proxy: config.proxy,
            })
        }
        other => Err(Failure::usage(format!("the doctor knows nothing of the role {other}")).into()),
    }
}

/// The role that was named, or that the file is named after, or whose certificate is in its data directory.
fn role_of(arguments: &Arguments) -> anyhow::Result<Role> {
    let stem = arguments.config.file_stem().and_then(|stem| stem.to_str());
    let named = arguments.role.or_else(|| stem?.parse().ok());
    let role = named.or_else(|| Some(member_files::load(&data_of(&arguments.config)?).ok()?.member.role()));
    role.ok_or_else(|| {
        let config = arguments.config.display();
        Failure::usage(format!("it is not clear whose configuration {config} is"))
            .advise("say --role authority, gateway, station, authenticator or center")
            .into()
    })
}

fn data_of(config: &Path) -> Option<PathBuf> {
    let table: toml::Table = std::fs::read_to_string(config).ok()?.parse().ok()?;
    Some(table.get("data")?.as_str()?.into())
}
