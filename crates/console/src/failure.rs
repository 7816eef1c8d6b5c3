//! Why there is no answer: what a handler returns as its error, and the page that says so.

use std::error::Error;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use crate::{Status, Visit, catalogue::common as texts, notice};

/// Why there is no answer. As a response it is empty, until it is known who reads ([`Visit::explained`]).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// What was asked cannot be done; why, for people.
    Refused(String),
    /// There is no such thing.
    Missing,
    /// The person may not do this.
    Forbidden,
    /// The service failed; its log says why.
    Internal,
}

impl Failure {
    /// A failure of ours, which the log keeps.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error, "a page failed");
        Self::Internal
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Missing => StatusCode::NOT_FOUND,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The page that says so.
    pub fn page(&self, visit: &Visit) -> Response {
        let (title, content) = match self {
            Self::Refused(why) => {
                (texts::REFUSED, html! { p { (why) } p { (visit.t(texts::REFUSED_HELP)) } })
            }
            Self::Missing => {
                (texts::NOT_FOUND, html! { p { (visit.fill(texts::NOT_FOUND_HELP, &[&visit.path()])) } })
            }
            Self::Forbidden => (texts::FORBIDDEN, html! { p { (visit.t(texts::FORBIDDEN_HELP)) } }),
            Self::Internal => (texts::FAILED, html! { p { (visit.t(texts::FAILED_HELP)) } }),
        };
        visit.page_with(self.status(), title, notice(visit, Status::Bad, content))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
