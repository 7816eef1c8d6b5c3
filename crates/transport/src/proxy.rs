//! The way out of a network that lets nobody out directly: an HTTP proxy, which passes on what it cannot read.

use std::net::IpAddr;

use axum::http::{HeaderValue, Uri};
use base64::prelude::{BASE64_STANDARD, Engine};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use message::bytes::SecretBytes;
use tokio::net::TcpStream;
use tower::Service;
use zeroize::Zeroizing;

use crate::client::CallError;

/// A proxy that is asked to CONNECT to the host (RFC 9110 clause 9.3.6). TLS goes through it from end to end, so it
/// sees no more than who speaks to whom and how much.
#[derive(Clone, Debug)]
pub struct Proxy {
    address: Uri,
    /// The value of `Proxy-Authorization`; marked sensitive, so that it is never shown.
    authorization: Option<HeaderValue>,
}

/// Why a proxy cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProxyError {
    /// The address is not that of an HTTP proxy.
    #[error("\"{0}\" is not the address of a proxy, such as http://proxy.example:3128")]
    Address(String),
    /// A password has no place in an address, which ends in process lists, logs and backups of configurations.
    #[error("the address of the proxy has a user or a password in it")]
    CredentialsInAddress,
    /// The credentials are not a user and a password.
    #[error("the credentials of the proxy are not USER:PASSWORD on one line")]
    Credentials,
}

impl Proxy {
    /// The proxy at `http://HOST:PORT`.
    ///
    /// # Errors
    /// Another scheme, or credentials in the address.
    pub fn new(address: &str) -> Result<Self, ProxyError> {
        let unusable = || ProxyError::Address(without_credentials(address).to_owned());
        let parsed: Uri = address.parse().map_err(|_| unusable())?;
        let authority = parsed.authority().ok_or_else(unusable)?;
        if authority.as_str().contains('@') {
            return Err(ProxyError::CredentialsInAddress);
        }
        let is_bare = parsed.path_and_query().is_none_or(|rest| rest == "/");
        if parsed.scheme_str() != Some("http") || !is_bare {
            return Err(unusable());
        }
        Ok(Self { address: parsed, authorization: None })
    }

    /// The proxy that the environment names for this host (`https://HOST:PORT`), as curl reads it: `HTTPS_PROXY` or
    /// `ALL_PROXY`, and `NO_PROXY`. Whoever is on this machine is asked directly.
    ///
    /// # Errors
    /// As [`Proxy::new`]; also for credentials.
    pub fn of_environment(host: &str) -> Result<Option<Self>, ProxyError> {
        Self::of(&Matcher::from_env(), host)
    }

    fn of(matcher: &Matcher, host: &str) -> Result<Option<Self>, ProxyError> {
        let Ok(host) = host.parse::<Uri>() else { return Ok(None) };
        if host.host().is_none_or(is_this_machine) {
            return Ok(None);
        }
        let Some(found) = matcher.intercept(&host) else { return Ok(None) };
        if found.basic_auth().is_some() || found.raw_auth().is_some() {
            return Err(ProxyError::CredentialsInAddress);
        }
        Self::new(&found.uri().to_string()).map(Some)
    }

    /// The same, shown these credentials: `USER:PASSWORD` (RFC 7617).
    ///
    /// # Errors
    /// They are of another form.
    pub fn with_credentials(self, credentials: &SecretBytes) -> Result<Self, ProxyError> {
        let credentials = credentials.expose();
        let is_one_line = !credentials.iter().any(u8::is_ascii_control);
        if !credentials.contains(&b':') || !is_one_line {
            return Err(ProxyError::Credentials);
        }
        let value = Zeroizing::new(format!("Basic {}", *Zeroizing::new(BASE64_STANDARD.encode(credentials))));
        let mut value = HeaderValue::from_str(&value).map_err(|_| ProxyError::Credentials)?;
        value.set_sensitive(true);
        Ok(Self { authorization: Some(value), ..self })
    }

    /// The same for the HTTP library.
    pub(crate) fn for_requests(&self) -> Result<reqwest::Proxy, reqwest::Error> {
        let proxy = reqwest::Proxy::all(self.address.to_string())?;
        Ok(match &self.authorization {
            Some(authorization) => proxy.custom_http_auth(authorization.clone()),
            None => proxy,
        })
    }

    /// A connection to the host (`https://HOST:PORT`) through the proxy.
    pub(crate) async fn connect(&self, host: &Uri) -> Result<TcpStream, CallError> {
        let mut tunnel = Tunnel::new(self.address.clone(), HttpConnector::new());
        if let Some(authorization) = &self.authorization {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        tunnel.call(host.clone()).await.map(TokioIo::into_inner).map_err(CallError::unreachable)
    }
}

fn is_this_machine(host: &str) -> bool {
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || address.is_some_and(|address| address.is_loopback())
}

/// The address with whatever stands before an `@` cut away, so that no password is repeated in an error.
fn without_credentials(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_an_http_proxy_without_credentials() {
        for address in ["http://proxy.example:3128", "http://127.0.0.1:8080/", "http://[::1]:3128"] {
            assert!(Proxy::new(address).is_ok(), "{address}");
        }
        for address in ["", "proxy.example:3128", "https://proxy.example", "socks5://proxy", "http://proxy/a"]
        {
            assert!(matches!(Proxy::new(address), Err(ProxyError::Address(_))), "{address}");
        }
        let refused = Proxy::new("http://user:secret@proxy.example:3128").unwrap_err();
        assert_eq!(refused, ProxyError::CredentialsInAddress);
        let shown = Proxy::new("ftp://user:secret@proxy.example").unwrap_err().to_string();
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn credentials_are_one_line_and_are_never_shown() {
        let proxy = || Proxy::new("http://proxy.example:3128").unwrap();
        for text in ["user", "user:pass\nword", ""] {
            let refused = proxy().with_credentials(&SecretBytes::new(text.into())).unwrap_err();
            assert_eq!(refused, ProxyError::Credentials, "{text}");
        }
        let shown = format!("{:?}", proxy().with_credentials(&SecretBytes::new("user:word".into())).unwrap());
        assert!(!shown.contains("dXNlcjp3b3Jk") && !shown.contains("word"), "{shown}");
    }

    #[test]
    fn the_environment_names_a_proxy_for_others_than_this_machine() {
        let matcher = Matcher::builder().https("http://proxy.example:3128").no("near.example").build();
        let of = |host: &str| Proxy::of(&matcher, host).unwrap().map(|proxy| proxy.address.to_string());
        assert_eq!(of("https://far.example:7443").as_deref(), Some("http://proxy.example:3128/"));
        for host in [
            "https://near.example:7443",
            "https://127.0.0.1:7443",
            "https://[::1]:1",
            "https://localhost:7443",
        ] {
            assert_eq!(of(host), None, "{host}");
        }
        let matcher = Matcher::builder().all("http://user:secret@proxy.example:3128").build();
        assert_eq!(Proxy::of(&matcher, "https://far.example").unwrap_err(), ProxyError::CredentialsInAddress);
    }
}
