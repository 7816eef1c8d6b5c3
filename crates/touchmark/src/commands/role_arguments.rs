//! The options that every command of a serving role takes, over its configuration.

use std::path::{Path, PathBuf};

use crate::config::{
    self, AuthenticatorConfig, AuthorityConfig, CenterConfig, GatewayConfig, StationConfig, store_url,
};

/// Where a role keeps its things; each stands above the configuration.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RoleArguments {
    /// The configuration; without it the defaults count
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory with all that the role keeps
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The store: sqlite:PATH or postgres://...
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The file with the passphrase that opens the vault
    #[arg(long, value_name = "FILE")]
    unlock_file: Option<PathBuf>,
}

/// As [`RoleArguments`], for a role without store and vault.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StationArguments {
    /// The configuration; without it the defaults count
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory with all that the station keeps
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// As [`RoleArguments`], for a role without vault.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CenterArguments {
    /// The configuration; without it the defaults count
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory with all that the center keeps
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The store: sqlite:PATH or postgres://...
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

impl RoleArguments {
    /// The configuration of this file, with nothing above it.
    pub fn of_file(config: &Path) -> Self {
        Self { config: Some(config.to_path_buf()), ..Self::default() }
    }

    /// The authority's configuration; its `store` is a whole URL.
    pub fn authority(&self) -> anyhow::Result<AuthorityConfig> {
        let mut config: AuthorityConfig = config::load("authority", self.config.as_deref())?;
        self.override_in(&mut config.data, &mut config.store, &mut config.unlock_file);
        Ok(config)
    }

    /// The gateway's configuration; its `store` is a whole URL.
    pub fn gateway(&self) -> anyhow::Result<GatewayConfig> {
        let mut config: GatewayConfig = config::load("gateway", self.config.as_deref())?;
        self.override_in(&mut config.data, &mut config.store, &mut config.unlock_file);
        Ok(config)
    }

    /// The authenticator's configuration; its `store` is a whole URL.
    pub fn authenticator(&self) -> anyhow::Result<AuthenticatorConfig> {
        let mut config: AuthenticatorConfig = config::load("authenticator", self.config.as_deref())?;
        self.override_in(&mut config.data, &mut config.store, &mut config.unlock_file);
        Ok(config)
    }

    fn override_in(&self, data: &mut PathBuf, store: &mut String, unlock_file: &mut PathBuf) {
        set(data, self.data.as_ref());
        set(store, self.store.as_ref());
        set(unlock_file, self.unlock_file.as_ref());
        *store = store_url(store, data);
    }
}

fn set<T: Clone>(value: &mut T, stronger: Option<&T>) {
    if let Some(stronger) = stronger {
        value.clone_from(stronger);
    }
}

impl CenterArguments {
    /// The configuration of this file, with nothing above it.
    pub fn of_file(config: &Path) -> Self {
        Self { config: Some(config.to_path_buf()), ..Self::default() }
    }

    /// The center's configuration; its `store` is a whole URL.
    pub fn center(&self) -> anyhow::Result<CenterConfig> {
        let mut config: CenterConfig = config::load("center", self.config.as_deref())?;
        set(&mut config.data, self.data.as_ref());
        set(&mut config.store, self.store.as_ref());
        config.store = store_url(&config.store, &config.data);
        Ok(config)
    }
}

impl StationArguments {
    /// The configuration of this file, with nothing above it.
    pub fn of_file(config: &Path) -> Self {
        Self { config: Some(config.to_path_buf()), ..Self::default() }
    }

    /// The station's configuration.
    pub fn station(&self) -> anyhow::Result<StationConfig> {
        let mut config: StationConfig = config::load("station", self.config.as_deref())?;
        set(&mut config.data, self.data.as_ref());
        Ok(config)
    }
}
