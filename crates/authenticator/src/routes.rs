//! The operations over HTTP.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Form, FromRequestParts, State};
use axum::http::Method;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::response;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use identity::{Member, Role};
use message::authenticate::{
    Challenge, ChallengeRequest, Introspection, JwkSet, ProofAnswer, ProofRequest, Revocation,
    RevocationRequest,
};
use message::problem::{Problem, ProblemCode};
use serde::Deserialize;
use store::audit::Actor;
use transport::{Json, Origin, Peer, Refused, Service};
use utoipa::{OpenApi, ToSchema};

use crate::authenticator::Authenticator;
use crate::error::AuthenticatorError;

/// What a peer without a certificate may ask: devices have none, and prove themselves by what they
/// ask; keys are public.
pub const OPEN_TO_ALL: &[(Method, &str)] = &[
    (Method::POST, "/v1/challenges"),
    (Method::POST, "/v1/proofs"),
    (Method::GET, "/.well-known/jwks.json"),
];

/// No message to an authenticator is longer.
const BODY_BYTES_MAX: usize = 8 * 1_024;

/// For how long a service may keep the keys. It asks again sooner for a key that it does not know.
const KEYS_FRESH: &str = "max-age=300";

impl Authenticator {
    /// The operations, to be served by `transport::serve` with [`OPEN_TO_ALL`] in its limits.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/v1/challenges", post(challenge))
            .route("/v1/proofs", post(prove))
            .route("/v1/introspect", post(introspect))
            .route("/v1/revocations", post(revoke))
            .route("/.well-known/jwks.json", get(keys))
            .route("/openapi.json", get(openapi))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(self)
    }
}

/// What the service offers, as OpenAPI 3.1.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "touchmark authenticator",
        description = "Authenticates devices with symmetric credentials."
    ),
    paths(challenge, prove, introspect, revoke, keys)
)]
struct Description;

type Here = State<Arc<Authenticator>>;

/// Asks for a challenge.
#[utoipa::path(
    post, path = "/v1/challenges", request_body = ChallengeRequest,
    responses(
        (status = 200, description = "The challenge.", body = Challenge),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn challenge(
    State(here): Here,
    Json(request): Json<ChallengeRequest>,
) -> Result<Json<Challenge>, Refused> {
    here.challenge(request).await.map(Json).map_err(refused)
}

/// Answers a challenge.
#[utoipa::path(
    post, path = "/v1/proofs", request_body = ProofRequest,
    responses(
        (status = 200, description = "The device is authenticated.", body = ProofAnswer),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn prove(
    State(here): Here,
    origin: Origin,
    Json(request): Json<ProofRequest>,
) -> Result<Json<ProofAnswer>, Refused> {
    here.prove(origin, request).await.map(Json).map_err(refused)
}

/// RFC 7662 clause 2.1. Other parameters are allowed there and mean nothing here.
#[derive(Deserialize, ToSchema)]
struct IntrospectionRequest {
    /// The token.
    token: String,
}

/// Asks whether a token is good (RFC 7662). For services.
#[utoipa::path(
    post, path = "/v1/introspect", request_body(content = IntrospectionRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Whether it is.", body = Introspection),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn introspect(
    State(here): Here,
    service: Service,
    request: Result<Form<IntrospectionRequest>, FormRejection>,
) -> Result<Json<Introspection>, Refused> {
    let Form(request) =
        request.map_err(|rejection| Refused::new(ProblemCode::MalformedRequest, rejection.body_text()))?;
    here.admit(&service).await.map_err(refused)?;
    let introspection = here.introspect(&request.token, service.name).await;
    introspection.map(Json).map_err(|error| refused(error.into()))
}

/// Takes a device back. For the authority.
#[utoipa::path(
    post, path = "/v1/revocations", request_body = RevocationRequest,
    responses(
        (status = 200, description = "The device is revoked.", body = Revocation),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn revoke(
    State(here): Here,
    Authority(authority): Authority,
    Json(request): Json<RevocationRequest>,
) -> Result<Json<Revocation>, Refused> {
    let revoked =
        here.register().revoke(request.apparatus_id, &request.reason, &Actor::member(&authority)).await;
    revoked.map(|since| Json(Revocation { since })).map_err(|error| refused(error.into()))
}

/// The keys that tokens are signed with (RFC 7517).
#[utoipa::path(
    get, path = "/.well-known/jwks.json",
    responses(
        (status = 200, description = "The keys.", body = JwkSet),
        (status = "4XX", description = "Refused.", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed.", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn keys(State(here): Here) -> Result<impl IntoResponse, Refused> {
    let keys = here.keys().await.map_err(|error| refused(error.into()))?;
    Ok(([(CACHE_CONTROL, KEYS_FRESH)], Json(keys)))
}

async fn openapi() -> response::Json<utoipa::openapi::OpenApi> {
    response::Json(Description::openapi())
}

/// Extracts the authority that sent the request, and refuses everyone else.
struct Authority(Member);

impl<S: Sync> FromRequestParts<S> for Authority {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Peer::from_request_parts(parts, state).await {
            Ok(Peer::Member(identity)) if identity.member.role() == Role::Authority => {
                Ok(Self(identity.member))
            }
            _ => Err(Refused::new(ProblemCode::NotAllowed, "this is for the authority only")),
        }
    }
}

/// The refusal to answer. What is our own fault is told to the log, once, here.
fn refused(error: AuthenticatorError) -> Refused {
    let problem = error.problem();
    if matches!(problem.code, ProblemCode::Internal | ProblemCode::Unavailable) {
        tracing::error!(error = &error as &dyn Error, "a request failed");
    }
    Refused(problem)
}
