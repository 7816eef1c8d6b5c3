//! Forms: fields, and a body that is taken only where it carries the page's token.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::catalogue::common as texts;
use crate::visit::Visit;

pub(crate) const TOKEN_FIELD: &str = "form_token";

/// The fields of a form that came from a page of ours. Anything else is refused before it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Form<T>(pub T);

/// A form that came from elsewhere, or cannot be read.
pub struct Forged(Visit);

#[derive(Deserialize)]
struct Token {
    form_token: String,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Forged;

    async fn from_request(request: Request, state: &S) -> Result<Self, Forged> {
        let (mut parts, body) = request.into_parts();
        let Ok(visit) = Visit::from_request_parts(&mut parts, state).await;
        let request = Request::from_parts(parts, body);
        let Ok(body) = Bytes::from_request(request, state).await else { return Err(Forged(visit)) };
        let expected = visit.form_token();
        let is_ours = fields::<Token>(&body).is_some_and(|token| {
            // The token is a hash of a secret; comparing in constant time costs nothing.
            aws_lc_rs::constant_time::verify_slices_are_equal(
                token.form_token.as_bytes(),
                expected.as_bytes(),
            )
            .is_ok()
        });
        match fields(&body).filter(|_| is_ours) {
            Some(form) => Ok(Self(form)),
            None => Err(Forged(visit)),
        }
    }
}

impl IntoResponse for Forged {
    fn into_response(self) -> Response {
        let content = html! { p { (self.0.t(texts::FORGED_HELP)) } };
        self.0.page_with(StatusCode::FORBIDDEN, texts::FORGED, content)
    }
}

fn fields<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_urlencoded::from_bytes(body).ok()
}

/// A labelled text field. `kind` as HTML names it: `text`, `password`, `number`, `date`.
pub fn text_field(label: &str, name: &str, kind: &str, value: &str, hint: Option<&str>) -> Markup {
    html! {
        label .field {
            span .field-label { (label) }
            input type=(kind) name=(name) value=(value) required autocomplete="off";
            @if let Some(hint) = hint { span .field-hint { (hint) } }
        }
    }
}

/// A labelled choice of values and what they are called.
pub fn choice_field(label: &str, name: &str, choices: &[(String, String)], chosen: &str) -> Markup {
    html! {
        label .field {
            span .field-label { (label) }
            select name=(name) {
                @for (value, text) in choices {
                    option value=(value) selected[value == chosen] { (text) }
                }
            }
        }
    }
}

/// A field that nobody sees.
pub fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// The button that sends the form. `class`: `primary`, `danger`, or empty.
pub fn submit(text: &str, class: &str) -> Markup {
    html! { button type="submit" class=(class) { (text) } }
}
