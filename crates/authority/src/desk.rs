//! The desk: what people do at an authority. It needs the store and nothing secret, so it works while
//! another process serves.

use std::sync::Arc;

use identity::{Clock, Member, Random};
use store::Store;

/// An authority's books. Clones share them.
#[derive(Clone)]
pub struct Desk {
    pub(crate) store: Store,
    pub(crate) member: Member,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Desk {
    /// The desk of the authority `member`, whose books are in `store`.
    pub fn new(store: Store, member: Member, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { store, member, clock, random }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.epoch_seconds()
    }
}
