//! Where a device calls, and how it gets there.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::http::Uri;
use cert::tls::{Credential, HostTrust};
use identity::{Clock, Member};
use transport::Channel;

use crate::config::ProxyConfig;
use crate::failure::Failure;

/// A connection to the host at a URL such as `https://HOST:PORT`, on which the credential is shown where there is one.
pub async fn channel(
    url: &Uri,
    proxy: &ProxyConfig,
    trust: HostTrust,
    host: &Member,
    credential: Option<&Credential>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Channel> {
    let member = host.clone();
    let channel = match (proxy.to(&url.to_string())?, credential) {
        (Some(proxy), credential) => {
            Channel::connect_through(&proxy, url, trust, member, credential, clock).await
        }
        (None, Some(credential)) => {
            Channel::connect_as(address_of(url).await?, trust, member, credential, clock).await
        }
        (None, None) => Channel::connect(address_of(url).await?, trust, member, clock).await,
    };
    channel.with_context(|| format!("cannot reach {host} at {url}"))
}

/// The first address of a host in a URL.
async fn address_of(url: &Uri) -> anyhow::Result<SocketAddr> {
    let unusable = || Failure::usage(format!("{url} is not an address such as https://HOST:PORT"));
    if url.scheme_str() != Some("https") {
        return Err(unusable().into());
    }
    let host = url.host().ok_or_else(unusable)?.trim_matches(['[', ']']);
    let mut found = tokio::net::lookup_host((host, url.port_u16().unwrap_or(443)))
        .await
        .with_context(|| format!("cannot find {host}"))?;
    Ok(found.next().ok_or_else(unusable)?)
}
