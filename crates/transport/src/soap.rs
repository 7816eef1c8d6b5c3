//! SOAP over HTTP (SOAP 1.1 clause 6): the two ends of one request.
//!
//! A role mounts at `/soap` for GET [`wsdl`], and for POST a handler that takes a [`SoapRequest`], looks
//! at its operation, and returns [`SoapAnswer`] or [`SoapFault`]. Who may ask is the handler's to check, by
//! the same extractors as for JSON, taken as a `Result` so that a refusal becomes a fault too:
//!
//! ```
//! use axum::response::{IntoResponse, Response};
//! use message::result::{WriteResultResponse, WriteResultTransmission};
//! use message::soap::Operation;
//! use transport::soap::{SoapAnswer, SoapFault, SoapRequest, wsdl};
//! use transport::{Refused, Station};
//!
//! async fn record(_: Station, result: WriteResultTransmission) -> Result<WriteResultResponse, Refused> {
//!     // The role checks and stores the result here.
//!     let state = identity::CredentialState::Verified;
//!     Ok(WriteResultResponse { device_number: result.device_number, state })
//! }
//!
//! async fn soap(station: Result<Station, Refused>, request: SoapRequest) -> Result<Response, SoapFault> {
//!     let station = station?;
//!     match request.operation() {
//!         Operation::WriteResultTransmission => {
//!             Ok(SoapAnswer(record(station, request.message()?).await?).into_response())
//!         }
//!         other => Err(SoapFault::not_served(other)),
//!     }
//! }
//!
//! let router: axum::Router = axum::Router::new().route("/soap", axum::routing::get(wsdl).post(soap));
//! ```
//!
//! [`call`] is the asking end, over plain HTTP: what a station and a device on its port speak.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, RawQuery, Request};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use message::problem::{Problem, ProblemCode};
use message::soap::{self, AnswerError, DOCUMENT_BYTES_MAX, Envelope, Fault, Message, NAMESPACE, Operation};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::problem::Refused;

/// A request whose envelope is right, and whose body asks for what its SOAPAction says.
pub struct SoapRequest {
    operation: Operation,
    envelope: Envelope,
}

impl SoapRequest {
    /// What it asks for.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The message in its body.
    pub fn message<M: Message>(&self) -> Result<M, SoapFault> {
        self.envelope.message().map_err(SoapFault)
    }
}

/// A request as it came, for who keeps it byte for byte.
pub struct SoapDocument {
    action: String,
    bytes: Vec<u8>,
}

/// A message as the answer.
pub struct SoapAnswer<M>(pub M);

/// A fault as the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SoapFault(Fault);

impl SoapFault {
    /// The operation exists, but is another service's.
    pub fn not_served(operation: Operation) -> Self {
        let detail = format!("this service does not take {}", operation.as_str());
        Problem::new(ProblemCode::MethodNotAllowed, detail).into()
    }
}

impl From<Problem> for SoapFault {
    fn from(problem: Problem) -> Self {
        Self(problem.into())
    }
}

impl From<Refused> for SoapFault {
    fn from(refused: Refused) -> Self {
        refused.0.into()
    }
}

impl<M: Message> IntoResponse for SoapAnswer<M> {
    fn into_response(self) -> Response {
        document(StatusCode::OK, soap::document(&self.0).to_string())
    }
}

impl IntoResponse for SoapFault {
    fn into_response(self) -> Response {
        // SOAP 1.1 clause 6.2: whatever the fault, the status is 500.
        document(StatusCode::INTERNAL_SERVER_ERROR, self.0.document())
    }
}

impl<S: Send + Sync> FromRequest<S> for SoapRequest {
    type Rejection = SoapFault;

    async fn from_request(request: Request, state: &S) -> Result<Self, SoapFault> {
        let SoapDocument { action, bytes } = SoapDocument::from_request(request, state).await?;
        let envelope = Envelope::parse(&bytes).map_err(SoapFault)?;
        let operation = envelope.operation().map_err(SoapFault)?;
        check_action(&action, |action| action.parse() == Ok(operation))?;
        Ok(Self { operation, envelope })
    }
}

impl SoapDocument {
    /// The document, where its SOAPAction is this one, or leaves the intent to the address.
    ///
    /// # Errors
    /// It is another.
    pub fn asking(self, action: &str) -> Result<Vec<u8>, SoapFault> {
        check_action(&self.action, |found| found.trim_matches('"') == action)?;
        Ok(self.bytes)
    }
}

impl<S: Send + Sync> FromRequest<S> for SoapDocument {
    type Rejection = SoapFault;

    async fn from_request(request: Request, _state: &S) -> Result<Self, SoapFault> {
        let (parts, body) = request.into_parts();
        if !is_xml(&parts.headers) {
            let detail = "the body must be of the type text/xml, in UTF-8";
            return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail).into());
        }
        let bytes = to_bytes(body, DOCUMENT_BYTES_MAX).await.map_err(|_| {
            let detail = format!("the body did not arrive, or has more than {DOCUMENT_BYTES_MAX} bytes");
            Problem::new(ProblemCode::TooLarge, detail)
        })?;
        // SOAP 1.1 clause 6.1.1: the header must be there; empty, it leaves the intent to the address.
        let action = parts.headers.get(SOAP_ACTION).and_then(|action| action.to_str().ok());
        let action = action.ok_or_else(|| malformed("the header SOAPAction is missing"))?.trim().to_owned();
        Ok(Self { action, bytes: bytes.into() })
    }
}

/// Answers `GET /soap?wsdl`: the service description, with the address that the asker used.
pub async fn wsdl(query: RawQuery, headers: HeaderMap) -> Result<Response, Refused> {
    description(query, &headers, soap::wsdl)
}

/// The same for a service with another description, which is made with the address filled in.
pub fn description(
    RawQuery(query): RawQuery,
    headers: &HeaderMap,
    of_address: impl FnOnce(&str) -> String,
) -> Result<Response, Refused> {
    if query.as_deref().is_none_or(|query| !query.eq_ignore_ascii_case("wsdl")) {
        return Err(Refused::new(
            ProblemCode::NotFound,
            "GET is only for the service description, /soap?wsdl",
        ));
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host =
        host.ok_or_else(|| Refused::new(ProblemCode::MalformedRequest, "the request names no host"))?;
    Ok(document(StatusCode::OK, of_address(&format!("https://{host}/soap"))))
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SoapCallError {
    /// The address is not one of plain HTTP.
    #[error("\"{0}\" is not an address such as http://192.0.2.7:8080/soap")]
    Address(String),
    /// The peer was not reached, or the connection broke; whether it acted on the request is unknown.
    #[error("the peer does not answer: {0}")]
    NoAnswer(String),
    /// The peer refused or failed.
    #[error(transparent)]
    Fault(Fault),
    /// The peer's answer cannot be understood.
    #[error("{0}")]
    Garbled(String),
}

/// Posts a message to `address` (`http://HOST:PORT/PATH`) over plain HTTP and reads the answer.
pub async fn call<Question, Answer>(
    address: &str,
    question: &Question,
    limit: Duration,
) -> Result<Answer, SoapCallError>
where
    Question: Message,
    Answer: Message,
{
    let uri: Uri = address.parse().map_err(|_| SoapCallError::Address(address.into()))?;
    let exchange = timeout(limit, post(&uri, Question::ELEMENT, soap::document(question).to_string()));
    let body = match exchange.await {
        Ok(answered) => answered?,
        Err(_) => return Err(SoapCallError::NoAnswer(format!("nothing within {} s", limit.as_secs()))),
    };
    let garbled = |fault: Fault| SoapCallError::Garbled(fault.problem().detail.clone());
    match Envelope::parse(&body).map_err(garbled)?.answer() {
        Ok(answer) => Ok(answer),
        Err(AnswerError::Fault(fault)) => Err(SoapCallError::Fault(fault)),
        Err(error @ AnswerError::Garbled(_)) => Err(SoapCallError::Garbled(error.to_string())),
    }
}

const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");
const TEXT_XML: &str = "text/xml; charset=utf-8";

fn document(status: StatusCode, document: String) -> Response {
    (status, [(CONTENT_TYPE, TEXT_XML)], document).into_response()
}

fn is_xml(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = value.split(';').map(str::trim);
    let is_xml = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/xml"));
    let is_utf_8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => {
            charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    is_xml && parts.all(is_utf_8)
}

fn check_action(action: &str, is_right: impl FnOnce(&str) -> bool) -> Result<(), SoapFault> {
    if matches!(action, "" | "\"\"") || is_right(action) {
        Ok(())
    } else {
        Err(malformed("the SOAPAction is not that of the element in the body"))
    }
}

fn malformed(detail: &str) -> SoapFault {
    Problem::new(ProblemCode::MalformedRequest, detail).into()
}

async fn post(uri: &Uri, operation: &str, document: String) -> Result<Vec<u8>, SoapCallError> {
    let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(SoapCallError::Address(uri.to_string()));
    };
    let no_answer = |error: &dyn std::error::Error| SoapCallError::NoAnswer(error.to_string());
    let port = authority.port_u16().unwrap_or(80);
    // An IPv6 address stands in brackets in a URI, and without them everywhere else.
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, port)).await.map_err(|error| no_answer(&error))?;
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| no_answer(&error))?;
    let request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, authority.as_str())
        .header(CONTENT_TYPE, TEXT_XML)
        .header(SOAP_ACTION, format!("\"{NAMESPACE}#{operation}\""))
        .body(Body::from(document))
        .map_err(|error| no_answer(&error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| no_answer(&error))?;
        to_bytes(Body::new(response.into_body()), DOCUMENT_BYTES_MAX).await.map_err(|error| no_answer(&error))
    };
    tokio::pin!(exchange, connection);
    let body = tokio::select! {
        body = &mut exchange => body?,
        // The connection may end before the last of the answer has been taken from it.
        _ = &mut connection => exchange.await?,
    };
    Ok(body.into())
}
