//! A role's console: what its pages have in common, and the layers around them.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, post};
use identity::Random;
use jiff::tz::TimeZone;
use maud::html;

use crate::visit::{self, Visit};
use crate::{Text, assets, catalogue::common as texts};

/// A role's console.
#[derive(Clone)]
pub struct Console {
    /// The role in one word, as cookies are named: `gateway`.
    pub role: &'static str,
    /// The role's name for people.
    pub title: Text,
    /// Whose it is: the factory, the center.
    pub place: String,
    /// The pages, in the order of the navigation.
    pub navigation: &'static [Entry],
    /// The local time that pages show.
    pub time_zone: TimeZone,
    /// Whether it is served over TLS, so that cookies are for TLS only.
    pub over_tls: bool,
    /// Where visits get their tokens from.
    pub random: Arc<dyn Random>,
}

/// A page in the navigation.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Where it is.
    pub path: &'static str,
    /// Its name.
    pub name: Text,
}

/// Nothing comes from elsewhere, nothing stands in the page itself, nobody frames it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     font-src 'self'; media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

impl Console {
    /// These pages with all that belongs around them: the visit, assets, the switch of language and theme,
    /// an answer for pages that there are not, security headers.
    pub fn wrap(self: Arc<Self>, pages: Router) -> Router {
        pages
            .route("/preferences", post(visit::set_preferences))
            // A route rather than a fallback: a host may have one of its own, and only one counts.
            .route("/{*path}", any(not_found))
            .layer(middleware::from_fn_with_state(self, visit::begin))
            .merge(assets::router())
            .layer(middleware::from_fn(secure))
    }
}

async fn not_found(visit: Visit) -> Response {
    let content = html! { p { (visit.fill(texts::NOT_FOUND_HELP, &[&visit.path()])) } };
    visit.page_with(StatusCode::NOT_FOUND, texts::NOT_FOUND, content)
}

async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
