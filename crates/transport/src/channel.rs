//! One TLS connection that both of its ends can name, so that what is proved over it holds on no other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{Method, Request, Uri};
use cert::tls::{Credential, HostTrust, client_config};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use identity::{Clock, Member};
use rustls::{ClientConfig, ConnectionCommon};
use rustls_pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::client::{ANSWER_BYTES_MAX, CALL_TIMEOUT, CONNECT_TIMEOUT, CallError, ClientError, read_answer};
use crate::proxy::Proxy;

/// A TLS connection's own value, which only its two ends can know: `tls-exporter` of RFC 9266.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelBinding(pub [u8; 32]);

const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

impl ChannelBinding {
    /// The binding of a connection whose handshake is done.
    pub(crate) fn of<Side>(connection: &ConnectionCommon<Side>) -> Option<Self> {
        connection.export_keying_material([0; 32], EXPORTER_LABEL, Some(&[])).ok().map(Self)
    }
}

/// One connection to a host, by someone who proves something over it. Unlike a [`Client`](crate::Client)
/// it never connects again behind the caller's back.
pub struct Channel {
    binding: ChannelBinding,
    host: String,
    token: Option<String>,
    http: SendRequest<Body>,
}

impl Channel {
    /// Connects to the `host` at an address, which must prove to be that member.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub async fn connect(
        address: SocketAddr,
        trust: HostTrust,
        host: Member,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ChannelError> {
        let tls = client_config(trust, host, None, clock).map_err(ClientError::Tls)?;
        let connecting = async { TcpStream::connect(address).await.map_err(CallError::unreachable) };
        Self::over(connecting, address.to_string(), tls).await
    }

    /// As [`connect`](Self::connect), showing this credential.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub async fn connect_as(
        address: SocketAddr,
        trust: HostTrust,
        host: Member,
        credential: &Credential,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ChannelError> {
        let tls = client_config(trust, host, Some(credential), clock).map_err(ClientError::Tls)?;
        let connecting = async { TcpStream::connect(address).await.map_err(CallError::unreachable) };
        Self::over(connecting, address.to_string(), tls).await
    }

    /// Connects through a proxy to the `host` at `https://HOST:PORT`, which must prove to be that member, and shows
    /// the credential where there is one.
    ///
    /// # Errors
    /// See [`ChannelError`].
    pub async fn connect_through(
        proxy: &Proxy,
        address: &Uri,
        trust: HostTrust,
        host: Member,
        credential: Option<&Credential>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ChannelError> {
        let named = address.authority().map(ToString::to_string);
        let named = named.ok_or_else(|| ClientError::Url(address.to_string()))?;
        let tls = client_config(trust, host, credential, clock).map_err(ClientError::Tls)?;
        Self::over(proxy.connect(address), named, tls).await
    }

    async fn over(
        connecting: impl Future<Output = Result<TcpStream, CallError>>,
        named: String,
        tls: ClientConfig,
    ) -> Result<Self, ChannelError> {
        let connecting = async {
            let stream = connecting.await?;
            stream.set_nodelay(true).map_err(CallError::unreachable)?;
            let connected = TlsConnector::from(Arc::new(tls)).connect(unnamed(), stream).await;
            connected.map_err(CallError::unreachable)
        };
        let stream = timeout(CONNECT_TIMEOUT, connecting).await.map_err(CallError::unreachable)??;
        let binding = ChannelBinding::of(stream.get_ref().1).ok_or(ChannelError::Unnamed)?;
        let (http, connection) = handshake(TokioIo::new(stream)).await.map_err(CallError::unreachable)?;
        // Ends with the channel: hyper closes the connection when `http` is dropped.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "channel ended");
            }
        });
        Ok(Self { binding, host: named, token: None, http })
    }

    /// The connection's own value.
    pub fn binding(&self) -> ChannelBinding {
        self.binding
    }

    /// Shows this token with every request from now on (RFC 6750).
    pub fn show(&mut self, token: String) {
        self.token = Some(token);
    }

    /// Posts a message and reads the answer.
    pub async fn post_json<Request, Answer>(
        &mut self,
        path: &str,
        message: &Request,
    ) -> Result<Answer, CallError>
    where
        Request: Serialize + ?Sized,
        Answer: DeserializeOwned,
    {
        let body = serde_json::to_vec(message).expect("a message is plain data");
        let request = self.request(Method::POST, path, body)?;
        timeout(CALL_TIMEOUT, self.call(request)).await.map_err(CallError::unreachable)?
    }

    fn request(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Request<Body>, CallError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        request.body(Body::from(body)).map_err(CallError::unreachable)
    }

    async fn call<Answer: DeserializeOwned>(&mut self, request: Request<Body>) -> Result<Answer, CallError> {
        self.http.ready().await.map_err(CallError::unreachable)?;
        let response = self.http.send_request(request).await.map_err(CallError::unreachable)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| CallError::Garbled(error.to_string()))?;
        read_answer(status, &body.to_bytes())
    }
}

/// Hosts are known by what their certificates state (`cert::tls`), never by where they are.
fn unnamed() -> ServerName<'static> {
    ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Why there is no channel to a host.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The host was not reached, or is not who it should be.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The TLS library gives the connection no value of its own.
    #[error("the connection has no value of its own")]
    Unnamed,
}
