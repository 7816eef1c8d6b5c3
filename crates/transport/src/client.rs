//! The asking end: one host, known by name, over a connection that stays open.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cert::Refusal;
use cert::tls::{Credential, HostTrust, TlsError, client_config};
use identity::{Clock, Member};
use message::problem::Problem;
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use rustls::{CertificateError, OtherError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::proxy::Proxy;

/// Asks one host. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    url: Url,
    pub(crate) timeout: Duration,
}

/// Why there is no client for a host.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is not that of a host.
    #[error("\"{0}\" is not an address such as https://authority.example:7443")]
    Url(String),
    /// The own credential cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP library cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The host answered with a problem.
    #[error("the host refused: {0}")]
    Refused(Problem),
    /// The host was not reached, or the connection broke; whether it acted on the request is unknown.
    #[error("the host cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// The host's answer cannot be understood.
    #[error("the host's answer cannot be understood: {0}")]
    Garbled(String),
}

/// How long to wait for a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a call may take unless [`Client::with_timeout`] says otherwise.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Idle connections are closed on this side before the host's own limit closes them under a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// The most bytes of an answer: well above 1 000 packs.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 * 1_024 * 1_024;

impl Client {
    /// A client of the `host` at `url` (`https://HOST:PORT`), which must prove to be that member.
    /// Without a credential it is a newcomer, who can only join.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn new(
        trust: HostTrust,
        credential: Option<&Credential>,
        host: Member,
        url: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClientError> {
        Self::through(None, trust, credential, host, url, clock)
    }

    /// As [`Client::new`], through a proxy where one is given. Without one none is used, whatever the environment
    /// says: to heed it is for the program ([`Proxy::of_environment`]).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn through(
        proxy: Option<&Proxy>,
        trust: HostTrust,
        credential: Option<&Credential>,
        host: Member,
        url: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClientError> {
        let parsed = Url::parse(url).ok().filter(|url| url.scheme() == "https" && url.has_host());
        let url = parsed.ok_or_else(|| ClientError::Url(url.to_string()))?;
        let tls = client_config(trust, host, credential, clock)?;
        let mut http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_nodelay(true);
        if let Some(proxy) = proxy {
            http = http.proxy(proxy.for_requests().map_err(ClientError::Http)?);
        }
        let http = http.build().map_err(ClientError::Http)?;
        Ok(Self { http, url, timeout: CALL_TIMEOUT })
    }

    /// The same client with another limit for each call, from connecting to the answer's last byte.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Posts a message and reads the answer.
    pub async fn post_json<Request, Answer>(&self, path: &str, request: &Request) -> Result<Answer, CallError>
    where
        Request: Serialize + ?Sized,
        Answer: DeserializeOwned,
    {
        self.call(self.http.post(self.at(path)).json(request)).await
    }

    /// Posts a document of this media type byte for byte, and reads the answer.
    pub async fn post_document<Answer: DeserializeOwned>(
        &self,
        path: &str,
        media_type: &'static str,
        document: Vec<u8>,
    ) -> Result<Answer, CallError> {
        self.call(self.http.post(self.at(path)).header(CONTENT_TYPE, media_type).body(document)).await
    }

    /// Posts a document of this media type byte for byte, and gives the answer as it came.
    pub async fn pass_on(
        &self,
        path: &str,
        media_type: &'static str,
        document: Vec<u8>,
    ) -> Result<Vec<u8>, CallError> {
        let request = self.http.post(self.at(path)).header(CONTENT_TYPE, media_type).body(document);
        let response = request.timeout(self.timeout).send().await.map_err(CallError::unreachable)?;
        let status = response.status();
        let body = Self::body(response).await?;
        if status.is_success() { Ok(body) } else { read_answer(status, &body) }
    }

    /// Posts the fields of a form and reads the answer.
    pub async fn post_form<Answer: DeserializeOwned>(
        &self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Answer, CallError> {
        self.call(self.http.post(self.at(path)).form(fields)).await
    }

    /// Asks for what is at `path`, which may end with a query.
    pub async fn get_json<Answer: DeserializeOwned>(&self, path: &str) -> Result<Answer, CallError> {
        self.call(self.http.get(self.at(path))).await
    }

    pub(crate) fn at(&self, path: &str) -> Url {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.url.clone();
        url.set_path(path);
        url.set_query(query);
        url
    }

    async fn call<Answer: DeserializeOwned>(&self, request: RequestBuilder) -> Result<Answer, CallError> {
        let response = request.timeout(self.timeout).send().await.map_err(CallError::unreachable)?;
        let status = response.status();
        read_answer(status, &Self::body(response).await?)
    }

    /// All of an answer, where it is not too long.
    pub(crate) async fn body(mut response: Response) -> Result<Vec<u8>, CallError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(CallError::unreachable)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(CallError::Garbled(format!("it is longer than {ANSWER_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

impl CallError {
    pub(crate) fn unreachable(error: impl Error + Send + Sync + 'static) -> Self {
        match refusal_in(&error) {
            Some(refusal) => Self::Unreachable(Box::new(NotTheHost(refusal))),
            None => Self::Unreachable(Box::new(error)),
        }
    }
}

/// Someone answered who is not the host; the libraries between know that only as text for programmers.
#[derive(Debug, thiserror::Error)]
#[error("whoever answered is not the host: {0}")]
struct NotTheHost(Refusal);

/// The refusal of the host's certificate, if that is what the error comes from.
fn refusal_in(error: &(dyn Error + 'static)) -> Option<Refusal> {
    if let Some(wrapper) = error.downcast_ref::<io::Error>() {
        // An I/O error passes over what it wraps when it is asked for its source.
        return refusal_in(wrapper.get_ref()?);
    }
    match error.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(reason)))) => {
            reason.downcast_ref().cloned()
        }
        _ => refusal_in(error.source()?),
    }
}

/// What a host answered: a message, or a problem.
pub(crate) fn read_answer<Answer: DeserializeOwned>(
    status: StatusCode,
    body: &[u8],
) -> Result<Answer, CallError> {
    if status.is_success() {
        return serde_json::from_slice(body).map_err(|error| CallError::Garbled(error.to_string()));
    }
    match serde_json::from_slice(body) {
        Ok(problem) => Err(CallError::Refused(problem)),
        Err(_) => Err(CallError::Garbled(format!("status {status} without a problem"))),
    }
}
