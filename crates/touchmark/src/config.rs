//! Configuration: one TOML file a role, every key also by environment, sensible without either.
//!
//! What counts, from strongest to weakest: the command line, the environment
//! (`TOUCHMARK_GATEWAY_LISTEN`, `TOUCHMARK_GATEWAY_LIMITS_REQUEST_SECONDS`), the file, the default.
//! A key is a field here with its default in `Default`, a line in `examples/ROLE.toml`, and nothing
//! else; no field is an `Option`, so that the defaults list every key.

mod console;
mod proxy;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use authenticator::Backoff;
use identity::ProductCode;
use jiff::civil::{Time, time};
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use transport::Limits;

use crate::failure::Failure;

pub use console::ConsoleConfig;
pub use proxy::ProxyConfig;

/// What an authority is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthorityConfig {
    /// The directory with all that the authority keeps.
    pub data: PathBuf,
    /// The store: `sqlite:PATH`, or `postgres://...`. Empty: `store.sqlite` in the data directory.
    pub store: String,
    /// The file with the passphrase that opens the vault.
    pub unlock_file: PathBuf,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The address to show metrics at, on this machine alone. Empty: nowhere.
    pub metrics_listen: String,
    /// The address that gateways connect to, as join tokens say it.
    pub url: String,
    /// How long a join token is good, in minutes.
    pub token_minutes: u32,
    /// The address to publish CRLs and OCSP at, in clear and to everyone. Empty: only where gateways connect.
    pub publish: String,
    /// The address by which everyone finds what is published, as certificates say it. Empty: they do not
    /// say it, and there are no CRLs.
    pub published_url: String,
    /// Where people find the console.
    pub console: ConsoleConfig,
    /// What a peer is granted.
    pub limits: LimitsConfig,
}

/// What a gateway is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// The directory with all that the gateway keeps.
    pub data: PathBuf,
    /// The store: `sqlite:PATH`, or `postgres://...`. Empty: `store.sqlite` in the data directory.
    pub store: String,
    /// The file with the passphrase that opens the vault.
    pub unlock_file: PathBuf,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The address to show metrics at, on this machine alone. Empty: nowhere.
    pub metrics_listen: String,
    /// The address that stations connect to, as join tokens say it.
    pub url: String,
    /// How long a join token is good, in minutes.
    pub token_minutes: u32,
    /// When stock is filled up each day, local time.
    pub replenish_at: Time,
    /// The factory's local time, such as `Asia/Tokyo`. Empty: the machine's.
    pub time_zone: String,
    /// For how many planned days ahead stock is kept.
    pub days_ahead: u32,
    /// How much more than planned is kept, in percent.
    pub yield_margin_percent: u32,
    /// How long a lease lasts, in seconds; without a result the credential is then suspect.
    pub lease_seconds: u32,
    /// How the authority is reached.
    pub proxy: ProxyConfig,
    /// Where people find the console.
    pub console: ConsoleConfig,
    /// What a peer is granted.
    pub limits: LimitsConfig,
}

/// What a station is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StationConfig {
    /// The directory with all that the station keeps.
    pub data: PathBuf,
    /// The device on the station's port: `tcp:HOST:PORT`, `serial:PATH` or `http://HOST:PORT/soap`.
    pub device: String,
    /// How long a device may take for one step, in seconds; storing a pack is the longest.
    pub device_seconds: u32,
    /// How long a request to the gateway is repeated before the operator is told, in seconds.
    pub gateway_seconds: u32,
    /// The page for the operator.
    pub console: StationConsoleConfig,
    /// How the gateway is reached.
    pub proxy: ProxyConfig,
}

/// What a station is told of the page for its operator.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StationConsoleConfig {
    /// The address to serve it at, in clear, so on this machine only. Empty: scans come from stdin.
    pub listen: String,
    /// The directory with a drawing of each product, `CODE.svg`, that shows where its rating plate is. Empty:
    /// one drawing serves for all.
    pub pictures: PathBuf,
}

/// What an authenticator is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticatorConfig {
    /// The directory with all that the authenticator keeps.
    pub data: PathBuf,
    /// The store: `sqlite:PATH`, or `postgres://...`. Empty: `store.sqlite` in the data directory.
    pub store: String,
    /// The file with the passphrase that opens the vault.
    pub unlock_file: PathBuf,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The address to show metrics at, on this machine alone. Empty: nowhere.
    pub metrics_listen: String,
    /// For how many seconds a token is good.
    pub token_seconds: u32,
    /// How long the first wrong proof waits for its answer, in milliseconds.
    pub backoff_milliseconds: u32,
    /// The longest such wait, in milliseconds.
    pub backoff_milliseconds_max: u32,
    /// How often the authority is asked for registrations, in seconds.
    pub pull_seconds: u32,
    /// How the authority is reached.
    pub proxy: ProxyConfig,
    /// What a peer is granted.
    pub limits: LimitsConfig,
}

/// What a center is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CenterConfig {
    /// The directory with all that the center keeps.
    pub data: PathBuf,
    /// The store: `sqlite:PATH`, or `postgres://...`. Empty: `store.sqlite` in the data directory.
    pub store: String,
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The address to show metrics at, on this machine alone. Empty: nowhere.
    pub metrics_listen: String,
    /// The products whose devices may come over TLS 1.2 as well.
    pub tls12_products: BTreeSet<ProductCode>,
    /// The directory with the firmware packages. Empty: `files` in the data directory.
    pub files: PathBuf,
    /// How often the authority is asked for registrations, in seconds.
    pub pull_seconds: u32,
    /// How the authority is reached.
    pub proxy: ProxyConfig,
    /// Where people find the console.
    pub console: ConsoleConfig,
    /// What a peer is granted.
    pub limits: LimitsConfig,
}

/// What a host grants a peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Connections at a time.
    pub connections_max: usize,
    /// Connections at a time from one address.
    pub connections_per_address_max: usize,
    /// How long a request may take, in seconds.
    pub request_seconds: u32,
}

/// Reads a role's configuration: the file, if there is one, and the environment over it.
pub fn load<C>(role: &str, file: Option<&Path>) -> anyhow::Result<C>
where
    C: Default + Serialize + DeserializeOwned,
{
    let config: C = match file {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            toml::from_str(&text).map_err(|error| {
                Failure::new(format!("{} is not a configuration of a {role}", path.display()))
                    .because(error)
                    .advise(format!("compare it with examples/{role}.toml"))
            })?
        }
        None => C::default(),
    };
    overridden(config, role, env::vars())
}

impl AuthenticatorConfig {
    /// As the authenticator takes them.
    pub fn settings(&self) -> authenticator::Settings {
        authenticator::Settings {
            token_seconds: self.token_seconds,
            backoff: Backoff {
                first: Duration::from_millis(self.backoff_milliseconds.into()),
                longest: Duration::from_millis(self.backoff_milliseconds_max.into()),
                ..Backoff::default()
            },
            pull_every: Duration::from_secs(self.pull_seconds.into()),
        }
    }
}

impl CenterConfig {
    /// As the center takes them.
    pub fn settings(&self) -> center::Settings {
        center::Settings {
            pull_every: Duration::from_secs(self.pull_seconds.into()),
            files: self.files_directory(),
        }
    }

    /// The directory with the firmware packages.
    pub fn files_directory(&self) -> PathBuf {
        if self.files.as_os_str().is_empty() { self.data.join("files") } else { self.files.clone() }
    }
}

impl LimitsConfig {
    /// As the transport takes them.
    pub fn limits(&self) -> Limits {
        Limits {
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
            request: Duration::from_secs(self.request_seconds.into()),
            ..Limits::default()
        }
    }
}

impl GatewayConfig {
    /// As the gateway takes them.
    pub fn settings(&self) -> anyhow::Result<gateway::Settings> {
        let time_zone = match self.time_zone.as_str() {
            "" => TimeZone::system(),
            name => TimeZone::get(name).map_err(|error| {
                Failure::new(format!("time_zone is \"{name}\", which this machine does not know"))
                    .because(error)
                    .advise("give a name such as Asia/Tokyo, and install the package tzdata")
            })?,
        };
        Ok(gateway::Settings {
            days_ahead: self.days_ahead,
            yield_margin_percent: self.yield_margin_percent,
            replenish_at: self.replenish_at,
            lease_seconds: self.lease_seconds,
            time_zone,
        })
    }
}

impl StationConfig {
    /// As the station takes them.
    pub fn limits(&self) -> station::Limits {
        station::Limits {
            device_step: Duration::from_secs(self.device_seconds.into()),
            gateway: Duration::from_secs(self.gateway_seconds.into()),
        }
    }
}

/// The store's URL, in the data directory where none is given.
pub fn store_url(store: &str, data: &Path) -> String {
    if store.is_empty() {
        format!("sqlite:{}", data.join("store.sqlite").display())
    } else {
        store.to_string()
    }
}

impl Default for AuthorityConfig {
    fn default() -> Self {
        Self {
            data: "touchmark-data/authority".into(),
            store: String::new(),
            unlock_file: "touchmark-data/authority.unlock".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7443)),
            metrics_listen: String::new(),
            url: "https://127.0.0.1:7443".into(),
            token_minutes: 60,
            publish: String::new(),
            published_url: String::new(),
            console: ConsoleConfig::default(),
            limits: LimitsConfig::default(),
        }
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            data: "touchmark-data/gateway".into(),
            store: String::new(),
            unlock_file: "touchmark-data/gateway.unlock".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7444)),
            metrics_listen: String::new(),
            url: "https://127.0.0.1:7444".into(),
            token_minutes: 60,
            replenish_at: time(5, 0, 0, 0),
            time_zone: String::new(),
            days_ahead: 3,
            yield_margin_percent: 3,
            lease_seconds: 600,
            proxy: ProxyConfig::default(),
            console: ConsoleConfig::default(),
            limits: LimitsConfig::default(),
        }
    }
}

impl Default for StationConfig {
    fn default() -> Self {
        Self {
            data: "touchmark-data/station".into(),
            device: "tcp:127.0.0.1:7450".into(),
            device_seconds: 10,
            gateway_seconds: 15,
            console: StationConsoleConfig::default(),
            proxy: ProxyConfig::default(),
        }
    }
}

impl Default for AuthenticatorConfig {
    fn default() -> Self {
        Self {
            data: "touchmark-data/authenticator".into(),
            store: String::new(),
            unlock_file: "touchmark-data/authenticator.unlock".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7446)),
            metrics_listen: String::new(),
            token_seconds: 300,
            backoff_milliseconds: 200,
            backoff_milliseconds_max: 5_000,
            pull_seconds: 10,
            proxy: ProxyConfig::default(),
            limits: LimitsConfig::default(),
        }
    }
}

impl Default for CenterConfig {
    fn default() -> Self {
        Self {
            data: "touchmark-data/center".into(),
            store: String::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7447)),
            metrics_listen: String::new(),
            tls12_products: BTreeSet::new(),
            files: PathBuf::new(),
            pull_seconds: 10,
            proxy: ProxyConfig::default(),
            console: ConsoleConfig::default(),
            limits: LimitsConfig::default(),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            connections_max: limits.connections_max,
            connections_per_address_max: limits.connections_per_address_max,
            request_seconds: 60,
        }
    }
}

/// The configuration with what the environment says about its keys.
fn overridden<C>(
    config: C,
    role: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> anyhow::Result<C>
where
    C: Serialize + DeserializeOwned,
{
    let prefix = format!("TOUCHMARK_{}_", role.to_uppercase());
    let mut table = Table::try_from(&config).context("cannot list the keys of a configuration")?;
    for (name, text) in environment {
        let Some(key) = name.strip_prefix(&prefix) else { continue };
        let slot = slot(&mut table, key).ok_or_else(|| {
            Failure::new(format!("{name} in the environment names no key"))
                .advise(format!("unset it, or look up its spelling in examples/{role}.toml"))
        })?;
        *slot = match slot {
            Value::Integer(_) => text.parse().map(Value::Integer).ok(),
            Value::Boolean(_) => text.parse().map(Value::Boolean).ok(),
            Value::Array(_) => Some(list(&text)),
            _ => Some(Value::String(text.clone())),
        }
        .ok_or_else(|| {
            Failure::new(format!("{name} in the environment is \"{text}\"")).advise("give a number")
        })?;
    }
    table.try_into().map_err(|error| {
        Failure::new("the environment sets a key to what it cannot be").because(error).into()
    })
}

/// The values of a list, which the environment separates by commas.
fn list(text: &str) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(Value::from).collect::<Vec<Value>>().into()
}

/// The value that an environment key such as `LIMITS_REQUEST_SECONDS` means.
fn slot<'a>(table: &'a mut Table, key: &str) -> Option<&'a mut Value> {
    table.iter_mut().find_map(|(name, value)| {
        let rest = key.strip_prefix(&name.to_uppercase())?;
        match value {
            Value::Table(inner) => slot(inner, rest.strip_prefix('_')?),
            value => rest.is_empty().then_some(value),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> anyhow::Result<GatewayConfig> {
        let environment = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        overridden(GatewayConfig::default(), "gateway", environment)
    }

    #[test]
    fn the_environment_reaches_every_kind_of_key() {
        let config = with(&[
            ("TOUCHMARK_GATEWAY_LISTEN", "0.0.0.0:1"),
            ("TOUCHMARK_GATEWAY_DAYS_AHEAD", "7"),
            ("TOUCHMARK_GATEWAY_LIMITS_REQUEST_SECONDS", "5"),
            ("TOUCHMARK_STATION_DEVICE", "not for a gateway"),
        ])
        .unwrap();
        assert_eq!(config.listen, "0.0.0.0:1".parse().unwrap());
        assert_eq!(config.days_ahead, 7);
        assert_eq!(config.limits.limits().request, Duration::from_secs(5));
    }

    #[test]
    fn the_environment_separates_a_list_by_commas() {
        let of = |text: &str| {
            let environment = [("TOUCHMARK_CENTER_TLS12_PRODUCTS".to_owned(), text.to_owned())];
            overridden(CenterConfig::default(), "center", environment.into_iter())
                .map(|config| config.tls12_products)
        };
        let codes = |texts: &[&str]| {
            texts.iter().map(|text| text.parse().unwrap()).collect::<BTreeSet<ProductCode>>()
        };
        assert_eq!(of("3012, A123").unwrap(), codes(&["3012", "A123"]));
        assert_eq!(of("").unwrap(), codes(&[]));
        assert!(of("3012,no code").is_err());
    }

    #[test]
    fn the_environment_is_refused_where_it_means_nothing() {
        for pair in [
            ("TOUCHMARK_GATEWAY_LISTENS", "0.0.0.0:1"),
            ("TOUCHMARK_GATEWAY_LIMITS", "5"),
            ("TOUCHMARK_GATEWAY_DAYS_AHEAD", "many"),
            ("TOUCHMARK_GATEWAY_DAYS_AHEAD", "-1"),
            ("TOUCHMARK_GATEWAY_LISTEN", "here"),
        ] {
            assert!(with(&[pair]).is_err(), "{pair:?}");
        }
    }

    /// The example sets every key, each to its default.
    fn assert_example_is_default<C>(role: &str)
    where
        C: Default + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../examples/{role}.toml"));
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(toml::from_str::<C>(&text).unwrap(), C::default(), "{role}");
        let keys = |table: &Table| {
            let names = |(name, value): (&String, &Value)| match value {
                Value::Table(inner) => inner.keys().map(|key| format!("{name}.{key}")).collect(),
                _ => vec![name.clone()],
            };
            table.iter().flat_map(names).collect::<Vec<_>>()
        };
        let example: Table = text.parse().unwrap();
        let mut expected = keys(&Table::try_from(C::default()).unwrap());
        let mut found = keys(&example);
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{role}");
    }

    #[test]
    fn the_examples_show_every_key_with_its_default() {
        assert_example_is_default::<AuthorityConfig>("authority");
        assert_example_is_default::<GatewayConfig>("gateway");
        assert_example_is_default::<StationConfig>("station");
        assert_example_is_default::<AuthenticatorConfig>("authenticator");
        assert_example_is_default::<CenterConfig>("center");
    }

    #[test]
    fn a_file_with_a_key_that_means_nothing_is_refused_and_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "data = \"here\"\nlistne = \"127.0.0.1:1\"\n").unwrap();
        let error = load::<GatewayConfig>("gateway", Some(file.path())).unwrap_err();
        let words = format!("{error:#}");
        assert!(words.contains("unknown field `listne`") && words.contains("line 2"), "{words}");
    }
}
