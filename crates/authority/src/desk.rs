//! The desk: what people do at an authority. It needs the store and nothing secret, so it works while
//! another process serves.

use std::sync::Arc;

use identity::{Clock, Member, Random};
use pki::PublishedUrl;
use store::Store;

/// An authority's books. Clones share them.
#[derive(Clone)]
pub struct Desk {
    pub(crate) store: Store,
    pub(crate) member: Member,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) published: Option<PublishedUrl>,
}

impl Desk {
    /// The desk of the authority `member`, whose books are in `store`.
    pub fn new(store: Store, member: Member, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { store, member, clock, random, published: None }
    }

    /// The same desk of an authority that publishes CRLs and OCSP at this address, which certificates that
    /// it issues from now on name.
    pub fn published(self, url: PublishedUrl) -> Self {
        Self { published: Some(url), ..self }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.epoch_seconds()
    }
}
