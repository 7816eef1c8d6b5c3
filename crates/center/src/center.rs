//! One center: what it is made of, and what it does by itself.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use identity::{Member, Random};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use transport::{Client, HostTls};

use crate::desk::Desk;
use crate::files::Files;
use crate::together::Together;

/// How a center works.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How often the authority is asked for registrations.
    pub pull_every: Duration,
    /// The directory with the firmware packages.
    pub files: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self { pull_every: Duration::from_secs(10), files: "files".into() }
    }
}

/// A center at work.
pub struct Center {
    pub(crate) member: Member,
    pub(crate) desk: Desk,
    pub(crate) together: Together,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) files: Files,
    /// Where devices come in, to end what a device has open that may not come any more.
    pub(crate) tls: Option<Arc<HostTls>>,
    /// Where requests of managed devices are passed on to.
    pub(crate) authority: Option<Client>,
    news: News,
    settings: Settings,
}

/// How the authority is asked for registrations before it is time.
#[derive(Default)]
struct News {
    is_tended: AtomicBool,
    wanted: Notify,
    /// How often the authority was asked.
    asked: watch::Sender<u64>,
}

/// The authority is not asked again sooner than after this, whoever makes devices up.
const PULL_PAUSE: Duration = Duration::from_millis(500);
/// How long a call waits for what the authority has to say.
const NEWS_WAIT: Duration = Duration::from_secs(3);

impl Center {
    /// The center that its certificate names `member`, with its books.
    pub fn new(member: Member, desk: Desk, random: Arc<dyn Random>, settings: Settings) -> Self {
        let files = Files::new(&settings.files);
        let together = Together::new(&desk);
        Self {
            member,
            desk,
            together,
            random,
            files,
            tls: None,
            authority: None,
            news: News::default(),
            settings,
        }
    }

    /// The same center, which serves at `tls` and so can end connections there.
    pub fn serving_at(self, tls: Arc<HostTls>) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The same center, which passes requests of managed devices on to the authority.
    pub fn passing_on_to(self, authority: Client) -> Self {
        Self { authority: Some(authority), ..self }
    }

    /// The center's books.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Keeps the register up to date, for as long as it is polled.
    pub async fn tend(&self, authority: &Client) {
        self.news.is_tended.store(true, Ordering::Relaxed);
        loop {
            if let Err(error) = self.pull(authority).await {
                tracing::warn!(error = &error as &dyn Error, "registrations are late");
            }
            self.news.asked.send_modify(|times| *times += 1);
            sleep(PULL_PAUSE).await;
            let rest = self.settings.pull_every.saturating_sub(PULL_PAUSE);
            // Whether somebody wants to know, or it is time.
            let _ = timeout(rest, self.news.wanted.notified()).await;
        }
    }

    /// Whether somebody keeps the register up to date.
    pub(crate) fn is_tended(&self) -> bool {
        self.news.is_tended.load(Ordering::Relaxed)
    }

    /// Waits until the authority was asked once more. Where it does not answer, what is known counts.
    pub(crate) async fn hear_news(&self) {
        let mut asked = self.news.asked.subscribe();
        self.news.wanted.notify_one();
        let _ = timeout(NEWS_WAIT, asked.changed()).await;
    }
}
