//! The gateway over HTTP: JSON for everyone, described by OpenAPI, and SOAP for a factory's older systems.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use message::allotment::Allotment;
use message::join::{JoinRequest, Membership};
use message::lease::{Lease, LeaseRequest};
use message::operator::{Operators, ScrapRequest, ScrapResponse};
use message::problem::Problem;
use message::result::{WriteResultResponse, WriteResultTransmission};
use message::soap::Operation;
use message::status::FactoryStatus;
use message::trust::{TrustReport, TrustedCas};
use transport::soap::{SoapAnswer, SoapFault, SoapRequest, wsdl};
use transport::{Json, Refused, Station};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::GatewayError;
use crate::gateway::Gateway;

type Shared = State<Arc<Gateway>>;

impl Gateway {
    /// All that stations may ask of this gateway.
    pub fn router(self: Arc<Self>) -> Router {
        let (router, description) = OpenApiRouter::with_openapi(Description::openapi())
            .routes(routes!(lease))
            .routes(routes!(result))
            .routes(routes!(allotment))
            .routes(routes!(operators))
            .routes(routes!(scrap))
            .routes(routes!(status))
            .routes(routes!(join))
            .routes(routes!(trust))
            .routes(routes!(soap))
            .split_for_parts();
        let description = Json(description);
        router
            .route("/soap", get(wsdl))
            .route("/openapi.json", get(async move || description))
            .with_state(self)
    }
}

/// What the service offers, as OpenAPI 3.1; the routes add themselves.
#[derive(OpenApi)]
#[openapi(info(
    title = "touchmark gateway",
    description = "Leases credential packs to the stations of a factory. Every request but joining \
                   needs a station's certificate."
))]
struct Description;

/// Asks for the pack of a device number.
#[utoipa::path(
    post, path = "/v1/leases", request_body = LeaseRequest,
    responses(
        (status = 200, description = "The pack is leased to this station for this device.", body = Lease),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn lease(
    State(gateway): Shared,
    station: Station,
    Json(request): Json<LeaseRequest>,
) -> Result<Json<Lease>, Refused> {
    gateway.desk().admit(&station).await.map_err(refused)?;
    Ok(Json(gateway.lease(&station.name, &request).await.map_err(refused)?))
}

/// Delivers the result of a write.
#[utoipa::path(
    post, path = "/v1/results", request_body = WriteResultTransmission,
    responses(
        (status = 200, description = "The result is stored.", body = WriteResultResponse),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn result(
    State(gateway): Shared,
    station: Station,
    Json(result): Json<WriteResultTransmission>,
) -> Result<Json<WriteResultResponse>, Refused> {
    gateway.desk().admit(&station).await.map_err(refused)?;
    Ok(Json(gateway.result(&station.name, &result).await.map_err(refused)?))
}

/// What the factory may make, and which products' plates carry a check character.
#[utoipa::path(
    get, path = "/v1/allotment",
    responses(
        (status = 200, description = "What the authority last allotted.", body = Allotment),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn allotment(State(gateway): Shared, station: Station) -> Result<Json<Allotment>, Refused> {
    gateway.desk().admit(&station).await.map_err(refused)?;
    Ok(Json(gateway.desk().allotment().await.map_err(refused)?))
}

/// The operators whose badges are good.
#[utoipa::path(
    get, path = "/v1/operators",
    responses(
        (status = 200, description = "All of them.", body = Operators),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn operators(State(gateway): Shared, station: Station) -> Result<Json<Operators>, Refused> {
    gateway.desk().admit(&station).await.map_err(refused)?;
    Ok(Json(gateway.desk().badges().await.map_err(refused)?))
}

/// Scraps a device whose write failed, at the word of two operators.
#[utoipa::path(
    post, path = "/v1/scraps", request_body = ScrapRequest,
    responses(
        (status = 200, description = "The number is void.", body = ScrapResponse),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn scrap(
    State(gateway): Shared,
    station: Station,
    Json(request): Json<ScrapRequest>,
) -> Result<Json<ScrapResponse>, Refused> {
    gateway.desk().admit(&station).await.map_err(refused)?;
    Ok(Json(gateway.desk().scrap(&station.name, &request).await.map_err(refused)?))
}

/// The figures of the factory.
#[utoipa::path(
    get, path = "/v1/status",
    responses(
        (status = 200, description = "How the factory stands.", body = FactoryStatus),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn status(State(gateway): Shared, station: Station) -> Result<Json<FactoryStatus>, Refused> {
    gateway.desk().admit(&station).await.map_err(refused)?;
    Ok(Json(gateway.desk().status().await.map_err(refused)?))
}

/// Says which CAs of devices the asking station trusts, and hears which ones it is to trust.
#[utoipa::path(
    post, path = "/v1/trust", request_body = TrustReport,
    responses(
        (status = 200, description = "The CAs that sign devices, and no others.", body = TrustedCas),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn trust(
    State(gateway): Shared,
    station: Station,
    Json(report): Json<TrustReport>,
) -> Result<Json<TrustedCas>, Refused> {
    gateway.desk().admit(&station).await.map_err(refused)?;
    Ok(Json(gateway.hear_trust(&station.name, report).map_err(refused)?))
}

/// Makes a newcomer with a join token a station.
#[utoipa::path(
    post, path = "/v1/join", request_body = JoinRequest,
    responses(
        (status = 200, description = "The newcomer is a station now.", body = Membership),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn join(State(gateway): Shared, Json(request): Json<JoinRequest>) -> Result<Json<Membership>, Refused> {
    let joined = gateway.join(&request).await;
    joined.map(Json).map_err(|error| logged(error.problem(), &error))
}

/// Leases and results as SOAP 1.1; `GET /soap?wsdl` describes it.
#[utoipa::path(
    post, path = "/soap", request_body(content = String, content_type = "text/xml"),
    responses(
        (status = 200, description = "The answer.", body = String, content_type = "text/xml"),
        (status = 500, description = "A fault.", body = String, content_type = "text/xml"),
    )
)]
async fn soap(
    State(gateway): Shared,
    station: Result<Station, Refused>,
    request: SoapRequest,
) -> Result<Response, SoapFault> {
    let station = station?;
    gateway.desk().admit(&station).await.map_err(refused)?;
    match request.operation() {
        Operation::CertificateTransmissionRequest => {
            let lease = gateway.lease(&station.name, &request.message()?).await.map_err(refused)?;
            Ok(SoapAnswer(lease).into_response())
        }
        Operation::WriteResultTransmission => {
            let response = gateway.result(&station.name, &request.message()?).await.map_err(refused)?;
            Ok(SoapAnswer(response).into_response())
        }
        other => Err(SoapFault::not_served(other)),
    }
}

fn refused(error: GatewayError) -> Refused {
    logged(error.problem(), &error)
}

/// A refusal is the peer's business; what failed here is logged with all its causes.
fn logged(problem: Problem, error: &(dyn Error + 'static)) -> Refused {
    if problem.status >= 500 {
        tracing::error!(error, "a request failed");
    } else {
        tracing::info!(code = %problem.code, detail = problem.detail, "a request was refused");
    }
    Refused(problem)
}
