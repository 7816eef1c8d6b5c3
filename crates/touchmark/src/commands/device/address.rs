//! Where a device calls.

use std::net::SocketAddr;

use anyhow::Context;
use axum::http::Uri;

use crate::failure::Failure;

/// The first address of a host in a URL such as `https://HOST:PORT`.
pub async fn address_of(url: &Uri) -> anyhow::Result<SocketAddr> {
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
