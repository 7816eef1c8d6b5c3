//! Through which HTTP proxy a client goes.

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::Context;
use message::bytes::SecretBytes;
use serde::{Deserialize, Serialize};
use transport::Proxy;

use crate::failure::Failure;

/// How a client gets out of a network that lets nobody out directly.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyConfig {
    /// The HTTP proxy, such as `http://proxy.example:3128`; "none" for none. Without it the environment
    /// counts: HTTPS_PROXY, ALL_PROXY, NO_PROXY
    #[arg(id = "proxy", long = "proxy", value_name = "URL", default_value = "")]
    pub url: String,
    /// The file with USER:PASSWORD for the proxy, of mode 0600
    #[arg(
        id = "proxy_credentials",
        long = "proxy-credentials-file",
        value_name = "FILE",
        default_value = "",
        value_parser = path
    )]
    pub credentials_file: PathBuf,
}

/// What stands in place of an address where no proxy is to be used, whatever the environment says.
const NONE: &str = "none";

impl ProxyConfig {
    /// The proxy to the host at `https://HOST:PORT`, if there is one.
    pub fn to(&self, host: &str) -> anyhow::Result<Option<Proxy>> {
        let found = match self.url.as_str() {
            NONE => Ok(None),
            "" => Proxy::of_environment(host),
            url => Proxy::new(url).map(Some),
        };
        let found = found.map_err(|error| {
            Failure::new("the proxy cannot be used").because(error).advise(
                "give an address such as http://proxy.example:3128, and user and password in a file of their own",
            )
        })?;
        match found {
            Some(proxy) if !self.credentials_file.as_os_str().is_empty() => self.introduce(proxy).map(Some),
            found => Ok(found),
        }
    }

    fn introduce(&self, proxy: Proxy) -> anyhow::Result<Proxy> {
        let path = &self.credentials_file;
        let unreadable = || format!("cannot read {}", path.display());
        let mode = fs::metadata(path).with_context(unreadable)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(Failure::new(format!("others may read {}", path.display()))
                .advise(format!("chmod 600 {}", path.display()))
                .into());
        }
        let text = SecretBytes::new(fs::read(path).with_context(unreadable)?);
        let line = SecretBytes::new(text.expose().trim_ascii_end().to_vec());
        proxy.with_credentials(&line).with_context(|| format!("{} is of no use", path.display()))
    }
}

/// A path that may be empty, which clap's own does not take.
fn path(text: &str) -> Result<PathBuf, Infallible> {
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, credentials_file: PathBuf) -> ProxyConfig {
        ProxyConfig { url: url.into(), credentials_file }
    }

    #[test]
    fn credentials_come_from_a_file_that_others_cannot_read() {
        const HOST: &str = "https://far.example:7443";
        const PROXY: &str = "http://proxy.example:3128";
        assert!(config(PROXY, PathBuf::new()).to(HOST).unwrap().is_some());
        assert!(config("none", "missing".into()).to(HOST).unwrap().is_none());
        assert!(config(PROXY, "missing".into()).to(HOST).is_err());
        assert!(config("http://user:word@proxy.example:3128", PathBuf::new()).to(HOST).is_err());

        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "user:word\n").unwrap();
        let own = config(PROXY, file.path().into());
        assert!(own.to(HOST).unwrap().is_some());
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(own.to(HOST).unwrap_err().to_string().starts_with("others may read"));
    }
}
