//! The open connections of a host, so that one can be ended whose peer may no longer come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::peer::Peer;

/// The open connections of one host, each with its peer.
#[derive(Default)]
pub(crate) struct OpenConnections {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    /// Dropping the sender ends the connection.
    connections: HashMap<u64, (Peer, oneshot::Sender<()>)>,
}

/// One connection's place among the open ones, given back on drop.
pub(crate) struct OpenConnection {
    all: Arc<OpenConnections>,
    id: u64,
    told_to_end: oneshot::Receiver<()>,
}

impl OpenConnections {
    /// Counts a connection of this peer among the open ones.
    pub(crate) fn open(self: &Arc<Self>, peer: Peer) -> OpenConnection {
        let (sender, told_to_end) = oneshot::channel();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let id = open.next;
        open.next += 1;
        open.connections.insert(id, (peer, sender));
        OpenConnection { all: Arc::clone(self), id, told_to_end }
    }

    /// Ends the connections of these peers. How many.
    pub(crate) fn end(&self, is_of: impl Fn(&Peer) -> bool) -> usize {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.connections.extract_if(|_, (peer, _)| is_of(peer)).count()
    }
}

impl OpenConnection {
    /// Completes when the connection is to end.
    pub(crate) async fn told_to_end(&mut self) {
        // Nothing is ever sent: that the sender is gone says it all.
        let _ = (&mut self.told_to_end).await;
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.all.open.lock().unwrap_or_else(PoisonError::into_inner).connections.remove(&self.id);
    }
}
