//! One request of one reader: language, theme, who signed in, and the page that is made for it.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use jiff::Timestamp;
use jiff::civil::Date;
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use crate::form::Form;
use crate::{Cell, Console, Failure, Language, Text, catalogue::common as texts};

/// How a page looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Theme {
    /// As the reader's system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Who signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// Their name.
    pub name: String,
    /// What they are, for the page's header.
    pub roles: String,
}

/// One request of one reader. An extractor on all routes that [`Console::wrap`] wrapped.
#[derive(Clone)]
pub struct Visit {
    console: Arc<Console>,
    /// The language that the reader chose.
    pub language: Language,
    theme: Theme,
    /// The path with its query.
    location: String,
    /// What this browser's cookie says: nobody else knows it.
    cookie: String,
    /// Who signed in, if anyone.
    pub person: Option<Person>,
}

const LANGUAGE_COOKIE: &str = "language";
const THEME_COOKIE: &str = "theme";
const COOKIE_BYTES: usize = 32;
const YEAR_SECONDS: u32 = 365 * 24 * 60 * 60;

impl Theme {
    const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn name(self) -> Text {
        match self {
            Self::System => texts::THEME_SYSTEM,
            Self::Light => texts::THEME_LIGHT,
            Self::Dark => texts::THEME_DARK,
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.word() == word)
    }
}

impl Visit {
    /// A text in the reader's language.
    pub fn t(&self, text: Text) -> &'static str {
        text.to(self.language)
    }

    /// A text in the reader's language, with values.
    pub fn fill(&self, text: Text, values: &[&dyn Display]) -> String {
        text.fill(self.language, values)
    }

    /// The path that was asked for, without its query.
    pub fn path(&self) -> &str {
        self.location.split('?').next().unwrap_or_default()
    }

    /// The role's name in the reader's language.
    pub fn console_title(&self) -> &'static str {
        self.t(self.console.title)
    }

    /// Whose console it is.
    pub fn place(&self) -> &str {
        &self.console.place
    }

    /// A moment in the local time of the console: `2026-12-01 14:03:22`.
    pub fn moment(&self, epoch_seconds: i64) -> String {
        self.in_time_zone(epoch_seconds, "%Y-%m-%d %H:%M:%S")
    }

    /// A moment as a cell of a table.
    pub fn time_cell(&self, epoch_seconds: Option<i64>) -> Cell {
        epoch_seconds.map_or_else(Cell::nothing, |seconds| Cell::sorted(self.moment(seconds), seconds))
    }

    /// The first second of a day in the local time of the console.
    pub fn start_of_day(&self, day: Date) -> Option<i64> {
        let start = day.to_zoned(self.console.time_zone.clone()).and_then(|day| day.start_of_day());
        Some(start.ok()?.timestamp().as_second())
    }

    fn in_time_zone(&self, epoch_seconds: i64, format: &str) -> String {
        let Ok(timestamp) = Timestamp::from_second(epoch_seconds) else { return epoch_seconds.to_string() };
        timestamp.to_zoned(self.console.time_zone.clone()).strftime(format).to_string()
    }

    /// The page with this content, in the shell.
    pub fn page(&self, title: Text, content: Markup) -> Response {
        self.page_with(StatusCode::OK, title, content)
    }

    /// As [`Visit::page`], with another status than 200.
    pub fn page_with(&self, status: StatusCode, title: Text, content: Markup) -> Response {
        self.titled_page(status, self.t(title), content)
    }

    /// As [`Visit::page`], where the title is no fixed text, such as a device number.
    pub fn titled_page(&self, status: StatusCode, title: &str, content: Markup) -> Response {
        let main = html! {
            (self.header())
            div .frame {
                (self.navigation())
                main #content tabindex="-1" {
                    h1 { (title) }
                    (content)
                }
            }
        };
        self.bare_page(status, title, &[], main)
    }

    /// A page without header and navigation, with scripts of its own beside the common one: for a screen
    /// that is one thing, such as a station's.
    pub fn bare_page(&self, status: StatusCode, title: &str, scripts: &[&str], body: Markup) -> Response {
        let console = &self.console;
        let page = html! {
            (DOCTYPE)
            html lang=(self.language.tag()) data-theme=(self.theme.word()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · " (self.t(console.title)) " · " (console.place) }
                    link rel="icon" href="/assets/mark.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/assets/uplot.css";
                    link rel="stylesheet" href="/assets/console.css";
                    script src="/assets/uplot.js" defer {}
                    script src="/assets/console.js" defer {}
                    @for script in scripts { script src=(script) defer {} }
                }
                body {
                    a .skip href="#content" { (self.t(texts::SKIP_TO_CONTENT)) }
                    (body)
                }
            }
        };
        (status, Html(page.into_string())).into_response()
    }

    /// This answer, or the page that says why there is none ([`Failure`]).
    pub fn explained(&self, response: Response) -> Response {
        match response.extensions().get::<Failure>() {
            Some(failure) => failure.page(self),
            None => response,
        }
    }

    /// A form that is sent to `action`, with the token that [`Form`] asks for.
    pub fn form(&self, action: &str, content: Markup) -> Markup {
        html! {
            form method="post" action=(action) {
                input type="hidden" name=(crate::form::TOKEN_FIELD) value=(self.form_token());
                (content)
            }
        }
    }

    /// What a form must carry to be taken. Who cannot read this browser's cookie cannot work it out.
    pub(crate) fn form_token(&self) -> String {
        hex::encode(digest(&SHA256, format!("touchmark form {}", self.cookie).as_bytes()))
    }

    /// The secret in this browser's cookie, by which a session is found. Only its hash is to be stored.
    pub fn secret(&self) -> &str {
        &self.cookie
    }

    /// The header that gives this browser another secret: at sign-in and sign-out, so that nobody who
    /// knew the old one comes along.
    pub fn fresh_cookie(&self) -> (String, HeaderValue) {
        let secret = new_secret(&self.console);
        let header = secret_cookie(&self.console, &secret);
        (secret, header)
    }

    fn header(&self) -> Markup {
        let console = &self.console;
        html! {
            header .top {
                a .brand href="/" {
                    img src="/assets/mark.svg" alt="" width="22" height="22";
                    span .brand-role { (self.t(console.title)) }
                    span .brand-place { (console.place) }
                }
                div .top-end {
                    (self.preferences())
                    @if let Some(person) = &self.person {
                        div .person {
                            span .person-name { (person.name) }
                            span .person-roles { (person.roles) }
                        }
                        (self.form("/sign-out", html! {
                            button .quiet type="submit" { (self.t(texts::SIGN_OUT)) }
                        }))
                    }
                }
            }
        }
    }

    /// The switches of language and theme.
    pub fn preferences(&self) -> Markup {
        self.form(
            "/preferences",
            html! {
                input type="hidden" name="return_to" value=(self.location);
                div .switch role="group" aria-label=(self.t(texts::LANGUAGE)) {
                    @for language in Language::ALL {
                        button type="submit" name="language" value=(language.tag()) lang=(language.tag())
                            aria-pressed=(language == self.language) { (language.name()) }
                    }
                }
                div .switch role="group" aria-label=(self.t(texts::THEME)) {
                    @for theme in Theme::ALL {
                        button type="submit" name="theme" value=(theme.word())
                            aria-pressed=(theme == self.theme) { (self.t(theme.name())) }
                    }
                }
            },
        )
    }

    fn navigation(&self) -> Markup {
        let entries = if self.person.is_some() { self.console.navigation } else { &[] };
        let current = self.path();
        let is_current = |path: &str| {
            current == path
                || path != "/" && current.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        };
        html! {
            @if !entries.is_empty() {
                nav .side aria-label=(self.t(texts::NAVIGATION)) {
                    ul {
                        @for entry in entries {
                            li {
                                a href=(entry.path) aria-current=[is_current(entry.path).then_some("page")] {
                                    (self.t(entry.name))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let visit = parts.extensions.get::<Self>().cloned();
        Ok(visit.expect("pages are served through Console::wrap, which begins a visit"))
    }
}

/// Begins a visit: a layer around all pages.
pub(crate) async fn begin(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let known = cookie(headers, &secret_cookie_name(&console)).filter(|secret| is_secret(secret));
    let is_new = known.is_none();
    let secret = known.map_or_else(|| new_secret(&console), ToOwned::to_owned);
    let accepted =
        || headers.get(ACCEPT_LANGUAGE).and_then(|header| header.to_str().ok()).map(Language::accepted);
    let visit = Visit {
        language: cookie(headers, LANGUAGE_COOKIE)
            .and_then(Language::of_tag)
            .or_else(accepted)
            .unwrap_or_default(),
        theme: cookie(headers, THEME_COOKIE).and_then(Theme::of_word).unwrap_or_default(),
        location: request.uri().path_and_query().map_or("/", |location| location.as_str()).to_owned(),
        cookie: secret.clone(),
        person: None,
        console: Arc::clone(&console),
    };
    request.extensions_mut().insert(visit.clone());
    let mut response = visit.explained(next.run(request).await);
    if is_new && !response.headers().contains_key(SET_COOKIE) {
        response.headers_mut().insert(SET_COOKIE, secret_cookie(&console, &secret));
    }
    response
}

/// What the switches send.
#[derive(Deserialize)]
pub(crate) struct Preferences {
    language: Option<String>,
    theme: Option<String>,
    return_to: String,
}

pub(crate) async fn set_preferences(visit: Visit, Form(chosen): Form<Preferences>) -> Response {
    // Only to a page of ours, wherever the form came from.
    let is_ours = chosen.return_to.starts_with('/')
        && !chosen.return_to.starts_with("//")
        && !chosen.return_to.contains('\\');
    let mut response = Redirect::to(if is_ours { &chosen.return_to } else { "/" }).into_response();
    let language = chosen.language.as_deref().and_then(Language::of_tag).map(Language::tag);
    let theme = chosen.theme.as_deref().and_then(Theme::of_word).map(Theme::word);
    for (name, word) in [(LANGUAGE_COOKIE, language), (THEME_COOKIE, theme)] {
        let Some(word) = word else { continue };
        let secure = if visit.console.over_tls { "; Secure" } else { "" };
        let text =
            format!("{name}={word}; Path=/; Max-Age={YEAR_SECONDS}; SameSite=Strict; HttpOnly{secure}");
        response.headers_mut().append(SET_COOKIE, header_value(&text));
    }
    response
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

fn is_secret(text: &str) -> bool {
    text.len() == 2 * COOKIE_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn new_secret(console: &Console) -> String {
    let mut bytes = [0; COOKIE_BYTES];
    console.random.fill(&mut bytes);
    hex::encode(bytes)
}

/// Named by its role: cookies do not know ports, and consoles may share a machine.
fn secret_cookie_name(console: &Console) -> String {
    let prefix = if console.over_tls { "__Host-" } else { "" };
    format!("{prefix}touchmark-{}", console.role)
}

fn secret_cookie(console: &Console, secret: &str) -> HeaderValue {
    let name = secret_cookie_name(console);
    let secure = if console.over_tls { "; Secure" } else { "" };
    header_value(&format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}"))
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("cookies are plain ASCII")
}
