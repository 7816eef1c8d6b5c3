//! Errors as problem details (RFC 9457), whoever raises them.

use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use message::problem::{Problem, ProblemCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A problem as a response, so that a handler can return `Result<Json<T>, Refused>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused(pub Problem);

/// JSON in and out, as `axum::Json`, but a body that cannot be read is a problem.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl Refused {
    /// The problem of this code, with a sentence for a person.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).expect("a problem is plain data");
        (status, [(CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused_json(&rejection)),
        }
    }
}

fn refused_json(rejection: &JsonRejection) -> Refused {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            Refused::new(ProblemCode::UnsupportedMediaType, "the body must be of the type application/json")
        }
        JsonRejection::BytesRejection(rejection) => refused_body(rejection),
        other => Refused::new(ProblemCode::MalformedRequest, other.body_text()),
    }
}

fn refused_body(rejection: &BytesRejection) -> Refused {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Refused::new(ProblemCode::TooLarge, "the body is larger than this service takes")
    } else {
        Refused::new(ProblemCode::MalformedRequest, "the body did not arrive whole")
    }
}
