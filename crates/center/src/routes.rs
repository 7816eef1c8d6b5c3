//! The operations over HTTP: calls, in JSON and in SOAP.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, RawQuery, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use message::call::{CALL_BYTES_MAX, Call, CallAnswer};
use message::problem::{Problem, ProblemCode};
use message::soap::call::{SOAP_ACTION, wsdl};
use transport::soap::{SoapAnswer, SoapDocument, SoapFault, description};
use transport::{Device, Json, Origin, Refused};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call::Form;
use crate::carried::{__path_carried_requests, carried_requests};
use crate::center::Center;
use crate::error::CenterError;
use crate::file_routes::{__path_files, files};

type Here = State<Arc<Center>>;
/// Where a call came from, which the evidence of a copied device says.
type From = Option<Extension<Origin>>;

fn address(from: From) -> Option<SocketAddr> {
    from.map(|Extension(origin)| origin.address)
}

impl Center {
    /// All that devices may ask of this center.
    pub fn router(self: Arc<Self>) -> Router {
        let (router, openapi) = OpenApiRouter::with_openapi(Description::openapi())
            .routes(routes!(calls))
            .routes(routes!(soap))
            .routes(routes!(carried_requests))
            .routes(routes!(files))
            .split_for_parts();
        let openapi = Json(openapi);
        router
            .route("/soap", get(described))
            .route("/openapi.json", get(async move || openapi))
            .layer(DefaultBodyLimit::max(CALL_BYTES_MAX))
            .with_state(self)
    }
}

/// What the service offers, as OpenAPI 3.1; the routes add themselves.
#[derive(OpenApi)]
#[openapi(info(
    title = "touchmark center",
    description = "Takes the calls of devices in the field, gives them the files that they are to fetch, and passes on what managed devices ask the authority for. Every request needs a device's certificate."
))]
struct Description;

/// Takes a call. The same call again, byte for byte, gets the same answer and counts once.
#[utoipa::path(
    post, path = "/v1/calls", request_body = Call,
    responses(
        (status = 200, description = "The call is stored for good.", body = CallAnswer),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn calls(
    State(center): Here,
    Device(device): Device,
    origin: From,
    JsonDocument(raw): JsonDocument,
) -> Result<Json<CallAnswer>, Refused> {
    center.take(device, Form::Json, raw, address(origin)).await.map(Json).map_err(refused)
}

/// Takes a call as SOAP 1.1; `GET /soap?wsdl` describes it.
#[utoipa::path(
    post, path = "/soap", request_body(content = String, content_type = "text/xml"),
    responses(
        (status = 200, description = "The call is stored for good.", body = String, content_type = "text/xml"),
        (status = 500, description = "A fault.", body = String, content_type = "text/xml"),
    )
)]
async fn soap(
    State(center): Here,
    device: Result<Device, Refused>,
    origin: From,
    document: SoapDocument,
) -> Result<SoapAnswer<CallAnswer>, SoapFault> {
    let Device(device) = device?;
    let raw = document.asking(SOAP_ACTION)?;
    if raw.len() > CALL_BYTES_MAX {
        return Err(Problem::new(ProblemCode::TooLarge, TOO_LARGE).into());
    }
    Ok(SoapAnswer(center.take(device, Form::Soap, raw, address(origin)).await.map_err(refused)?))
}

async fn described(query: RawQuery, headers: HeaderMap) -> Result<Response, Refused> {
    description(query, &headers, wsdl)
}

const TOO_LARGE: &str = "a call has at most 16 KiB";

/// A body in JSON as it came: it is kept byte for byte.
pub(crate) struct JsonDocument(pub(crate) Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for JsonDocument {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
        if !kind.trim().eq_ignore_ascii_case("application/json") {
            let detail = "the body must be of the type application/json";
            return Err(Refused::new(ProblemCode::UnsupportedMediaType, detail));
        }
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes.into())),
            Err(rejection) => Err(refused_body(&rejection)),
        }
    }
}

fn refused_body(rejection: &BytesRejection) -> Refused {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Refused::new(ProblemCode::TooLarge, TOO_LARGE)
    } else {
        Refused::new(ProblemCode::MalformedRequest, "the body did not arrive whole")
    }
}

/// The refusal to answer. What is our own fault is told to the log, once, here.
pub(crate) fn refused(error: CenterError) -> Refused {
    let problem = error.problem();
    if problem.status >= 500 {
        tracing::error!(error = &error as &dyn Error, "a request failed");
    } else {
        tracing::info!(code = %problem.code, detail = problem.detail, "a request was refused");
    }
    Refused(problem)
}
