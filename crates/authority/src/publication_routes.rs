//! What everyone may read, over HTTP: `/crl/CA/PARTITION.crl`, `/crl/CA/PARTITION-delta.crl`, `/ca/CA.cer` and
//! `/ocsp` (RFC 6960 appendix A, RFC 5019 clause 5).

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use message::problem::ProblemCode;
use pki::OcspRefusal;
use store::authority::crl::CrlKind;
use transport::Refused;

use crate::authority::Authority;
use crate::routes::refused;

type Shared = State<Arc<Authority>>;

/// The most bytes of an OCSP request: more than 16 certificates and a nonce need.
const REQUEST_BYTES_MAX: usize = 4_096;
/// For how long a cache may answer in the responder's place, in seconds.
const ANSWER_CACHED_SECONDS: i64 = 30;

impl Authority {
    /// All that everyone may read: signed, and nothing secret in it.
    pub fn publication_router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/crl/{ca}/{file}", get(crl))
            .route("/ca/{file}", get(certificate))
            .route("/ocsp", post(ocsp_posted))
            .route("/ocsp/{*request}", get(ocsp_asked))
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .with_state(self)
    }
}

async fn crl(
    State(authority): Shared,
    Path((ca, file)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let nothing = || Refused::new(ProblemCode::NotFound, format!("there is no CRL {file} of {ca}"));
    let name = file.strip_suffix(".crl").ok_or_else(nothing)?;
    let (partition, kind) = match name.strip_suffix("-delta") {
        Some(partition) => (partition, CrlKind::Delta),
        None => (name, CrlKind::Complete),
    };
    let partition = partition.parse().map_err(|_| nothing())?;
    let (crl, seconds) = authority.crl(&ca, partition, kind).await.map_err(refused)?;
    // Half of it is over when the next is signed, also where nothing changes.
    Ok(published("application/pkix-crl", seconds.min(30), crl))
}

async fn certificate(State(authority): Shared, Path(file): Path<String>) -> Result<Response, Refused> {
    let name = file.strip_suffix(".cer").unwrap_or(&file);
    let certificate = authority.ca_certificate(name).await.map_err(refused)?;
    Ok(published("application/pkix-cert", 86_400, certificate))
}

async fn ocsp_posted(
    State(authority): Shared,
    headers: HeaderMap,
    request: Bytes,
) -> Result<Response, Refused> {
    if headers.get(CONTENT_TYPE).is_none_or(|kind| kind != "application/ocsp-request") {
        let detail = "an OCSP request is of the type application/ocsp-request";
        return Err(Refused::new(ProblemCode::UnsupportedMediaType, detail));
    }
    Ok(answered(authority.ocsp(&request).await, 0))
}

/// The request stands in the path, in base64; the router has undone the escapes.
async fn ocsp_asked(State(authority): Shared, Path(request): Path<String>) -> Response {
    match STANDARD.decode(request) {
        Ok(request) => answered(authority.ocsp(&request).await, ANSWER_CACHED_SECONDS),
        Err(_) => answered(OcspRefusal::MalformedRequest.to_response(), 0),
    }
}

fn answered(answer: Vec<u8>, cached_seconds: i64) -> Response {
    published("application/ocsp-response", cached_seconds, answer)
}

fn published(kind: &'static str, cached_seconds: i64, der: Vec<u8>) -> Response {
    let cached = match cached_seconds {
        1.. => format!("max-age={cached_seconds}, public, no-transform, must-revalidate"),
        _ => "no-store".to_owned(),
    };
    ([(CONTENT_TYPE, kind.to_owned()), (CACHE_CONTROL, cached)], der).into_response()
}
