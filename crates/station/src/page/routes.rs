//! The page's routes. Whoever has not shown a badge sees where to show it, and nothing else.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path as PathOf, State as Shared};
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use console::assets::Asset;
use console::catalogue::station as texts;
use console::{Form, Visit};
use futures_util::stream;
use identity::ProductCode;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use crate::page::floor::{Act, Floor};
use crate::page::view;

/// How often a page is looked at again where nothing happened: a time that it shows may go on.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long a stream of changes lasts before the browser asks for the next.
const STREAM_LASTS: Duration = Duration::from_secs(60);

/// When a browser asks again.
const ASK_AGAIN: Duration = Duration::from_millis(300);

/// A badge that is not good is answered so late, so that nobody tries many.
const BAD_BADGE_PAUSE: Duration = Duration::from_secs(1);

/// The largest form: a scan and the page's token.
const FORM_BYTES_MAX: usize = 4 * 1_024;

/// The largest drawing of a product.
const PICTURE_BYTES_MAX: u64 = 512 * 1_024;

const SVG: &str = "image/svg+xml";

const ASSETS: &[Asset] = &[
    Asset {
        path: "/assets/station.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../../assets/station.js"),
    },
    Asset { path: view::PICTURE, media_type: SVG, content: include_bytes!("../../assets/rating-plate.svg") },
];

type Station = Shared<Arc<Floor>>;

/// All routes.
pub fn router(floor: Arc<Floor>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/sign-on", post(sign_on))
        .route("/scan", post(scan))
        .route("/act", post(act))
        .route("/live", get(live))
        .route("/pictures/{product}", get(picture))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(floor)
        .merge(Asset::router(ASSETS))
}

async fn page(visit: Visit, Shared(floor): Station) -> Response {
    if floor.is_signed_on(visit.secret()) {
        view::station(&visit, &floor)
    } else {
        view::door(&visit, &floor, StatusCode::OK, None)
    }
}

#[derive(Deserialize)]
struct SignOn {
    badge: String,
}

async fn sign_on(visit: Visit, Shared(floor): Station, Form(form): Form<SignOn>) -> Response {
    let (secret, cookie) = visit.fresh_cookie();
    if !floor.sign_on(&form.badge, &secret) {
        sleep(BAD_BADGE_PAUSE).await;
        return view::door(&visit, &floor, StatusCode::FORBIDDEN, Some(texts::BADGE_UNKNOWN));
    }
    ([(SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

#[derive(Deserialize)]
struct Scan {
    scan: String,
}

async fn scan(visit: Visit, Shared(floor): Station, Form(form): Form<Scan>) -> Response {
    if !floor.is_signed_on(visit.secret()) {
        return view::door(&visit, &floor, StatusCode::UNAUTHORIZED, None);
    }
    floor.scan(&form.scan);
    Redirect::to("/").into_response()
}

#[derive(Deserialize)]
struct Wanted {
    act: Act,
}

async fn act(visit: Visit, Shared(floor): Station, Form(form): Form<Wanted>) -> Response {
    if !floor.is_signed_on(visit.secret()) {
        return view::door(&visit, &floor, StatusCode::UNAUTHORIZED, None);
    }
    floor.act(form.act);
    Redirect::to("/").into_response()
}

/// What the page shows, each time that it is something else.
async fn live(visit: Visit, Shared(floor): Station) -> Response {
    if !floor.is_signed_on(visit.secret()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let following = (visit, floor.follow(), floor, String::new(), Instant::now() + STREAM_LASTS);
    let events = stream::unfold(following, |(visit, mut changes, floor, last, end)| async move {
        loop {
            if Instant::now() >= end {
                return None;
            }
            if !floor.is_signed_on(visit.secret()) {
                let event = Event::default().event("signed-off").data("-");
                return Some((Ok::<_, Infallible>(event), (visit, changes, floor, last, Instant::now())));
            }
            changes.mark_unchanged();
            let shown = view::floor(&visit, &floor).into_string();
            if shown != last {
                let event = Event::default().data(&shown).retry(ASK_AGAIN);
                return Some((Ok(event), (visit, changes, floor, shown, end)));
            }
            // Whether it changed or time went by, it is looked at again.
            let _ = timeout(LOOK_AGAIN, changes.changed()).await;
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

/// The product's own drawing, or the one for all.
async fn picture(visit: Visit, Shared(floor): Station, PathOf(product): PathOf<String>) -> Response {
    if !floor.is_signed_on(visit.secret()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let own = match (product.parse::<ProductCode>(), &floor.page.pictures) {
        (Ok(product), Some(pictures)) => drawing(&pictures.join(format!("{}.svg", product.as_str()))).await,
        _ => None,
    };
    match own {
        Some(drawing) => ([(CONTENT_TYPE, HeaderValue::from_static(SVG))], drawing).into_response(),
        None => Redirect::to(view::PICTURE).into_response(),
    }
}

async fn drawing(path: &Path) -> Option<Vec<u8>> {
    let length = tokio::fs::metadata(path).await.ok()?.len();
    if length > PICTURE_BYTES_MAX {
        tracing::warn!(path = %path.display(), length, "the drawing is too large");
        return None;
    }
    tokio::fs::read(path).await.ok()
}
