//! Parts of a page that stay current by themselves, over server-sent events.
//!
//! A page has `(live::part(&visit, "/live/stations", content))`; the route answers
//! [`stream()`], which sends the part's new content whenever it has changed. `console.js` puts it in place.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use maud::{Markup, html};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{Visit, catalogue::common as texts};

/// How often a live part is looked at.
pub const EVERY: Duration = Duration::from_secs(1);
/// How long a stream lasts. The browser then asks again, so that a service which stops or a session which ended
/// does not wait for a reader to go away.
pub const LASTS: Duration = Duration::from_secs(15);

/// A part of a page that follows the events of `source`.
pub fn part(visit: &Visit, source: &str, content: Markup) -> Markup {
    html! {
        div .live data-live=(source) data-lost=(visit.t(texts::NOT_LIVE)) {
            p .live-state role="status" { (visit.t(texts::LIVE)) }
            div .live-content { (content) }
        }
    }
}

/// The events of a live part: its content each time that it is another. `content` says what it is now.
pub fn stream<F>(content: impl Fn() -> F + Send + 'static) -> Response
where
    F: Future<Output = Option<Markup>> + Send + 'static,
{
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let state = (content, ticks, String::new(), Instant::now() + LASTS);
    let events = stream::unfold(state, |(content, mut ticks, mut last, end)| async move {
        loop {
            ticks.tick().await;
            if Instant::now() >= end {
                return None;
            }
            let markup = content().await?;
            if markup.0 != last {
                last = markup.0;
                let event = Event::default().data(&last).retry(EVERY);
                return Some((Ok::<_, Infallible>(event), (content, ticks, last, end)));
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}
