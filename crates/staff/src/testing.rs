//! A browser without a screen, for tests of consoles: it keeps cookies, and sends forms as their pages have them.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Request, StatusCode};
use store::Secret;
use store::audit::Actor;
use store::staff::StaffRole;
use tower::ServiceExt;

use crate::people::Staff;
use crate::second_factor;

/// The password of everyone in tests.
pub const PASSWORD: &str = "correct horse battery";

/// A person and their authenticator app.
pub struct Person {
    name: String,
    secret: Vec<u8>,
}

/// What a page answered.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The page.
    pub body: String,
}

/// A browser.
pub struct Browser {
    router: Router,
    cookies: BTreeMap<String, String>,
    language: String,
}

impl Person {
    /// Adds a person with these roles to the staff in a store.
    pub async fn add(staff: &Staff, name: &str, roles: &[StaffRole]) -> Self {
        let by = Actor::person("root");
        let name_of_staff = name.parse().expect("tests name people well");
        let password = Secret::new(PASSWORD.as_bytes().to_vec());
        let factor = staff.add("test", &name_of_staff, roles, password, &by).await;
        let uri = factor.expect("the person is new").uri().to_owned();
        let base32 = uri.split("secret=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or_default();
        let secret = totp_rs::Secret::try_from_base32(base32).expect("the address holds the secret");
        Self { name: name.to_owned(), secret: secret.as_bytes().to_vec() }
    }

    /// The code that the app shows at this time.
    pub fn code(&self, now: i64) -> String {
        second_factor::code_at(&self.secret, now)
    }
}

impl Answer {
    /// The value of a hidden field on the page.
    pub fn hidden(&self, name: &str) -> Option<String> {
        let marker = format!("name=\"{name}\" value=\"");
        Some(self.body.split(&marker).nth(1)?.split('"').next()?.to_owned())
    }
}

impl Browser {
    /// A browser before these pages, in English.
    pub fn new(router: Router) -> Self {
        Self { router, cookies: BTreeMap::new(), language: "en".to_owned() }
    }

    /// The same browser with another language.
    pub fn speaking(self, language: &str) -> Self {
        Self { language: language.to_owned(), ..self }
    }

    /// A page.
    pub async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(path);
        self.send(request, Body::empty()).await
    }

    /// A form, sent with the token that the pages of this browser carry.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.get("/sign-in").await.hidden("form_token");
        let token = match token {
            Some(token) => token,
            // Who is signed in has the token on every page.
            None => self.get("/").await.hidden("form_token").unwrap_or_default(),
        };
        let fields: Vec<(&str, &str)> =
            fields.iter().copied().chain([("form_token", token.as_str())]).collect();
        self.post_as_it_is(path, &fields).await
    }

    /// A form with these fields and no other.
    pub async fn post_as_it_is(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = serde_urlencoded::to_string(fields).expect("fields are plain text");
        let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, Body::from(body)).await
    }

    /// Signs in, with the code of this time.
    pub async fn sign_in(&mut self, person: &Person, now: i64) -> Answer {
        let code = person.code(now);
        self.post("/sign-in", &[("name", &person.name), ("password", PASSWORD), ("code", &code)]).await
    }

    async fn send(&mut self, request: axum::http::request::Builder, body: Body) -> Answer {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request
            .header(COOKIE, cookies.join("; "))
            .header("accept-language", &self.language)
            .body(body)
            .expect("the request is well made");
        let response = self.router.clone().oneshot(request).await.expect("a router always answers");
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("the page is whole");
        Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
    }
}

/// Where an answer leads.
pub fn location(answer: &Answer) -> &str {
    answer.headers.get(LOCATION).and_then(|path| path.to_str().ok()).unwrap_or_default()
}
