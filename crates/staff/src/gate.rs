//! The gate before all pages, and the page where people sign in.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use console::catalogue::staff as texts;
use console::{Console, Failure, Form, Markup, Person, Status, Text, Visit, html, notice, submit};
use serde::Deserialize;
use store::Secret;
use store::audit::Actor;
use store::staff::{StaffName, StaffRole};

use crate::audit_log;
use crate::people::Staff;
use crate::permission::{Permission, role_name};
use crate::sign_in::Refused;

/// The person who asks. An extractor on all pages behind the gate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedIn {
    name: StaffName,
    roles: Vec<StaffRole>,
}

/// What a person asked for is not theirs to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forbidden;

impl SignedIn {
    pub(crate) fn new(name: StaffName, roles: Vec<StaffRole>) -> Self {
        Self { name, roles }
    }

    /// The person's name.
    pub fn name(&self) -> &StaffName {
        &self.name
    }

    /// Whether the person may do this.
    pub fn may(&self, permission: Permission) -> bool {
        self.roles.iter().any(|role| permission.is_of(*role))
    }

    /// Refuses whoever may not do this.
    ///
    /// # Errors
    /// None of the person's roles has the permission.
    pub fn require(&self, permission: Permission) -> Result<(), Forbidden> {
        if self.may(permission) { Ok(()) } else { Err(Forbidden) }
    }

    /// The person, as the audit log names them.
    pub fn actor(&self) -> Actor {
        Actor::person(self.name.as_str())
    }
}

impl From<Forbidden> for Failure {
    fn from(_: Forbidden) -> Self {
        Self::Forbidden
    }
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let signed = parts.extensions.get::<Self>().cloned();
        Ok(signed.expect("pages are served through Staff::wrap, which lets nobody else in"))
    }
}

const SIGN_IN: &str = "/sign-in";

impl Staff {
    /// These pages behind the gate, in the console's shell.
    pub fn wrap(self: Arc<Self>, console: Arc<Console>, pages: Router) -> Router {
        let own = Router::new()
            .route("/sign-out", post(sign_out))
            .merge(audit_log::routes())
            .with_state(Arc::clone(&self));
        let inside = pages.merge(own).layer(middleware::from_fn_with_state(Arc::clone(&self), guard));
        let outside = Router::new().route(SIGN_IN, get(sign_in_page).post(sign_in)).with_state(self);
        console.wrap(inside.merge(outside))
    }
}

async fn guard(
    State(staff): State<Arc<Staff>>,
    mut visit: Visit,
    mut request: Request,
    next: Next,
) -> Response {
    let signed = match staff.signed_in(visit.secret()).await {
        Ok(Some(signed)) => signed,
        Ok(None) if request.method() == Method::GET => return Redirect::to(SIGN_IN).into_response(),
        Ok(None) => {
            return door(
                &visit,
                StatusCode::UNAUTHORIZED,
                "",
                Some(visit.t(texts::SESSION_ENDED).to_owned()),
            );
        }
        Err(error) => return Failure::of(&error).page(&visit),
    };
    let roles: Vec<&str> = signed.roles.iter().map(|role| visit.t(role_name(*role))).collect();
    visit.person = Some(Person { name: signed.name.to_string(), roles: roles.join(", ") });
    request.extensions_mut().insert(signed);
    request.extensions_mut().insert(visit.clone());
    visit.explained(next.run(request).await)
}

/// What is typed in to sign in.
#[derive(Deserialize)]
struct Typed {
    name: String,
    password: String,
    code: String,
}

async fn sign_in_page(State(staff): State<Arc<Staff>>, visit: Visit) -> Response {
    match staff.signed_in(visit.secret()).await {
        Ok(Some(_)) => Redirect::to("/").into_response(),
        Ok(None) => door(&visit, StatusCode::OK, "", None),
        Err(error) => Failure::of(&error).page(&visit),
    }
}

async fn sign_in(State(staff): State<Arc<Staff>>, visit: Visit, Form(typed): Form<Typed>) -> Response {
    // Whoever knew this browser's secret before does not know the one that is signed in.
    let (secret, cookie) = visit.fresh_cookie();
    let password = Secret::new(typed.password.into_bytes());
    match staff.sign_in(typed.name.trim(), password, &typed.code, &secret).await {
        Ok(()) => ([(SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
        Err(Refused::Wrong) => {
            let text = visit.t(texts::WRONG).to_owned();
            door(&visit, StatusCode::UNAUTHORIZED, &typed.name, Some(text))
        }
        Err(Refused::Wait(seconds)) => {
            let text = visit.fill(texts::WAIT, &[&seconds]);
            door(&visit, StatusCode::TOO_MANY_REQUESTS, &typed.name, Some(text))
        }
        Err(Refused::Failed(error)) => Failure::of(&error).page(&visit),
    }
}

async fn sign_out(
    State(staff): State<Arc<Staff>>,
    visit: Visit,
    signed: SignedIn,
    _: Form<Nothing>,
) -> Response {
    match staff.sign_out(&signed, visit.secret()).await {
        Ok(()) => ([(SET_COOKIE, visit.fresh_cookie().1)], Redirect::to(SIGN_IN)).into_response(),
        Err(error) => Failure::of(&error).page(&visit),
    }
}

/// A form that says all by being sent.
#[derive(Deserialize)]
struct Nothing {}

/// The page where people sign in.
fn door(visit: &Visit, status: StatusCode, name: &str, refusal: Option<String>) -> Response {
    let body = html! {
        main .door #content {
            div .card {
                h1 { (visit.console_title()) }
                p .lead { (visit.place()) }
                @if let Some(refusal) = refusal { (notice(visit, Status::Bad, html! { (refusal) })) }
                (visit.form(SIGN_IN, html! {
                    (typed(visit, texts::NAME, "name", "text", "username", name))
                    (typed(visit, texts::PASSWORD, "password", "password", "current-password", ""))
                    (typed(visit, texts::CODE, "code", "text", "one-time-code", ""))
                    (submit(visit.t(texts::SIGN_IN), "primary"))
                }))
            }
            (visit.preferences())
        }
    };
    visit.bare_page(status, visit.t(texts::SIGN_IN), &[], body)
}

fn typed(visit: &Visit, label: Text, name: &str, kind: &str, autocomplete: &str, value: &str) -> Markup {
    let is_code = name == "code";
    html! {
        label .field {
            span .field-label { (visit.t(label)) }
            input type=(kind) name=(name) value=(value) required autocomplete=(autocomplete)
                inputmode=[is_code.then_some("numeric")];
            @if is_code { span .field-hint { (visit.t(texts::CODE_HINT)) } }
        }
    }
}
