//! One center: what it is made of, and what it does by itself.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use identity::{Member, Random};
use tokio::time::sleep;
use transport::{Client, HostTls};

use crate::desk::Desk;
use crate::files::Files;

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
    pub(crate) random: Arc<dyn Random>,
    pub(crate) files: Files,
    /// Where devices come in, to end what a device has open that may not come any more.
    pub(crate) tls: Option<Arc<HostTls>>,
    settings: Settings,
}

impl Center {
    /// The center that its certificate names `member`, with its books.
    pub fn new(member: Member, desk: Desk, random: Arc<dyn Random>, settings: Settings) -> Self {
        Self { member, desk, random, files: Files::new(&settings.files), tls: None, settings }
    }

    /// The same center, which serves at `tls` and so can end connections there.
    pub fn serving_at(self, tls: Arc<HostTls>) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The center's books.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Keeps the register up to date, for as long as it is polled.
    pub async fn tend(&self, authority: &Client) {
        loop {
            if let Err(error) = self.pull(authority).await {
                tracing::warn!(error = &error as &dyn Error, "registrations are late");
            }
            sleep(self.settings.pull_every).await;
        }
    }
}
