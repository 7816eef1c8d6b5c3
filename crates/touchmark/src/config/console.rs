//! Where people find a role's console.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Where a role's console is.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsoleConfig {
    /// The address to listen on for people. On a loopback address it is plain HTTP, on any other TLS. Empty:
    /// there is no console.
    pub listen: String,
}

impl ConsoleConfig {
    /// The address, if there is to be a console.
    pub fn address(&self) -> anyhow::Result<Option<SocketAddr>> {
        match self.listen.as_str() {
            "" => Ok(None),
            text => Ok(Some(text.parse().map_err(|error| {
                Failure::new(format!("the console's listen is \"{text}\", which is no address to listen on"))
                    .because(error)
                    .advise("give one such as 127.0.0.1:7480, or leave it empty for no console")
            })?)),
        }
    }
}
